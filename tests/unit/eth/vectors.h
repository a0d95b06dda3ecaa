/* Published vectors of Ethereum: data, not part of the repository. $PBTS_TEST_DATA/eth, by default
 * ../shared/data/eth beside it. What is missing is reported as skipped. */
#ifndef PBTS_TEST_ETH_VECTORS_H
#define PBTS_TEST_ETH_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/u256.h"
#include "codec/text.h"

/* The JSON of eth/<name>; the test is skipped when it is missing. */
static inline json_t *vectors_load(const char *name) {
    char path[1024];
    const char *folder = getenv("PBTS_TEST_DATA"), *tests = strstr(__FILE__, "tests/unit/eth/");
    assert_non_null(tests);
    if (folder != NULL) {
        (void)snprintf(path, sizeof path, "%s/eth/%s", folder, name);
    } else {
        (void)snprintf(path, sizeof path, "%.*s../shared/data/eth/%s", (int)(tests - __FILE__),
                       __FILE__, name);
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    json_t *json = json_loadf(file, JSON_ALLOW_NUL, NULL);
    (void)fclose(file);
    assert_non_null(json);
    return json;
}

static inline const char *vectors_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

/* Hex with or without 0x into memory of exactly its length: one byte too far is noticed. */
static inline pbts_span vectors_unhex(const char *hex) {
    if (strncmp(hex, "0x", 2) == 0) hex += 2;
    size_t len = strlen(hex) / 2, found = 0;
    uint8_t *bytes = malloc(len);
    assert_true(bytes != NULL || len == 0);
    assert_int_equal(pbts_hex_decode(bytes, &found, len, pbts_span_text(hex)), PBTS_OK);
    assert_int_equal(found, len);
    return (pbts_span){ bytes, len };
}

static inline void vectors_free(pbts_span bytes) {
    free((void *)(uintptr_t)bytes.data);
}

static inline pbts_span vectors_bytes(const json_t *object, const char *key) {
    return vectors_unhex(vectors_text(object, key));
}

static inline void vectors_exactly(uint8_t *out, size_t len, const json_t *object,
                                   const char *key) {
    const char *hex = vectors_text(object, key);
    if (strncmp(hex, "0x", 2) == 0) hex += 2;
    assert_int_equal(pbts_hex_decode_exact(out, len, pbts_span_text(hex)), PBTS_OK);
}

/* A number as JSON-RPC writes it: 0x, hex digits, as few as it takes or not; nothing is 0. */
static inline pbts_u256 vectors_number(const json_t *object, const char *key) {
    const char *hex = json_string_value(json_object_get(object, key));
    char padded[65] = { 0 };
    pbts_u256 out = { { 0 } };
    if (hex == NULL) return out;
    assert_true(strncmp(hex, "0x", 2) == 0 && strlen(hex + 2) <= 64);
    memset(padded, '0', 64);
    memcpy(padded + 64 - strlen(hex + 2), hex + 2, strlen(hex + 2));
    assert_int_equal(pbts_hex_decode_exact(out.bytes, 32, pbts_span_text(padded)), PBTS_OK);
    return out;
}

static inline uint64_t vectors_u64(const json_t *object, const char *key) {
    pbts_u256 number = vectors_number(object, key);
    uint64_t out = 0;
    assert_int_equal(pbts_u256_to_u64(&out, &number), PBTS_OK);
    return out;
}

#endif
