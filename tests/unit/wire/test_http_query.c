/* Unit tests of wire/http_announce.c: announce and scrape queries.
 *
 * Method: what real clients send; tables of quirks and of bad fields; a naive twin that splits the
 * query first and decodes each value whole, compared over random queries and single-byte damage. */
#include "wire/http_announce.h"

#include "wire_test.h"

#define HASH_A "%01%23%45%67%89%ab%cd%EF%01%23%45%67%89%AB%CD%ef%00%ff%26%3d"
#define ID_A "-XX0001-abcdefghijkl"
#define BASE "info_hash=" HASH_A "&peer_id=" ID_A "&port=6881"

static const uint8_t HASH_A_BYTES[20] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd,
                                          0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab,
                                          0xcd, 0xef, 0x00, 0xff, 0x26, 0x3d };

/* A decoded announce with the storage that its spans may point into. */
typedef struct {
    pbts_status status;
    const char *problem;
    pbts_announce a;
    uint8_t scratch[PBTS_ANNOUNCE_SCRATCH_LEN];
    uint8_t *copy;
} result;

static result *decode(pbts_span query) {
    result *r = malloc(sizeof *r);
    assert_non_null(r);
    memset(&r->a, 0x5A, sizeof r->a);
    r->problem = NULL;
    r->copy = exact_copy(query);
    r->status = pbts_http_announce_decode(&r->a, &r->problem, (pbts_span){ r->copy, query.len },
                                          r->scratch);
    return r;
}

static void drop(result *r) {
    free(r->copy);
    free(r);
}

static result *decode_ok(const char *query) {
    result *r = decode(pbts_span_text(query));
    if (r->status != PBTS_OK) fail_msg("%s: %s", r->problem, query);
    return r;
}

/* -- real clients -------------------------------------------------------------------------- */

static void transmission_3_00_is_understood(void **state) {
    result *r =
        decode_ok("info_hash=%5c%0f%8d%a1%12cN%b2%bf%07%10v%de%ad%be%ef%00%01%02%03&peer_id="
                  "-TR3000-6bsb1ixqyk4n&port=51413&uploaded=0&downloaded=0&left=1048576"
                  "&numwant=80&key=5d8f0c2a&compact=1&supportcrypto=1&event=started");
    assert_int_equal(r->a.port, 51413);
    assert_int_equal(r->a.left_bytes, 1048576);
    assert_int_equal(r->a.numwant, 80);
    assert_int_equal(r->a.event, PBTS_EVENT_STARTED);
    assert_memory_equal(r->a.peer_id, "-TR3000-6bsb1ixqyk4n", 20);
    assert_memory_equal(r->a.infohash,
                        "\x5c\x0f\x8d\xa1\x12"
                        "cN\xb2",
                        8);
    drop(r);
}

static void aria2_with_its_raw_key_is_understood(void **state) {
    result *r = decode_ok("info_hash=" HASH_A "&peer_id=A2-1-36-0-%B8%0C%26%3D%8Fz%01%02%03%04"
                          "&uploaded=0&downloaded=0&left=10485760&compact=1"
                          "&key=%B8%0C%26%3D%8Fz%01%FF&numwant=50&no_peer_id=1&port=6961"
                          "&event=started&supportcrypto=1");
    assert_memory_equal(r->a.peer_id, "A2-1-36-0-\xB8\x0C&=\x8Fz\x01\x02\x03\x04", 20);
    assert_int_equal(r->a.port, 6961);
    assert_true(r->a.no_peer_id);
    assert_int_equal(r->a.numwant, 50);
    drop(r);
}

static void rtorrent_without_numwant_is_understood(void **state) {
    result *r =
        decode_ok("info_hash=" HASH_A "&peer_id=-lt0D80-%1e%ff%00%7e%0d%0a%20%25%26%3d%3f%2f"
                  "&key=1a2b3c4d&compact=1&port=6890&uploaded=7&downloaded=9&left=0"
                  "&event=completed");
    assert_int_equal(r->a.numwant, -1);
    assert_int_equal(r->a.uploaded_bytes, 7);
    assert_int_equal(r->a.downloaded_bytes, 9);
    assert_int_equal(r->a.left_bytes, 0);
    assert_int_equal(r->a.event, PBTS_EVENT_COMPLETED);
    drop(r);
}

static void libtorrent_is_understood(void **state) {
    result *r = decode_ok("info_hash=" HASH_A "&peer_id=-LT2080-0123456789ab&port=6881&uploaded=0"
                          "&downloaded=0&left=16384&corrupt=0&key=9C0FFEE1&event=paused"
                          "&numwant=200&compact=1&no_peer_id=1&supportcrypto=1&redundant=0");
    assert_int_equal(r->a.event, PBTS_EVENT_PAUSED);
    assert_int_equal(r->a.numwant, 200);
    assert_true(r->a.compact);
    drop(r);
}

/* -- fields -------------------------------------------------------------------------------- */

static void absent_fields_have_their_defaults(void **state) {
    result *r = decode_ok(BASE);
    assert_memory_equal(r->a.infohash, HASH_A_BYTES, 20);
    assert_memory_equal(r->a.peer_id, ID_A, 20);
    assert_int_equal(r->a.port, 6881);
    assert_int_equal(r->a.uploaded_bytes + r->a.downloaded_bytes, 0);
    assert_true(r->a.left_bytes == UINT64_MAX);
    assert_int_equal(r->a.event, PBTS_EVENT_NONE);
    assert_int_equal(r->a.numwant, -1);
    assert_true(r->a.compact);
    assert_false(r->a.no_peer_id);
    assert_int_equal(r->a.key, 0);
    assert_int_equal(r->a.passkey.len + r->a.tracker_id.len + r->a.uid.len + r->a.pk.len +
                         r->a.time.len + r->a.sig.len,
                     0);
    drop(r);
}

static void left_is_a_number_or_unknown(void **state) {
    static const struct {
        const char *text;
        uint64_t want;
    } CASES[] = {
        { "0", 0 },
        { "", UINT64_MAX },
        { "18446744073709551615", UINT64_MAX },
        { "18446744073709551614", UINT64_MAX - 1 },
        { "18446744073709551616", UINT64_MAX },
        { "99999999999999999999999999", UINT64_MAX },
        { "000000000000000000000000005", 5 },
        { "-1", UINT64_MAX },
        { "1x", UINT64_MAX },
        { "%31", UINT64_MAX },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char query[300];
        (void)snprintf(query, sizeof query, "%s&left=%s&event=started", BASE, CASES[i].text);
        result *r = decode_ok(query);
        assert_true(r->a.left_bytes == CASES[i].want);
        assert_int_equal(r->a.event, PBTS_EVENT_STARTED);
        drop(r);
    }
}

static void numwant_is_capped_and_negative_means_default(void **state) {
    static const struct {
        const char *text;
        int32_t want;
    } CASES[] = {
        { "0", 0 },     { "1", 1 },     { "199", 199 },
        { "200", 200 }, { "201", 200 }, { "99999999999999999999", 200 },
        { "-1", -1 },   { "-7", -1 },   { "", -1 },
        { "x", -1 },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char query[300];
        (void)snprintf(query, sizeof query, "%s&numwant=%s", BASE, CASES[i].text);
        result *r = decode_ok(query);
        assert_int_equal(r->a.numwant, CASES[i].want);
        drop(r);
    }
}

static void events_are_known_words_or_none(void **state) {
    static const struct {
        const char *text;
        pbts_event want;
    } CASES[] = {
        { "started", PBTS_EVENT_STARTED },
        { "stopped", PBTS_EVENT_STOPPED },
        { "completed", PBTS_EVENT_COMPLETED },
        { "paused", PBTS_EVENT_PAUSED },
        { "", PBTS_EVENT_NONE },
        { "none", PBTS_EVENT_NONE },
        { "Started", PBTS_EVENT_NONE },
        { "startled", PBTS_EVENT_NONE },
        { "stoppex", PBTS_EVENT_NONE },
        { "completer", PBTS_EVENT_NONE },
        { "pauser", PBTS_EVENT_NONE },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char query[300];
        (void)snprintf(query, sizeof query, "%s&event=%s&left=3", BASE, CASES[i].text);
        result *r = decode_ok(query);
        assert_int_equal(r->a.event, CASES[i].want);
        assert_int_equal(r->a.left_bytes, 3);
        drop(r);
    }
}

static void compact_and_no_peer_id_are_switches(void **state) {
    result *r = decode_ok(BASE "&compact=0&no_peer_id=1");
    assert_false(r->a.compact);
    assert_true(r->a.no_peer_id);
    drop(r);
    r = decode_ok(BASE "&compact=1&no_peer_id=0");
    assert_true(r->a.compact);
    assert_false(r->a.no_peer_id);
    drop(r);
}

static void port_zero_is_for_stopped_only(void **state) {
    result *r = decode_ok("event=stopped&port=0&info_hash=" HASH_A "&peer_id=" ID_A);
    assert_int_equal(r->a.port, 0);
    drop(r);
    r = decode_ok("info_hash=" HASH_A "&peer_id=" ID_A "&port=0&event=stopped");
    drop(r);
}

static void text_fields_are_decoded_and_a_plus_is_itself(void **state) {
    result *r =
        decode_ok(BASE "&uid=a.b-c_1&pk=AB+/cd%3D%3d&time=1700000000&sig=%00%ff&trackerid=t+1");
    assert_span_is(r->a.uid, "a.b-c_1");
    assert_span_is(r->a.pk, "AB+/cd==");
    assert_span_is(r->a.time, "1700000000");
    assert_int_equal(r->a.sig.len, 2);
    assert_memory_equal(r->a.sig.data, "\x00\xff", 2);
    assert_span_is(r->a.tracker_id, "t+1");
    drop(r);
}

static void the_first_of_a_repeated_key_counts(void **state) {
    result *r = decode_ok(BASE "&left=1&left=2&port=1&info_hash=short&peer_id=%zz&uid=a&uid=%zz");
    assert_int_equal(r->a.left_bytes, 1);
    assert_int_equal(r->a.port, 6881);
    assert_memory_equal(r->a.infohash, HASH_A_BYTES, 20);
    assert_span_is(r->a.uid, "a");
    drop(r);
}

static void unknown_keys_and_odd_separators_are_ignored(void **state) {
    result *r = decode_ok("&&=&x&=y&xinfo_hash=1&%zz=%&" BASE "&&key=%&ip=1.2.3.4&left=4&");
    assert_int_equal(r->a.left_bytes, 4);
    drop(r);
    r = decode_ok(BASE "&key");
    drop(r);
}

/* -- refusals ------------------------------------------------------------------------------ */

static void a_bad_announce_names_its_problem_and_changes_nothing(void **state) {
    static const struct {
        const char *query, *problem;
    } CASES[] = {
        { "", "info_hash is missing" },
        { "peer_id=" ID_A "&port=1", "info_hash is missing" },
        { "info_hash=" HASH_A "&port=1", "peer_id is missing" },
        { "info_hash=" HASH_A "&peer_id=" ID_A, "port is missing" },
        { "info_hash", "info_hash is not 20 bytes" },
        { "info_hash=", "info_hash is not 20 bytes" },
        { "info_hash=0123456789abcdefghi", "info_hash is not 20 bytes" },
        { "info_hash=0123456789abcdefghijk&peer_id=" ID_A "&port=1", "info_hash is not 20 bytes" },
        { "info_hash=0123456789abcdefghi%", "info_hash is not 20 bytes" },
        { "info_hash=0123456789abcdefghi%1", "info_hash is not 20 bytes" },
        { "info_hash=0123456789abcdefghi%1&", "info_hash is not 20 bytes" },
        { "info_hash=0123456789abcdefghi%g0", "info_hash is not 20 bytes" },
        { "info_hash=0123456789abcdefghi%0g", "info_hash is not 20 bytes" },
        { "info_hash=" HASH_A "&peer_id=-XX0001-abcdefghijk", "peer_id is not 20 bytes" },
        { "info_hash=" HASH_A "&peer_id=" ID_A "x&port=1", "peer_id is not 20 bytes" },
        { "info_hash=" HASH_A "&peer_id=" ID_A "&port=", "port is not a port number" },
        { "info_hash=" HASH_A "&peer_id=" ID_A "&port=65536", "port is not a port number" },
        { "info_hash=" HASH_A "&peer_id=" ID_A "&port=-1", "port is not a port number" },
        { "info_hash=" HASH_A "&peer_id=" ID_A "&port=1x", "port is not a port number" },
        { "info_hash=" HASH_A "&peer_id=" ID_A "&port=18446744073709551617",
          "port is not a port number" },
        { "info_hash=" HASH_A "&peer_id=" ID_A "&port=0", "port 0 cannot be reached" },
        { "info_hash=" HASH_A "&peer_id=" ID_A "&port=0&event=started",
          "port 0 cannot be reached" },
        { BASE "&pk=%4", "a parameter is badly escaped or too long" },
        { BASE "&uid=%4&time=1", "a parameter is badly escaped or too long" },
        { BASE "&sig=%zz", "a parameter is badly escaped or too long" },
    };
    pbts_announce untouched;
    memset(&untouched, 0x5A, sizeof untouched);
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        result *r = decode(pbts_span_text(CASES[i].query));
        assert_int_equal(r->status, PBTS_MALFORMED);
        assert_string_equal(r->problem, CASES[i].problem);
        assert_memory_equal(&r->a, &untouched, sizeof untouched);
        drop(r);
    }
}

static void escaped_text_fits_the_scratch_space_or_is_refused(void **state) {
    static char query[4 * PBTS_ANNOUNCE_SCRATCH_LEN];
    for (size_t len = PBTS_ANNOUNCE_SCRATCH_LEN - 1; len <= PBTS_ANNOUNCE_SCRATCH_LEN; len++) {
        /* One byte for uid, `len` for pk. */
        pbts_writer w = pbts_writer_over((uint8_t *)query, sizeof query);
        pbts_write_text(&w, BASE "&uid=%41&pk=");
        for (size_t i = 0; i < len; i++) pbts_write_text(&w, "%42");
        result *r = decode(pbts_writer_span(&w));
        assert_int_equal(pbts_writer_status(&w), PBTS_OK);
        assert_int_equal(r->status, len < PBTS_ANNOUNCE_SCRATCH_LEN ? PBTS_OK : PBTS_MALFORMED);
        if (r->status == PBTS_OK) assert_int_equal(r->a.pk.len, len);
        drop(r);
    }
}

/* -- the naive twin ------------------------------------------------------------------------ */

static int slow_hex(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The raw value of the first pair with this key; false when there is none. */
static bool slow_find(pbts_span query, const char *key, pbts_span *value) {
    size_t start = 0;
    while (start < query.len) {
        size_t end = start, equals;
        while (end < query.len && query.data[end] != '&') end++;
        equals = start;
        while (equals < end && query.data[equals] != '=') equals++;
        if (pbts_span_is((pbts_span){ query.data + start, equals - start }, key)) {
            size_t from = equals < end ? equals + 1 : end;
            *value = (pbts_span){ query.data + from, end - from };
            return true;
        }
        start = end + 1;
    }
    *value = (pbts_span){ NULL, 0 };
    return false;
}

static bool slow_unescape(uint8_t *out, size_t *out_len, pbts_span raw) {
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] != '%') {
            out[len++] = raw.data[i];
            continue;
        }
        if (i + 2 >= raw.len) return false;
        int high = slow_hex(raw.data[i + 1]), low = slow_hex(raw.data[i + 2]);
        if (high < 0 || low < 0) return false;
        out[len++] = (uint8_t)(high * 16 + low);
        i += 2;
    }
    *out_len = len;
    return true;
}

static bool slow_number(pbts_span query, const char *key, uint64_t *out) {
    pbts_span raw;
    if (!slow_find(query, key, &raw) || raw.len == 0) return false;
    long double value = 0; /* 64 bits of mantissa: exact up to UINT64_MAX */
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] < '0' || raw.data[i] > '9') return false;
        value = value * 10 + (raw.data[i] - '0');
    }
    *out = value >= 18446744073709551615.0L ? UINT64_MAX : (uint64_t)value;
    return true;
}

static bool slow_hash(pbts_span query, const char *key, const uint8_t *want) {
    static uint8_t bytes[4096];
    pbts_span raw;
    size_t len;
    if (!slow_find(query, key, &raw) || !slow_unescape(bytes, &len, raw) || len != 20) return false;
    if (want != NULL) assert_memory_equal(bytes, want, 20);
    return true;
}

static bool slow_text(pbts_span query, const char *key, const pbts_span *want) {
    static uint8_t bytes[4096];
    pbts_span raw;
    size_t len;
    (void)slow_find(query, key, &raw);
    if (!slow_unescape(bytes, &len, raw)) return false;
    if (want != NULL) assert_true(pbts_span_equal(*want, (pbts_span){ bytes, len }));
    return true;
}

static bool slow_is(pbts_span query, const char *key, const char *text) {
    pbts_span raw;
    return slow_find(query, key, &raw) && pbts_span_is(raw, text);
}

static pbts_event slow_event(pbts_span query) {
    if (slow_is(query, "event", "started")) return PBTS_EVENT_STARTED;
    if (slow_is(query, "event", "stopped")) return PBTS_EVENT_STOPPED;
    if (slow_is(query, "event", "completed")) return PBTS_EVENT_COMPLETED;
    return slow_is(query, "event", "paused") ? PBTS_EVENT_PAUSED : PBTS_EVENT_NONE;
}

/* Whether the twin serves this query; its fields are compared with `a` unless that is NULL. */
static bool slow_serves(pbts_span query, const pbts_announce *a) {
    uint64_t port;
    if (!slow_hash(query, "info_hash", a ? a->infohash : NULL)) return false;
    if (!slow_hash(query, "peer_id", a ? a->peer_id : NULL)) return false;
    if (!slow_number(query, "port", &port) || port > 65535) return false;
    if (port == 0 && slow_event(query) != PBTS_EVENT_STOPPED) return false;
    return slow_text(query, "trackerid", a ? &a->tracker_id : NULL) &&
           slow_text(query, "uid", a ? &a->uid : NULL) &&
           slow_text(query, "pk", a ? &a->pk : NULL) &&
           slow_text(query, "time", a ? &a->time : NULL) &&
           slow_text(query, "sig", a ? &a->sig : NULL);
}

static void compare_numbers(pbts_span query, const pbts_announce *a) {
    uint64_t port = 0, up = 0, down = 0, left = UINT64_MAX, wanted = 0;
    (void)slow_number(query, "port", &port);
    (void)slow_number(query, "uploaded", &up);
    (void)slow_number(query, "downloaded", &down);
    (void)slow_number(query, "left", &left);
    int32_t numwant =
        slow_number(query, "numwant", &wanted) ? (int32_t)(wanted > 200 ? 200 : wanted) : -1;
    assert_true(a->port == port && a->uploaded_bytes == up && a->downloaded_bytes == down);
    assert_true(a->left_bytes == left);
    assert_int_equal(a->numwant, numwant);
    assert_int_equal(a->event, slow_event(query));
    assert_int_equal(a->compact, !slow_is(query, "compact", "0"));
    assert_int_equal(a->no_peer_id, slow_is(query, "no_peer_id", "1"));
}

/* True when the query was served. */
static bool compare_with_twin(pbts_span query) {
    result *r = decode(query);
    bool ok = r->status == PBTS_OK;
    if (ok != slow_serves(query, ok ? &r->a : NULL)) {
        fail_msg("status %d: %.*s", (int)r->status, (int)query.len, (const char *)query.data);
    }
    if (ok) compare_numbers(query, &r->a);
    drop(r);
    return ok;
}

static void every_truncation_and_byte_of_damage_is_judged_as_the_twin_does(void **state) {
    static const char QUERY[] =
        "uid=a%41&pk=b&time=1&trackerid=t&" BASE
        "&uploaded=1&downloaded=2&left=3&event=stopped&numwant=4&compact=1&no_peer_id=1&key=%B8";
    uint8_t bytes[sizeof QUERY];
    size_t len = sizeof QUERY - 1;
    memcpy(bytes, QUERY, sizeof QUERY);
    assert_true(compare_with_twin((pbts_span){ bytes, len }));
    for (size_t at = 0; at < len; at++) {
        (void)compare_with_twin((pbts_span){ bytes, at });
        for (unsigned value = 0; value < 256; value++) {
            bytes[at] = (uint8_t)value;
            (void)compare_with_twin((pbts_span){ bytes, len });
        }
        bytes[at] = (uint8_t)QUERY[at];
    }
}

static void random_queries_are_judged_as_the_twin_does(void **state) {
    static const char *const KEYS[] = {
        "info_hash", "peer_id", "port",    "uploaded",   "downloaded", "left",
        "event",     "numwant", "compact", "no_peer_id", "trackerid",  "uid",
        "pk",        "time",    "sig",     "key",        "x",          "",
    };
    static const char *const VALUES[] = {
        HASH_A,
        ID_A,
        "0",
        "1",
        "6881",
        "65535",
        "65536",
        "started",
        "stopped",
        "paused",
        "%41%6a",
        "",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "a=b",
        "%",
        "%4",
    };
    pbts_prng prng = pbts_prng_seeded(3);
    size_t served = 0;
    for (size_t round = 0; round < 100000; round++) {
        uint8_t buffer[2048];
        pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
        if (round % 4) pbts_write_text(&w, BASE);
        size_t pairs = pbts_prng_below(&prng, 8);
        for (size_t i = 0; i < pairs; i++) {
            pbts_write_text(&w, pbts_prng_below(&prng, 20) ? "&" : "");
            pbts_write_text(&w, KEYS[pbts_prng_below(&prng, COUNT_OF(KEYS))]);
            pbts_write_text(&w, pbts_prng_below(&prng, 20) ? "=" : "");
            pbts_write_text(&w, VALUES[pbts_prng_below(&prng, COUNT_OF(VALUES))]);
        }
        served += compare_with_twin(pbts_writer_span(&w));
    }
    assert_true(served > 20000 && served < 90000);
}

/* -- scrape -------------------------------------------------------------------------------- */

static pbts_status scrape(uint8_t (*hashes)[20], size_t *count, const char **problem,
                          pbts_span query) {
    uint8_t *copy = exact_copy(query);
    pbts_status status =
        pbts_http_scrape_decode(hashes, count, problem, (pbts_span){ copy, query.len });
    free(copy);
    return status;
}

static void a_scrape_gives_its_infohashes_in_order(void **state) {
    uint8_t hashes[PBTS_SCRAPE_HASHES_MAX][20];
    size_t count;
    const char *problem;
    pbts_span query = pbts_span_text("x=1&info_hash=" HASH_A "&&y&info_hash=0123456789abcdefghij&");
    assert_int_equal(scrape(hashes, &count, &problem, query), PBTS_OK);
    assert_int_equal(count, 2);
    assert_memory_equal(hashes[0], HASH_A_BYTES, 20);
    assert_memory_equal(hashes[1], "0123456789abcdefghij", 20);
}

static void a_bad_scrape_names_its_problem_and_changes_nothing(void **state) {
    static const struct {
        const char *query, *problem;
    } CASES[] = {
        { "", "info_hash is missing" },
        { "x=1", "info_hash is missing" },
        { "info_hash=", "info_hash is not 20 bytes" },
        { "info_hash=" HASH_A "&info_hash=" HASH_A "x", "info_hash is not 20 bytes" },
        { "info_hash=" HASH_A "&info_hash=%0", "info_hash is not 20 bytes" },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint8_t hashes[PBTS_SCRAPE_HASHES_MAX][20] = { { 9 } };
        size_t count = 77;
        const char *problem = NULL;
        assert_int_equal(scrape(hashes, &count, &problem, pbts_span_text(CASES[i].query)),
                         PBTS_MALFORMED);
        assert_string_equal(problem, CASES[i].problem);
        assert_int_equal(count, 77);
        assert_int_equal(hashes[0][0], 9);
    }
}

static void a_scrape_may_ask_for_as_many_as_the_limit_and_no_more(void **state) {
    static uint8_t buffer[8192];
    uint8_t hashes[PBTS_SCRAPE_HASHES_MAX][20];
    size_t count;
    const char *problem;
    pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
    for (unsigned i = 0; i < PBTS_SCRAPE_HASHES_MAX; i++) {
        pbts_write_text(&w, "&info_hash=0123456789abcdefghi");
        pbts_write_u8(&w, (uint8_t)(0x80 + i));
    }
    assert_int_equal(scrape(hashes, &count, &problem, pbts_writer_span(&w)), PBTS_OK);
    assert_int_equal(count, PBTS_SCRAPE_HASHES_MAX);
    assert_int_equal(hashes[73][19], 0x80 + 73);
    pbts_write_text(&w, "&info_hash=0123456789abcdefghij");
    assert_int_equal(scrape(hashes, &count, &problem, pbts_writer_span(&w)), PBTS_LIMIT);
    assert_string_equal(problem, "too many torrents in one scrape");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transmission_3_00_is_understood),
        cmocka_unit_test(aria2_with_its_raw_key_is_understood),
        cmocka_unit_test(rtorrent_without_numwant_is_understood),
        cmocka_unit_test(libtorrent_is_understood),
        cmocka_unit_test(absent_fields_have_their_defaults),
        cmocka_unit_test(left_is_a_number_or_unknown),
        cmocka_unit_test(numwant_is_capped_and_negative_means_default),
        cmocka_unit_test(events_are_known_words_or_none),
        cmocka_unit_test(compact_and_no_peer_id_are_switches),
        cmocka_unit_test(port_zero_is_for_stopped_only),
        cmocka_unit_test(text_fields_are_decoded_and_a_plus_is_itself),
        cmocka_unit_test(the_first_of_a_repeated_key_counts),
        cmocka_unit_test(unknown_keys_and_odd_separators_are_ignored),
        cmocka_unit_test(a_bad_announce_names_its_problem_and_changes_nothing),
        cmocka_unit_test(escaped_text_fits_the_scratch_space_or_is_refused),
        cmocka_unit_test(every_truncation_and_byte_of_damage_is_judged_as_the_twin_does),
        cmocka_unit_test(random_queries_are_judged_as_the_twin_does),
        cmocka_unit_test(a_scrape_gives_its_infohashes_in_order),
        cmocka_unit_test(a_bad_scrape_names_its_problem_and_changes_nothing),
        cmocka_unit_test(a_scrape_may_ask_for_as_many_as_the_limit_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
