/* Unit tests of wire/peer_message.c: known bytes both ways, every truncation, every length of every
 * type, bounds, and streams cut anywhere. */
#include "wire/peer_message.h"

#include "wire_test.h"

static const pbts_peer_bounds UNKNOWN = { 0, 0 };
static const pbts_peer_bounds TORRENT = { .piece_count = 20, .piece_length_bytes = 65536 };

/* -- handshake ----------------------------------------------------------------------------- */

/* Byte i holds i, but for the 20 that say what it is. */
static void known_handshake(uint8_t out[static PBTS_PEER_HANDSHAKE_LEN]) {
    for (size_t i = 0; i < PBTS_PEER_HANDSHAKE_LEN; i++) out[i] = (uint8_t)i;
    memcpy(out,
           "\x13"
           "BitTorrent protocol",
           20);
}

static pbts_status handshake_status(pbts_span bytes, bool head) {
    pbts_peer_handshake handshake, untouched;
    memset(&handshake, 0x5A, sizeof handshake);
    memset(&untouched, 0x5A, sizeof untouched);
    uint8_t *copy = exact_copy(bytes);
    pbts_span exact = { copy, bytes.len };
    pbts_status status = head ? pbts_peer_handshake_decode_head(&handshake, exact)
                              : pbts_peer_handshake_decode(&handshake, exact);
    free(copy);
    if (status != PBTS_OK) assert_memory_equal(&handshake, &untouched, sizeof untouched);
    return status;
}

static void a_handshake_has_every_field_at_its_offset(void **state) {
    uint8_t bytes[PBTS_PEER_HANDSHAKE_LEN], encoded[PBTS_PEER_HANDSHAKE_LEN];
    pbts_peer_handshake handshake, head;
    known_handshake(bytes);
    assert_int_equal(pbts_peer_handshake_decode(&handshake, PBTS_SPAN_OF(bytes)), PBTS_OK);
    assert_true(handshake.features == 0x1415161718191A1Bu);
    assert_memory_equal(handshake.infohash, bytes + 28, 20);
    assert_memory_equal(handshake.peer_id, bytes + 48, 20);
    pbts_peer_handshake_encode(encoded, &handshake);
    assert_memory_equal(encoded, bytes, sizeof bytes);

    assert_int_equal(pbts_peer_handshake_decode_head(&head, (pbts_span){ bytes, 48 }), PBTS_OK);
    memset(handshake.peer_id, 0, sizeof handshake.peer_id);
    assert_memory_equal(&head, &handshake, sizeof head);
}

static void a_short_handshake_needs_more(void **state) {
    uint8_t bytes[PBTS_PEER_HANDSHAKE_LEN];
    known_handshake(bytes);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        pbts_span cut = { bytes, len };
        assert_int_equal(handshake_status(cut, false), len < 68 ? PBTS_NEED_MORE : PBTS_OK);
        assert_int_equal(handshake_status(cut, true), len < 48 ? PBTS_NEED_MORE : PBTS_OK);
    }
}

static void another_protocol_is_refused_at_its_first_other_byte(void **state) {
    for (size_t at = 0; at < PBTS_PEER_HANDSHAKE_PREFIX_LEN; at++) {
        uint8_t bytes[PBTS_PEER_HANDSHAKE_LEN];
        known_handshake(bytes);
        bytes[at] ^= 1;
        for (size_t len = 0; len <= sizeof bytes; len++) {
            pbts_status want = len <= at ? PBTS_NEED_MORE : PBTS_MALFORMED;
            assert_int_equal(handshake_status((pbts_span){ bytes, len }, false), want);
            assert_int_equal(handshake_status((pbts_span){ bytes, len }, true), want);
        }
    }
}

/* What the clients of Debian 12 send in the reserved bytes. */
static void features_of_real_clients_are_understood(void **state) {
    static const struct {
        uint8_t reserved[8];
        uint64_t features;
    } CLIENTS[] = {
        { { 0, 0, 0, 0, 0, 0x10, 0, 0x05 }, /* libtorrent 2.0.8 */
          PBTS_PEER_FEATURE_EXTENDED | PBTS_PEER_FEATURE_FAST | PBTS_PEER_FEATURE_DHT },
        { { 0, 0, 0, 0, 0, 0x10, 0, 0x04 }, /* Transmission 3.00, aria2 1.36 */
          PBTS_PEER_FEATURE_EXTENDED | PBTS_PEER_FEATURE_FAST },
        { { 0, 0, 0, 0, 0, 0x10, 0, 0 }, PBTS_PEER_FEATURE_EXTENDED }, /* rtorrent 0.9.8 */
        { { 0, 0, 0, 0, 0, 0, 0, 0x10 }, PBTS_PEER_FEATURE_V2 },
    };
    for (size_t i = 0; i < COUNT_OF(CLIENTS); i++) {
        uint8_t bytes[PBTS_PEER_HANDSHAKE_LEN];
        pbts_peer_handshake handshake;
        known_handshake(bytes);
        memcpy(bytes + 20, CLIENTS[i].reserved, 8);
        assert_int_equal(pbts_peer_handshake_decode(&handshake, PBTS_SPAN_OF(bytes)), PBTS_OK);
        assert_true(handshake.features == CLIENTS[i].features);
    }
}

/* -- messages ------------------------------------------------------------------------------ */

typedef struct {
    const char *bytes;
    size_t len;
    pbts_peer_message message;
} sample;
#define BYTES(literal) (literal), sizeof(literal) - 1

#define ROOT "0123456789abcdefghijklmnopqrstuv"
#define NODES ROOT ROOT
#define HASH_NUMBERS \
    "\0\0\0\1"       \
    "\0\0\0\4"       \
    "\0\0\0\2"       \
    "\0\0\0\3"
#define HASH_FIELDS \
    .pieces_root = ROOT_ARRAY, .base_layer = 1, .index = 4, .length = 2, .proof_layers = 3
#define ROOT_ARRAY                                                                                \
    {                                                                                             \
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', \
            'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v'                  \
    }

/* One of each type that fits TORRENT, as the BEPs write them. */
static const sample SAMPLES[] = {
    { BYTES("\0\0\0\0"), { .type = PBTS_PEER_KEEP_ALIVE } },
    { BYTES("\0\0\0\1\0"), { .type = PBTS_PEER_CHOKE } },
    { BYTES("\0\0\0\1\1"), { .type = PBTS_PEER_UNCHOKE } },
    { BYTES("\0\0\0\1\2"), { .type = PBTS_PEER_INTERESTED } },
    { BYTES("\0\0\0\1\3"), { .type = PBTS_PEER_NOT_INTERESTED } },
    { BYTES("\0\0\0\5\4\0\0\0\x13"), { .type = PBTS_PEER_HAVE, .piece_index = 19 } },
    { BYTES("\0\0\0\4\5\xFF\x01\xF0"),
      { .type = PBTS_PEER_BITFIELD, .bitfield = { (const uint8_t *)"\xFF\x01\xF0", 3 } } },
    { BYTES("\0\0\0\x0D\6\0\0\0\7\0\0\x80\0\0\0\x40\0"),
      { .type = PBTS_PEER_REQUEST, .block = { 7, 32768, 16384 } } },
    { BYTES("\0\0\x40\x09\7\0\0\0\7\0\0\x80\0"),
      { .type = PBTS_PEER_PIECE, .block = { 7, 32768, 16384 } } },
    { BYTES("\0\0\0\x0D\x08\0\0\0\7\0\0\x80\0\0\0\x40\0"),
      { .type = PBTS_PEER_CANCEL, .block = { 7, 32768, 16384 } } },
    { BYTES("\0\0\0\3\x09\x1A\xE1"), { .type = PBTS_PEER_PORT, .dht_port = 6881 } },
    { BYTES("\0\0\0\5\x0D\0\0\0\1"), { .type = PBTS_PEER_SUGGEST, .piece_index = 1 } },
    { BYTES("\0\0\0\1\x0E"), { .type = PBTS_PEER_HAVE_ALL } },
    { BYTES("\0\0\0\1\x0F"), { .type = PBTS_PEER_HAVE_NONE } },
    { BYTES("\0\0\0\x0D\x10\0\0\0\7\0\0\x80\0\0\0\x40\0"),
      { .type = PBTS_PEER_REJECT, .block = { 7, 32768, 16384 } } },
    { BYTES("\0\0\0\5\x11\0\0\0\0"), { .type = PBTS_PEER_ALLOWED_FAST, .piece_index = 0 } },
    { BYTES("\0\0\0\4\x14\0de"),
      { .type = PBTS_PEER_EXTENDED, .extended = { 0, { (const uint8_t *)"de", 2 } } } },
    { BYTES("\0\0\0\2\x14\xFF"),
      { .type = PBTS_PEER_EXTENDED, .extended = { 255, { (const uint8_t *)"", 0 } } } },
    { BYTES("\0\0\0\x31\x15" ROOT HASH_NUMBERS),
      { .type = PBTS_PEER_HASH_REQUEST, .hashes = { HASH_FIELDS } } },
    { BYTES("\0\0\0\x71\x16" ROOT HASH_NUMBERS NODES),
      { .type = PBTS_PEER_HASHES,
        .hashes = { HASH_FIELDS, .hashes = { (const uint8_t *)NODES, 64 } } } },
    { BYTES("\0\0\0\x31\x17" ROOT HASH_NUMBERS),
      { .type = PBTS_PEER_HASH_REJECT, .hashes = { HASH_FIELDS } } },
};

static void assert_same_block(const pbts_peer_block *found, const pbts_peer_block *want) {
    assert_int_equal(found->index, want->index);
    assert_int_equal(found->begin, want->begin);
    assert_int_equal(found->length, want->length);
}

static void assert_same_hashes(const pbts_peer_hashes *found, const pbts_peer_hashes *want) {
    assert_memory_equal(found->pieces_root, want->pieces_root, 32);
    assert_int_equal(found->base_layer, want->base_layer);
    assert_int_equal(found->index, want->index);
    assert_int_equal(found->length, want->length);
    assert_int_equal(found->proof_layers, want->proof_layers);
    assert_true(pbts_span_equal(found->hashes, want->hashes));
}

static void assert_same(const pbts_peer_message *found, const pbts_peer_message *want) {
    assert_int_equal(found->type, want->type);
    switch (want->type) {
    case PBTS_PEER_HAVE:
    case PBTS_PEER_SUGGEST:
    case PBTS_PEER_ALLOWED_FAST: assert_int_equal(found->piece_index, want->piece_index); return;
    case PBTS_PEER_BITFIELD: assert_true(pbts_span_equal(found->bitfield, want->bitfield)); return;
    case PBTS_PEER_REQUEST:
    case PBTS_PEER_PIECE:
    case PBTS_PEER_CANCEL:
    case PBTS_PEER_REJECT: assert_same_block(&found->block, &want->block); return;
    case PBTS_PEER_PORT: assert_int_equal(found->dht_port, want->dht_port); return;
    case PBTS_PEER_EXTENDED:
    case PBTS_PEER_UNKNOWN:
        assert_int_equal(found->extended.id, want->extended.id);
        assert_true(pbts_span_equal(found->extended.body, want->extended.body));
        return;
    case PBTS_PEER_HASH_REQUEST:
    case PBTS_PEER_HASHES:
    case PBTS_PEER_HASH_REJECT: assert_same_hashes(&found->hashes, &want->hashes); return;
    default: return;
    }
}

/* Decode an exact copy; what is not OK must leave the outputs alone. */
static pbts_status status_of(pbts_span bytes, const pbts_peer_bounds *bounds) {
    pbts_peer_message message, untouched;
    size_t used_len = 12345;
    memset(&message, 0x5A, sizeof message);
    memset(&untouched, 0x5A, sizeof untouched);
    uint8_t *copy = exact_copy(bytes);
    pbts_span exact = { copy, bytes.len };
    pbts_status status = pbts_peer_message_decode(&message, &used_len, exact, bounds);
    if (status != PBTS_OK) {
        assert_memory_equal(&message, &untouched, sizeof untouched);
        assert_int_equal(used_len, 12345);
    } else {
        assert_true(used_len <= bytes.len);
    }
    free(copy);
    return status;
}

static void messages_are_these_bytes_both_ways(void **state) {
    for (size_t i = 0; i < COUNT_OF(SAMPLES); i++) {
        const sample *s = &SAMPLES[i];
        uint8_t buffer[256];
        pbts_writer writer = pbts_writer_over(buffer, s->len);
        pbts_peer_message_encode(&writer, &s->message);
        assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
        assert_int_equal(writer.len, s->len);
        assert_memory_equal(buffer, s->bytes, s->len);

        pbts_peer_message found;
        size_t used_len = 0;
        memcpy(buffer + s->len, "\xFF\xFF\xFF\xFF\xFF", 5); /* what follows is not looked at */
        pbts_span arrived = { buffer, s->len + 5 };
        assert_int_equal(pbts_peer_message_decode(&found, &used_len, arrived, &TORRENT), PBTS_OK);
        assert_int_equal(used_len, s->len);
        assert_same(&found, &s->message);
        assert_int_equal(pbts_peer_message_decode(&found, &used_len, arrived, &UNKNOWN), PBTS_OK);
        assert_int_equal(used_len, s->len);
    }
}

static void a_message_that_does_not_fit_is_not_written(void **state) {
    for (size_t i = 0; i < COUNT_OF(SAMPLES); i++) {
        uint8_t buffer[256];
        for (size_t capacity = 0; capacity < SAMPLES[i].len; capacity++) {
            pbts_writer writer = pbts_writer_over(buffer, capacity);
            pbts_peer_message_encode(&writer, &SAMPLES[i].message);
            assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);
        }
    }
}

/* However few bytes are there, as many as it says it wants are needed for more to be said. */
static void a_cut_message_says_how_much_it_wants(void **state) {
    for (size_t i = 0; i < COUNT_OF(SAMPLES); i++) {
        const uint8_t *bytes = (const uint8_t *)SAMPLES[i].bytes;
        size_t len = 0, rounds = 0;
        for (; len < SAMPLES[i].len; rounds++) {
            size_t wanted = pbts_peer_message_wanted((pbts_span){ bytes, len });
            assert_true(wanted > len && wanted <= SAMPLES[i].len);
            for (; len < wanted; len++)
                assert_int_equal(status_of((pbts_span){ bytes, len }, &TORRENT), PBTS_NEED_MORE);
        }
        assert_int_equal(status_of((pbts_span){ bytes, len }, &TORRENT), PBTS_OK);
        assert_true(rounds <= 3); /* the length, the type, the rest */
    }
}

static void what_is_wanted_never_exceeds_the_buffer(void **state) {
    static const uint8_t HUGE_FRAME[5] = { 0xFF, 0xFF, 0xFF, 0xFF, PBTS_PEER_BITFIELD };
    assert_int_equal(pbts_peer_message_wanted(PBTS_SPAN_OF(HUGE_FRAME)), PBTS_PEER_MESSAGE_LEN_MAX);
    static const uint8_t EMPTY[4] = { 0 };
    assert_int_equal(pbts_peer_message_wanted(PBTS_SPAN_OF(EMPTY)), 4);
}

/* The payload is nobody's business here: 13 bytes decide, and they are all that is used. */
static void a_piece_is_decoded_from_its_header_alone(void **state) {
    pbts_peer_block block = { 3, 49152, 16384 };
    uint8_t header[PBTS_PEER_PIECE_HEADER_LEN];
    pbts_peer_piece_header(header, &block);
    uint8_t *copy = exact_copy(PBTS_SPAN_OF(header));
    pbts_peer_message found;
    size_t used_len = 0;
    assert_int_equal(pbts_peer_message_decode(&found, &used_len, (pbts_span){ copy, 13 }, &TORRENT),
                     PBTS_OK);
    assert_int_equal(used_len, 13);
    assert_int_equal(found.type, PBTS_PEER_PIECE);
    assert_same_block(&found.block, &block);
    free(copy);
}

/* -- lengths ------------------------------------------------------------------------------- */

/* What a frame of type and body length is as soon as the type is there; NEED_MORE: it may be. */
static pbts_status expected(unsigned type, uint32_t body_len) {
    static const struct {
        uint8_t type;
        uint32_t least, most;
        bool variable;
    } RULES[] = {
        { 0, 0, 0, false },      { 1, 0, 0, false },     { 2, 0, 0, false },
        { 3, 0, 0, false },      { 4, 4, 4, false },     { 5, 1, 131072, true },
        { 6, 12, 12, false },    { 7, 9, 131080, true }, { 8, 12, 12, false },
        { 9, 2, 2, false },      { 13, 4, 4, false },    { 14, 0, 0, false },
        { 15, 0, 0, false },     { 16, 12, 12, false },  { 17, 4, 4, false },
        { 20, 1, 135169, true }, { 21, 48, 48, false },  { 22, 48, 48 + 32 * 544, true },
        { 23, 48, 48, false },
    };
    for (size_t i = 0; i < COUNT_OF(RULES); i++) {
        if (RULES[i].type != type) continue;
        if (body_len < RULES[i].least) return PBTS_MALFORMED;
        if (body_len > RULES[i].most) return RULES[i].variable ? PBTS_LIMIT : PBTS_MALFORMED;
        if (type == 22 && (body_len - 48) % 32 != 0) return PBTS_MALFORMED;
        return PBTS_NEED_MORE;
    }
    return body_len > 65536 ? PBTS_LIMIT : PBTS_NEED_MORE;
}

static void every_type_has_its_lengths_and_no_others(void **state) {
    static const uint32_t LENGTHS[] = { 65535,  65536,  65537,  131071, 131072, 131073, 131080,
                                        131081, 135168, 135169, 17455,  17456,  17457,  17488 };
    for (unsigned type = 0; type < 256; type++) {
        for (uint32_t i = 0; i < 200 + COUNT_OF(LENGTHS); i++) {
            uint32_t body_len = i < 200 ? i : LENGTHS[i - 200];
            uint8_t bytes[5] = { 0 };
            bytes[0] = (uint8_t)((body_len + 1) >> 24), bytes[1] = (uint8_t)((body_len + 1) >> 16);
            bytes[2] = (uint8_t)((body_len + 1) >> 8), bytes[3] = (uint8_t)(body_len + 1);
            bytes[4] = (uint8_t)type;
            pbts_status want = expected(type, body_len);
            pbts_status found = status_of(PBTS_SPAN_OF(bytes), &UNKNOWN);
            if (want == PBTS_NEED_MORE && body_len == 0) want = PBTS_OK;
            if (found != want) fail_msg("type %u, %u bytes: %d", type, body_len, found);
        }
    }
}

static void a_length_above_all_limits_is_refused_before_the_type_is_there(void **state) {
    static const uint8_t AT_LIMIT[4] = { 0, 2, 0x10, 2 }, PAST_IT[4] = { 0, 2, 0x10, 3 };
    assert_int_equal(PBTS_PEER_MESSAGE_LEN_MAX, 4 + 0x21002);
    assert_int_equal(status_of(PBTS_SPAN_OF(AT_LIMIT), &UNKNOWN), PBTS_NEED_MORE);
    assert_int_equal(status_of(PBTS_SPAN_OF(PAST_IT), &UNKNOWN), PBTS_LIMIT);
}

static void other_types_are_given_to_be_passed_over(void **state) {
    static const uint8_t BYTES_250[] = { 0, 0, 0, 3, 250, 1, 2 };
    pbts_peer_message found;
    size_t used_len = 0;
    assert_int_equal(pbts_peer_message_decode(&found, &used_len, PBTS_SPAN_OF(BYTES_250), &TORRENT),
                     PBTS_OK);
    assert_int_equal(found.type, PBTS_PEER_UNKNOWN);
    assert_int_equal(found.extended.id, 250);
    assert_memory_equal(found.extended.body.data, "\1\2", 2);
    assert_int_equal(used_len, 7);
}

/* -- bounds -------------------------------------------------------------------------------- */

static pbts_status block_status(uint8_t type, pbts_peer_block block,
                                const pbts_peer_bounds *bounds) {
    uint8_t bytes[17] = { 0, 0, 0, 13, type };
    uint32_t fields[3] = { block.index, block.begin, block.length };
    for (size_t i = 0; i < 12; i++) bytes[5 + i] = (uint8_t)(fields[i / 4] >> (24 - 8 * (i % 4)));
    return status_of(PBTS_SPAN_OF(bytes), bounds);
}

static void blocks_lie_within_their_piece(void **state) {
    static const struct {
        pbts_peer_block block;
        pbts_status known, unknown; /* with the torrent's bounds, and without */
    } CASES[] = {
        { { 0, 0, 16384 }, PBTS_OK, PBTS_OK },
        { { 19, 49152, 16384 }, PBTS_OK, PBTS_OK },
        { { 0, 0, 0 }, PBTS_MALFORMED, PBTS_MALFORMED },
        { { 20, 0, 16384 }, PBTS_MALFORMED, PBTS_OK },
        { { PBTS_PIECES_MAX - 1, 0, 1 }, PBTS_MALFORMED, PBTS_OK },
        { { PBTS_PIECES_MAX, 0, 1 }, PBTS_MALFORMED, PBTS_LIMIT },
        { { UINT32_MAX, 0, 1 }, PBTS_MALFORMED, PBTS_LIMIT },
        { { 0, 0, 65536 }, PBTS_OK, PBTS_OK },
        { { 0, 0, 65537 }, PBTS_MALFORMED, PBTS_OK },
        { { 0, 49153, 16384 }, PBTS_MALFORMED, PBTS_OK },
        { { 0, 65535, 1 }, PBTS_OK, PBTS_OK },
        { { 0, 65536, 1 }, PBTS_MALFORMED, PBTS_OK },
        { { 0, 0, 131072 }, PBTS_MALFORMED, PBTS_OK },
        { { 0, 0, 131073 }, PBTS_LIMIT, PBTS_LIMIT },
        { { 0, 0, UINT32_MAX }, PBTS_LIMIT, PBTS_LIMIT },
        { { 0, UINT32_MAX, 16384 }, PBTS_MALFORMED, PBTS_LIMIT },
        { { 0, PBTS_PIECE_LENGTH_MAX - 1, 1 }, PBTS_MALFORMED, PBTS_OK },
        { { 0, PBTS_PIECE_LENGTH_MAX, 1 }, PBTS_MALFORMED, PBTS_LIMIT },
    };
    static const uint8_t TYPES[] = { PBTS_PEER_REQUEST, PBTS_PEER_CANCEL, PBTS_PEER_REJECT };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        for (size_t t = 0; t < COUNT_OF(TYPES); t++) {
            assert_int_equal(block_status(TYPES[t], CASES[i].block, &TORRENT), CASES[i].known);
            assert_int_equal(block_status(TYPES[t], CASES[i].block, &UNKNOWN), CASES[i].unknown);
        }
    }
}

static void a_piece_lies_within_its_piece_too(void **state) {
    uint8_t header[PBTS_PEER_PIECE_HEADER_LEN];
    pbts_peer_piece_header(header, &(pbts_peer_block){ 19, 49152, 16384 });
    assert_int_equal(status_of(PBTS_SPAN_OF(header), &TORRENT), PBTS_OK);
    pbts_peer_piece_header(header, &(pbts_peer_block){ 19, 49153, 16384 });
    assert_int_equal(status_of(PBTS_SPAN_OF(header), &TORRENT), PBTS_MALFORMED);
    pbts_peer_piece_header(header, &(pbts_peer_block){ 20, 0, 16384 });
    assert_int_equal(status_of(PBTS_SPAN_OF(header), &TORRENT), PBTS_MALFORMED);
    pbts_peer_piece_header(header, &(pbts_peer_block){ 0, 0, PBTS_PEER_BLOCK_BYTES_MAX });
    assert_int_equal(status_of(PBTS_SPAN_OF(header), &UNKNOWN), PBTS_OK);
}

static void piece_indices_are_below_the_count(void **state) {
    static const uint8_t TYPES[] = { PBTS_PEER_HAVE, PBTS_PEER_SUGGEST, PBTS_PEER_ALLOWED_FAST };
    for (size_t t = 0; t < COUNT_OF(TYPES); t++) {
        uint8_t bytes[9] = { 0, 0, 0, 5, TYPES[t], 0, 0, 0, 19 };
        assert_int_equal(status_of(PBTS_SPAN_OF(bytes), &TORRENT), PBTS_OK);
        bytes[8] = 20;
        assert_int_equal(status_of(PBTS_SPAN_OF(bytes), &TORRENT), PBTS_MALFORMED);
        bytes[6] = 0x10, bytes[8] = 0;
        assert_int_equal(status_of(PBTS_SPAN_OF(bytes), &UNKNOWN), PBTS_LIMIT);
        bytes[6] = 0x0F, bytes[7] = 0xFF, bytes[8] = 0xFF;
        assert_int_equal(status_of(PBTS_SPAN_OF(bytes), &UNKNOWN), PBTS_OK);
    }
}

static void a_bitfield_fits_the_piece_count(void **state) {
    static const uint8_t FITS[] = { 0, 0, 0, 4, 5, 0xFF, 0xFF, 0xF0 };
    static const uint8_t SPARE[] = { 0, 0, 0, 4, 5, 0xFF, 0xFF, 0xF8 };
    static const uint8_t SHORT[] = { 0, 0, 0, 3, 5 };
    static const uint8_t LONG[] = { 0, 0, 0, 5, 5 };
    assert_int_equal(status_of(PBTS_SPAN_OF(FITS), &TORRENT), PBTS_OK);
    assert_int_equal(status_of(PBTS_SPAN_OF(SPARE), &TORRENT), PBTS_MALFORMED);
    assert_int_equal(status_of(PBTS_SPAN_OF(SPARE), &UNKNOWN), PBTS_OK);
    assert_int_equal(status_of(PBTS_SPAN_OF(SHORT), &TORRENT), PBTS_MALFORMED);
    assert_int_equal(status_of(PBTS_SPAN_OF(LONG), &TORRENT), PBTS_MALFORMED);
    assert_int_equal(status_of(PBTS_SPAN_OF(LONG), &UNKNOWN), PBTS_NEED_MORE);
}

static void a_torrent_of_one_piece_has_bounds_too(void **state) {
    static const pbts_peer_bounds ONE = { .piece_count = 1, .piece_length_bytes = 16384 };
    static const uint8_t HAVE_0[] = { 0, 0, 0, 5, 4, 0, 0, 0, 0 };
    static const uint8_t HAVE_1[] = { 0, 0, 0, 5, 4, 0, 0, 0, 1 };
    static const uint8_t FITS[] = { 0, 0, 0, 2, 5, 0x80 };
    static const uint8_t SPARE[] = { 0, 0, 0, 2, 5, 0xC0 };
    assert_int_equal(status_of(PBTS_SPAN_OF(HAVE_0), &ONE), PBTS_OK);
    assert_int_equal(status_of(PBTS_SPAN_OF(HAVE_1), &ONE), PBTS_MALFORMED);
    assert_int_equal(status_of(PBTS_SPAN_OF(FITS), &ONE), PBTS_OK);
    assert_int_equal(status_of(PBTS_SPAN_OF(SPARE), &ONE), PBTS_MALFORMED);
}

static void hash_requests_are_sound_or_to_be_rejected(void **state) {
    static const struct {
        uint32_t base_layer, index, length, proof_layers;
        bool want;
    } CASES[] = {
        { 0, 0, 2, 0, true },
        { 0, 512, 512, 10, true },
        { 32, 6, 2, 32, true },
        { 0, 0, 0, 0, false },
        { 0, 0, 1, 0, false },
        { 0, 0, 3, 0, false },
        { 0, 0, 1024, 0, false },
        { 0, 1, 2, 0, false },
        { 0, 256, 512, 0, false },
        { 33, 0, 2, 0, false },
        { 0, 0, 2, 33, false },
        { 0, 0, UINT32_MAX, 0, false },
        { 0, 0, 0x80000000u, 0, false },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pbts_peer_hashes request = { .base_layer = CASES[i].base_layer,
                                     .index = CASES[i].index,
                                     .length = CASES[i].length,
                                     .proof_layers = CASES[i].proof_layers };
        assert_int_equal(pbts_peer_hashes_is_sound(&request), CASES[i].want);
    }
}

/* -- streams ------------------------------------------------------------------------------- */

/* Take all whole messages from a stream that arrives in parts of random length, payloads skipped;
 * returns a count, and a sum over what was decoded. */
static size_t read_stream(pbts_span stream, pbts_prng *prng, uint64_t *sum) {
    size_t at = 0, arrived = 0, count = 0;
    for (*sum = 0; at < stream.len;) {
        pbts_peer_message message;
        size_t used_len = 0;
        pbts_span there = { stream.data + at, arrived - at };
        pbts_status status = pbts_peer_message_decode(&message, &used_len, there, &TORRENT);
        if (status == PBTS_NEED_MORE) {
            assert_true(arrived < stream.len);
            size_t part = 1 + pbts_prng_below(prng, 40);
            arrived = stream.len - arrived < part ? stream.len : arrived + part;
            continue;
        }
        assert_int_equal(status, PBTS_OK);
        at += used_len;
        if (message.type == PBTS_PEER_PIECE) at += message.block.length;
        if (arrived < at) arrived = at;
        *sum = *sum * 31 + (uint64_t)message.type + used_len;
        count++;
    }
    return count;
}

static void a_stream_means_the_same_however_it_is_cut(void **state) {
    enum { MESSAGES = 300 };
    static uint8_t buffer[MESSAGES * 20000];
    pbts_prng prng = pbts_prng_seeded(9);
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    uint64_t want = 0, sum;
    for (size_t i = 0; i < MESSAGES; i++) {
        const sample *s = &SAMPLES[pbts_prng_below(&prng, COUNT_OF(SAMPLES))];
        pbts_peer_message_encode(&writer, &s->message);
        if (s->message.type == PBTS_PEER_PIECE)
            (void)pbts_write_reserve(&writer, s->message.block.length);
        want = want * 31 + (uint64_t)s->message.type + s->len;
    }
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    for (unsigned round = 0; round < 20; round++) {
        assert_int_equal(read_stream(pbts_writer_span(&writer), &prng, &sum), MESSAGES);
        assert_true(sum == want);
    }
}

static void decoding_is_total_under_single_byte_damage(void **state) {
    for (size_t i = 0; i < COUNT_OF(SAMPLES); i++) {
        uint8_t bytes[256];
        memcpy(bytes, SAMPLES[i].bytes, SAMPLES[i].len);
        for (size_t at = 0; at < SAMPLES[i].len; at++) {
            uint8_t kept = bytes[at];
            for (unsigned value = 0; value < 256; value++) {
                bytes[at] = (uint8_t)value;
                pbts_status status = status_of((pbts_span){ bytes, SAMPLES[i].len }, &TORRENT);
                assert_true(status == PBTS_OK || status == PBTS_NEED_MORE ||
                            pbts_status_class(status) == PBTS_REJECT);
            }
            bytes[at] = kept;
        }
    }
}

static void an_extended_body_is_written_in_place(void **state) {
    uint8_t buffer[64];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_write_u8(&writer, 0xAA);
    size_t begun_at = pbts_peer_extended_begin(&writer, 3);
    pbts_write_text(&writer, "d1:ai1ee");
    pbts_peer_extended_end(&writer, begun_at);
    assert_int_equal(writer.len, 1 + 6 + 8);
    assert_memory_equal(buffer, "\xAA\0\0\0\x0A\x14\3d1:ai1ee", 15);

    writer = pbts_writer_over(buffer, 5);
    begun_at = pbts_peer_extended_begin(&writer, 3);
    pbts_peer_extended_end(&writer, begun_at);
    assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);
}

/* -- allowed fast -------------------------------------------------------------------------- */

static void allowed_fast_sets_are_those_of_bep_6(void **state) {
    static const uint32_t WANT[9] = { 1059, 431, 808, 1217, 287, 376, 1188, 353, 508 };
    pbts_addr ip = { .family = PBTS_IPV4, .ip = { 80, 4, 4, 200 } };
    uint8_t infohash[20];
    uint32_t found[PBTS_PEER_ALLOWED_FAST_MAX];
    memset(infohash, 0xAA, sizeof infohash);
    assert_int_equal(pbts_peer_allowed_fast(found, 7, &ip, infohash, 1313), 7);
    assert_memory_equal(found, WANT, 7 * sizeof WANT[0]);
    assert_int_equal(pbts_peer_allowed_fast(found, 9, &ip, infohash, 1313), 9);
    assert_memory_equal(found, WANT, sizeof WANT);
    ip.ip[3] = 1; /* the same /24 */
    assert_int_equal(pbts_peer_allowed_fast(found, 9, &ip, infohash, 1313), 9);
    assert_memory_equal(found, WANT, sizeof WANT);
    ip.ip[2] = 5;
    assert_int_equal(pbts_peer_allowed_fast(found, 9, &ip, infohash, 1313), 9);
    assert_memory_not_equal(found, WANT, sizeof WANT);
}

static void allowed_fast_pieces_exist_and_differ(void **state) {
    static const uint8_t INFOHASH[20] = { 7 };
    pbts_addr ip = { .family = PBTS_IPV6, .ip = { 0x20, 1, 0xd, 0xb8, 1, 2, 3 } };
    for (uint32_t piece_count = 0; piece_count < 70; piece_count++) {
        uint32_t found[PBTS_PEER_ALLOWED_FAST_MAX];
        size_t want = piece_count < 32 ? piece_count : 32;
        assert_int_equal(pbts_peer_allowed_fast(found, 32, &ip, INFOHASH, piece_count), want);
        for (size_t i = 0; i < want; i++) {
            assert_true(found[i] < piece_count);
            for (size_t j = 0; j < i; j++) assert_int_not_equal(found[i], found[j]);
        }
    }
    uint32_t a[PBTS_PEER_ALLOWED_FAST_MAX], b[PBTS_PEER_ALLOWED_FAST_MAX];
    (void)pbts_peer_allowed_fast(a, 10, &ip, INFOHASH, 5000);
    ip.ip[6] = 99; /* the same /48 */
    (void)pbts_peer_allowed_fast(b, 10, &ip, INFOHASH, 5000);
    assert_memory_equal(a, b, 10 * sizeof a[0]);
    ip.ip[5] = 99;
    (void)pbts_peer_allowed_fast(b, 10, &ip, INFOHASH, 5000);
    assert_memory_not_equal(a, b, 10 * sizeof a[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_has_every_field_at_its_offset),
        cmocka_unit_test(a_short_handshake_needs_more),
        cmocka_unit_test(another_protocol_is_refused_at_its_first_other_byte),
        cmocka_unit_test(features_of_real_clients_are_understood),
        cmocka_unit_test(messages_are_these_bytes_both_ways),
        cmocka_unit_test(a_message_that_does_not_fit_is_not_written),
        cmocka_unit_test(a_cut_message_says_how_much_it_wants),
        cmocka_unit_test(what_is_wanted_never_exceeds_the_buffer),
        cmocka_unit_test(a_piece_is_decoded_from_its_header_alone),
        cmocka_unit_test(every_type_has_its_lengths_and_no_others),
        cmocka_unit_test(a_length_above_all_limits_is_refused_before_the_type_is_there),
        cmocka_unit_test(other_types_are_given_to_be_passed_over),
        cmocka_unit_test(blocks_lie_within_their_piece),
        cmocka_unit_test(a_piece_lies_within_its_piece_too),
        cmocka_unit_test(piece_indices_are_below_the_count),
        cmocka_unit_test(a_bitfield_fits_the_piece_count),
        cmocka_unit_test(a_torrent_of_one_piece_has_bounds_too),
        cmocka_unit_test(hash_requests_are_sound_or_to_be_rejected),
        cmocka_unit_test(a_stream_means_the_same_however_it_is_cut),
        cmocka_unit_test(decoding_is_total_under_single_byte_damage),
        cmocka_unit_test(an_extended_body_is_written_in_place),
        cmocka_unit_test(allowed_fast_sets_are_those_of_bep_6),
        cmocka_unit_test(allowed_fast_pieces_exist_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
