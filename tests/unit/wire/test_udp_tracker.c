/* Unit tests of wire/udp_tracker.c.
 *
 * Method: one packet in which byte i holds i, so each decoded field spells its own offset in BEP
 * 15's table; then every truncation, every bad value of each checked field, every single-byte
 * damage, and the options of BEP 41 in all their forms. */
#include "wire/udp_tracker.h"

#include "wire_test.h"

#define PK "abcdefghijklmnopqrstuvwxyz234567"

enum { ANNOUNCE_LEN = 98, ACTION_AT = 8, EVENT_AT = 80, NUMWANT_AT = 92, PORT_AT = 96 };

static void put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void known_announce(uint8_t bytes[static ANNOUNCE_LEN]) {
    for (size_t i = 0; i < ANNOUNCE_LEN; i++) bytes[i] = (uint8_t)i;
    put_u32(&bytes[ACTION_AT], PBTS_UDP_ANNOUNCE);
    put_u32(&bytes[EVENT_AT], PBTS_EVENT_STARTED);
}

/* A decoded request with all that its pointers may point into. */
typedef struct {
    pbts_status status;
    pbts_udp_request r;
    uint8_t hashes[PBTS_SCRAPE_HASHES_MAX][20];
    uint8_t url[PBTS_UDP_URL_MAX];
    uint8_t *copy;
} result;

static result *decode(const uint8_t *bytes, size_t len) {
    result *d = malloc(sizeof *d);
    assert_non_null(d);
    memset(&d->r, 0x5A, sizeof d->r);
    d->copy = exact_copy((pbts_span){ bytes, len });
    d->status = pbts_udp_request_decode(&d->r, d->hashes, d->url, (pbts_span){ d->copy, len });
    return d;
}

static void drop(result *d) {
    free(d->copy);
    free(d);
}

static pbts_status status_of(const uint8_t *bytes, size_t len) {
    pbts_udp_request untouched;
    memset(&untouched, 0x5A, sizeof untouched);
    result *d = decode(bytes, len);
    pbts_status status = d->status;
    if (status != PBTS_OK) assert_memory_equal(&d->r, &untouched, sizeof untouched);
    drop(d);
    return status;
}

/* -- announce ------------------------------------------------------------------------------ */

static void an_announce_has_every_field_at_its_offset(void **state) {
    uint8_t bytes[ANNOUNCE_LEN];
    known_announce(bytes);
    result *d = decode(bytes, sizeof bytes);
    assert_int_equal(d->status, PBTS_OK);
    assert_int_equal(d->r.action, PBTS_UDP_ANNOUNCE);
    assert_true(d->r.connection_id == 0x0001020304050607u);
    assert_int_equal(d->r.transaction_id, 0x0C0D0E0F);
    const pbts_announce *a = &d->r.announce;
    assert_memory_equal(a->infohash, &bytes[16], 20);
    assert_memory_equal(a->peer_id, &bytes[36], 20);
    assert_true(a->downloaded_bytes == 0x38393A3B3C3D3E3Fu);
    assert_true(a->left_bytes == 0x4041424344454647u);
    assert_true(a->uploaded_bytes == 0x48494A4B4C4D4E4Fu);
    assert_int_equal(a->event, PBTS_EVENT_STARTED);
    assert_int_equal(a->key, 0x58595A5B);
    assert_int_equal(a->numwant, PBTS_NUMWANT_MAX);
    assert_int_equal(a->port, 0x6061);
    assert_true(a->compact);
    assert_int_equal(
        a->passkey.len + a->tracker_id.len + a->uid.len + a->pk.len + a->time.len + a->sig.len, 0);
    drop(d);
}

static void a_short_announce_needs_more_and_changes_nothing(void **state) {
    uint8_t bytes[ANNOUNCE_LEN];
    known_announce(bytes);
    for (size_t len = 0; len < sizeof bytes; len++) {
        assert_int_equal(status_of(bytes, len), PBTS_NEED_MORE);
    }
}

static void each_checked_field_is_refused_when_bad(void **state) {
    static const struct {
        size_t at;
        uint32_t value;
        uint32_t event;
        pbts_status want;
    } CASES[] = {
        { ACTION_AT, 3, 0, PBTS_MALFORMED },
        { ACTION_AT, 4, 0, PBTS_MALFORMED },
        { ACTION_AT, 0x01000000, 0, PBTS_MALFORMED },
        { EVENT_AT, PBTS_EVENT_NONE, PBTS_EVENT_NONE, PBTS_OK },
        { EVENT_AT, PBTS_EVENT_PAUSED, PBTS_EVENT_PAUSED, PBTS_OK },
        { EVENT_AT, 5, 5, PBTS_MALFORMED },
        { EVENT_AT, UINT32_MAX, UINT32_MAX, PBTS_MALFORMED },
        { PORT_AT - 2, 0, PBTS_EVENT_NONE, PBTS_MALFORMED },
        { PORT_AT - 2, 0xFFFF0000, PBTS_EVENT_STARTED, PBTS_MALFORMED },
        { PORT_AT - 2, 0, PBTS_EVENT_STOPPED, PBTS_OK },
        { PORT_AT - 2, 1, PBTS_EVENT_NONE, PBTS_OK },
        { PORT_AT - 2, 0xFFFF, PBTS_EVENT_COMPLETED, PBTS_OK },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint8_t bytes[ANNOUNCE_LEN];
        known_announce(bytes);
        put_u32(&bytes[EVENT_AT], CASES[i].event);
        put_u32(&bytes[CASES[i].at], CASES[i].value);
        assert_int_equal(status_of(bytes, sizeof bytes), CASES[i].want);
    }
}

static void numwant_is_capped_and_negative_means_default(void **state) {
    static const struct {
        uint32_t raw;
        int32_t want;
    } CASES[] = { { 0, 0 },           { 50, 50 },         { 200, 200 },       { 201, 200 },
                  { INT32_MAX, 200 }, { UINT32_MAX, -1 }, { 0x80000000u, -1 } };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint8_t bytes[ANNOUNCE_LEN];
        known_announce(bytes);
        put_u32(&bytes[NUMWANT_AT], CASES[i].raw);
        result *d = decode(bytes, sizeof bytes);
        assert_int_equal(d->status, PBTS_OK);
        assert_int_equal(d->r.announce.numwant, CASES[i].want);
        drop(d);
    }
}

static void decoding_is_total_under_single_byte_damage(void **state) {
    uint8_t bytes[ANNOUNCE_LEN + 6];
    known_announce(bytes);
    memcpy(bytes + ANNOUNCE_LEN, "\x02\x02/a\x01", 6);
    for (size_t at = 0; at < sizeof bytes; at++) {
        uint8_t kept = bytes[at];
        for (unsigned value = 0; value < 256; value++) {
            bytes[at] = (uint8_t)value;
            pbts_status status = status_of(bytes, sizeof bytes);
            assert_true(status == PBTS_OK || status == PBTS_MALFORMED);
        }
        bytes[at] = kept;
    }
}

/* -- BEP 41 -------------------------------------------------------------------------------- */

/* Expect `passkey` (NULL: PBTS_MALFORMED) from an announce with these option bytes. */
static void check_options(const char *options, size_t len, const char *passkey) {
    uint8_t bytes[PBTS_UDP_PACKET_MAX];
    known_announce(bytes);
    memcpy(bytes + ANNOUNCE_LEN, options, len);
    result *d = decode(bytes, ANNOUNCE_LEN + len);
    assert_int_equal(d->status, passkey == NULL ? PBTS_MALFORMED : PBTS_OK);
    if (passkey != NULL) assert_span_is(d->r.announce.passkey, passkey);
    drop(d);
}
#define CHECK_OPTIONS(literal, passkey) check_options((literal), sizeof(literal) - 1, (passkey))

static void url_data_gives_the_passkey(void **state) {
    CHECK_OPTIONS("", "");
    CHECK_OPTIONS("\x00", "");
    CHECK_OPTIONS("\x01\x01\x01", "");
    CHECK_OPTIONS("\x02\x2A/announce/" PK, PK);
    CHECK_OPTIONS("\x02\x2A/announce/" PK "\x00", PK);
    CHECK_OPTIONS("\x02\x2A/" PK "/announce", PK);
    CHECK_OPTIONS("\x02\x2E/announce/" PK "?a=b", PK);
    CHECK_OPTIONS("\x02\x09/announce", "");
    CHECK_OPTIONS("\x02\x07/health", "");
    CHECK_OPTIONS("\x02\x0D?/announce/ab", "");
    CHECK_OPTIONS("\x02\x00", "");
}

static void url_data_of_several_options_is_joined(void **state) {
    CHECK_OPTIONS("\x02\x04/ann\x01\x02\x06ounce/\x02\x20" PK, PK);
    CHECK_OPTIONS("\x02\x00\x02\x0A/announce/\x02\x00\x02\x20" PK "\x02\x02?x", PK);
    CHECK_OPTIONS("\x02\x0A/announce/\x07\x03xyz\x02\x03key\x00\x02\x03not", "key");
}

static void what_follows_the_end_option_is_not_read(void **state) {
    CHECK_OPTIONS("\x00\x02\x2A/announce/" PK, "");
    CHECK_OPTIONS("\x02\x0D/announce/key\x00\x02\xFF", "key");
}

static void a_cut_option_is_refused(void **state) {
    CHECK_OPTIONS("\x02", NULL);
    CHECK_OPTIONS("\x02\x01", NULL);
    CHECK_OPTIONS("\x01\x02\x05/ann", NULL);
    CHECK_OPTIONS("\x09", NULL);
    CHECK_OPTIONS("\xFF\xFFx", NULL);
}

static void joined_url_data_fits_its_limit_or_is_refused(void **state) {
    char options[600];
    for (size_t extra = 0; extra <= 1; extra++) {
        /* 255 + 255 + 2 is the limit. */
        size_t last = 2 + extra, len = 2 * 257 + 2 + last;
        memset(options, 'k', sizeof options);
        memcpy(options, "\x02\xFF/announce/", 12);
        memcpy(options + 257, "\x02\xFF", 2);
        options[2 * 257] = 2;
        options[2 * 257 + 1] = (char)last;
        char passkey[PBTS_UDP_URL_MAX];
        memset(passkey, 'k', sizeof passkey);
        passkey[PBTS_UDP_URL_MAX - 10] = '\0';
        check_options(options, len, extra == 0 ? passkey : NULL);
    }
}

/* The twin joins whole lists of options by copying each. */
static void random_options_are_judged_as_a_naive_twin_does(void **state) {
    pbts_prng prng = pbts_prng_seeded(11);
    for (size_t round = 0; round < 50000; round++) {
        static const char *const PIECES[] = { "/", "announce", "k", "?", "", "/announce/", "x/" };
        uint8_t bytes[PBTS_UDP_PACKET_MAX];
        known_announce(bytes);
        pbts_writer w = pbts_writer_over(bytes + ANNOUNCE_LEN, 300);
        char joined[300] = "";
        size_t count = pbts_prng_below(&prng, 6);
        for (size_t i = 0; i < count; i++) {
            const char *piece = PIECES[pbts_prng_below(&prng, COUNT_OF(PIECES))];
            uint32_t type = 1 + pbts_prng_below(&prng, 3);
            pbts_write_u8(&w, (uint8_t)type);
            if (type == 1) continue;
            pbts_write_u8(&w, (uint8_t)strlen(piece));
            pbts_write_text(&w, piece);
            if (type == 2) strcat(joined, piece);
        }
        char *mark = strchr(joined, '?');
        if (mark != NULL) *mark = '\0';
        const char *want = "";
        if (strncmp(joined, "/announce/", 10) == 0 && strchr(joined + 10, '/') == NULL) {
            want = joined + 10;
        }
        check_options((const char *)bytes + ANNOUNCE_LEN, w.len, want);
    }
}

/* -- connect and scrape -------------------------------------------------------------------- */

static const uint8_t CONNECT[16] = { 0, 0, 0x04, 0x17, 0x27, 0x10, 0x19, 0x80,
                                     0, 0, 0,    0,    1,    2,    3,    4 };

static void a_connect_needs_the_protocol_id(void **state) {
    result *d = decode(CONNECT, sizeof CONNECT);
    assert_int_equal(d->status, PBTS_OK);
    assert_int_equal(d->r.action, PBTS_UDP_CONNECT);
    assert_int_equal(d->r.transaction_id, 0x01020304);
    drop(d);
    for (size_t i = 0; i < 8; i++) {
        uint8_t bytes[16];
        memcpy(bytes, CONNECT, 16);
        bytes[i] ^= 1;
        assert_int_equal(status_of(bytes, 16), PBTS_MALFORMED);
        assert_int_equal(status_of(CONNECT, 8 + i), PBTS_NEED_MORE);
    }
}

static void a_scrape_gives_its_infohashes(void **state) {
    uint8_t bytes[PBTS_UDP_PACKET_MAX + 1];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
    put_u32(bytes + ACTION_AT, PBTS_UDP_SCRAPE);
    for (size_t len = 16; len <= PBTS_UDP_PACKET_MAX + 1; len++) {
        size_t count = (len - 16) / 20;
        pbts_status want = PBTS_OK;
        if (count > PBTS_SCRAPE_HASHES_MAX) want = PBTS_LIMIT;
        if (len % 20 != 16) want = PBTS_MALFORMED;
        if (count == 0) want = PBTS_NEED_MORE;
        if (len > PBTS_UDP_PACKET_MAX) want = PBTS_LIMIT;
        result *d = decode(bytes, len);
        assert_int_equal(d->status, want);
        if (want == PBTS_OK) {
            assert_int_equal(d->r.infohash_count, count);
            assert_ptr_equal(d->r.infohashes, d->hashes);
            assert_memory_equal(d->hashes, bytes + 16, 20 * count);
            assert_true(d->r.connection_id == 0x00070E151C232A31u);
        }
        drop(d);
    }
}

/* -- replies ------------------------------------------------------------------------------- */

static void replies_are_these_bytes(void **state) {
    static const uint8_t PEERS4[6] = { 1, 2, 3, 4, 5, 6 };
    static const uint8_t PEERS6[18] = { 9 };
    pbts_announce_reply reply = { .interval_s = 0x0708,
                                  .complete = 3,
                                  .incomplete = 0x01020304,
                                  .peers4 = PBTS_SPAN_OF(PEERS4),
                                  .peers6 = PBTS_SPAN_OF(PEERS6) };
    uint8_t buffer[100];
    pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
    pbts_udp_connect_reply(&w, 0xA1B2C3D4, 0x1122334455667788u);
    assert_int_equal(w.len, 16);
    assert_memory_equal(buffer, "\0\0\0\0\xA1\xB2\xC3\xD4\x11\x22\x33\x44\x55\x66\x77\x88", 16);

    w = pbts_writer_over(buffer, sizeof buffer);
    pbts_udp_announce_reply(&w, 7, PBTS_IPV4, &reply);
    assert_int_equal(w.len, 26);
    assert_memory_equal(buffer, "\0\0\0\1\0\0\0\7\0\0\7\x08\1\2\3\4\0\0\0\3\1\2\3\4\5\6", 26);

    w = pbts_writer_over(buffer, sizeof buffer);
    pbts_udp_announce_reply(&w, 7, PBTS_IPV6, &reply);
    assert_int_equal(w.len, 38);
    assert_memory_equal(buffer + 20, PEERS6, 18);

    w = pbts_writer_over(buffer, sizeof buffer);
    static const pbts_scrape_entry ENTRIES[2] = {
        { .complete = 1, .downloaded = 2, .incomplete = 3 },
        { .complete = 4, .downloaded = 5, .incomplete = 6 }
    };
    pbts_udp_scrape_reply(&w, 9, ENTRIES, 2);
    assert_int_equal(w.len, 32);
    assert_memory_equal(buffer,
                        "\0\0\0\2\0\0\0\x09\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\6", 32);

    w = pbts_writer_over(buffer, sizeof buffer);
    pbts_udp_error_reply(&w, 9, "no");
    assert_int_equal(w.len, 10);
    assert_memory_equal(buffer, "\0\0\0\3\0\0\0\x09no", 10);
}

static void a_reply_that_does_not_fit_fails(void **state) {
    static const uint8_t PEERS[6] = { 0 };
    static const pbts_scrape_entry ENTRY = { 0 };
    pbts_announce_reply reply = { .peers4 = PBTS_SPAN_OF(PEERS) };
    uint8_t buffer[26];
    pbts_writer w = pbts_writer_over(buffer, 15);
    pbts_udp_connect_reply(&w, 0, 0);
    assert_int_equal(pbts_writer_status(&w), PBTS_NO_SPACE);
    w = pbts_writer_over(buffer, 25);
    pbts_udp_announce_reply(&w, 0, PBTS_IPV4, &reply);
    assert_int_equal(pbts_writer_status(&w), PBTS_NO_SPACE);
    w = pbts_writer_over(buffer, 19);
    pbts_udp_scrape_reply(&w, 0, &ENTRY, 1);
    assert_int_equal(pbts_writer_status(&w), PBTS_NO_SPACE);
    w = pbts_writer_over(buffer, 9);
    pbts_udp_error_reply(&w, 0, "no");
    assert_int_equal(pbts_writer_status(&w), PBTS_NO_SPACE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_announce_has_every_field_at_its_offset),
        cmocka_unit_test(a_short_announce_needs_more_and_changes_nothing),
        cmocka_unit_test(each_checked_field_is_refused_when_bad),
        cmocka_unit_test(numwant_is_capped_and_negative_means_default),
        cmocka_unit_test(decoding_is_total_under_single_byte_damage),
        cmocka_unit_test(url_data_gives_the_passkey),
        cmocka_unit_test(url_data_of_several_options_is_joined),
        cmocka_unit_test(what_follows_the_end_option_is_not_read),
        cmocka_unit_test(a_cut_option_is_refused),
        cmocka_unit_test(joined_url_data_fits_its_limit_or_is_refused),
        cmocka_unit_test(random_options_are_judged_as_a_naive_twin_does),
        cmocka_unit_test(a_connect_needs_the_protocol_id),
        cmocka_unit_test(a_scrape_gives_its_infohashes),
        cmocka_unit_test(replies_are_these_bytes),
        cmocka_unit_test(a_reply_that_does_not_fit_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
