/* ledger_accounts.c - a table from uid_hash to the newest row. */
#include "ledger_accounts.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 1024 };

/* The place of a user, or the free one where it belongs. */
static size_t place_of(const ledger_accounts *accounts, const uint8_t uid_hash[static 32]) {
    uint64_t hash;
    memcpy(&hash, uid_hash, sizeof hash); /* of SHA-256, so it is spread already */
    size_t at = (size_t)hash & (accounts->capacity - 1);
    while (accounts->used[at] && memcmp(accounts->rows[at].uid_hash, uid_hash, 32) != 0)
        at = (at + 1) & (accounts->capacity - 1);
    return at;
}

static bool grow(ledger_accounts *accounts) {
    ledger_accounts bigger = { .count = accounts->count };
    bigger.capacity = accounts->capacity > 0 ? accounts->capacity * 2 : CAPACITY_FIRST;
    bigger.rows = calloc(bigger.capacity, sizeof *bigger.rows);
    bigger.used = calloc(bigger.capacity, sizeof *bigger.used);
    if (bigger.rows == NULL || bigger.used == NULL) {
        ledger_accounts_deinit(&bigger);
        return false;
    }
    for (size_t i = 0; i < accounts->capacity; i++) {
        if (!accounts->used[i]) continue;
        size_t at = place_of(&bigger, accounts->rows[i].uid_hash);
        bigger.rows[at] = accounts->rows[i];
        bigger.used[at] = true;
    }
    free(accounts->rows);
    free(accounts->used);
    accounts->rows = bigger.rows;
    accounts->used = bigger.used;
    accounts->capacity = bigger.capacity;
    return true;
}

bool ledger_accounts_put(ledger_accounts *accounts, const pbts_ledger_account *row) {
    if (accounts->count >= accounts->capacity / 2 && !grow(accounts)) return false;
    size_t at = place_of(accounts, row->uid_hash);
    if (!accounts->used[at]) accounts->count++;
    accounts->used[at] = true;
    accounts->rows[at] = *row;
    return true;
}

const pbts_ledger_account *ledger_accounts_find(const ledger_accounts *accounts,
                                                const uint8_t uid_hash[static 32]) {
    if (accounts->capacity == 0) return NULL;
    size_t at = place_of(accounts, uid_hash);
    return accounts->used[at] ? &accounts->rows[at] : NULL;
}

static uint64_t add_saturating(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void ledger_accounts_totals(const ledger_accounts *accounts, uint64_t *up, uint64_t *down) {
    *up = *down = 0;
    for (size_t i = 0; i < accounts->capacity; i++) {
        if (!accounts->used[i]) continue;
        *up = add_saturating(*up, accounts->rows[i].up_bytes);
        *down = add_saturating(*down, accounts->rows[i].down_bytes);
    }
}

void ledger_accounts_deinit(ledger_accounts *accounts) {
    free(accounts->rows);
    free(accounts->used);
    *accounts = (ledger_accounts){ .capacity = 0 };
}
