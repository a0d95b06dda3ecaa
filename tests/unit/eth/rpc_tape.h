/* What Anvil answered, as it was recorded: tests/vectors/anvil_rpc.jsonl, one exchange a line; the
 * first line names the contract, its owner, and the block that the reads are about. */
#ifndef PBTS_TEST_ETH_RPC_TAPE_H
#define PBTS_TEST_ETH_RPC_TAPE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/cursor.h"
#include "codec/text.h"

enum { TAPE_LINE_MAX = 64 * 1024 };

/* All lines, as a list. */
static inline json_t *tape_load(void) {
    char path[1024];
    static char line[TAPE_LINE_MAX];
    const char *tests = strstr(__FILE__, "unit/eth/");
    json_t *tape = json_array();
    assert_non_null(tests);
    (void)snprintf(path, sizeof path, "%.*svectors/anvil_rpc.jsonl", (int)(tests - __FILE__),
                   __FILE__);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        json_t *item = json_loads(line, 0, NULL);
        assert_non_null(item);
        assert_int_equal(json_array_append_new(tape, item), 0);
    }
    (void)fclose(file);
    assert_true(json_array_size(tape) > 30);
    return tape;
}

static inline const json_t *tape_find(const json_t *tape, const char *name) {
    for (size_t i = 0; i < json_array_size(tape); i++) {
        const json_t *item = json_array_get(tape, i);
        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0) return item;
    }
    fail_msg("no %s on the tape", name);
    return NULL;
}

static inline pbts_span tape_text(const json_t *tape, const char *name, const char *key) {
    const char *text = json_string_value(json_object_get(tape_find(tape, name), key));
    assert_non_null(text);
    return pbts_span_text(text);
}

/* The id that an exchange has, in a batch the first. */
static inline uint64_t tape_id(const json_t *tape, const char *name) {
    json_t *request = json_loads((const char *)tape_text(tape, name, "request").data, 0, NULL);
    const json_t *first = json_is_array(request) ? json_array_get(request, 0) : request;
    uint64_t id = (uint64_t)json_integer_value(json_object_get(first, "id"));
    json_decref(request);
    return id;
}

/* Bytes of a 0x text in the tape's first line, or anywhere. */
static inline void tape_unhex(uint8_t *out, size_t len, const char *text) {
    assert_int_equal(pbts_hex_decode_exact(out, len, pbts_span_text(text + 2)), PBTS_OK);
}
static inline void tape_source(uint8_t *out, size_t len, const json_t *tape, const char *key) {
    tape_unhex(out, len, json_string_value(json_object_get(tape_find(tape, "source"), key)));
}

#endif
