/* Unit tests of batch and session statements in both encodings. */
#include "codec/text.h"
#include "hash/sha.h"
#include "receipt/faulty_mem.h"
#include "wire/report_draft.h"
#include "wire/report_kit.h"

#define SET10 "1:c2:\x08\x0A" /* pieces 8 to 17 of 24 */
#define BATCH                  \
    "d" SET10 "1:ei486111e1:f" \
    "i3e1:h#20:H1:r3:bobe"
/* Three pieces; 192 bytes of signatures. */
#define SESSION  \
    "d1:b1:\xE0" \
    "1:d#32:D1:ei486111e1:h#20:H1:k#33:K1:r3:bob1:ti1750003200e1:x#48:X1:y#192:Ye"

/* base64 of 32 times D, 33 times K, 192 times Y */
#define D32 "REREREREREREREREREREREREREREREREREREREREREQ="
#define K33 "S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tL"
#define Y48 "WVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZ"
#define Y192 Y48 Y48 Y48 Y48
#define JBATCH                                                                               \
    "{\"form\":\"batch\",\"infohash\":\"" HASH40 "\",\"epoch\":486111,\"receiver\":\"bob\"," \
    "\"pieces\":\"8-17\",\"piece_count\":24}"
#define JSESSION_FIELDS                                       \
    "\"session_id\":\"" D32 "\",\"session_key\":\"" K33 "\"," \
    "\"expires\":1750003200,\"piece_signatures\":\"" Y192 "\""
#define JSESSION                                                                               \
    "{\"form\":\"session\",\"infohash\":\"" HASH40 "\",\"epoch\":486111,\"receiver\":\"bob\"," \
    "\"bitmap\":\"4A==\",\"signature\":\"" SIG64_X "\"," JSESSION_FIELDS "}"

static void assert_hash_of_list(const pbts_report *report, const char *entry) {
    uint8_t list[ROOM], want[PBTS_SHA256_LEN];
    size_t len = lay(list, "l");
    len += lay(list + len, entry);
    len += lay(list + len, "e");
    pbts_sha256(want, (pbts_span){ list, len });
    assert_memory_equal(report->statements_sha256, want, sizeof want);
}

static decoded decode_one(bool json, const char *entry) {
    if (json) return decode(pbts_report_decode_json, entry, strlen(entry));
    uint8_t body[ROOM];
    size_t len = lay(body, "d1:ll");
    len += lay(body + len, entry);
    len += lay(body + len, "e" TAIL);
    return decode(pbts_report_decode_bencode, body, len);
}

/* ---- what is read ---- */

static void a_batch_is_read_from_both_encodings(void **state) {
    (void)state;
    static const uint8_t SET[] = { 0x00, 0xFF, 0xC0 };
    for (int json = 0; json < 2; json++) {
        decoded d = decode_one(json == 1, json ? JREPORT(JBATCH) : BATCH);
        assert_int_equal(d.status, PBTS_OK);
        const pbts_statement *s = d.report.statements;
        assert_int_equal(s->form, PBTS_FORM_BATCH);
        assert_memory_equal(s->bitmap.data, SET, 2);
        assert_int_equal(pbts_piece_set_count(s->bitmap), 10);
        assert_int_equal(s->piece_signatures.len, 0);
        assert_false(s->has_signature);
        if (!json) assert_hash_of_list(&d.report, BATCH);
        drop(&d);
    }
}

static void a_session_is_read_from_both_encodings(void **state) {
    (void)state;
    for (int json = 0; json < 2; json++) {
        decoded d = decode_one(json == 1, json ? JREPORT(JSESSION) : SESSION);
        assert_int_equal(d.status, PBTS_OK);
        const pbts_statement *s = d.report.statements;
        assert_int_equal(s->form, PBTS_FORM_SESSION);
        assert_true(s->session.id[0] == 'D' && s->session.id[31] == 'D');
        assert_true(s->session.key.bytes[0] == 'K' && s->session.key.bytes[32] == 'K');
        assert_true(s->session.expires == 1750003200 && s->epoch == 486111);
        assert_int_equal(s->piece_signatures.len, 192);
        assert_true(s->piece_signatures.data[0] == 'Y' && s->piece_signatures.data[191] == 'Y');
        assert_true(s->has_signature && s->signature.bytes[0] == 'X');
        assert_int_equal(pbts_piece_set_count(s->bitmap), 3);
        assert_hash_of_list(&d.report, SESSION);
        drop(&d);
    }
}

static void the_form_may_be_said_again_but_not_denied(void **state) {
    (void)state;
    static const struct {
        const char *body;
        pbts_status status;
    } CASES[] = {
        { "d1:ll" BATCH "e" TAIL, PBTS_OK },
        { "d1:lld" SET10 "1:ei1e1:fi2e1:h#20:H1:r1:bee" TAIL, PBTS_OK },
        { "d1:lld" SET10 "1:ei1e1:fi4e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld" SET10 "1:ei1e1:fi1e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld" SET10 "1:ei1e1:fi0e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld" SET10 "1:ei1e1:fi-1e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld" SET10 "1:ei1e1:f1:31:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:ei1e1:fi3e1:h#20:H1:ii1e1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:ei1e1:fi4e1:h#20:H1:ii1e1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:\x80"
          "1:d#32:D1:ei1e1:fi4e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#64:Yee" TAIL,
          PBTS_OK },
        { "d1:lld1:b1:\x80"
          "1:d#32:D1:ei1e1:fi3e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#64:Yee" TAIL,
          PBTS_MALFORMED },
        { "d1:lld1:b1:\x80"
          "1:d#32:D1:ei1e1:fi2e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#64:Yee" TAIL,
          PBTS_MALFORMED },
        { "d1:lld1:d#32:D1:ei1e1:h#20:H1:ii1e1:k#33:K1:r1:b1:ti1e1:y#64:Yee" TAIL, PBTS_MALFORMED },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        if (bencode_status(CASES[i].body) != CASES[i].status) fail_msg("case %zu", i);
    }
}

/* ---- bad fields ---- */

static void bad_bencoded_sessions_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *entry; /* after the set of one piece */
        pbts_status status;
    } CASES[] = {
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#64:Ye", PBTS_OK },
        { "1:d#31:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#64:Ye", PBTS_MALFORMED },
        { "1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#64:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#32:K1:r1:b1:ti1e1:y#64:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:ki7e1:r1:b1:ti1e1:y#64:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:r1:b1:ti1e1:y#64:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti-1e1:y#64:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:t1:11:y#64:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:y#64:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#63:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#65:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#128:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#0:Ye", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:yi1ee", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1ee", PBTS_MALFORMED },
        { "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y#64:Y1:zi1ee", PBTS_MALFORMED },
        { "1:ei1e1:h#20:H1:r1:b1:y#64:Ye", PBTS_MALFORMED },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char body[1024];
        int len = snprintf(body, sizeof body, "d1:lld1:b1:\x80%se" TAIL, CASES[i].entry);
        assert_true(len > 0 && (size_t)len < sizeof body);
        if (bencode_status(body) != CASES[i].status) fail_msg("case %zu", i);
    }
}

static void bad_json_batches_and_sessions_are_refused(void **state) {
    (void)state;
    static const char *const GOOD[] = { JREPORT(JBATCH), JREPORT(JSESSION),
                                        JREPORT(JBATCH "," JSESSION "," JENTRY) };
    static const char *const BAD[] = {
        JREPORT("{\"form\":\"batch\"," JBASE "}"),
        JREPORT("{\"form\":\"batch\"," JBASE ",\"index\":1}"),
        JREPORT("{\"form\":\"batch\"," JBASE ",\"bitmap\":\"4A==\"," JSESSION_FIELDS "}"),
        JREPORT("{\"form\":\"cumulative\"," JBASE ",\"bitmap\":\"4A==\"," JSESSION_FIELDS "}"),
        JREPORT("{\"form\":\"piece\"," JBASE ",\"index\":1," JSESSION_FIELDS "}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"index\":1," JSESSION_FIELDS "}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"bitmap\":\"4A==\"}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"bitmap\":\"8A==\"," JSESSION_FIELDS "}"),
        JREPORT("{\"form\":\"sessions\"," JBASE ",\"bitmap\":\"4A==\"," JSESSION_FIELDS "}"),
        JREPORT("{" JBASE ",\"bitmap\":\"4A==\"," JSESSION_FIELDS "}"),
        JREPORT("{\"form\":4," JBASE ",\"bitmap\":\"4A==\"," JSESSION_FIELDS "}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"bitmap\":\"4A==\",\"session_id\":\"" K33
                "\",\"session_key\":\"" K33 "\",\"expires\":1,\"piece_signatures\":\"" Y192 "\"}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"bitmap\":\"4A==\",\"session_id\":\"" D32
                "\",\"session_key\":\"S0s=\",\"expires\":1,\"piece_signatures\":\"" Y192 "\"}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"bitmap\":\"4A==\",\"session_id\":\"" D32
                "\",\"session_key\":\"" K33 "\",\"expires\":-1,\"piece_signatures\":\"" Y192 "\"}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"bitmap\":\"4A==\",\"session_id\":\"" D32
                "\",\"session_key\":\"" K33 "\",\"piece_signatures\":\"" Y192 "\"}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"bitmap\":\"4A==\",\"session_id\":\"" D32
                "\",\"session_key\":\"" K33 "\",\"expires\":1}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"bitmap\":\"4A==\",\"session_id\":\"" D32
                "\",\"session_key\":\"" K33 "\",\"expires\":1,\"piece_signatures\":\"" Y48 Y48 Y48
                "\"}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"bitmap\":\"4A==\",\"session_id\":\"" D32
                "\",\"session_key\":\"" K33 "\",\"expires\":1,\"piece_signatures\":\"" Y48 Y48 Y48
                "WVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWV*Z\"}"),
        JREPORT("{\"form\":\"session\"," JBASE ",\"bitmap\":\"4A==\",\"session_id\":\"" D32
                "\",\"session_key\":\"" K33 "\",\"expires\":1,\"piece_signatures\":\"\"}"),
    };
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) {
        if (json_status(GOOD[i]) != PBTS_OK) fail_msg("good case %zu", i);
    }
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        if (json_status(BAD[i]) != PBTS_MALFORMED) fail_msg("bad case %zu", i);
    }
}

/* ---- limits ---- */

/* A session statement of the first `pieces` pieces, as a bitmap. */
static size_t lay_session(uint8_t *out, uint32_t pieces) {
    size_t set_len = pbts_piece_set_len(pieces), at = lay(out, "d1:b");
    at += (size_t)sprintf((char *)out + at, "%zu:", set_len);
    memset(out + at, 0, set_len);
    for (uint32_t i = 0; i < pieces; i++) pbts_piece_set_add(out + at, i);
    at += set_len;
    at += lay(out + at, "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y");
    at += (size_t)sprintf((char *)out + at, "%u:", pieces * 64);
    memset(out + at, 'Y', pieces * 64);
    at += pieces * 64;
    out[at++] = 'e';
    return at;
}

static pbts_status sessions_status(size_t statements, uint32_t pieces, uint32_t pieces_of_last) {
    uint8_t *body = malloc(1024 + (statements + 1) * (pieces * 64 + 512) + pieces_of_last * 64);
    assert_non_null(body);
    size_t at = lay(body, "d1:ll");
    for (size_t i = 0; i < statements; i++) at += lay_session(body + at, pieces);
    if (pieces_of_last > 0) at += lay_session(body + at, pieces_of_last);
    at += lay(body + at, "e" TAIL);
    pbts_status status = status_of(pbts_report_decode_bencode, body, at);
    free(body);
    return status;
}

static size_t lay_json_session(char *out, uint32_t pieces, uint32_t piece_count) {
    size_t len = (size_t)pieces * 64, at;
    uint8_t *raw = calloc(1, len);
    assert_non_null(raw);
    at = (size_t)sprintf(out,
                         "{\"form\":\"session\"," JBASE ",\"session_id\":\"" D32 "\","
                         "\"session_key\":\"" K33 "\",\"expires\":1,\"pieces\":\"0-%u\","
                         "\"piece_count\":%u,\"piece_signatures\":\"",
                         pieces - 1, piece_count);
    pbts_writer writer = pbts_writer_over((uint8_t *)out + at, 2 * len);
    pbts_base64_encode(&writer, (pbts_span){ raw, len });
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    free(raw);
    at += writer.len;
    return at + (size_t)sprintf(out + at, "\"}");
}

static void a_session_statement_has_at_most_1024_pieces(void **state) {
    (void)state;
    assert_int_equal(sessions_status(1, PBTS_RECEIPT_SESSION_PIECES_MAX, 0), PBTS_OK);
    assert_int_equal(sessions_status(1, PBTS_RECEIPT_SESSION_PIECES_MAX + 1, 0), PBTS_LIMIT);
    char *body = malloc(1 << 18);
    assert_non_null(body);
    for (uint32_t extra = 0; extra < 2; extra++) {
        size_t at = (size_t)sprintf(body, "{\"user_id\":\"a\",\"time\":1,\"signature\":\"" SIG64
                                          "\",\"statements\":[");
        at += lay_json_session(body + at, PBTS_RECEIPT_SESSION_PIECES_MAX + extra, 2000);
        at += (size_t)sprintf(body + at, "]}");
        assert_int_equal(status_of(pbts_report_decode_json, body, at),
                         extra ? PBTS_LIMIT : PBTS_OK);
    }
    free(body);
}

static void a_session_of_no_pieces_is_refused(void **state) {
    (void)state;
    assert_int_equal(bencode_status("d1:lld1:c1:\x08"
                                    "1:d#32:D1:ei1e1:h#20:H1:k#33:K1:r1:b1:ti1e1:y0:ee" TAIL),
                     PBTS_MALFORMED);
}

static void the_sessions_of_a_report_have_at_most_65536_pieces(void **state) {
    (void)state;
    enum { FULL = PBTS_REPORT_SESSION_PIECES_MAX / PBTS_RECEIPT_SESSION_PIECES_MAX };
    assert_int_equal(sessions_status(FULL, PBTS_RECEIPT_SESSION_PIECES_MAX, 0), PBTS_OK);
    assert_int_equal(sessions_status(FULL, PBTS_RECEIPT_SESSION_PIECES_MAX, 1), PBTS_LIMIT);
}

static void a_batch_has_at_most_4096_pieces(void **state) {
    (void)state;
    assert_int_equal(PBTS_RECEIPT_BATCH_PIECES_MAX, 512 * 8);
    assert_int_equal(bencode_status("d1:lld1:b#512:\xFF"
                                    "1:ei1e1:fi3e1:h#20:H1:r1:bee" TAIL),
                     PBTS_OK);
    assert_int_equal(bencode_status("d1:lld1:c3:\x01\x81\x20"
                                    "1:ei1e1:fi3e1:h#20:H1:r1:bee" TAIL),
                     PBTS_LIMIT);
    assert_int_equal(bencode_status("d1:lld1:c3:\x01\x81\x20"
                                    "1:ei1e1:fi2e1:h#20:H1:r1:bee" TAIL),
                     PBTS_OK);
}

static void the_batches_of_a_report_have_at_most_a_million_pieces(void **state) {
    (void)state;
    enum { SET_LEN = 512, FULL = PBTS_REPORT_BATCH_PIECES_MAX / (8 * SET_LEN) };
    uint8_t *body = malloc(1024 + FULL * (SET_LEN + 256));
    assert_non_null(body);
    for (int extra = 0; extra < 2; extra++) {
        size_t at = lay(body, "d1:ll");
        for (int i = 0; i < FULL; i++) {
            at += lay(body + at, "d1:b#512:\xFF"
                                 "1:ei1e1:fi3e1:h#20:H1:r1:be");
        }
        /* A cumulative statement costs no tree. */
        at += lay(body + at, "d1:b1:\x80"
                             "1:ei1e");
        at += lay(body + at, extra ? "1:fi3e" : "1:fi2e");
        at += lay(body + at, "1:h#20:H1:r1:bee" TAIL);
        assert_int_equal(status_of(pbts_report_decode_bencode, body, at),
                         extra ? PBTS_LIMIT : PBTS_OK);
    }
    free(body);
}

static void signatures_in_base64_count_as_expanded(void **state) {
    (void)state;
    char *body = malloc(1 << 20);
    assert_non_null(body);
    for (uint32_t extra = 0; extra < 2; extra++) {
        size_t at = (size_t)sprintf(body, "{\"user_id\":\"a\",\"time\":1,\"signature\":\"" SIG64
                                          "\",\"statements\":[");
        /* 127 * 131072 bytes of sets; 128 + 65536 and 128 + 65280 are the other 131072. */
        for (int i = 0; i < 127; i++) {
            at += (size_t)sprintf(body + at, "{\"form\":\"cumulative\"," JBASE
                                             ",\"pieces\":\"7\",\"piece_count\":1048576},");
        }
        at += lay_json_session(body + at, 1024, 1024);
        body[at++] = ',';
        at += lay_json_session(body + at, 1020, 1024 + 8 * extra);
        at += (size_t)sprintf(body + at, "]}");
        assert_int_equal(status_of(pbts_report_decode_json, body, at),
                         extra ? PBTS_LIMIT : PBTS_OK);
    }
    free(body);
}

/* ---- truncation, damage, allocation ---- */

static void every_truncation_of_the_new_forms_is_refused(void **state) {
    (void)state;
    uint8_t body[ROOM];
    size_t len = lay(body, "d1:ll" BATCH SESSION "e" TAIL);
    assert_int_equal(status_of(pbts_report_decode_bencode, body, len), PBTS_OK);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(status_of(pbts_report_decode_bencode, body, cut), PBTS_MALFORMED);
    }
    const char *text = JREPORT(JBATCH "," JSESSION);
    for (size_t cut = 0; cut < strlen(text); cut++) {
        assert_int_equal(status_of(pbts_report_decode_json, text, cut), PBTS_MALFORMED);
    }
}

static void single_byte_damage_of_the_new_forms_is_refused_or_stable(void **state) {
    (void)state;
    uint8_t body[ROOM];
    char text[] = JREPORT(JBATCH "," JSESSION);
    size_t len = lay(body, "d1:ll" BATCH SESSION "e" TAIL);
    for (size_t i = 0; i < len + strlen(text); i++) {
        for (unsigned value = 1; value < 256; value += 11) {
            bool json = i >= len;
            uint8_t *at = json ? (uint8_t *)text + (i - len) : &body[i];
            uint8_t kept = *at;
            *at = (uint8_t)value;
            decoded d = json ? decode(pbts_report_decode_json, text, strlen(text))
                             : decode(pbts_report_decode_bencode, body, len);
            if (d.status == PBTS_OK) assert_list_is_stable(&d.report);
            *at = kept;
            drop(&d);
        }
    }
}

static void every_allocation_for_a_session_may_fail(void **state) {
    (void)state;
    size_t fail_at = 0;
    for (bool failed = true; failed; fail_at++) {
        faulty_mem mem = mem_failing_at(fail_at);
        pbts_report report = { 0 };
        const char *problem = NULL;
        pbts_status status =
            pbts_report_decode_json(&report, &problem, &mem.mem, pbts_span_text(JREPORT(JSESSION)));
        failed = status != PBTS_OK;
        if (failed) assert_int_equal(status, PBTS_NO_MEMORY);
        pbts_report_free(&report);
        assert_int_equal(mem.live, 0);
    }
    assert_int_equal(fail_at, 5); /* statements, sources, room, list; and then none */
}

/* ---- encoding ---- */

static void the_longest_statement_fits_its_room(void **state) {
    (void)state;
    uint8_t set[16] = { [15] = 1 }, signature[64] = { 0 };
    pbts_statement s = { .form = PBTS_FORM_SESSION, .epoch = INT64_MAX, .has_iid = true };
    s.session.expires = INT64_MAX;
    s.receiver.has_key = s.sender.has_key = s.has_signature = true;
    for (size_t i = 0; i < sizeof set; i++) set[i] = 0x55; /* runs would be longer */
    s.bitmap = PBTS_SPAN_OF(set);
    s.piece_signatures = PBTS_SPAN_OF(signature);
    uint8_t buffer[PBTS_STATEMENT_ROOM + sizeof set + sizeof signature];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_statement_encode(&writer, &s);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    /* The longest lengths of bitmap and signatures have four and three digits more. */
    assert_true(writer.len + 4 + 3 <= sizeof buffer);
}

static void the_new_forms_encode_to_the_bytes_of_the_header(void **state) {
    (void)state;
    for (int session = 0; session < 2; session++) {
        uint8_t want[ROOM], found[ROOM];
        decoded d = decode_one(false, session ? SESSION : BATCH);
        assert_int_equal(d.status, PBTS_OK);
        size_t len = encode_list(found, sizeof found, &d.report);
        size_t want_len = lay(want, session ? "l" SESSION "e" : "l" BATCH "e");
        assert_int_equal(len, want_len);
        assert_memory_equal(found, want, len);
        assert_list_is_stable(&d.report);
        drop(&d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_read_from_both_encodings),
        cmocka_unit_test(a_session_is_read_from_both_encodings),
        cmocka_unit_test(the_form_may_be_said_again_but_not_denied),
        cmocka_unit_test(bad_bencoded_sessions_are_refused),
        cmocka_unit_test(bad_json_batches_and_sessions_are_refused),
        cmocka_unit_test(a_session_statement_has_at_most_1024_pieces),
        cmocka_unit_test(a_session_of_no_pieces_is_refused),
        cmocka_unit_test(the_sessions_of_a_report_have_at_most_65536_pieces),
        cmocka_unit_test(a_batch_has_at_most_4096_pieces),
        cmocka_unit_test(the_batches_of_a_report_have_at_most_a_million_pieces),
        cmocka_unit_test(signatures_in_base64_count_as_expanded),
        cmocka_unit_test(every_truncation_of_the_new_forms_is_refused),
        cmocka_unit_test(single_byte_damage_of_the_new_forms_is_refused_or_stable),
        cmocka_unit_test(every_allocation_for_a_session_may_fail),
        cmocka_unit_test(the_longest_statement_fits_its_room),
        cmocka_unit_test(the_new_forms_encode_to_the_bytes_of_the_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
