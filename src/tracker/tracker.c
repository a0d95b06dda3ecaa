/* Setting up, loading and freeing an instance; policy; expiry; counts. */
#include "tracker/tracker.h"

#include "base/assert.h"
#include "base/epoch.h"
#include "base/secret.h"
#include "base/secret_memory.h"
#include "hash/sha.h"
#include "tracker/state.h"

static const uint8_t YES[1] = { 1 };

static pbts_status put_meta(pbts_txn *txn, const char *name, pbts_span value) {
    return pbts_txn_put(txn, PBTS_TABLE_META, pbts_span_text(name), value);
}

static pbts_status put_predecessor(pbts_txn *txn, const pbts_predecessor *predecessor) {
    uint8_t value[PBTS_IID_LEN + 10];
    pbts_writer writer = pbts_writer_over(value, sizeof value);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(predecessor->iid));
    pbts_write_u64(&writer, predecessor->last_epoch);
    pbts_write_u8(&writer, predecessor->sealed);
    pbts_write_u8(&writer, predecessor->has_claims);
    return put_meta(txn, PBTS_META_PREDECESSOR, pbts_writer_span(&writer));
}

pbts_status pbts_tracker_setup(pbts_txn *txn, const pbts_tracker_config *config,
                               const pbts_predecessor *predecessor, pbts_now now) {
    pbts_ledger_params params = { 0 };
    if (config->mirrored) {
        memcpy(params.iid, config->mirror_iid, sizeof params.iid);
        PBTS_TRY(put_meta(txn, PBTS_META_MIRROR, PBTS_SPAN_OF(YES)));
    } else {
        PBTS_TRY(pbts_random_fill(config->random, params.iid, sizeof params.iid));
    }
    pbts_bls_public_of(&params.owner, &config->owner);
    PBTS_TRY(pbts_tracker_counted_put(txn, 0));
    if (predecessor != NULL) {
        params.has_referrer = true;
        params.referrer_last_epoch = predecessor->last_epoch;
        memcpy(params.referrer_iid, predecessor->iid, sizeof params.referrer_iid);
        PBTS_TRY(put_predecessor(txn, predecessor));
    }
    return pbts_ledger_init(txn, &params, &config->owner, now.unix_s);
}

/* PBTS_NOT_FOUND, PBTS_CORRUPT, store errors. */
static pbts_status load_epoch(pbts_txn *txn, uint64_t *out, const char *name) {
    pbts_span value;
    PBTS_TRY(pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(name)));
    pbts_cursor in = pbts_cursor_over(value);
    return pbts_read_u64(&in, out) == PBTS_OK ? PBTS_OK : PBTS_CORRUPT;
}

static pbts_status put_epoch(pbts_txn *txn, const char *name, uint64_t epoch) {
    uint8_t value[8];
    pbts_writer writer = pbts_writer_over(value, sizeof value);
    pbts_write_u64(&writer, epoch);
    return put_meta(txn, name, pbts_writer_span(&writer));
}

pbts_status pbts_tracker_floor_put(pbts_txn *txn, uint64_t epoch) {
    return put_epoch(txn, PBTS_META_FLOOR, epoch);
}

static pbts_status raise_floor(pbts_txn *txn, uint64_t epoch) {
    uint64_t known;
    pbts_status status = load_epoch(txn, &known, PBTS_META_FLOOR);
    if (status == PBTS_NOT_FOUND || (status == PBTS_OK && known < epoch))
        return pbts_tracker_floor_put(txn, epoch);
    return status;
}

/* What a claims file says twice is the union of both. */
static pbts_status put_union(pbts_txn *txn, pbts_span key, pbts_span bitmap) {
    pbts_span old;
    pbts_status status = pbts_txn_get(txn, &old, PBTS_TABLE_OLD_CLAIMS, key);
    if (status == PBTS_NOT_FOUND) return pbts_txn_put(txn, PBTS_TABLE_OLD_CLAIMS, key, bitmap);
    PBTS_TRY(status);
    if (old.len != bitmap.len) return PBTS_MALFORMED;
    uint8_t *both = pbts_alloc(pbts_mem_system(), bitmap.len);
    if (both == NULL) return PBTS_NO_MEMORY;
    for (size_t i = 0; i < bitmap.len; i++) both[i] = old.data[i] | bitmap.data[i];
    status = pbts_txn_put(txn, PBTS_TABLE_OLD_CLAIMS, key, (pbts_span){ both, bitmap.len });
    pbts_release(pbts_mem_system(), both);
    return status;
}

pbts_status pbts_tracker_old_claim_put(pbts_txn *txn, const pbts_claims_record *record) {
    uint8_t key[4 + 32 + 32 + 20 + 2];
    uint64_t lost;
    if (pbts_claims_is_lost(record, &lost)) return raise_floor(txn, lost);
    pbts_writer writer = pbts_writer_over(key, sizeof key);
    pbts_write_u32(&writer, record->period);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(record->receiver));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(record->sender));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(record->infohash));
    pbts_write_u16(&writer, record->part);
    return put_union(txn, pbts_writer_span(&writer), record->bitmap);
}

pbts_status pbts_tracker_old_claims_put(pbts_txn *txn, const pbts_claims_file *file) {
    pbts_claims_file claims = *file;
    pbts_claims_record record;
    while (pbts_claims_file_next(&claims, &record))
        PBTS_TRY(pbts_tracker_old_claim_put(txn, &record));
    return pbts_claims_file_end(&claims);
}

/* The INIT entry names the predecessor but not what it had: taken for neither sealed nor counted.
 */
static pbts_status restore_predecessor(pbts_txn *txn) {
    pbts_ledger_params params;
    PBTS_TRY(pbts_ledger_params_read(txn, &params));
    if (!params.has_referrer) return PBTS_OK;
    pbts_predecessor predecessor = { .last_epoch = params.referrer_last_epoch };
    memcpy(predecessor.iid, params.referrer_iid, sizeof predecessor.iid);
    return put_predecessor(txn, &predecessor);
}

/* Some accounts behind `*at`, which moves to the last of them. */
static pbts_status read_accounts(pbts_txn *txn, pbts_ledger_account *out, size_t *count, size_t max,
                                 uint8_t at[static PBTS_UID_HASH_LEN]) {
    pbts_rows *rows;
    pbts_span key, value, from = { at, PBTS_UID_HASH_LEN };
    pbts_status status = PBTS_OK;
    *count = 0;
    PBTS_TRY(pbts_rows_open(&rows, txn, PBTS_TABLE_ACCOUNTS, from, (pbts_span){ 0 }));
    while (status == PBTS_OK && *count < max && pbts_rows_next(rows, &key, &value)) {
        pbts_cursor in = pbts_cursor_over(value);
        if (pbts_span_equal(key, from)) continue;
        status = pbts_ledger_row_decode(&out[*count], &in);
        if (status == PBTS_OK) ++*count;
    }
    if (status == PBTS_OK) status = pbts_rows_status(rows);
    pbts_rows_close(rows);
    if (*count > 0) memcpy(at, out[*count - 1].uid_hash, PBTS_UID_HASH_LEN);
    return status == PBTS_MALFORMED ? PBTS_CORRUPT : status;
}

/* The keys of accounts whose users have not come yet: each is its account's. */
static pbts_status restore_keys(pbts_txn *txn) {
    enum { SOME = 64 };
    static const uint8_t no_key[32] = { 0 };
    pbts_ledger_account accounts[SOME];
    uint8_t at[PBTS_UID_HASH_LEN] = { 0 }, number[4];
    size_t count = SOME;
    while (count == SOME) {
        PBTS_TRY(read_accounts(txn, accounts, &count, SOME, at));
        for (size_t i = 0; i < count; i++) {
            if (memcmp(accounts[i].key_hash, no_key, sizeof no_key) == 0) continue;
            pbts_key_u32(number, accounts[i].user_no);
            PBTS_TRY(pbts_txn_put(txn, PBTS_TABLE_KEYS, PBTS_SPAN_OF(accounts[i].key_hash),
                                  PBTS_SPAN_OF(number)));
        }
    }
    return PBTS_OK;
}

pbts_status pbts_tracker_restored(pbts_txn *txn, bool has_claims) {
    pbts_ledger_head head;
    PBTS_TRY(pbts_ledger_head_read(txn, &head));
    PBTS_TRY(restore_predecessor(txn));
    PBTS_TRY(restore_keys(txn));
    if (has_claims) return put_meta(txn, PBTS_META_OLD_CLAIMS, PBTS_SPAN_OF(YES));
    return pbts_tracker_floor_put(txn, head.epoch);
}

pbts_status pbts_tracker_counted_put(pbts_txn *txn, uint64_t epoch) {
    return put_epoch(txn, PBTS_META_COUNTED, epoch);
}

/* ---- opening ---- */

/* Of this instance alone: a successor with the same owner key gives numbers anew, and nobody's old
 * passkey may be another's there. */
static void make_passkey_key(pbts_tracker *tracker) {
    static const char LABEL[] = "pbts/passkey-key/1";
    uint8_t message[sizeof LABEL - 1 + PBTS_IID_LEN], key[PBTS_SHA256_LEN];
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_write_bytes(&writer, pbts_span_text(LABEL));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(tracker->iid));
    pbts_hmac_sha256(key, PBTS_SPAN_OF(tracker->secrets->passkey_root), pbts_writer_span(&writer));
    memcpy(tracker->secrets->passkey_key.bytes, key, sizeof key);
    pbts_wipe(key, sizeof key);
}

static pbts_status load_identity(pbts_tracker *tracker, pbts_txn *txn) {
    pbts_ledger_params params;
    pbts_ledger_head head;
    PBTS_TRY(pbts_ledger_params_read(txn, &params));
    PBTS_TRY(pbts_ledger_head_read(txn, &head));
    if (memcmp(params.owner.bytes, tracker->owner_public.bytes, sizeof params.owner.bytes) != 0) {
        return PBTS_DENIED;
    }
    memcpy(tracker->iid, params.iid, sizeof tracker->iid);
    make_passkey_key(tracker);
    atomic_store(&tracker->sealed, head.sealed);
    atomic_store(&tracker->ledger_sequence, head.sequence);
    atomic_store(&tracker->ledger_unix_s, head.unix_time);
    return PBTS_OK;
}

static pbts_status load_floor(pbts_tracker *tracker, pbts_txn *txn) {
    pbts_status status = load_epoch(txn, &tracker->floor_epoch, PBTS_META_FLOOR);
    tracker->has_floor = status == PBTS_OK;
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

/* A store from before this row: what the ledger's time allows. */
static pbts_status read_counted(pbts_txn *txn, uint64_t *out) {
    pbts_ledger_head head;
    pbts_status status = load_epoch(txn, out, PBTS_META_COUNTED);
    if (status != PBTS_NOT_FOUND) return status;
    PBTS_TRY(pbts_ledger_head_read(txn, &head));
    *out = head.epoch;
    return PBTS_OK;
}

static pbts_status load_counted(pbts_tracker *tracker, pbts_txn *txn) {
    uint64_t epoch;
    PBTS_TRY(read_counted(txn, &epoch));
    atomic_store(&tracker->counted_epoch, epoch);
    return PBTS_OK;
}

/* 0: none were forgotten yet. */
static pbts_status read_claims_from(pbts_txn *txn, uint32_t *out) {
    pbts_span value;
    pbts_status status =
        pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(PBTS_META_CLAIMS_FROM));
    *out = 0;
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    PBTS_TRY(status);
    return pbts_number_decode(out, value);
}

static pbts_status load_claims_from(pbts_tracker *tracker, pbts_txn *txn) {
    uint32_t period;
    PBTS_TRY(read_claims_from(txn, &period));
    atomic_store(&tracker->claims_from_period, period);
    return PBTS_OK;
}

pbts_status pbts_tracker_claims_lost(pbts_txn *txn, uint64_t *epoch) {
    uint32_t from;
    pbts_status status = load_epoch(txn, epoch, PBTS_META_FLOOR);
    if (status != PBTS_OK && status != PBTS_NOT_FOUND) return status;
    PBTS_TRY(read_claims_from(txn, &from));
    uint64_t forgotten = (uint64_t)from * PBTS_CLAIM_PERIOD_EPOCHS; /* and one more */
    if (forgotten == 0 || (status == PBTS_OK && *epoch >= forgotten)) return status;
    *epoch = forgotten - 1;
    return PBTS_OK;
}

static pbts_status load_predecessor(pbts_tracker *tracker, pbts_txn *txn) {
    pbts_span value;
    pbts_status status =
        pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(PBTS_META_PREDECESSOR));
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    PBTS_TRY(status);
    pbts_cursor in = pbts_cursor_over(value);
    uint8_t sealed = 0, has_claims = 0;
    pbts_predecessor_state *old = &tracker->predecessor;
    if (pbts_read_bytes(&in, old->iid, sizeof old->iid) != PBTS_OK ||
        pbts_read_u64(&in, &old->last_epoch) != PBTS_OK || pbts_read_u8(&in, &sealed) != PBTS_OK ||
        pbts_read_u8(&in, &has_claims) != PBTS_OK) {
        return PBTS_CORRUPT;
    }
    old->known = true;
    old->sealed = sealed != 0;
    old->has_claims = has_claims != 0;
    return PBTS_OK;
}

static pbts_status has_meta(pbts_txn *txn, bool *out, const char *name) {
    pbts_span value;
    pbts_status status = pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(name));
    *out = status == PBTS_OK;
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

static pbts_status load_meta(pbts_tracker *tracker, pbts_txn *txn) {
    PBTS_TRY(load_floor(tracker, txn));
    PBTS_TRY(load_counted(tracker, txn));
    PBTS_TRY(load_claims_from(tracker, txn));
    PBTS_TRY(load_predecessor(tracker, txn));
    PBTS_TRY(has_meta(txn, &tracker->mirrored, PBTS_META_MIRROR));
    PBTS_TRY(has_meta(txn, &tracker->has_old_claims, PBTS_META_OLD_CLAIMS));
    if (tracker->predecessor.has_claims) tracker->has_old_claims = true;
    return PBTS_OK;
}

static pbts_passkey_owner owner_of(const pbts_ledger_account *account) {
    pbts_passkey_owner owner = { .user_no = account->user_no, .generation = account->generation };
    memcpy(owner.uid_hash, account->uid_hash, sizeof owner.uid_hash);
    memcpy(owner.key_hash, account->key_hash, sizeof owner.key_hash);
    return owner;
}

static pbts_status load_account(pbts_tracker *tracker, pbts_txn *txn, pbts_span uid_hash) {
    pbts_ledger_account account;
    pbts_user_row row;
    bool from_referrer;
    if (uid_hash.len != PBTS_UID_HASH_LEN) return PBTS_CORRUPT;
    PBTS_TRY(pbts_ledger_read(txn, &account, &from_referrer, uid_hash.data));
    pbts_balance balance = { .up = account.up_bytes,
                             .down = account.down_bytes,
                             .generation = account.generation };
    pbts_status status = pbts_user_row_get(txn, &row, account.user_no);
    if (status == PBTS_OK) {
        balance.granted = row.granted;
    } else if (status == PBTS_NOT_FOUND) {
        /* Restored from the ledger alone: what was held is not known any more (rule 9). */
        balance.granted = (int64_t)account.up_bytes - (int64_t)account.down_bytes;
    } else {
        return status;
    }
    PBTS_TRY(pbts_accounts_reserve(&tracker->accounts, account.user_no));
    pbts_passkey_owner owner = owner_of(&account);
    pbts_accounts_publish(&tracker->accounts, &owner, &balance, &tracker->secrets->passkey_key);
    return PBTS_OK;
}

static pbts_status load_held(pbts_tracker *tracker, pbts_span key, pbts_span value) {
    pbts_cursor from = pbts_cursor_over(key), in = pbts_cursor_over(value);
    uint32_t receiver, sender;
    uint64_t bytes;
    if (pbts_read_u32(&from, &receiver) != PBTS_OK || pbts_read_u32(&in, &sender) != PBTS_OK ||
        pbts_read_u64(&in, &bytes) != PBTS_OK) {
        return PBTS_CORRUPT;
    }
    pbts_account *debtor = pbts_accounts_find(&tracker->accounts, receiver);
    pbts_account *creditor = pbts_accounts_find(&tracker->accounts, sender);
    if (debtor == NULL || creditor == NULL) return PBTS_CORRUPT;
    atomic_fetch_add(&debtor->owed, bytes);
    atomic_fetch_add(&creditor->held, bytes);
    atomic_fetch_add(&tracker->held_bytes, bytes);
    return PBTS_OK;
}

static pbts_status load_torrent(pbts_tracker *tracker, pbts_span key, pbts_span value) {
    pbts_torrent torrent;
    PBTS_TRY(pbts_torrent_row_decode(&torrent, key, value));
    if (torrent.torrent_no > atomic_load(&tracker->torrent_count)) {
        atomic_store(&tracker->torrent_count, torrent.torrent_no);
    }
    return PBTS_OK;
}

/* A hybrid's clients announce both infohashes (BEP 52), each a swarm of its own. */
static pbts_status load_infohash(pbts_tracker *tracker, pbts_span key, pbts_span value) {
    pbts_infohash_row row;
    if (key.len != PBTS_INFOHASH_LEN) return PBTS_CORRUPT;
    PBTS_TRY(pbts_infohash_row_decode(&row, value));
    pbts_swarms *shard = tracker->shards[pbts_tracker_shard(tracker, key.data)];
    return pbts_swarms_add(shard, key.data, row.torrent_no, row.downloaded);
}

static pbts_status load_account_row(pbts_tracker *tracker, pbts_txn *txn, pbts_span key,
                                    pbts_span value) {
    (void)value;
    return load_account(tracker, txn, key);
}
static pbts_status load_held_row(pbts_tracker *tracker, pbts_txn *txn, pbts_span key,
                                 pbts_span value) {
    (void)txn;
    return load_held(tracker, key, value);
}
static pbts_status load_torrent_row(pbts_tracker *tracker, pbts_txn *txn, pbts_span key,
                                    pbts_span value) {
    (void)txn;
    return load_torrent(tracker, key, value);
}
static pbts_status load_infohash_row(pbts_tracker *tracker, pbts_txn *txn, pbts_span key,
                                     pbts_span value) {
    (void)txn;
    return load_infohash(tracker, key, value);
}

static pbts_status load_table(pbts_tracker *tracker, pbts_txn *txn, pbts_table table,
                              pbts_status (*load)(pbts_tracker *, pbts_txn *, pbts_span,
                                                  pbts_span)) {
    pbts_rows *rows;
    pbts_span key, value;
    pbts_status status = pbts_rows_open(&rows, txn, table, (pbts_span){ 0 }, (pbts_span){ 0 });
    if (status != PBTS_OK) return status;
    while (status == PBTS_OK && pbts_rows_next(rows, &key, &value)) {
        status = load(tracker, txn, key, value);
    }
    /* A walk that broke off must not pass for a table that ends there: numbers would be given
     * twice. */
    if (status == PBTS_OK) status = pbts_rows_status(rows);
    pbts_rows_close(rows);
    return status;
}

static pbts_status load_all(pbts_tracker *tracker) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, tracker->store, false));
    pbts_status status = load_identity(tracker, txn);
    if (status == PBTS_OK) status = load_meta(tracker, txn);
    if (status == PBTS_OK) status = load_table(tracker, txn, PBTS_TABLE_ACCOUNTS, load_account_row);
    if (status == PBTS_OK) status = load_table(tracker, txn, PBTS_TABLE_HELD, load_held_row);
    if (status == PBTS_OK) status = load_table(tracker, txn, PBTS_TABLE_TORRENTS, load_torrent_row);
    if (status == PBTS_OK)
        status = load_table(tracker, txn, PBTS_TABLE_INFOHASHES, load_infohash_row);
    pbts_txn_abort(txn);
    return status;
}

/* A swarm tells of a peer that came or went: the user's count of active peers. */
static void count_peer(void *host, uint32_t user_no, int change) {
    pbts_tracker *tracker = host;
    pbts_account *account = pbts_accounts_find(&tracker->accounts, user_no);
    if (account != NULL) atomic_fetch_add(&account->peers, (uint32_t)change);
}

static pbts_status new_shards(pbts_tracker *tracker, pbts_now now) {
    const pbts_policy *policy = pbts_tracker_policy_now(tracker);
    for (size_t i = 0; i < PBTS_TRACKER_SHARDS; i++) {
        pbts_swarms_config config = {
            .mem = tracker->mem,
            .expire_after_s = policy->interval_s + policy->interval_s / 2,
            .peers_per_user_max = policy->peers_per_user_max,
            .peers_max = 1u << 24,
            .on_peer = count_peer,
            .host = tracker,
        };
        uint8_t seed[8];
        PBTS_TRY(pbts_random_fill(tracker->random, seed, sizeof seed));
        memcpy(&config.seed, seed, sizeof config.seed);
        PBTS_TRY(pbts_swarms_new(&tracker->shards[i], &config, now.mono_s));
    }
    return PBTS_OK;
}

static pbts_status open_into(pbts_tracker *tracker, const pbts_tracker_config *config,
                             pbts_now now) {
    uint8_t seed[8];
    const uint8_t *root = config->passkey_root != NULL ? config->passkey_root : config->owner.bytes;
    tracker->secrets = pbts_secret_new(sizeof *tracker->secrets, NULL);
    if (tracker->secrets == NULL) return PBTS_NO_MEMORY;
    tracker->secrets->owner = config->owner;
    memcpy(tracker->secrets->passkey_root, root, sizeof tracker->secrets->passkey_root);
    PBTS_TRY(pbts_random_fill(config->random, seed, sizeof seed));
    memcpy(&tracker->shard_seed, seed, sizeof tracker->shard_seed);
    pbts_bls_public_of(&tracker->owner_public, &config->owner);
    PBTS_TRY(new_shards(tracker, now));
    return load_all(tracker);
}

pbts_status pbts_tracker_open(pbts_tracker **out, const pbts_tracker_config *config, pbts_now now) {
    PBTS_TRY(pbts_policy_check(&config->policy, NULL));
    PBTS_TRY(pbts_bls_secret_check(&config->owner));
    pbts_tracker *tracker = pbts_alloc(config->mem, sizeof *tracker);
    if (tracker == NULL) return PBTS_NO_MEMORY;
    tracker->mem = config->mem;
    tracker->random = config->random;
    tracker->store = config->store;
    tracker->lock = config->lock;
    tracker->started_unix_s = now.unix_s;
    tracker->started_mono_s = now.mono_s;
    tracker->policies[0] = config->policy;
    pbts_accounts_init(&tracker->accounts, config->mem);
    pbts_status status = open_into(tracker, config, now);
    if (status == PBTS_OK) {
        *out = tracker;
    } else {
        pbts_tracker_free(tracker);
    }
    return status;
}

void pbts_tracker_free(pbts_tracker *tracker) {
    if (tracker == NULL) return;
    for (size_t i = 0; i < PBTS_TRACKER_SHARDS; i++) pbts_swarms_free(tracker->shards[i]);
    pbts_accounts_deinit(&tracker->accounts);
    pbts_mem *mem = tracker->mem;
    pbts_secret_free(tracker->secrets);
    pbts_release(mem, tracker);
}

/* ---- small questions ---- */

bool pbts_tracker_is_mirrored(const pbts_tracker *tracker) {
    return tracker->mirrored;
}

const uint8_t *pbts_tracker_iid(const pbts_tracker *tracker) {
    return tracker->iid;
}

const pbts_bls_public *pbts_tracker_owner(const pbts_tracker *tracker) {
    return &tracker->owner_public;
}

bool pbts_tracker_predecessor(const pbts_tracker *tracker, uint8_t iid[static PBTS_IID_LEN]) {
    if (!tracker->predecessor.known) return false;
    memcpy(iid, tracker->predecessor.iid, PBTS_IID_LEN);
    return true;
}

pbts_policy pbts_tracker_policy(const pbts_tracker *tracker) {
    return *pbts_tracker_policy_now(tracker);
}

pbts_status pbts_tracker_policy_set(pbts_tracker *tracker, const pbts_policy *policy) {
    PBTS_TRY(pbts_policy_check(policy, NULL));
    const pbts_policy *old = pbts_tracker_policy_now(tracker);
    uint32_t next = atomic_load(&tracker->policy_at) + 1;
    pbts_policy *slot = &tracker->policies[next % PBTS_POLICY_RING];
    *slot = *policy;
    /* The swarms were built for these two. */
    slot->interval_s = old->interval_s;
    slot->peers_per_user_max = old->peers_per_user_max;
    if (slot->min_interval_s > slot->interval_s) slot->min_interval_s = slot->interval_s;
    atomic_store_explicit(&tracker->policy_at, next, memory_order_release);
    return PBTS_OK;
}

bool pbts_tracker_tick(pbts_tracker *tracker, pbts_now now) {
    bool more = false;
    for (unsigned i = 0; i < PBTS_TRACKER_SHARDS; i++) {
        pbts_lock_enter(&tracker->lock, i);
        if (pbts_swarms_tick(tracker->shards[i], now.mono_s)) more = true;
        pbts_lock_leave(&tracker->lock, i);
    }
    return more;
}

void pbts_tracker_stats_read(pbts_tracker *tracker, pbts_tracker_stats *out) {
    pbts_tracker_stats stats = {
        .users = atomic_load(&tracker->accounts.count),
        .torrents = atomic_load(&tracker->torrent_count),
        .credited_bytes = atomic_load(&tracker->credited_bytes),
        .held_bytes = atomic_load(&tracker->held_bytes),
        .ledger_sequence = atomic_load(&tracker->ledger_sequence),
        .ledger_unix_s = atomic_load(&tracker->ledger_unix_s),
        .store_used_bytes = pbts_store_used_bytes(tracker->store),
    };
    for (unsigned i = 0; i < PBTS_TRACKER_SHARDS; i++) {
        pbts_swarms_stats shard;
        pbts_lock_enter(&tracker->lock, i);
        pbts_swarms_stats_read(tracker->shards[i], &shard);
        pbts_lock_leave(&tracker->lock, i);
        stats.peers += shard.peers;
        stats.seeders += shard.seeders;
        stats.unstored_downloads += shard.unstored;
        stats.swarm_memory_bytes += shard.memory_bytes;
    }
    *out = stats;
}

pbts_status pbts_tracker_counted_epoch(pbts_tracker *tracker, uint64_t *out) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, tracker->store, false));
    pbts_status status = read_counted(txn, out);
    pbts_txn_abort(txn);
    return status;
}

pbts_status pbts_tracker_balance_sum(pbts_tracker *tracker, int64_t *out) {
    __int128 sum = 0;
    uint32_t count = atomic_load(&tracker->accounts.count);
    for (uint32_t number = 1; number <= count; number++) {
        const pbts_account *account = pbts_accounts_find(&tracker->accounts, number);
        if (account == NULL) continue;
        pbts_balance b = pbts_account_balance(account);
        sum += (__int128)b.up + b.held - b.granted - b.down;
    }
    if (sum > INT64_MAX || sum < INT64_MIN) return PBTS_LIMIT;
    *out = (int64_t)sum;
    return PBTS_OK;
}
