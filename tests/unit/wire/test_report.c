/* Unit tests of the report's two encodings. Inputs are exact-size heap copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/text.h"
#include "hash/sha.h"
#include "receipt/faulty_mem.h"
#include "wire/report_kit.h"

/* ---- what is read ---- */

static void assert_first_statement(const pbts_report *report) {
    static const uint8_t SET[] = { 0xF0, 0x80 };
    const pbts_statement *s = &report->statements[0];
    assert_span_is(report->uid, "alice");
    assert_true(report->unix_time == 1700000000 && !report->legacy && report->has_signature);
    assert_int_equal(report->signature.bytes[47], 'S');
    assert_int_equal(s->form, PBTS_FORM_CUMULATIVE);
    assert_true(s->epoch == 486111 && !s->has_iid && !s->has_piece_hash);
    assert_int_equal(s->infohash[19], 'H');
    assert_true(!s->receiver.has_key && !s->sender.has_key && s->sender.uid.len == 0);
    assert_span_is(s->receiver.uid, "bob");
    assert_true(pbts_span_equal(s->bitmap, PBTS_SPAN_OF(SET)));
    assert_true(s->has_signature && s->signature.bytes[0] == 'X');
}

static void a_bencoded_report_is_read(void **state) {
    (void)state;
    uint8_t body[ROOM], list[ROOM], want[32];
    size_t len = lay(body, "d1:ll" ENTRY "e" TAIL);
    decoded d = decode(pbts_report_decode_bencode, body, len);
    assert_int_equal(d.status, PBTS_OK);
    assert_int_equal(d.report.count, 1);
    assert_false(d.report.has_aggregate);
    assert_first_statement(&d.report);
    pbts_sha256(want, (pbts_span){ list, lay(list, "l" ENTRY "e") });
    assert_memory_equal(d.report.statements_sha256, want, sizeof want);
    drop(&d);
}

static void a_json_report_is_the_same_value(void **state) {
    (void)state;
    uint8_t list[ROOM], want[32];
    decoded d = decode(pbts_report_decode_json, JREPORT(JENTRY), strlen(JREPORT(JENTRY)));
    assert_int_equal(d.status, PBTS_OK);
    assert_int_equal(d.report.count, 1);
    assert_first_statement(&d.report);
    pbts_sha256(want, (pbts_span){ list, lay(list, "l" ENTRY "e") });
    assert_memory_equal(d.report.statements_sha256, want, sizeof want);
    drop(&d);
}

static void piece_statements_keys_and_instances_are_read(void **state) {
    (void)state;
    uint8_t body[ROOM];
    size_t len = lay(body, "d1:a#48:A1:i#32:J1:lld1:ei1e1:fi1e1:h#20:H1:ii1048575e1:r#96:R"
                           "1:s#96:Qe"
                           "d1:ei2e1:h#20:h1:ii0e1:n#32:N1:r1:b1:s1:aee" TAIL);
    decoded d = decode(pbts_report_decode_bencode, body, len);
    assert_int_equal(d.status, PBTS_OK);
    assert_int_equal(d.report.count, 2);
    const pbts_statement *s = d.report.statements;
    assert_true(d.report.has_aggregate && d.report.aggregate.bytes[0] == 'A');
    assert_true(s[0].form == PBTS_FORM_PIECE && s[0].piece_index == 1048575);
    assert_true(s[0].has_iid && s[0].iid[0] == 'J' && s[1].iid[31] == 'N');
    assert_true(s[0].receiver.has_key && s[0].receiver.key.bytes[95] == 'R');
    assert_true(s[0].sender.has_key && s[0].sender.key.bytes[0] == 'Q');
    assert_true(!s[0].has_signature && s[0].bitmap.len == 0);
    assert_span_is(s[1].sender.uid, "a");
    drop(&d);
}

static void json_ranges_and_all_expand_to_the_piece_count(void **state) {
    (void)state;
    static const uint8_t RANGES[] = { 0xC0, 0x09, 0x00 }, ALL[] = { 0xFF, 0xFF, 0xC0 };
    const char *text = JREPORT(
        "{\"form\":\"cumulative\",\"infohash\":\"" HASH40 "\",\"epoch\":1,\"receiver\":\"b\","
        "\"pieces\":\"0-1,12,15\",\"piece_count\":18},"
        "{\"form\":\"cumulative\",\"infohash\":\"" HASH40 "\",\"epoch\":1,\"receiver\":\"b\","
        "\"pieces\":\"all\",\"piece_count\":18},"
        "{\"form\":\"piece\",\"infohash\":\"" HASH40 "\",\"epoch\":1,\"receiver\":\"b\","
        "\"index\":7,\"sender\":\"c\",\"iid\":\"" HASH40 "484848484848484848484848\"}");
    decoded d = decode(pbts_report_decode_json, text, strlen(text));
    assert_int_equal(d.status, PBTS_OK);
    assert_true(pbts_span_equal(d.report.statements[0].bitmap, PBTS_SPAN_OF(RANGES)));
    assert_true(pbts_span_equal(d.report.statements[1].bitmap, PBTS_SPAN_OF(ALL)));
    assert_true(d.report.statements[2].piece_index == 7 && d.report.statements[2].has_iid);
    drop(&d);
}

static void the_prototypes_shape_is_read_without_a_report_signature(void **state) {
    (void)state;
    char key[200] = { 0 }, text[2000];
    memset(key, 'A', 128);
    for (int base64 = 0; base64 < 2; base64++) {
        const char *hash = base64 ? "SEhISEhISEhISEhISEhISEhISEg=" : HASH40;
        int len = snprintf(text, sizeof text,
                           "{\"user_id\":\"alice\",\"extra\":1,\"receipts\":[{"
                           "\"receiver_public_key\":\"%s\",\"sender_pk\":\"%s\","
                           "\"piece_hash\":\"%s\",\"piece_index\":9,\"infohash\":\"" HASH40
                           "\",\"timestamp\":1750006799,\"signature\":\"" SIG64 "\",\"n\":null}]}",
                           key, key, hash);
        decoded d = decode(pbts_report_decode_json, text, (size_t)len);
        assert_int_equal(d.status, PBTS_OK);
        const pbts_statement *s = d.report.statements;
        assert_true(d.report.legacy && !d.report.has_signature && s->has_signature);
        assert_true(s->form == PBTS_FORM_PIECE && s->piece_index == 9);
        assert_true(s->epoch == 486112);
        assert_true(s->has_piece_hash && s->piece_hash[19] == 'H' && s->piece_hash[20] == 0);
        assert_true(s->receiver.has_key && s->sender.has_key);
        drop(&d);
    }
}

/* ---- bad fields ---- */

static void bad_bencoded_fields_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *body;
        pbts_status status;
    } CASES[] = {
        { "le", PBTS_MALFORMED },
        { "d1:ll" ENTRY "e1:s#48:S1:ti1e1:u0:e", PBTS_MALFORMED },
        { "d1:ll" ENTRY "e1:s#48:S1:ti1e1:u3:a be", PBTS_MALFORMED },
        { "d1:ll" ENTRY "e1:s#48:S1:ti-1e1:u1:ae", PBTS_MALFORMED },
        { "d1:ll" ENTRY "e1:s#48:S1:u1:ae", PBTS_MALFORMED },
        { "d1:ll" ENTRY "e1:s#47:S1:ti1e1:u1:ae", PBTS_MALFORMED },
        { "d1:ll" ENTRY "e1:ti1e1:u1:ae", PBTS_MALFORMED },
        { "d1:a#47:A1:ll" ENTRY "e" TAIL, PBTS_MALFORMED },
        { "d1:i#31:A1:ll" ENTRY "e" TAIL, PBTS_MALFORMED },
        { "d1:ll" ENTRY "e1:mi1e" TAIL, PBTS_MALFORMED },
        { "d2:aai1e1:ll" ENTRY "e" TAIL, PBTS_MALFORMED },
        { "d1:lle" TAIL, PBTS_MALFORMED },
        { "d1:lli1ee" TAIL, PBTS_MALFORMED },
        { "d1:l" ENTRY TAIL, PBTS_MALFORMED },
        { "d" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:ei1e1:h#19:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:ei-1e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:ei1e1:h#20:Hee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:ei1e1:h#20:H1:r#33:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:ei1e1:h#20:H1:r1:b1:s0:ee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:ei1e1:h#20:H1:n#31:N1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:ei1e1:h#20:H1:r1:b1:x#49:Xee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:ei1e1:fi1e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:ei1e1:fi2e1:h#20:H1:ii1e1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:ei1e1:fi4e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:ei1e1:h#20:H1:ii1e1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b1:x1:c1:x1:ei1e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:ei1e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:b0:1:ei1e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:bi1e1:ei1e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:ei1e1:h#20:H1:ii1048576e1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:c0:1:ei1e1:h#20:H1:r1:bee" TAIL, PBTS_MALFORMED },
        { "d1:lld1:c2:\x81"
          "\x81"
          "1:ei1e1:h#20:H1:r1:bee" TAIL,
          PBTS_MALFORMED },
        { "d1:lld1:c4:\xFF\xFF\xFF\x01"
          "1:ei1e1:h#20:H1:r1:bee" TAIL,
          PBTS_LIMIT },
        { "d1:lld1:c5:\xFF\xFF\xFF\xFF\x01"
          "1:ei1e1:h#20:H1:r1:bee" TAIL,
          PBTS_LIMIT },
        { "d1:l"
          "llllllllllllllllllllllllllllllllllllllllllllllllll" TAIL,
          PBTS_LIMIT },
        { "d1:ll" ENTRY "e" TAIL "e", PBTS_MALFORMED },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        if (bencode_status(CASES[i].body) != CASES[i].status) fail_msg("case %zu", i);
    }
}

static void runs_of_a_longer_form_are_refused(void **state) {
    (void)state;
    static const struct {
        uint8_t runs[5];
        size_t len;
        pbts_status status;
    } CASES[] = {
        { { 0, 8 }, 2, PBTS_OK },           { { 1, 8 }, 2, PBTS_OK },
        { { 1, 0, 8 }, 3, PBTS_MALFORMED }, { { 1, 8, 0 }, 3, PBTS_MALFORMED },
        { { 0, 0, 8 }, 3, PBTS_MALFORMED }, { { 0x81, 0 }, 2, PBTS_MALFORMED },
        { { 0x81, 1 }, 2, PBTS_OK },        { { 0 }, 1, PBTS_MALFORMED },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint8_t body[ROOM];
        size_t at = (size_t)sprintf((char *)body, "d1:lld1:c%zu:", CASES[i].len);
        memcpy(body + at, CASES[i].runs, CASES[i].len);
        at += CASES[i].len;
        at += lay(body + at, "1:ei1e1:h#20:H1:r1:bee" TAIL);
        if (status_of(pbts_report_decode_bencode, body, at) != CASES[i].status) {
            fail_msg("case %zu", i);
        }
    }
}

#define JS(fields) JREPORT("{\"form\":\"cumulative\"," fields "}")

static void bad_json_fields_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *body;
        pbts_status status;
    } CASES[] = {
        { "", PBTS_MALFORMED },
        { "[]", PBTS_MALFORMED },
        { "{}", PBTS_MALFORMED },
        { JREPORT(JENTRY) "x", PBTS_MALFORMED },
        { JREPORT(""), PBTS_MALFORMED },
        { JREPORT("1"), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":\"8A==\",\"bitmap\":\"8A==\""), PBTS_MALFORMED },
        { "{\"user_id\":\"a\",\"receipts\":[]}", PBTS_MALFORMED },
        { "{\"user_id\":\"a\",\"receipts\":[1]}", PBTS_MALFORMED },
        { "{\"user_id\":\"a b\",\"time\":1,\"signature\":\"" SIG64 "\",\"statements\":[" JENTRY
          "]}",
          PBTS_MALFORMED },
        { "{\"user_id\":\"a\",\"time\":1.5,\"signature\":\"" SIG64 "\",\"statements\":[" JENTRY
          "]}",
          PBTS_MALFORMED },
        { "{\"user_id\":\"a\",\"time\":1,\"statements\":[" JENTRY "]}", PBTS_MALFORMED },
        { "{\"user_id\":\"a\",\"time\":1,\"signature\":\"" SIG64 "\",\"statements\":{}}",
          PBTS_MALFORMED },
        { "{\"user_id\":\"a\",\"time\":1,\"signature\":\"" SIG64 "\",\"statement\":[" JENTRY "]}",
          PBTS_MALFORMED },
        { "{\"user_id\":\"a\",\"time\":1,\"aggregate\":\"x\",\"signature\":\"" SIG64
          "\",\"statements\":[" JENTRY "]}",
          PBTS_MALFORMED },
        { JREPORT("{\"form\":\"piece\"," JBASE ",\"bitmap\":\"8A==\"}"), PBTS_MALFORMED },
        { JREPORT("{\"form\":\"batch\"," JBASE ",\"index\":1}"), PBTS_MALFORMED },
        { JREPORT("{" JBASE ",\"index\":1}"), PBTS_MALFORMED },
        { JREPORT("{\"form\":\"piece\"," JBASE ",\"index\":1048576}"), PBTS_MALFORMED },
        { JREPORT("{\"form\":\"piece\"," JBASE ",\"index\":-1}"), PBTS_MALFORMED },
        { JS(JBASE), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":\"8A==\",\"index\":1"), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":1"), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":\"\""), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":\"===\""), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":\"8*==\""), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":\"8A=======\""), PBTS_MALFORMED },
        { JS(JBASE ",\"pieces\":\"1\""), PBTS_MALFORMED },
        { JS(JBASE ",\"pieces\":\"1\",\"piece_count\":0"), PBTS_MALFORMED },
        { JS(JBASE ",\"pieces\":\"all\",\"piece_count\":1048577"), PBTS_LIMIT },
        { JS(JBASE ",\"pieces\":\"2\",\"piece_count\":2"), PBTS_LIMIT },
        { JS(JBASE ",\"pieces\":\"0-99999999999999999999\",\"piece_count\":2"), PBTS_LIMIT },
        { JS(JBASE ",\"pieces\":\"1,0\",\"piece_count\":2"), PBTS_MALFORMED },
        { JS(JBASE ",\"pieces\":\"1,1\",\"piece_count\":2"), PBTS_MALFORMED },
        { JS(JBASE ",\"pieces\":\"1-0\",\"piece_count\":2"), PBTS_MALFORMED },
        { JS(JBASE ",\"pieces\":\"1,\",\"piece_count\":2"), PBTS_MALFORMED },
        { JS(JBASE ",\"pieces\":\"-1\",\"piece_count\":2"), PBTS_MALFORMED },
        { JS(JBASE ",\"pieces\":\"\",\"piece_count\":2"), PBTS_MALFORMED },
        { JS(JBASE ",\"pieces\":\"1 \",\"piece_count\":2"), PBTS_MALFORMED },
        { JS(JBASE ",\"pieces\":\"1\\u0000\",\"piece_count\":2"), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":\"8A==\",\"sendr\":\"a\""), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":\"8A==\",\"sender\":\"a b\""), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":\"8A==\",\"iid\":\"00\""), PBTS_MALFORMED },
        { JS(JBASE ",\"bitmap\":\"8A==\",\"signature\":\"AAAA\""), PBTS_MALFORMED },
        { JS("\"infohash\":\"00\",\"epoch\":1,\"receiver\":\"b\",\"bitmap\":\"8A==\""),
          PBTS_MALFORMED },
        { JS("\"infohash\":\"" HASH40 "\",\"receiver\":\"b\",\"bitmap\":\"8A==\""),
          PBTS_MALFORMED },
        { JS("\"infohash\":\"" HASH40 "\",\"epoch\":1,\"bitmap\":\"8A==\""), PBTS_MALFORMED },
    };
    assert_int_equal(json_status(JS(JBASE ",\"bitmap\":\"8A==\"")), PBTS_OK);
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        if (json_status(CASES[i].body) != CASES[i].status) fail_msg("case %zu", i);
    }
}

/* ---- limits ---- */

static void ten_thousand_statements_are_the_most(void **state) {
    (void)state;
    assert_int_equal(many_bencoded(PBTS_REPORT_STATEMENTS_MAX, ENTRY), PBTS_OK);
    assert_int_equal(many_bencoded(PBTS_REPORT_STATEMENTS_MAX + 1, ENTRY), PBTS_LIMIT);
    assert_int_equal(many_json(PBTS_REPORT_STATEMENTS_MAX, JENTRY), PBTS_OK);
    assert_int_equal(many_json(PBTS_REPORT_STATEMENTS_MAX + 1, JENTRY), PBTS_LIMIT);
}

static void expanded_pieces_are_at_most_sixteen_mebibytes(void **state) {
    (void)state;
    /* 2^20 absent pieces: 131072 bytes each; 128 of them are the limit. */
    const char *runs = "d1:c3:\x80\x80\x40"
                       "1:ei1e1:h#20:H1:r1:be";
    const char *ranges =
        "{\"form\":\"cumulative\"," JBASE ",\"pieces\":\"7,1048575\",\"piece_count\":1048576}";
    assert_int_equal(many_bencoded(128, runs), PBTS_OK);
    assert_int_equal(many_bencoded(129, runs), PBTS_LIMIT);
    const char *one_more = "d1:c1:\x08"
                           "1:ei1e1:h#20:H1:r1:be";
    size_t len;
    uint8_t *body = many(&len, "d1:ll", runs, "", 128, ""), tail[256];
    size_t tail_len = lay(tail, one_more);
    tail_len += lay(tail + tail_len, "e" TAIL);
    memcpy(body + len, tail, tail_len);
    assert_int_equal(status_of(pbts_report_decode_bencode, body, len + tail_len), PBTS_LIMIT);
    free(body);
    assert_int_equal(many_json(128, ranges), PBTS_OK);
    assert_int_equal(many_json(129, ranges), PBTS_LIMIT);
}

static void a_million_pieces_are_the_most_of_a_statement(void **state) {
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        pbts_status want = extra == 0 ? PBTS_OK : PBTS_LIMIT;
        size_t len = PBTS_PIECES_MAX / 8 + extra;
        uint8_t *body = malloc(len + 1024);
        assert_non_null(body);
        size_t at = (size_t)sprintf((char *)body, "d1:lld1:b%zu:", len);
        memset(body + at, 0xFF, len);
        at += len;
        at += lay(body + at, "1:ei1e1:h#20:H1:r1:bee" TAIL);
        assert_int_equal(status_of(pbts_report_decode_bencode, body, at), want);
        free(body);
    }
    assert_int_equal(bencode_status("d1:lld1:c3:\x80\x80\x40"
                                    "1:ei1e1:h#20:H1:r1:bee" TAIL),
                     PBTS_OK);
    assert_int_equal(bencode_status("d1:lld1:c3:\x81\x80\x40"
                                    "1:ei1e1:h#20:H1:r1:bee" TAIL),
                     PBTS_LIMIT);
}

static void a_body_past_its_limit_is_not_looked_at(void **state) {
    (void)state;
    size_t len = (size_t)PBTS_REPORT_LEN_MAX + 1;
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, ' ', len);
    size_t text_len = strlen(JREPORT(JENTRY));
    memcpy(body, JREPORT(JENTRY), text_len);
    assert_int_equal(status_of(pbts_report_decode_json, body, len), PBTS_LIMIT);
    assert_int_equal(status_of(pbts_report_decode_json, body, len - 1), PBTS_OK);
    assert_int_equal(status_of(pbts_report_decode_bencode, body, len), PBTS_LIMIT);
    free(body);
}

static void json_of_countless_or_deep_values_is_refused(void **state) {
    (void)state;
    enum { LEN = 300000 };
    char *body = malloc(LEN);
    assert_non_null(body);
    for (size_t i = 0; i < LEN; i++) body[i] = "[],"[i % 3];
    assert_int_equal(status_of(pbts_report_decode_json, body, LEN), PBTS_LIMIT);
    for (size_t i = 0; i < LEN; i++) body[i] = "1,"[i % 2];
    body[0] = '[';
    assert_int_equal(status_of(pbts_report_decode_json, body, LEN), PBTS_MALFORMED);
    memset(body, '[', LEN);
    assert_int_equal(status_of(pbts_report_decode_json, body, LEN), PBTS_LIMIT);
    assert_int_equal(status_of(pbts_report_decode_json, body, 10000), PBTS_MALFORMED);
    /* Commas and brackets in a text are not counted, nor does an escaped quote end it. */
    size_t at = (size_t)sprintf(body, "{\"user_id\":\"a\",\"receipts\":[1],\"x\":\"\\\"");
    memset(body + at, '[', 100000);
    memcpy(body + at + 100000, "\"}", 2);
    assert_int_equal(status_of(pbts_report_decode_json, body, at + 100002), PBTS_MALFORMED);
    free(body);
}

/* ---- truncation, damage, allocation ---- */

static void every_truncation_is_refused(void **state) {
    (void)state;
    uint8_t body[ROOM];
    size_t len = lay(body, "d1:a#48:A1:ll" ENTRY "d1:c2:\x08\x08"
                           "1:ei1e1:h#20:H1:r1:bee" TAIL);
    assert_int_equal(status_of(pbts_report_decode_bencode, body, len), PBTS_OK);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(status_of(pbts_report_decode_bencode, body, cut), PBTS_MALFORMED);
    }
    const char *text = JREPORT(JENTRY "," JENTRY);
    for (size_t cut = 0; cut < strlen(text); cut++) {
        assert_int_equal(status_of(pbts_report_decode_json, text, cut), PBTS_MALFORMED);
    }
}

static void single_byte_damage_is_refused_or_stable(void **state) {
    (void)state;
    uint8_t body[ROOM];
    char text[] = JREPORT(JENTRY);
    size_t len = lay(body, "d1:ll" ENTRY "d1:c2:\x08\x08"
                           "1:ei1e1:h#20:H1:r1:bee" TAIL);
    for (size_t i = 0; i < len + strlen(text); i++) {
        for (unsigned value = 0; value < 256; value += 5) {
            bool json = i >= len;
            uint8_t *at = json ? (uint8_t *)text + (i - len) : &body[i];
            uint8_t kept = *at;
            *at = (uint8_t)value;
            decoded d = json ? decode(pbts_report_decode_json, text, strlen(text))
                             : decode(pbts_report_decode_bencode, body, len);
            if (d.status == PBTS_OK) assert_list_is_stable(&d.report);
            *at = kept;
            drop(&d);
            if (json && value == 0) break; /* the text's end moved */
        }
    }
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    uint8_t body[ROOM];
    size_t len = lay(body, "d1:lld1:c2:\x08\x08"
                           "1:ei1e1:h#20:H1:r1:bee" TAIL);
    for (int json = 0; json < 2; json++) {
        decode_fn *fn = json ? pbts_report_decode_json : pbts_report_decode_bencode;
        pbts_span input = json ? pbts_span_text(JREPORT(JENTRY)) : (pbts_span){ body, len };
        size_t fail_at = 0;
        for (bool failed = true; failed; fail_at++) {
            faulty_mem mem = mem_failing_at(fail_at);
            pbts_report report = { 0 };
            const char *problem = NULL;
            pbts_status status = fn(&report, &problem, &mem.mem, input);
            failed = status != PBTS_OK;
            if (failed) {
                assert_int_equal(status, PBTS_NO_MEMORY);
                assert_non_null(problem);
                assert_null(report.mem);
            }
            pbts_report_free(&report);
            assert_int_equal(mem.live, 0);
        }
        assert_true(fail_at > 3);
    }
}

/* ---- encoding ---- */

static uint32_t below(pbts_prng *prng, uint32_t bound) {
    return pbts_prng_below(prng, bound);
}

/* A set with long runs, so that both forms occur. */
static void fill_set(uint8_t *set, size_t len, pbts_prng *prng) {
    memset(set, 0, len);
    bool present = below(prng, 2) == 1;
    uint32_t run_max = 1 + below(prng, 200);
    for (uint32_t at = 0; at < len * 8; present = !present) {
        uint32_t run = 1 + below(prng, run_max);
        for (; run > 0 && at < len * 8; run--, at++) {
            if (present) pbts_piece_set_add(set, at);
        }
    }
}

/* The runs of a set by the dull way: look at every bit. */
static size_t naive_runs_len(pbts_span set) {
    size_t len = 0, end = set.len * 8, at = 0;
    for (bool present = false; at < end; present = !present) {
        size_t run = 0;
        while (at < end && pbts_piece_set_has(set.data, (uint32_t)at) == present) at++, run++;
        if (at == end && !present && run < 8) break;
        len += run < 128 ? 1 : run < 16384 ? 2 : 3;
    }
    return len;
}

static void sets_come_back_in_the_shorter_form(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(7);
    uint8_t set[700], list[2048], body[4096];
    size_t as_runs = 0, as_bitmap = 0;
    for (int round = 0; round < 3000; round++) {
        pbts_statement s = { .form = PBTS_FORM_CUMULATIVE, .epoch = 5 };
        s.receiver.uid = pbts_span_text("bob");
        s.bitmap = (pbts_span){ set, 1 + below(&prng, round % 2 ? 8 : sizeof set) };
        fill_set(set, s.bitmap.len, &prng);
        pbts_report report = { .uid = pbts_span_text("a"), .has_signature = true };
        report.statements = &s;
        report.count = 1;
        size_t len = encode_list(list, sizeof list, &report);
        size_t runs = naive_runs_len(s.bitmap), want = runs < s.bitmap.len ? runs : s.bitmap.len;
        assert_int_equal(list[4], runs < s.bitmap.len ? 'c' : 'b');
        assert_int_equal(strtoul((char *)list + 5, NULL, 10), want);
        (*(list[4] == 'c' ? &as_runs : &as_bitmap))++;
        pbts_writer writer = pbts_writer_over(body, sizeof body);
        pbts_report_encode(&writer, &report, (pbts_span){ list, len });
        decoded d = decode(pbts_report_decode_bencode, body, writer.len);
        assert_int_equal(d.status, PBTS_OK);
        assert_true(pbts_span_equal(d.report.statements[0].bitmap, s.bitmap));
        drop(&d);
    }
    assert_true(as_runs > 500 && as_bitmap > 500);
}

static void json_and_bencode_hash_the_same_list(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(11);
    uint8_t set[96], list[1024], want[32], base64[256];
    char text[2048];
    for (int round = 0; round < 500; round++) {
        pbts_statement s = { .form = PBTS_FORM_CUMULATIVE, .epoch = 486111 };
        s.receiver.uid = pbts_span_text("bob");
        s.sender.uid = pbts_span_text("alice");
        memset(s.infohash, 'H', sizeof s.infohash);
        s.bitmap = (pbts_span){ set, 1 + below(&prng, sizeof set) };
        fill_set(set, s.bitmap.len, &prng);
        pbts_report report = { .statements = &s, .count = 1 };
        pbts_sha256(want, (pbts_span){ list, encode_list(list, sizeof list, &report) });
        pbts_writer writer = pbts_writer_over(base64, sizeof base64);
        pbts_base64_encode(&writer, s.bitmap);
        int len = snprintf(text, sizeof text,
                           JREPORT("{\"form\":\"cumulative\",\"infohash\":\"" HASH40
                                   "\",\"epoch\":486111,\"receiver\":\"bob\",\"sender\":\"alice\","
                                   "\"bitmap\":\"%.*s\"}"),
                           (int)writer.len, (const char *)base64);
        decoded d = decode(pbts_report_decode_json, text, (size_t)len);
        assert_int_equal(d.status, PBTS_OK);
        assert_memory_equal(d.report.statements_sha256, want, sizeof want);
        drop(&d);
    }
}

static void an_encoded_report_is_the_bytes_of_its_header(void **state) {
    (void)state;
    uint8_t want[ROOM], found[ROOM], list[ROOM], set[2] = { 0xF0, 0x80 };
    pbts_statement s = { .form = PBTS_FORM_CUMULATIVE, .epoch = 486111, .has_signature = true };
    memset(s.infohash, 'H', sizeof s.infohash);
    memset(s.signature.bytes, 'X', sizeof s.signature.bytes);
    s.receiver.uid = pbts_span_text("bob");
    s.bitmap = PBTS_SPAN_OF(set);
    pbts_report report = { .uid = pbts_span_text("alice"), .unix_time = 1700000000 };
    report.has_signature = report.has_aggregate = true;
    memset(report.signature.bytes, 'S', sizeof report.signature.bytes);
    memset(report.aggregate.bytes, 'A', sizeof report.aggregate.bytes);
    report.statements = &s;
    report.count = 1;
    size_t list_len = encode_list(list, sizeof list, &report);
    pbts_writer writer = pbts_writer_over(found, sizeof found);
    pbts_report_encode(&writer, &report, (pbts_span){ list, list_len });
    assert_int_equal(writer.len, lay(want, "d1:a#48:A1:ll" ENTRY "e" TAIL));
    assert_memory_equal(found, want, writer.len);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bencoded_report_is_read),
        cmocka_unit_test(a_json_report_is_the_same_value),
        cmocka_unit_test(piece_statements_keys_and_instances_are_read),
        cmocka_unit_test(json_ranges_and_all_expand_to_the_piece_count),
        cmocka_unit_test(the_prototypes_shape_is_read_without_a_report_signature),
        cmocka_unit_test(bad_bencoded_fields_are_refused),
        cmocka_unit_test(runs_of_a_longer_form_are_refused),
        cmocka_unit_test(bad_json_fields_are_refused),
        cmocka_unit_test(ten_thousand_statements_are_the_most),
        cmocka_unit_test(expanded_pieces_are_at_most_sixteen_mebibytes),
        cmocka_unit_test(a_million_pieces_are_the_most_of_a_statement),
        cmocka_unit_test(a_body_past_its_limit_is_not_looked_at),
        cmocka_unit_test(json_of_countless_or_deep_values_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(single_byte_damage_is_refused_or_stable),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(sets_come_back_in_the_shorter_form),
        cmocka_unit_test(json_and_bencode_hash_the_same_list),
        cmocka_unit_test(an_encoded_report_is_the_bytes_of_its_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
