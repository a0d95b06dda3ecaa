/* libFuzzer target: any sequence of reads over any bytes stays within them, and what is read of the
 * static types is written back as the same word. Input: u8 n, n reads, then the arguments. */
#include <stdlib.h>

#include "codec/abi.h"

static void require(bool truth) {
    if (!truth) abort();
}

enum { DEPTH_MAX = 8 };

typedef enum { WORD, UINT, BOOL, ADDRESS, FIXED, BYTES, ARRAY, TUPLE, BACK, KINDS } kind;

/* The word at the reader's next head, which was read without complaint. */
static void require_word(const pbts_abi_reader *before, const pbts_abi_tuple *again) {
    const uint8_t *word = again->writer->data;
    require(!again->writer->failed && again->writer->len == PBTS_ABI_WORD_LEN);
    require(memcmp(before->block.data + before->next, word, PBTS_ABI_WORD_LEN) == 0);
}

static void read_static(pbts_abi_reader *reader, kind kind, uint8_t argument) {
    uint8_t buffer[PBTS_ABI_WORD_LEN], out[PBTS_ABI_WORD_LEN];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_abi_tuple again = pbts_abi_open(&writer, 1);
    pbts_abi_reader before = *reader;
    size_t len = 1u + argument % PBTS_ABI_WORD_LEN;
    uint64_t number = 0;
    bool truth = false;
    pbts_status status = PBTS_OK;
    if (kind == WORD) {
        status = pbts_abi_read_word(reader, out);
        if (status == PBTS_OK) pbts_abi_put_word(&again, out);
    } else if (kind == UINT) {
        status = pbts_abi_read_uint(reader, &number, argument);
        if (status == PBTS_OK) pbts_abi_put_u64(&again, number);
        require(number <= argument);
    } else if (kind == BOOL) {
        status = pbts_abi_read_bool(reader, &truth);
        if (status == PBTS_OK) pbts_abi_put_u64(&again, truth);
    } else if (kind == ADDRESS) {
        status = pbts_abi_read_address(reader, out);
        if (status == PBTS_OK) pbts_abi_put_address(&again, out);
    } else {
        status = pbts_abi_read_bytes_fixed(reader, out, len);
        if (status == PBTS_OK) pbts_abi_put_bytes_fixed(&again, (pbts_span){ out, len });
    }
    if (status == PBTS_OK) require_word(&before, &again);
}

static void require_within(pbts_span inner, pbts_span outer) {
    require(inner.len <= outer.len && inner.data >= outer.data);
    require(inner.data + inner.len <= outer.data + outer.len);
}

/* The readers that are open, the innermost last. */
typedef struct {
    pbts_abi_reader readers[DEPTH_MAX];
    size_t depth;
} path;

static void enter(path *path, const pbts_abi_reader *inner) {
    require_within(inner->block, path->readers[path->depth].block);
    if (path->depth + 1 < DEPTH_MAX) path->readers[++path->depth] = *inner;
}

static void read_dynamic(path *path, kind kind, uint8_t argument) {
    pbts_abi_reader *reader = &path->readers[path->depth], inner;
    pbts_span bytes;
    size_t count = 0, item_words = 1u + argument;
    if (kind == BYTES && pbts_abi_read_bytes(reader, &bytes) == PBTS_OK) {
        require_within(bytes, reader->block);
    }
    if (kind == TUPLE && pbts_abi_read_tuple(reader, &inner) == PBTS_OK) enter(path, &inner);
    if (kind == ARRAY && pbts_abi_read_array(reader, &inner, &count, item_words) == PBTS_OK) {
        require(count <= inner.block.len / item_words / PBTS_ABI_WORD_LEN);
        enter(path, &inner);
    }
    if (kind == BACK && path->depth > 0) path->depth--;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_cursor in = pbts_cursor_over((pbts_span){ data, len });
    uint8_t reads_len = 0;
    pbts_span reads;
    path path = { .depth = 0 };
    if (pbts_read_u8(&in, &reads_len) != PBTS_OK ||
        pbts_read_span(&in, &reads, reads_len) != PBTS_OK) {
        return 0;
    }
    path.readers[0] = pbts_abi_reader_over(pbts_cursor_rest(&in));
    for (size_t i = 0; i < reads.len; i++) {
        kind kind = reads.data[i] % KINDS;
        uint8_t argument = reads.data[i] / KINDS;
        if (kind < BYTES) {
            read_static(&path.readers[path.depth], kind, argument);
        } else {
            read_dynamic(&path, kind, argument);
        }
    }
    return 0;
}
