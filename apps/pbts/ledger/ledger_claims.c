/* ledger_claims.c - rows of numbers in the store become records of hashes in the file. */
#include "ledger_claims.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "ledger/claims_file.h"
#include "tracker/tracker.h"

/* Number -> hash, sorted; of several with one number the lowest rank comes first. */
typedef struct {
    uint32_t number;
    uint8_t rank;
    uint8_t hash[32];
} naming;

typedef struct {
    naming *items;
    size_t count, capacity;
} names;

static bool names_add(names *all, uint32_t number, uint8_t rank, pbts_span hash) {
    if (hash.len > sizeof all->items->hash) return false;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity > 0 ? all->capacity * 2 : 1024;
        naming *more = reallocarray(all->items, capacity, sizeof *more);
        if (more == NULL) return false;
        all->items = more;
        all->capacity = capacity;
    }
    naming *item = &all->items[all->count++];
    *item = (naming){ .number = number, .rank = rank };
    memcpy(item->hash, hash.data, hash.len);
    return true;
}

static int names_compare(const void *a, const void *b) {
    const naming *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Lower bound: the first with the number has the lowest rank. */
static const uint8_t *names_find(const names *all, uint32_t number) {
    size_t low = 0, high = all->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all->items[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < all->count && all->items[low].number == number ? all->items[low].hash : NULL;
}

/* How one row of a table names a number. */
typedef bool (*namer)(names *all, pbts_span key, pbts_span value);

static bool name_account(names *all, pbts_span key, pbts_span value) {
    pbts_ledger_account row;
    pbts_cursor cursor = pbts_cursor_over(value);
    if (pbts_ledger_row_decode(&row, &cursor) != PBTS_OK) return false;
    return names_add(all, row.user_no, 0, PBTS_SPAN_OF(row.uid_hash));
}

static bool name_uid(names *all, pbts_span key, pbts_span value) {
    pbts_cursor cursor = pbts_cursor_over(value);
    uint32_t user_no;
    if (key.len != 32 || pbts_read_u32(&cursor, &user_no) != PBTS_OK) return false;
    return names_add(all, user_no, 1, key);
}

/* A torrent with two infohashes is named by its v1 one. */
static bool name_torrent(names *all, pbts_span key, pbts_span value) {
    pbts_cursor cursor = pbts_cursor_over(value);
    uint32_t torrent_no;
    uint8_t version;
    if (key.len != 20 || pbts_read_u32(&cursor, &torrent_no) != PBTS_OK) return false;
    if (pbts_read_u8(&cursor, &version) != PBTS_OK) return false;
    return names_add(all, torrent_no, version, key);
}

static int names_read(names *all, pbts_txn *txn, pbts_table table, namer name) {
    pbts_span none = { NULL, 0 }, key, value;
    pbts_rows *rows;
    bool good = true;
    pbts_status status = pbts_rows_open(&rows, txn, table, none, none);
    if (status != PBTS_OK) return ledger_fail_status("store", status);
    while (good && pbts_rows_next(rows, &key, &value)) good = name(all, key, value);
    status = pbts_rows_status(rows);
    pbts_rows_close(rows);
    if (!good) return ledger_fail(LEDGER_BAD, "store", "a row of names does not decode");
    return status == PBTS_OK ? LEDGER_OK : ledger_fail_status("store", status);
}

typedef struct {
    ledger_out *out;
    pbts_claims_encoder encoder;
    uint8_t *buffer; /* of PBTS_CLAIMS_RECORD_MAX bytes */
    names users, torrents;
} claims_export;

static int export_record(claims_export *export, const pbts_claims_record *record) {
    pbts_writer writer = pbts_writer_over(export->buffer, PBTS_CLAIMS_RECORD_MAX);
    pbts_status status = pbts_claims_encode_record(&export->encoder, &writer, record);
    if (status != PBTS_OK) return ledger_fail(LEDGER_BAD, "store", "a claim breaks the format");
    return ledger_out_write(export->out, pbts_writer_span(&writer)) ? LEDGER_OK : LEDGER_IO;
}

static pbts_status claim_numbers(uint32_t numbers[static 4], uint16_t *part, pbts_span key) {
    pbts_cursor cursor = pbts_cursor_over(key);
    for (int i = 0; i < 4; i++) PBTS_TRY(pbts_read_u32(&cursor, &numbers[i]));
    PBTS_TRY(pbts_read_u16(&cursor, part));
    return pbts_cursor_left(&cursor) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

/* CLAIMS: u32 period, receiver, sender, torrent, u16 part. */
static int export_claim(claims_export *export, pbts_span key, pbts_span bitmap) {
    uint32_t numbers[4];
    uint16_t part;
    if (claim_numbers(numbers, &part, key) != PBTS_OK)
        return ledger_fail(LEDGER_BAD, "store", "a claim's key does not decode");
    const uint8_t *receiver = names_find(&export->users, numbers[1]);
    const uint8_t *sender = names_find(&export->users, numbers[2]);
    const uint8_t *infohash = names_find(&export->torrents, numbers[3]);
    if (receiver == NULL || sender == NULL || infohash == NULL)
        return ledger_fail(LEDGER_BAD, "store", "a claim names an unknown user or torrent");
    pbts_claims_record record = { .period = numbers[0], .part = part, .bitmap = bitmap };
    memcpy(record.receiver, receiver, sizeof record.receiver);
    memcpy(record.sender, sender, sizeof record.sender);
    memcpy(record.infohash, infohash, sizeof record.infohash);
    return export_record(export, &record);
}

static pbts_status old_claim_key(pbts_claims_record *out, pbts_span key) {
    pbts_cursor cursor = pbts_cursor_over(key);
    PBTS_TRY(pbts_read_u32(&cursor, &out->period));
    PBTS_TRY(pbts_read_bytes(&cursor, out->receiver, sizeof out->receiver));
    PBTS_TRY(pbts_read_bytes(&cursor, out->sender, sizeof out->sender));
    PBTS_TRY(pbts_read_bytes(&cursor, out->infohash, sizeof out->infohash));
    PBTS_TRY(pbts_read_u16(&cursor, &out->part));
    return pbts_cursor_left(&cursor) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

/* OLD_CLAIMS, of the predecessor, are keyed by hashes already. */
static int export_old_claim(claims_export *export, pbts_span key, pbts_span bitmap) {
    pbts_claims_record record = { .bitmap = bitmap };
    if (old_claim_key(&record, key) != PBTS_OK)
        return ledger_fail(LEDGER_BAD, "store", "an old claim's key does not decode");
    return export_record(export, &record);
}

static int export_table(claims_export *export, pbts_txn *txn, pbts_table table,
                        int (*row)(claims_export *, pbts_span, pbts_span)) {
    pbts_span none = { NULL, 0 }, key, value;
    pbts_rows *rows;
    int code = LEDGER_OK;
    pbts_status status = pbts_rows_open(&rows, txn, table, none, none);
    if (status != PBTS_OK) return ledger_fail_status("store", status);
    while (code == LEDGER_OK && pbts_rows_next(rows, &key, &value)) code = row(export, key, value);
    status = pbts_rows_status(rows);
    pbts_rows_close(rows);
    if (code == LEDGER_OK && status != PBTS_OK) code = ledger_fail_status("store", status);
    return code;
}

static int export_begin(claims_export *export, pbts_txn *txn) {
    int code = names_read(&export->users, txn, PBTS_TABLE_ACCOUNTS, name_account);
    if (code == LEDGER_OK) code = names_read(&export->users, txn, PBTS_TABLE_UIDS, name_uid);
    if (code == LEDGER_OK)
        code = names_read(&export->torrents, txn, PBTS_TABLE_INFOHASHES, name_torrent);
    if (code != LEDGER_OK) return code;
    if (export->users.count > 0)
        qsort(export->users.items, export->users.count, sizeof(naming), names_compare);
    if (export->torrents.count > 0)
        qsort(export->torrents.items, export->torrents.count, sizeof(naming), names_compare);
    pbts_writer writer = pbts_writer_over(export->buffer, PBTS_CLAIMS_RECORD_MAX);
    pbts_status status = pbts_claims_encode_begin(&export->encoder, &writer);
    if (status != PBTS_OK) return ledger_fail_status("claims", status);
    return ledger_out_write(export->out, pbts_writer_span(&writer)) ? LEDGER_OK : LEDGER_IO;
}

static int export_end(claims_export *export, pbts_txn *txn, const pbts_bls_secret *secret) {
    pbts_ledger_params params;
    pbts_ledger_head head;
    pbts_bls_public own;
    pbts_status status = pbts_ledger_params_read(txn, &params);
    if (status == PBTS_OK) status = pbts_ledger_head_read(txn, &head);
    if (status != PBTS_OK) return ledger_fail_status("ledger", status);
    pbts_bls_public_of(&own, secret);
    if (memcmp(own.bytes, params.owner.bytes, sizeof own.bytes) != 0)
        return ledger_fail(LEDGER_BAD, "tracker.key", "this is not the key of the ledger's owner");
    pbts_writer writer = pbts_writer_over(export->buffer, PBTS_CLAIMS_RECORD_MAX);
    status = pbts_claims_encode_end(&export->encoder, &writer, params.iid, head.sequence, secret);
    if (status != PBTS_OK) return ledger_fail_status("claims", status);
    return ledger_out_write(export->out, pbts_writer_span(&writer)) ? LEDGER_OK : LEDGER_IO;
}

/* What this instance does not know any more itself comes first. */
static int export_lost(claims_export *export, pbts_txn *txn) {
    uint8_t room[PBTS_CLAIMS_LOST_LEN];
    uint64_t epoch;
    pbts_status status = pbts_tracker_claims_lost(txn, &epoch);
    if (status == PBTS_NOT_FOUND) return LEDGER_OK;
    if (status != PBTS_OK) return ledger_fail_status("store", status);
    pbts_claims_record record = pbts_claims_lost_record(room, epoch);
    return export_record(export, &record);
}

int ledger_claims_write(ledger_out *out, uint64_t *count, pbts_txn *txn,
                        const pbts_bls_secret *secret) {
    claims_export export = { .out = out };
    export.buffer = malloc(PBTS_CLAIMS_RECORD_MAX);
    if (export.buffer == NULL) return ledger_fail_status("claims", PBTS_NO_MEMORY);
    int code = export_begin(&export, txn);
    if (code == LEDGER_OK) code = export_lost(&export, txn);
    uint64_t before = export.encoder.count;
    if (code == LEDGER_OK) code = export_table(&export, txn, PBTS_TABLE_CLAIMS, export_claim);
    if (code == LEDGER_OK)
        code = export_table(&export, txn, PBTS_TABLE_OLD_CLAIMS, export_old_claim);
    *count = export.encoder.count - before;
    if (code == LEDGER_OK) code = export_end(&export, txn, secret);
    free(export.buffer);
    free(export.users.items);
    free(export.torrents.items);
    return code;
}

int ledger_key_read_file(ledger_key *out, const char *path) {
    uint8_t text[PBTS_KEY_FILE_LEN_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ledger_fail(LEDGER_IO, path, strerror(errno));
    ssize_t got = read(fd, text, sizeof text);
    (void)close(fd);
    if (got < 0) return ledger_fail(LEDGER_IO, path, strerror(errno));
    pbts_status status = pbts_key_trk_parse(&out->root, (pbts_span){ text, (size_t)got });
    pbts_wipe(text, sizeof text);
    if (status == PBTS_OK) status = pbts_tracker_keys_derive(&out->keys, &out->root);
    if (status == PBTS_OK) return LEDGER_OK;
    pbts_wipe(out, sizeof *out);
    return ledger_fail(LEDGER_IO, path,
                       "this is no tracker key (one line: pbts-tracker-key2 and 64 hex digits, or "
                       "only these)");
}

int ledger_key_read(ledger_key *out, const char *data_directory) {
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/tracker.key", data_directory);
    if (len < 0 || (size_t)len >= sizeof path)
        return ledger_fail(LEDGER_IO, data_directory, "the path is too long");
    return ledger_key_read_file(out, path);
}

int ledger_store_unlock(pbts_store *store, const ledger_key *key) {
    if (!pbts_store_is_sealed(store)) return LEDGER_OK;
    pbts_status status = pbts_store_unlock(store, key->keys.store);
    return status == PBTS_OK ? LEDGER_OK : ledger_fail_status("store", status);
}
