/* store/store_rows.c - walking the rows of a table in the order of their keys. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "store/store_parts.h"

struct pbts_rows {
    MDB_cursor *cursor;
    const pbts_store_seal *seal; /* NULL: the rows are not sealed */
    pbts_table table;
    pbts_status status;
    bool started;
    uint8_t *room; /* of the row handed out, when it was sealed */
    size_t room_len;
    size_t from_len, prefix_len;
    uint8_t from[PBTS_STORE_KEY_LEN_MAX], prefix[PBTS_STORE_KEY_LEN_MAX];
};

static int compare(pbts_span a, pbts_span b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static pbts_status cursor_open(MDB_cursor **out, const pbts_store_seal **seal, pbts_txn *txn,
                               pbts_table table) {
    assert(table >= 0 && table < PBTS_TABLES);
    if (txn->failed != PBTS_OK) return txn->failed;
    PBTS_TRY(pbts_row_seal(txn->store, seal, table));
    return pbts_store_status(txn->store, mdb_cursor_open(txn->txn, txn->store->tables[table], out));
}

pbts_status pbts_rows_open(pbts_rows **out, pbts_txn *txn, pbts_table table, pbts_span from,
                           pbts_span prefix) {
    if (from.len > PBTS_STORE_KEY_LEN_MAX || prefix.len > PBTS_STORE_KEY_LEN_MAX)
        return PBTS_MALFORMED;
    if (compare(from, prefix) < 0) from = prefix; /* no key before the prefix begins with it */
    pbts_rows *rows = pbts_alloc(pbts_mem_system(), sizeof *rows);
    if (rows == NULL) return PBTS_NO_MEMORY;
    rows->table = table;
    rows->from_len = from.len;
    rows->prefix_len = prefix.len;
    if (from.len > 0) memcpy(rows->from, from.data, from.len);
    if (prefix.len > 0) memcpy(rows->prefix, prefix.data, prefix.len);
    pbts_status status = cursor_open(&rows->cursor, &rows->seal, txn, table);
    /* Hidden keys have no order to begin in. */
    assert(rows->seal == NULL || from.len == 0 || !pbts_table_hides_keys(table));
    if (status == PBTS_OK)
        *out = rows;
    else
        pbts_release(pbts_mem_system(), rows);
    return status;
}

static int rows_step(pbts_rows *rows, MDB_val *key, MDB_val *value) {
    if (rows->started) return mdb_cursor_get(rows->cursor, key, value, MDB_NEXT);
    rows->started = true;
    if (rows->from_len == 0) return mdb_cursor_get(rows->cursor, key, value, MDB_FIRST);
    *key = (MDB_val){ rows->from_len, rows->from };
    return mdb_cursor_get(rows->cursor, key, value, MDB_SET_RANGE);
}

static pbts_status open_row(pbts_rows *rows, pbts_span *key, pbts_span *value) {
    if (value->len > rows->room_len) {
        uint8_t *room = realloc(rows->room, value->len);
        if (room == NULL) return PBTS_NO_MEMORY;
        rows->room = room;
        rows->room_len = value->len;
    }
    return pbts_unseal_value(rows->seal, rows->room, key, value, rows->table, *key, *value);
}

bool pbts_rows_next(pbts_rows *rows, pbts_span *key, pbts_span *value) {
    MDB_val k, v;
    if (rows->status != PBTS_OK) return false;
    rows->status = pbts_store_status(NULL, rows_step(rows, &k, &v));
    if (rows->status != PBTS_OK) return false;
    bool inside =
        k.mv_size >= rows->prefix_len && memcmp(k.mv_data, rows->prefix, rows->prefix_len) == 0;
    if (!inside) {
        rows->status = PBTS_NOT_FOUND;
        return false;
    }
    *key = pbts_store_span(&k);
    *value = pbts_store_span(&v);
    if (rows->seal != NULL) rows->status = open_row(rows, key, value);
    return rows->status == PBTS_OK;
}

pbts_status pbts_rows_status(const pbts_rows *rows) {
    return rows->status == PBTS_NOT_FOUND ? PBTS_OK : rows->status;
}

void pbts_rows_close(pbts_rows *rows) {
    if (rows == NULL) return;
    mdb_cursor_close(rows->cursor);
    free(rows->room);
    pbts_release(pbts_mem_system(), rows);
}

pbts_status pbts_txn_last(pbts_txn *txn, pbts_table table, pbts_span *key, pbts_span *value) {
    const pbts_store_seal *seal;
    MDB_cursor *cursor;
    MDB_val k, v;
    assert(!pbts_table_is_private(table)); /* nobody asks: there is no room to open it in */
    PBTS_TRY(cursor_open(&cursor, &seal, txn, table));
    pbts_status status = pbts_store_status(txn->store, mdb_cursor_get(cursor, &k, &v, MDB_LAST));
    mdb_cursor_close(cursor);
    if (status != PBTS_OK) return status;
    *key = pbts_store_span(&k);
    *value = pbts_store_span(&v);
    return PBTS_OK;
}
