/* report_kit.h - report bodies from text, and what the tests of reports ask of them. */
#ifndef PBTS_TEST_WIRE_REPORT_KIT_H
#define PBTS_TEST_WIRE_REPORT_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/report.h"
#include "wire/wire_test.h"

typedef pbts_status decode_fn(pbts_report *, const char **, pbts_mem *, pbts_span);

enum { ROOM = 1 << 16 };

/* Decode a heap copy. The report borrows from it, so both are given back. */
typedef struct {
    uint8_t *copy;
    pbts_report report;
    pbts_status status;
    const char *problem;
} decoded;

static inline decoded decode(decode_fn *fn, const void *bytes, size_t len) {
    decoded d = { .copy = exact_copy((pbts_span){ bytes, len }) };
    d.status = fn(&d.report, &d.problem, pbts_mem_system(), (pbts_span){ d.copy, len });
    if (d.status == PBTS_OK) {
        assert_null(d.problem);
        assert_true(d.report.count > 0);
    } else {
        assert_non_null(d.problem);
        assert_null(d.report.mem);
    }
    return d;
}

static inline void drop(decoded *d) {
    pbts_report_free(&d->report);
    free(d->copy);
}

static inline pbts_status status_of(decode_fn *fn, const void *bytes, size_t len) {
    decoded d = decode(fn, bytes, len);
    drop(&d);
    return d.status;
}

/* ---- building bodies from text: "#N:BYTE" stands for a bencoded string of N times BYTE ---- */

static inline size_t lay(uint8_t *out, const char *pattern) {
    size_t at = 0;
    while (*pattern != 0) {
        if (*pattern != '#') {
            out[at++] = (uint8_t)*pattern++;
            continue;
        }
        char *end;
        size_t len = strtoul(pattern + 1, &end, 10);
        at += (size_t)sprintf((char *)out + at, "%zu:", len);
        memset(out + at, end[1], len);
        at += len;
        pattern = end + 2;
    }
    return at;
}

static inline pbts_status bencode_status(const char *pattern) {
    uint8_t body[ROOM];
    return status_of(pbts_report_decode_bencode, body, lay(body, pattern));
}

static inline pbts_status json_status(const char *text) {
    return status_of(pbts_report_decode_json, text, strlen(text));
}

#define TAIL "1:s#48:S1:ti1700000000e1:u5:alicee"
#define ENTRY        \
    "d1:b2:\xF0\x80" \
    "1:ei486111e1:h#20:H1:r3:bob1:x#48:Xe"
#define SIG64 "U1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NT"
#define SIG64_X "WFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhY"
#define HASH40 "4848484848484848484848484848484848484848"
#define JENTRY                                                                                    \
    "{\"form\":\"cumulative\",\"infohash\":\"" HASH40 "\",\"epoch\":486111,\"receiver\":\"bob\"," \
    "\"bitmap\":\"8IA=\",\"signature\":\"" SIG64_X "\"}"
#define JREPORT(statements)                                             \
    "{\"user_id\":\"alice\",\"time\":1700000000,\"signature\":\"" SIG64 \
    "\",\"statements\":[" statements "]}"

#define JBASE "\"infohash\":\"" HASH40 "\",\"epoch\":1,\"receiver\":\"b\""

/* A body of `count` statements, each `entry`. */
static inline uint8_t *many(size_t *len, const char *head, const char *entry, const char *between,
                            size_t count, const char *tail) {
    uint8_t piece[1024];
    size_t entry_len = lay(piece, entry), between_len = strlen(between), at;
    uint8_t *body = malloc(2048 + count * (entry_len + between_len));
    assert_non_null(body);
    at = lay(body, head);
    for (size_t i = 0; i < count; i++) {
        memcpy(body + at, piece, entry_len);
        at += entry_len;
        if (i + 1 == count) break;
        memcpy(body + at, between, between_len);
        at += between_len;
    }
    *len = at + lay(body + at, tail);
    return body;
}

static inline pbts_status many_bencoded(size_t count, const char *entry) {
    size_t len;
    uint8_t *body = many(&len, "d1:ll", entry, "", count, "e" TAIL);
    pbts_status status = status_of(pbts_report_decode_bencode, body, len);
    free(body);
    return status;
}

static inline pbts_status many_json(size_t count, const char *entry) {
    size_t len;
    uint8_t *body =
        many(&len, "{\"user_id\":\"a\",\"time\":1,\"signature\":\"" SIG64 "\",\"statements\":[",
             entry, ",", count, "]}");
    pbts_status status = status_of(pbts_report_decode_json, body, len);
    free(body);
    return status;
}

/* ---- encoding again ---- */

static inline size_t encode_list(uint8_t *out, size_t room, const pbts_report *report) {
    pbts_writer writer = pbts_writer_over(out, room);
    pbts_report_encode_statements(&writer, report->statements, report->count);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return writer.len;
}

/* Whatever is taken, the canonical list of it decodes to the same statements. */
static inline void assert_list_is_stable(const pbts_report *report) {
    uint8_t *list = malloc(ROOM), *body = malloc(ROOM), *again = malloc(ROOM);
    assert_true(list != NULL && body != NULL && again != NULL);
    size_t len = encode_list(list, ROOM, report);
    pbts_writer writer = pbts_writer_over(body, ROOM);
    pbts_report envelope = *report;
    envelope.legacy = false;
    envelope.has_signature = true;
    pbts_report_encode(&writer, &envelope, (pbts_span){ list, len });
    decoded d = decode(pbts_report_decode_bencode, body, writer.len);
    assert_int_equal(d.status, PBTS_OK);
    assert_int_equal(encode_list(again, ROOM, &d.report), len);
    assert_memory_equal(list, again, len);
    drop(&d);
    free(list);
    free(body);
    free(again);
}

#endif
