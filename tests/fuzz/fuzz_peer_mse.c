/* libFuzzer target: both ends of Message Stream Encryption against an attacker who knows the keys.
 * Random bytes never pass the first hash, so the input says what a well-made handshake is to
 * contain, and how its bytes are then damaged and cut.
 *
 * Input: u8 flags (bit 0: our end is the initiator; bits 1-2, 3-4: methods of ours, of the other;
 * bit 5: the raw bytes that follow are the stream; bit 6: an unknown torrent), u8 part length,
 * u16 first padding, u16 second padding, u16 IA, then raw bytes, or (u16 at, u8 xor) ... */
#include <stdlib.h>

#include "base/writer.h"
#include "hash/dh.h"
#include "hash/sha.h"
#include "wire/peer_mse.h"

enum { STREAM_LEN_MAX = 32768, LENGTH_MASK = 0x1FFF };

static const uint8_t INFOHASH[20] = "torrent", OTHER[20] = "another";

static void require(bool truth) {
    if (!truth) abort();
}

/* All our randomness is this, so that the other end's shared secret is always the same. */
static pbts_status fill_ones(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    memset(out, 1, len);
    return PBTS_OK;
}

typedef struct {
    uint8_t public_key[PBTS_DH_LEN], shared[PBTS_DH_LEN];
} other_end;

static other_end other_of(void) {
    other_end other;
    pbts_dh_secret theirs = { { 7 } }, ours;
    uint8_t our_key[PBTS_DH_LEN];
    memset(ours.bytes, 1, sizeof ours.bytes);
    require(pbts_dh_public(other.public_key, &theirs) == PBTS_OK);
    require(pbts_dh_public(our_key, &ours) == PBTS_OK);
    require(pbts_dh_shared(other.shared, &theirs, our_key) == PBTS_OK);
    return other;
}

static void hash(uint8_t out[static 20], const char *tag, pbts_span a, pbts_span b) {
    pbts_sha1_state state;
    pbts_sha1_init(&state);
    pbts_sha1_update(&state, pbts_span_text(tag));
    pbts_sha1_update(&state, a);
    pbts_sha1_update(&state, b);
    pbts_sha1_final(&state, out);
}

typedef struct {
    uint8_t flags, part_len;
    uint16_t pad_len, inner_pad_len, initial_len;
} script;

static void write_zeros(pbts_writer *writer, size_t len) {
    uint8_t *at = pbts_write_reserve(writer, len);
    if (at != NULL) memset(at, 0, len);
}

/* What follows the key and its padding. */
static void write_handshake(pbts_writer *writer, const script *s, const other_end *other) {
    static const pbts_span NONE = { NULL, 0 };
    bool to_initiator = (s->flags & 1) != 0;
    pbts_span shared = PBTS_SPAN_OF(other->shared);
    pbts_span torrent = { (s->flags & 0x40) != 0 ? OTHER : INFOHASH, 20 };
    uint8_t digest[20], mask[20];
    if (!to_initiator) {
        hash(digest, "req1", shared, NONE);
        pbts_write_bytes(writer, PBTS_SPAN_OF(digest));
        hash(digest, "req2", torrent, NONE);
        hash(mask, "req3", shared, NONE);
        for (size_t i = 0; i < sizeof mask; i++) digest[i] ^= mask[i];
        pbts_write_bytes(writer, PBTS_SPAN_OF(digest));
    }
    pbts_rc4 cipher;
    hash(digest, to_initiator ? "keyB" : "keyA", shared, torrent);
    pbts_rc4_init(&cipher, PBTS_SPAN_OF(digest));
    pbts_rc4_skip(&cipher, 1024);
    size_t begun_at = writer->len;
    pbts_write_u64(writer, 0);
    pbts_write_u32(writer, (s->flags >> 3) & 3);
    pbts_write_u16(writer, s->inner_pad_len);
    write_zeros(writer, s->inner_pad_len);
    if (!to_initiator) {
        pbts_write_u16(writer, s->initial_len);
        write_zeros(writer, s->initial_len);
    }
    pbts_rc4_crypt(&cipher, writer->data + begun_at, writer->data + begun_at,
                   writer->len - begun_at);
}

static void damage(pbts_writer *writer, pbts_cursor *edits) {
    uint16_t at;
    uint8_t mask;
    while (pbts_read_u16(edits, &at) == PBTS_OK && pbts_read_u8(edits, &mask) == PBTS_OK)
        if (at < writer->len) writer->data[at] ^= mask;
}

/* Feed the stream in parts until it ends, fails, or is done. */
static void feed(pbts_mse *mse, pbts_span stream, size_t part_len) {
    size_t sent_len = 0;
    for (;;) {
        pbts_span out;
        while (pbts_mse_next_send(mse, &out)) sent_len += out.len;
        size_t used_len = 0, len = stream.len < part_len ? stream.len : part_len;
        if (len == 0) break;
        if (pbts_mse_receive(mse, &used_len, (pbts_span){ stream.data, len }) != PBTS_OK) {
            require(pbts_mse_state_of(mse) == PBTS_MSE_FAILED);
            return;
        }
        require(used_len <= len);
        stream = (pbts_span){ stream.data + used_len, stream.len - used_len };
        if (used_len < len) break;
    }
    pbts_mse_state state = pbts_mse_state_of(mse);
    require(stream.len == 0 || state == PBTS_MSE_DONE || state == PBTS_MSE_LEGACY);
    require(sent_len <= 2 * (96 + 512));
    if (state == PBTS_MSE_WAITING) return;
    require(pbts_mse_initial(mse).len <= PBTS_MSE_INITIAL_LEN_MAX);
    if (state == PBTS_MSE_LEGACY) return;
    pbts_mse_result result;
    pbts_mse_finish(mse, &result);
    require(result.method == PBTS_MSE_PLAINTEXT || result.method == PBTS_MSE_RC4);
    require(memcmp(result.infohash, INFOHASH, 20) == 0);
}

static void run(const script *s, pbts_span stream) {
    pbts_random random = { fill_ones };
    unsigned methods = (s->flags >> 1) & 3;
    if (methods == 0) methods = PBTS_MSE_PLAINTEXT | PBTS_MSE_RC4;
    unsigned preferred = methods == 3 ? PBTS_MSE_RC4 : methods;
    pbts_mse_config config = { pbts_mem_system(), &random, methods, preferred, true };
    pbts_mse_torrent torrent = pbts_mse_torrent_of(INFOHASH);
    pbts_mse *mse;
    pbts_status status = (s->flags & 1) != 0
                             ? pbts_mse_new_initiator(&mse, &config, &torrent, pbts_span_text("IA"))
                             : pbts_mse_new_responder(&mse, &config, &torrent, 1);
    require(status == PBTS_OK);
    feed(mse, stream, 1 + (size_t)s->part_len * 16);
    pbts_mse_free(mse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static uint8_t buffer[STREAM_LEN_MAX];
    static other_end other;
    static bool ready = false;
    if (!ready) other = other_of();
    ready = true;

    pbts_cursor in = pbts_cursor_over((pbts_span){ data, len });
    script s;
    if (pbts_read_u8(&in, &s.flags) != PBTS_OK) return 0;
    if (pbts_read_u8(&in, &s.part_len) != PBTS_OK) return 0;
    if (pbts_read_u16(&in, &s.pad_len) != PBTS_OK) return 0;
    if (pbts_read_u16(&in, &s.inner_pad_len) != PBTS_OK) return 0;
    if (pbts_read_u16(&in, &s.initial_len) != PBTS_OK) return 0;
    if ((s.flags & 0x20) != 0) {
        run(&s, pbts_cursor_rest(&in));
        return 0;
    }
    s.pad_len &= LENGTH_MASK, s.inner_pad_len &= LENGTH_MASK, s.initial_len &= LENGTH_MASK;
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(other.public_key));
    write_zeros(&writer, s.pad_len);
    write_handshake(&writer, &s, &other);
    pbts_write_text(&writer, "payload");
    require(pbts_writer_status(&writer) == PBTS_OK);
    damage(&writer, &in);
    run(&s, pbts_writer_span(&writer));
    return 0;
}
