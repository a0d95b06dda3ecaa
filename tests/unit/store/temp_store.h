/* tests/unit/store/temp_store.h - a store in a new directory under TMPDIR, removed at the end. */
#ifndef PBTS_TEST_TEMP_STORE_H
#define PBTS_TEST_TEMP_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/store.h"

typedef struct {
    char directory[256];
    pbts_store *store;
} temp_store;

static inline pbts_span text_span(const char *text) {
    return pbts_span_text(text);
}

static inline void temp_directory(char out[static 256]) {
    const char *base = getenv("TMPDIR");
    (void)snprintf(out, 256, "%s/pbts-test-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(out));
}

static inline void temp_directory_remove(const char *directory) {
    static const char *const FILES[] = { "data.mdb", "lock.mdb", "writer.lock" };
    char path[300];
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, FILES[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(directory), 0);
}

static inline void temp_store_reopen(temp_store *temp, uint64_t size_max_bytes) {
    pbts_store_config config = { .size_max_bytes = size_max_bytes };
    pbts_store_close(temp->store);
    temp->store = NULL;
    assert_int_equal(pbts_store_open(&temp->store, temp->directory, &config), PBTS_OK);
}

static inline void temp_store_init(temp_store *temp, uint64_t size_max_bytes) {
    temp->store = NULL;
    temp_directory(temp->directory);
    temp_store_reopen(temp, size_max_bytes);
}

static inline void temp_store_deinit(temp_store *temp) {
    pbts_store_close(temp->store);
    temp_directory_remove(temp->directory);
}

static inline pbts_txn *txn_of(pbts_store *store, bool write) {
    pbts_txn *txn = NULL;
    assert_int_equal(pbts_txn_begin(&txn, store, write), PBTS_OK);
    return txn;
}

#endif
