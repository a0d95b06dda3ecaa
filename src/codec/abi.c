#include "codec/abi.h"

#include "base/assert.h"
#include "hash/keccak.h"

enum { WORD = PBTS_ABI_WORD_LEN };

void pbts_abi_selector(uint8_t out[static PBTS_ABI_SELECTOR_LEN], const char *signature) {
    uint8_t hash[PBTS_KECCAK256_LEN];
    pbts_keccak256(hash, pbts_span_text(signature));
    memcpy(out, hash, PBTS_ABI_SELECTOR_LEN);
}

/* ---- encoding ---- */

static uint8_t *append_zeros(pbts_writer *writer, size_t len) {
    uint8_t *at = pbts_write_reserve(writer, len);
    if (at != NULL && len > 0) memset(at, 0, len);
    return at;
}

pbts_abi_tuple pbts_abi_open(pbts_writer *writer, size_t head_words) {
    pbts_abi_tuple tuple = { .writer = writer, .start = writer->len, .head = writer->len };
    if (head_words > SIZE_MAX / WORD) {
        writer->failed = true;
    } else {
        (void)append_zeros(writer, head_words * WORD);
    }
    tuple.heads_end = writer->len;
    return tuple;
}

/* The next head, all zero; NULL once the writer failed. */
static uint8_t *next_head(pbts_abi_tuple *tuple) {
    if (tuple->writer->failed) return NULL;
    assert(tuple->heads_end - tuple->head >= WORD);
    uint8_t *head = tuple->writer->data + tuple->head;
    tuple->head += WORD;
    return head;
}

void pbts_abi_put_u256(pbts_abi_tuple *tuple, const pbts_u256 *value) {
    pbts_abi_put_word(tuple, value->bytes);
}

void pbts_abi_put_word(pbts_abi_tuple *tuple, const uint8_t word[static PBTS_ABI_WORD_LEN]) {
    uint8_t *head = next_head(tuple);
    if (head != NULL) memcpy(head, word, WORD);
}

void pbts_abi_put_u64(pbts_abi_tuple *tuple, uint64_t value) {
    pbts_u256 word = pbts_u256_from_u64(value);
    pbts_abi_put_u256(tuple, &word);
}

void pbts_abi_put_address(pbts_abi_tuple *tuple,
                          const uint8_t address[static PBTS_ABI_ADDRESS_LEN]) {
    uint8_t *head = next_head(tuple);
    if (head != NULL) memcpy(head + WORD - PBTS_ABI_ADDRESS_LEN, address, PBTS_ABI_ADDRESS_LEN);
}

void pbts_abi_put_bytes_fixed(pbts_abi_tuple *tuple, pbts_span bytes) {
    assert(bytes.len >= 1 && bytes.len <= WORD);
    uint8_t *head = next_head(tuple);
    if (head != NULL) memcpy(head, bytes.data, bytes.len);
}

/* Fill the next head with the place where the tail begins: here. */
static void put_offset(pbts_abi_tuple *tuple) {
    pbts_abi_put_u64(tuple, tuple->writer->len - tuple->start);
}

static void append_word(pbts_writer *writer, uint64_t value) {
    pbts_u256 word = pbts_u256_from_u64(value);
    pbts_write_bytes(writer, PBTS_SPAN_OF(word.bytes));
}

void pbts_abi_put_bytes(pbts_abi_tuple *tuple, pbts_span bytes) {
    put_offset(tuple);
    append_word(tuple->writer, bytes.len);
    pbts_write_bytes(tuple->writer, bytes);
    (void)append_zeros(tuple->writer, (WORD - bytes.len % WORD) % WORD);
}

pbts_abi_tuple pbts_abi_put_array(pbts_abi_tuple *tuple, uint64_t count, size_t head_words) {
    put_offset(tuple);
    append_word(tuple->writer, count);
    return pbts_abi_open(tuple->writer, head_words);
}

pbts_abi_tuple pbts_abi_put_tuple(pbts_abi_tuple *tuple, size_t head_words) {
    put_offset(tuple);
    return pbts_abi_open(tuple->writer, head_words);
}

void pbts_abi_close(const pbts_abi_tuple *tuple) {
    assert(tuple->writer->failed || tuple->head == tuple->heads_end);
}

/* ---- decoding ---- */

pbts_abi_reader pbts_abi_reader_over(pbts_span bytes) {
    return (pbts_abi_reader){ .block = bytes };
}

static bool all_zero(const uint8_t *bytes, size_t len) {
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) any |= bytes[i];
    return any == 0;
}

/* Borrow the next head. */
static pbts_status next_word(pbts_abi_reader *reader, const uint8_t **word) {
    assert(reader->next <= reader->block.len);
    if (reader->block.len - reader->next < WORD) return PBTS_MALFORMED;
    *word = reader->block.data + reader->next;
    reader->next += WORD;
    return PBTS_OK;
}

pbts_status pbts_abi_read_word(pbts_abi_reader *reader, uint8_t out[static PBTS_ABI_WORD_LEN]) {
    const uint8_t *word = NULL;
    PBTS_TRY(next_word(reader, &word));
    memcpy(out, word, WORD);
    return PBTS_OK;
}

pbts_status pbts_abi_read_u256(pbts_abi_reader *reader, pbts_u256 *out) {
    return pbts_abi_read_word(reader, out->bytes);
}

pbts_status pbts_abi_read_uint(pbts_abi_reader *reader, uint64_t *out, uint64_t max) {
    pbts_u256 word;
    uint64_t value = 0;
    PBTS_TRY(pbts_abi_read_u256(reader, &word));
    if (pbts_u256_to_u64(&value, &word) != PBTS_OK || value > max) return PBTS_MALFORMED;
    *out = value;
    return PBTS_OK;
}

pbts_status pbts_abi_read_bool(pbts_abi_reader *reader, bool *out) {
    uint64_t value = 0;
    PBTS_TRY(pbts_abi_read_uint(reader, &value, 1));
    *out = value == 1;
    return PBTS_OK;
}

pbts_status pbts_abi_read_address(pbts_abi_reader *reader,
                                  uint8_t out[static PBTS_ABI_ADDRESS_LEN]) {
    const uint8_t *word = NULL;
    PBTS_TRY(next_word(reader, &word));
    if (!all_zero(word, WORD - PBTS_ABI_ADDRESS_LEN)) return PBTS_MALFORMED;
    memcpy(out, word + WORD - PBTS_ABI_ADDRESS_LEN, PBTS_ABI_ADDRESS_LEN);
    return PBTS_OK;
}

pbts_status pbts_abi_read_bytes_fixed(pbts_abi_reader *reader, uint8_t *out, size_t len) {
    const uint8_t *word = NULL;
    assert(len >= 1 && len <= WORD);
    PBTS_TRY(next_word(reader, &word));
    if (!all_zero(word + len, WORD - len)) return PBTS_MALFORMED;
    memcpy(out, word, len);
    return PBTS_OK;
}

/* Follow the next head to a tail: a reader over all that is behind that place. */
static pbts_status follow(pbts_abi_reader *reader, pbts_abi_reader *tail) {
    uint64_t offset = 0;
    PBTS_TRY(pbts_abi_read_uint(reader, &offset, reader->block.len));
    if (offset % WORD != 0) return PBTS_MALFORMED;
    *tail = pbts_abi_reader_over(
        (pbts_span){ reader->block.data + (size_t)offset, reader->block.len - (size_t)offset });
    return PBTS_OK;
}

pbts_status pbts_abi_read_bytes(pbts_abi_reader *reader, pbts_span *out) {
    pbts_abi_reader tail;
    uint64_t len = 0;
    PBTS_TRY(follow(reader, &tail));
    PBTS_TRY(pbts_abi_read_uint(&tail, &len, tail.block.len));
    size_t padding = (WORD - (size_t)len % WORD) % WORD, left = tail.block.len - tail.next;
    if (len > left || padding > left - (size_t)len) return PBTS_MALFORMED;
    const uint8_t *bytes = tail.block.data + tail.next;
    if (!all_zero(bytes + len, padding)) return PBTS_MALFORMED;
    *out = (pbts_span){ bytes, (size_t)len };
    return PBTS_OK;
}

pbts_status pbts_abi_read_array(pbts_abi_reader *reader, pbts_abi_reader *items, size_t *count,
                                size_t item_words) {
    pbts_abi_reader tail;
    uint64_t number = 0;
    assert(item_words >= 1 && item_words <= SIZE_MAX / WORD);
    PBTS_TRY(follow(reader, &tail));
    PBTS_TRY(pbts_abi_read_uint(&tail, &number, tail.block.len));
    pbts_span rest = { tail.block.data + tail.next, tail.block.len - tail.next };
    if (number > rest.len / (item_words * WORD)) return PBTS_MALFORMED;
    *items = pbts_abi_reader_over(rest);
    *count = (size_t)number;
    return PBTS_OK;
}

pbts_status pbts_abi_read_tuple(pbts_abi_reader *reader, pbts_abi_reader *members) {
    return follow(reader, members);
}
