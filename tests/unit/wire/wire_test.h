/* tests/unit/wire/wire_test.h - what the tests of wire/ share: exact-size copies and random bytes.
 */
#ifndef PBTS_TEST_WIRE_TEST_H
#define PBTS_TEST_WIRE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/writer.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* An exact-size heap copy: ASan then reports any read past either end. Free it with free(). */
static inline uint8_t *exact_copy(pbts_span bytes) {
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    return copy;
}

static inline void assert_span_is(pbts_span span, const char *text) {
    if (pbts_span_is(span, text)) return;
    fail_msg("\"%.*s\" is not \"%s\"", (int)span.len, (const char *)span.data, text);
}

#endif
