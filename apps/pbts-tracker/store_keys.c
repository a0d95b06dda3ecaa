#include "store_keys.h"

#include "key_file.h"
#include "ledger/ledger.h"
#include "secret_file.h"

enum { ROW_VERSION = 1, ROW_LEN = 2 + PBTS_KEY_CHECK_LEN };

static const char ROW_NAME[] = "tracker/keys";

struct look {
    bool has_ledger, is_owner; /* is_owner: our key signs for it */
    bool has_row, is_same;     /* is_same: the row is that of our keys */
    bool is_empty;             /* no private rows */
};

static void make_row(uint8_t out[static ROW_LEN], const struct app *app) {
    pbts_writer writer = pbts_writer_over(out, ROW_LEN);
    pbts_write_u8(&writer, ROW_VERSION);
    pbts_write_u8(&writer, app->keys->version);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(app->keys->check));
}

static pbts_status count_private(pbts_txn *txn, bool *is_empty) {
    static const pbts_table TABLES[] = { PBTS_TABLE_USERS,  PBTS_TABLE_TORRENTS,
                                         PBTS_TABLE_HELD,   PBTS_TABLE_METAINFO,
                                         PBTS_TABLE_CLAIMS, PBTS_TABLE_OLD_CLAIMS };
    *is_empty = true;
    for (size_t i = 0; i < sizeof TABLES / sizeof TABLES[0]; i++) {
        uint64_t rows;
        PBTS_TRY(pbts_txn_count(txn, &rows, TABLES[i]));
        if (rows > 0) *is_empty = false;
    }
    return PBTS_OK;
}

static pbts_status look_at(const struct app *app, pbts_txn *txn, struct look *out) {
    pbts_ledger_params params;
    pbts_bls_public own;
    pbts_span value;
    uint8_t row[ROW_LEN];
    struct look look = { .has_ledger = false };
    pbts_status status = pbts_ledger_params_read(txn, &params);
    if (status != PBTS_OK && status != PBTS_NOT_FOUND) return status;
    pbts_bls_public_of(&own, &app->keys->owner);
    look.has_ledger = status == PBTS_OK;
    look.is_owner = look.has_ledger && memcmp(own.bytes, params.owner.bytes, sizeof own.bytes) == 0;
    status = pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(ROW_NAME));
    if (status != PBTS_OK && status != PBTS_NOT_FOUND) return status;
    make_row(row, app);
    look.has_row = status == PBTS_OK;
    look.is_same = look.has_row && pbts_span_equal(value, PBTS_SPAN_OF(row));
    PBTS_TRY(count_private(txn, &look.is_empty));
    *out = look;
    return PBTS_OK;
}

static pbts_status read_look(struct app *app, struct look *out) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, app->store, false));
    pbts_status status = look_at(app, txn, out);
    pbts_txn_abort(txn);
    return status;
}

static pbts_status note(struct app *app) {
    uint8_t row[ROW_LEN];
    pbts_txn *txn;
    make_row(row, app);
    PBTS_TRY(pbts_txn_begin(&txn, app->store, true));
    pbts_status status =
        pbts_txn_put(txn, PBTS_TABLE_META, pbts_span_text(ROW_NAME), PBTS_SPAN_OF(row));
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}

static pbts_status refuse(struct app *app, const struct key_source *source) {
    char path[CONFIG_TEXT_MAX + 32];
    secret_file_path(app, path, source->is_local ? KEY_FILE_NAME : "store");
    return secret_file_give_up(
        app, "key_wrong", path,
        source->is_local ? "the ledger in store/ belongs to another key: put its own tracker.key "
                           "back from the backup; nothing was changed"
                         : "the ledger in store/ belongs to another key than key_source delivers; "
                           "nothing was changed");
}

/* Where the key is not beside it, a store was sealed when it was empty. Rows that are open all the
 * same are from who can write the disk, and sealing them would make them ours. */
static bool is_forged(const struct app *app, const struct look *look,
                      const struct key_source *source) {
    return !source->is_local && !look->is_empty && !pbts_store_is_sealed(app->store);
}

static pbts_status refuse_forged(struct app *app) {
    char path[CONFIG_TEXT_MAX + 32];
    secret_file_path(app, path, "store");
    return secret_file_give_up(app, "store_open", path,
                               "what is private in it is not sealed, and with this key_source it "
                               "always was: somebody put another store here; nothing was changed");
}

/* A start that was cut short may have noted a key that is gone: it is of no use to anybody. */
static bool are_of_store(const struct look *look) {
    if (look->has_ledger) return look->is_owner && (look->is_same || !look->has_row);
    return look->is_same || look->is_empty;
}

/* A store from before, or one that was made from an export, is sealed now, and so is an empty one.
 * Where the key is not beside it, it must be. */
static pbts_status seal(struct app *app, const struct key_source *source) {
    pbts_status status = pbts_store_seal_rows(app->store, app->keys->store);
    if (status == PBTS_OK) {
        LOG(&app->log, LOG_INFO, "store_sealed", LOG_TEXT("data", app->config.data));
        return PBTS_OK;
    }
    bool goes_on = status == PBTS_FULL && source->is_local;
    LOG(&app->log, goes_on ? LOG_WARN : LOG_ERROR, "store_not_sealed",
        LOG_TEXT("data", app->config.data), LOG_TEXT("reason", pbts_status_text(status)));
    return goes_on ? PBTS_OK : status;
}

pbts_status store_keys_open(struct app *app, const struct key_source *source) {
    struct look look;
    pbts_status status = read_look(app, &look);
    if (status == PBTS_OK && !are_of_store(&look)) return refuse(app, source);
    if (status == PBTS_OK && is_forged(app, &look, source)) return refuse_forged(app);
    if (status == PBTS_OK && !look.is_same) status = note(app);
    if (status != PBTS_OK) {
        char path[CONFIG_TEXT_MAX + 32];
        secret_file_path(app, path, "store");
        (void)secret_file_complain(app, "store_failed", path, pbts_status_text(status));
        return status;
    }
    return pbts_store_is_sealed(app->store) ? pbts_store_unlock(app->store, app->keys->store)
                                            : seal(app, source);
}
