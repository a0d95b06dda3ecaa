/* Setting up, loading and freeing an instance; policy; expiry; counts. */
#include "tracker/tracker.h"

#include "base/assert.h"
#include "base/epoch.h"
#include "base/secret.h"
#include "hash/sha.h"
#include "tracker/state.h"

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
    PBTS_TRY(pbts_random_fill(config->random, params.iid, sizeof params.iid));
    pbts_bls_public_of(&params.owner, &config->owner);
    if (predecessor != NULL) {
        params.has_referrer = true;
        params.referrer_last_epoch = predecessor->last_epoch;
        memcpy(params.referrer_iid, predecessor->iid, sizeof params.referrer_iid);
        PBTS_TRY(put_predecessor(txn, predecessor));
    }
    return pbts_ledger_init(txn, &params, &config->owner, now.unix_s);
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
    return PBTS_OK;
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

pbts_status pbts_tracker_restored(pbts_txn *txn, bool has_claims) {
    static const uint8_t yes[1] = { 1 };
    pbts_ledger_head head;
    uint8_t value[8];
    PBTS_TRY(pbts_ledger_head_read(txn, &head));
    PBTS_TRY(restore_predecessor(txn));
    if (has_claims) return put_meta(txn, PBTS_META_OLD_CLAIMS, PBTS_SPAN_OF(yes));
    pbts_writer writer = pbts_writer_over(value, sizeof value);
    pbts_write_u64(&writer, head.epoch);
    return put_meta(txn, PBTS_META_FLOOR, pbts_writer_span(&writer));
}

/* ---- opening ---- */

static pbts_status load_identity(pbts_tracker *tracker, pbts_txn *txn) {
    pbts_ledger_params params;
    pbts_ledger_head head;
    PBTS_TRY(pbts_ledger_params_read(txn, &params));
    PBTS_TRY(pbts_ledger_head_read(txn, &head));
    if (memcmp(params.owner.bytes, tracker->owner_public.bytes, sizeof params.owner.bytes) != 0) {
        return PBTS_DENIED;
    }
    memcpy(tracker->iid, params.iid, sizeof tracker->iid);
    atomic_store(&tracker->sealed, head.sealed);
    atomic_store(&tracker->ledger_sequence, head.sequence);
    atomic_store(&tracker->ledger_unix_s, head.unix_time);
    return PBTS_OK;
}

static pbts_status load_floor(pbts_tracker *tracker, pbts_txn *txn) {
    pbts_span value;
    pbts_status status =
        pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(PBTS_META_FLOOR));
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    PBTS_TRY(status);
    pbts_cursor in = pbts_cursor_over(value);
    if (pbts_read_u64(&in, &tracker->floor_epoch) != PBTS_OK) return PBTS_CORRUPT;
    tracker->has_floor = true;
    return PBTS_OK;
}

static pbts_status load_claims_from(pbts_tracker *tracker, pbts_txn *txn) {
    pbts_span value;
    uint32_t period;
    pbts_status status =
        pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(PBTS_META_CLAIMS_FROM));
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    PBTS_TRY(status);
    PBTS_TRY(pbts_number_decode(&period, value));
    atomic_store(&tracker->claims_from_period, period);
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

static pbts_status load_meta(pbts_tracker *tracker, pbts_txn *txn) {
    pbts_span value;
    PBTS_TRY(load_floor(tracker, txn));
    PBTS_TRY(load_claims_from(tracker, txn));
    PBTS_TRY(load_predecessor(tracker, txn));
    pbts_status status =
        pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(PBTS_META_OLD_CLAIMS));
    if (status != PBTS_OK && status != PBTS_NOT_FOUND) return status;
    tracker->has_old_claims = status == PBTS_OK || tracker->predecessor.has_claims;
    return PBTS_OK;
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
    pbts_accounts_publish(&tracker->accounts, account.user_no, &balance, &tracker->passkey_key);
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
    uint8_t seed[8], key[PBTS_SHA256_LEN];
    PBTS_TRY(pbts_random_fill(config->random, seed, sizeof seed));
    memcpy(&tracker->shard_seed, seed, sizeof tracker->shard_seed);
    pbts_bls_public_of(&tracker->owner_public, &config->owner);
    pbts_hmac_sha256(key, PBTS_SPAN_OF(config->owner.bytes), pbts_span_text("pbts/passkey-key/1"));
    memcpy(tracker->passkey_key.bytes, key, sizeof key);
    pbts_wipe(key, sizeof key);
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
    tracker->owner = config->owner;
    tracker->started_unix_s = now.unix_s;
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
    pbts_wipe(tracker, sizeof *tracker);
    pbts_release(mem, tracker);
}

/* ---- small questions ---- */

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
