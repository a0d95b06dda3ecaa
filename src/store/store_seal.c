#include "store/store_seal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/secret_memory.h"
#include "base/writer.h"
#include "hash/hkdf.h"
#include "store/store_parts.h"

enum {
    KEPT_LEN = 4,     /* of a hidden key: u32 period */
    MOVE_ROWS = 1024, /* looked up before they are moved */
    BOUND_LEN_MAX = 32 + 1 + PBTS_STORE_KEY_LEN_MAX,
};

struct pbts_store_seal {
    pbts_sealer *sealer;
    uint8_t index_key[32];
};

pbts_status pbts_store_seal_new(pbts_store_seal **out,
                                const uint8_t key[static PBTS_STORE_KEY_LEN]) {
    pbts_store_seal *seal = pbts_secret_new(sizeof *seal, NULL);
    if (seal == NULL) return PBTS_NO_MEMORY;
    pbts_hkdf_sha256(seal->index_key, sizeof seal->index_key, (pbts_span){ NULL, 0 },
                     (pbts_span){ key, PBTS_STORE_KEY_LEN }, pbts_span_text("pbts/store-index/1"));
    pbts_status status = pbts_sealer_new(&seal->sealer, key);
    if (status == PBTS_OK)
        *out = seal;
    else
        pbts_store_seal_free(seal);
    return status;
}

void pbts_store_seal_free(pbts_store_seal *seal) {
    if (seal == NULL) return;
    pbts_sealer_free(seal->sealer);
    pbts_secret_free(seal);
}

/* What is in no ledger entry and no torrent client: names, who owes whom, who got what. The rest
 * is public (ledger, accounts), a hash, or neither without a private table. */
bool pbts_table_is_private(pbts_table table) {
    switch (table) {
    case PBTS_TABLE_USERS:
    case PBTS_TABLE_TORRENTS:
    case PBTS_TABLE_METAINFO:
    case PBTS_TABLE_HELD: return true;
    default: return pbts_table_hides_keys(table);
    }
}

bool pbts_table_hides_keys(pbts_table table) {
    return table == PBTS_TABLE_CLAIMS || table == PBTS_TABLE_OLD_CLAIMS;
}

/* ---- one row ---- */

static pbts_span bound_of(uint8_t room[static BOUND_LEN_MAX], const char *label, pbts_table table,
                          pbts_span key) {
    pbts_writer writer = pbts_writer_over(room, BOUND_LEN_MAX);
    pbts_write_text(&writer, label);
    pbts_write_text(&writer, pbts_table_name(table));
    pbts_write_u8(&writer, 0);
    pbts_write_bytes(&writer, key);
    assert(!writer.failed);
    return pbts_writer_span(&writer);
}

pbts_span pbts_seal_key(const pbts_store_seal *seal, uint8_t room[static PBTS_STORED_KEY_LEN],
                        pbts_table table, pbts_span key) {
    uint8_t named[BOUND_LEN_MAX], mac[PBTS_SHA256_LEN];
    if (!pbts_table_hides_keys(table)) return key;
    assert(key.len >= KEPT_LEN);
    pbts_hmac_sha256(mac, PBTS_SPAN_OF(seal->index_key), bound_of(named, "", table, key));
    memcpy(room, key.data, KEPT_LEN);
    memcpy(room + KEPT_LEN, mac, PBTS_STORED_KEY_LEN - KEPT_LEN);
    return (pbts_span){ room, PBTS_STORED_KEY_LEN };
}

static pbts_status seal_text(const pbts_store_seal *seal, uint8_t **out, size_t *len,
                             pbts_table table, pbts_span stored_key, pbts_span text) {
    uint8_t bound[BOUND_LEN_MAX];
    if (text.len > PBTS_SEAL_TEXT_MAX) return PBTS_LIMIT;
    uint8_t *sealed = malloc(text.len + PBTS_SEAL_OVERHEAD);
    if (sealed == NULL) return PBTS_NO_MEMORY;
    pbts_status status = pbts_seal(seal->sealer, sealed, pbts_random_system(), text,
                                   bound_of(bound, "pbts/row/1 ", table, stored_key));
    if (status != PBTS_OK) {
        free(sealed);
        return status;
    }
    *out = sealed;
    *len = text.len + PBTS_SEAL_OVERHEAD;
    return PBTS_OK;
}

pbts_status pbts_seal_value(const pbts_store_seal *seal, uint8_t **out, size_t *len,
                            pbts_table table, pbts_span stored_key, pbts_span key,
                            pbts_span value) {
    if (!pbts_table_hides_keys(table)) return seal_text(seal, out, len, table, stored_key, value);
    if (value.len > PBTS_SEAL_TEXT_MAX / 2) return PBTS_LIMIT;
    size_t text_len = 2 + key.len + value.len;
    uint8_t *text = malloc(text_len);
    if (text == NULL) return PBTS_NO_MEMORY;
    pbts_writer writer = pbts_writer_over(text, text_len);
    pbts_write_u16(&writer, (uint16_t)key.len);
    pbts_write_bytes(&writer, key);
    pbts_write_bytes(&writer, value);
    pbts_status status = seal_text(seal, out, len, table, stored_key, pbts_writer_span(&writer));
    free(text);
    return status;
}

pbts_status pbts_unseal_value(const pbts_store_seal *seal, uint8_t *room, pbts_span *key,
                              pbts_span *value, pbts_table table, pbts_span stored_key,
                              pbts_span stored_value) {
    uint8_t bound[BOUND_LEN_MAX];
    uint16_t key_len;
    PBTS_TRY(pbts_unseal(seal->sealer, room, stored_value,
                         bound_of(bound, "pbts/row/1 ", table, stored_key)));
    pbts_span text = { room, stored_value.len - PBTS_SEAL_OVERHEAD };
    if (!pbts_table_hides_keys(table)) {
        *key = stored_key;
        *value = text;
        return PBTS_OK;
    }
    pbts_cursor cursor = pbts_cursor_over(text);
    if (pbts_read_u16(&cursor, &key_len) != PBTS_OK ||
        pbts_read_span(&cursor, key, key_len) != PBTS_OK)
        return PBTS_CORRUPT;
    *value = pbts_cursor_rest(&cursor);
    return PBTS_OK;
}

void pbts_opened_free(pbts_opened *first) {
    while (first != NULL) {
        pbts_opened *next = first->next;
        free(first);
        first = next;
    }
}

/* ---- sealing a store that was not ---- */

typedef struct {
    size_t len;
    uint8_t bytes[PBTS_STORE_KEY_LEN_MAX];
} moved_key;

/* Keys of rows that are not sealed yet, from `*from` on, which is moved behind the last. Sealed
 * ones of a table that hides keys lie between them; their length tells. */
static pbts_status find_rows(pbts_txn *txn, moved_key keys[static MOVE_ROWS], size_t *count,
                             moved_key *from, pbts_table table) {
    MDB_cursor *cursor;
    MDB_val key = { from->len, from->bytes }, value;
    *count = 0;
    PBTS_TRY(pbts_store_status(txn->store,
                               mdb_cursor_open(txn->txn, txn->store->tables[table], &cursor)));
    int rc = mdb_cursor_get(cursor, &key, &value, from->len > 0 ? MDB_SET_RANGE : MDB_FIRST);
    bool is_last = from->len > 0 && rc == 0 && key.mv_size == from->len &&
                   memcmp(key.mv_data, from->bytes, from->len) == 0;
    if (is_last) rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    for (; rc == 0 && *count < MOVE_ROWS; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        from->len = key.mv_size;
        memcpy(from->bytes, key.mv_data, key.mv_size);
        if (pbts_table_hides_keys(table) && key.mv_size == PBTS_STORED_KEY_LEN) continue;
        keys[(*count)++] = *from;
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? PBTS_OK : pbts_store_status(txn->store, rc);
}

static pbts_status seal_row(pbts_txn *txn, const pbts_store_seal *seal, pbts_table table,
                            pbts_span key) {
    uint8_t room[PBTS_STORED_KEY_LEN], *sealed;
    size_t len;
    pbts_span value;
    if (pbts_table_hides_keys(table) && key.len < KEPT_LEN) return PBTS_CORRUPT;
    pbts_span stored_key = pbts_seal_key(seal, room, table, key);
    PBTS_TRY(pbts_row_get(txn, &value, table, key));
    PBTS_TRY(pbts_seal_value(seal, &sealed, &len, table, stored_key, key, value));
    pbts_status status = PBTS_OK;
    if (pbts_table_hides_keys(table)) status = pbts_row_delete(txn, table, key);
    if (status == PBTS_OK)
        status = pbts_row_put(txn, table, stored_key, (pbts_span){ sealed, len });
    free(sealed);
    return status;
}

static pbts_status seal_table(pbts_txn *txn, const pbts_store_seal *seal, pbts_table table) {
    moved_key from = { .len = 0 };
    moved_key *keys = calloc(MOVE_ROWS, sizeof *keys);
    size_t count = 1;
    pbts_status status = keys != NULL ? PBTS_OK : PBTS_NO_MEMORY;
    while (status == PBTS_OK && count > 0) {
        status = find_rows(txn, keys, &count, &from, table);
        for (size_t i = 0; status == PBTS_OK && i < count; i++)
            status = seal_row(txn, seal, table, (pbts_span){ keys[i].bytes, keys[i].len });
    }
    free(keys);
    return status;
}

static pbts_status seal_all(pbts_txn *txn, const pbts_store_seal *seal) {
    for (int table = 0; table < PBTS_TABLES; table++)
        if (pbts_table_is_private((pbts_table)table))
            PBTS_TRY(seal_table(txn, seal, (pbts_table)table));
    return pbts_store_version_put(txn, true);
}

pbts_status pbts_store_seal_rows(pbts_store *store, const uint8_t key[static PBTS_STORE_KEY_LEN]) {
    pbts_store_seal *seal = NULL;
    pbts_txn *txn;
    assert(!store->sealed);
    PBTS_TRY(pbts_store_seal_new(&seal, key));
    pbts_status status = pbts_txn_begin(&txn, store, true);
    if (status == PBTS_OK) {
        status = seal_all(txn, seal);
        if (status == PBTS_OK)
            status = pbts_txn_commit(txn);
        else
            pbts_txn_abort(txn);
    }
    if (status != PBTS_OK) {
        pbts_store_seal_free(seal);
        return status;
    }
    store->sealed = true;
    store->seal = seal;
    return PBTS_OK;
}

bool pbts_store_is_sealed(const pbts_store *store) {
    return store->sealed;
}

pbts_status pbts_store_unlock(pbts_store *store, const uint8_t key[static PBTS_STORE_KEY_LEN]) {
    assert(store->sealed && store->seal == NULL);
    return pbts_store_seal_new(&store->seal, key);
}

pbts_status pbts_row_seal(const pbts_store *store, const pbts_store_seal **out, pbts_table table) {
    bool is_private = store->sealed && pbts_table_is_private(table);
    *out = is_private ? store->seal : NULL;
    return is_private && store->seal == NULL ? PBTS_DENIED : PBTS_OK;
}
