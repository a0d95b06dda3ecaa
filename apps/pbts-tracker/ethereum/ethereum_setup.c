/* The first start: what the contract says becomes this instance. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../app.h"
#include "base/epoch.h"
#include "codec/text.h"
#include "ethereum.h"
#include "ethereum_parts.h"
#include "ethereum_pending.h"
#include "ethereum_root.h"
#include "referrer.h"

enum {
    SETTLE_TRIES = 60,
    READ_TRIES = 3,
    /* Numbers that nobody in a contract has: a predecessor's own inherited users keep theirs, and
     * get into its contract only when they change. Who is further up is passed over, as one user of
     * its owner's with the highest number would leave none for newcomers. */
    GAPS_MAX = PBTS_USERS_MAX / 2,
};

/* A contract as it was read. */
typedef struct {
    pbts_trusted_block block;
    pbts_reputation_state state;
    pbts_reputation_account *users; /* malloc */
    size_t users_len;
    pbts_reputation_tree *tree; /* in root mode: the same users, by number */
} loaded;

typedef struct {
    struct app *app;
    struct ethereum_config config;
    pbts_chain *chain;
    loaded own, referrer;
    uint64_t settled_block;       /* in this one nothing of the key was pending */
    pbts_passed_over passed_over; /* of the referrer's users */
    time_t said;
} setup;

static pbts_status complain(struct app *app, const char *reason, pbts_status status) {
    LOG(&app->log, LOG_ERROR, "ethereum_failed", LOG_TEXT("contract", app->config.chain_contract),
        LOG_TEXT("reason", reason));
    /* What no later start mends by itself. */
    bool final = status == PBTS_NOT_FOUND || status == PBTS_MALFORMED || status == PBTS_DENIED ||
                 status == PBTS_LIMIT || status == PBTS_EXISTS || status == PBTS_CORRUPT;
    return final ? PBTS_CORRUPT : PBTS_IO;
}

/* Every five seconds. */
static void tell_loading(setup *s, const char *key, uint64_t count, const char *other_key,
                         uint64_t other_count) {
    time_t now = time(NULL);
    if (now < s->said + 5) return;
    s->said = now;
    LOG(&s->app->log, LOG_INFO, "ethereum_loading", LOG_UINT(key, count),
        LOG_UINT(other_key, other_count));
}

static void tell_progress(void *host, size_t registered, size_t proved) {
    tell_loading(host, "registered", registered, "proved", proved);
}

/* In a block that may be reorganised away before it is read: then in another one. */
static pbts_status read_contract(setup *s, loaded *out, const pbts_eth_address *contract,
                                 uint32_t depth_blocks) {
    pbts_status status = PBTS_IO;
    for (int i = 0; i < READ_TRIES && status == PBTS_IO; i++) {
        PBTS_TRY(pbts_chain_block(s->chain, &out->block, depth_blocks));
        status = pbts_chain_read_contract(s->chain, &out->state, &out->block, contract);
    }
    return status;
}

/* Whether the contract is the same where it is deep enough; younger than that, it is not there. */
static pbts_status look_deep(setup *s, loaded *out, const pbts_eth_address *contract,
                             bool *is_settled) {
    uint64_t sequence = out->state.sequence;
    pbts_status status = read_contract(s, out, contract, s->app->config.chain_depth);
    *is_settled = status == PBTS_OK && out->state.sequence == sequence;
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

/* What is deep enough must be all there is: another writer's last batches would be lost. */
static pbts_status read_settled(setup *s, loaded *out, const pbts_eth_address *contract) {
    const struct timespec pause = { .tv_sec = 1 };
    uint32_t depth = s->app->config.chain_depth;
    for (int i = 0; i < SETTLE_TRIES; i++) {
        bool is_settled = false;
        PBTS_TRY(read_contract(s, out, contract, 0));
        bool is_old = out->block.block_number < s->settled_block; /* servers that lag */
        if (!is_old && out->state.sequence == 0) return PBTS_OK;
        if (!is_old) PBTS_TRY(look_deep(s, out, contract, &is_settled));
        if (is_settled) return PBTS_OK;
        if (i == 0)
            LOG(&s->app->log, LOG_INFO, "ethereum_waiting", LOG_UINT("depth", depth),
                LOG_TEXT("reason", "the contract's last batch is not deep enough yet"));
        (void)nanosleep(&pause, NULL);
    }
    return PBTS_BUSY;
}

static void tell_replayed(void *host, uint64_t replayed, uint64_t batches) {
    tell_loading(host, "replayed", replayed, "batches", batches);
}

static pbts_status load_root(setup *s, loaded *out, const pbts_eth_address *contract) {
    PBTS_TRY(pbts_chain_load_root(s->chain, &out->tree, &out->state, &out->block, contract,
                                  s->app->config.chain_first_block, tell_replayed, s));
    out->users_len = pbts_reputation_tree_count(out->tree);
    out->users = calloc(out->users_len + 1, sizeof *out->users);
    if (out->users == NULL) return PBTS_NO_MEMORY;
    if (out->users_len > 0)
        memcpy(out->users, pbts_reputation_tree_at(out->tree, 0),
               out->users_len * sizeof *out->users);
    return PBTS_OK;
}

static pbts_status load_slots(setup *s, loaded *out, const pbts_eth_address *contract) {
    return pbts_chain_load_users(s->chain, &out->users, &out->users_len, &out->state, &out->block,
                                 contract, s->app->config.chain_first_block, tell_progress, s);
}

static pbts_status load(setup *s, loaded *out, const pbts_eth_address *contract) {
    pbts_status status = read_settled(s, out, contract);
    if (status == PBTS_OK && out->state.user_count > 0)
        status = out->state.mode == PBTS_REPUTATION_ROOT ? load_root(s, out, contract)
                                                         : load_slots(s, out, contract);
    if (status == PBTS_BUSY)
        return complain(s->app, "the contract's last batch does not get deep enough", status);
    return status == PBTS_OK ? status : complain(s->app, pbts_chain_problem(s->chain), status);
}

/* ---- what is there already, and what the referrer has beside ---- */

static int by_uid_hash(const void *a, const void *b) {
    const pbts_reputation_account *one = a, *two = b;
    return memcmp(one->uid_hash, two->uid_hash, sizeof one->uid_hash);
}

/* Who came over already has newer values in the contract itself. */
static void drop_users_of(loaded *referrer, loaded *own) {
    size_t kept = 0;
    if (own->users_len == 0) return;
    qsort(own->users, own->users_len, sizeof *own->users, by_uid_hash);
    for (size_t i = 0; i < referrer->users_len; i++) {
        const pbts_reputation_account *user = &referrer->users[i];
        bool there = bsearch(user, own->users, own->users_len, sizeof *user, by_uid_hash) != NULL;
        if (!there) referrer->users[kept++] = *user;
    }
    referrer->users_len = kept;
}

static pbts_status inherit(const loaded *from, pbts_txn *txn, const pbts_tracker_config *config,
                           pbts_passed_over *passed_over) {
    pbts_inherited_user *users = calloc(from->users_len + 1, sizeof *users);
    if (users == NULL) return PBTS_NO_MEMORY;
    for (size_t i = 0; i < from->users_len; i++) {
        const pbts_reputation_account *user = &from->users[i];
        users[i] = (pbts_inherited_user){ .key = user->public_key,
                                          .user_no = user->user_no,
                                          .generation = user->word.generation,
                                          .up_bytes = user->word.up_bytes,
                                          .down_bytes = user->word.down_bytes };
        memcpy(users[i].uid_hash, user->uid_hash, sizeof users[i].uid_hash);
    }
    pbts_status status =
        pbts_tracker_inherit(txn, config, users, from->users_len, passed_over, app_now());
    free(users);
    return status;
}

static pbts_status put_all(setup *s, pbts_txn *txn, const pbts_tracker_config *config) {
    pbts_predecessor predecessor = { .last_epoch = s->referrer.state.epoch,
                                     .sealed = s->referrer.state.sealed };
    pbts_reputation_iid(predecessor.iid, s->config.chain.chain_id, &s->config.referrer);
    PBTS_TRY(
        pbts_tracker_setup(txn, config, s->config.has_referrer ? &predecessor : NULL, app_now()));
    PBTS_TRY(inherit(&s->own, txn, config, NULL));
    PBTS_TRY(inherit(&s->referrer, txn, config, &s->passed_over));
    if (s->own.state.sequence > 0) PBTS_TRY(pbts_tracker_floor_put(txn, s->own.state.epoch));
    return s->own.tree == NULL ? PBTS_OK : ethereum_root_put(txn, s->own.tree, &s->own.state);
}

/* Before the instance, in a transaction of its own: without an instance it means nothing, and the
 * set-up is done again. */
static pbts_status put_base(const setup *s) {
    pbts_txn *txn;
    ethereum_base base = { .chain_id = s->config.chain.chain_id,
                           .contract = s->config.contract,
                           .sequence = s->own.state.sequence,
                           .head = s->own.state.head };
    PBTS_TRY(pbts_txn_begin(&txn, s->app->store, true));
    pbts_status status = ethereum_base_put(txn, &base);
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}

static pbts_status put(setup *s, const pbts_tracker_config *config) {
    pbts_txn *txn;
    PBTS_TRY(put_base(s));
    if (s->app->config.referrer[0] != '\0') return referrer_setup(s->app, config);
    PBTS_TRY(pbts_txn_begin(&txn, s->app->store, true));
    pbts_status status = put_all(s, txn, config);
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}

/* ---- in order ---- */

/* Without a batch the contract has no mode yet. */
static bool is_of_mode(const setup *s) {
    bool is_root = s->own.state.mode == PBTS_REPUTATION_ROOT;
    return s->own.state.mode == PBTS_REPUTATION_NO_MODE || is_root == s->app->config.chain_root;
}

static pbts_status check_contract(const setup *s) {
    pbts_eth_address writer;
    static const pbts_eth_address NONE = { { 0 } };
    const pbts_eth_address *referrer = s->config.has_referrer ? &s->config.referrer : &NONE;
    PBTS_TRY(ethereum_writer_address(&writer, &s->app->keys->ethereum));
    if (!pbts_eth_address_equal(&s->own.state.owner, &writer))
        return complain(s->app, "the contract belongs to another key than tracker.key",
                        PBTS_DENIED);
    if (!pbts_eth_address_equal(&s->own.state.referrer, referrer))
        return complain(s->app, "referrer_contract is not what the contract names as its referrer",
                        PBTS_DENIED);
    if (!is_of_mode(s))
        return complain(s->app,
                        s->app->config.chain_root
                            ? "the contract keeps slots, and chain_mode is root"
                            : "the contract keeps a root, and chain_mode is slots",
                        PBTS_DENIED);
    if (s->app->config.referrer[0] != '\0' && s->own.state.sequence > 0)
        return complain(s->app,
                        "the contract is in use; a local ledger is taken over into a new one",
                        PBTS_DENIED);
    return PBTS_OK;
}

/* A hint, but the plainest of all mistakes: said at once, and not after all patience. */
static pbts_status check_chain_id(const setup *s) {
    uint64_t chain_id = 0;
    char reason[128];
    pbts_status status = pbts_chain_ask_id(s->chain, &chain_id);
    if (status == PBTS_DENIED) return PBTS_OK; /* they differ: the quorum decides */
    if (status != PBTS_OK) return complain(s->app, pbts_chain_problem(s->chain), status);
    if (chain_id == s->config.chain.chain_id) return PBTS_OK;
    (void)snprintf(reason, sizeof reason, "the servers are of chain %llu, and chain_id is %llu",
                   (unsigned long long)chain_id, (unsigned long long)s->config.chain.chain_id);
    return complain(s->app, reason, PBTS_IO);
}

static pbts_status wait_for_pending(setup *s) {
    pbts_status status = ethereum_pending_wait(s->app, s->chain, &s->settled_block);
    if (status == PBTS_BUSY)
        return complain(s->app,
                        "transactions of this key are pending; what they write would not be known",
                        status);
    return status == PBTS_OK ? status : complain(s->app, pbts_chain_problem(s->chain), status);
}

/* They have something in the referrer that this instance does not give them: a person may want to.
 */
static void tell_passed_over(const setup *s) {
    char hashes[PBTS_PASSED_OVER_KEPT * (2 * 32 + 1)];
    size_t count = s->passed_over.count;
    if (count == 0) return;
    pbts_writer writer = pbts_writer_over((uint8_t *)hashes, sizeof hashes);
    for (size_t i = 0; i < count && i < PBTS_PASSED_OVER_KEPT; i++) {
        if (i > 0) pbts_write_u8(&writer, ' ');
        pbts_hex_encode(&writer, PBTS_SPAN_OF(s->passed_over.uid_hashes[i]));
    }
    LOG(&s->app->log, LOG_WARN, "users_passed_over", LOG_UINT("count", count),
        LOG_SPAN("uid_hashes", pbts_writer_span(&writer)),
        LOG_TEXT("reason", "their number, name or key is another user's here, as they came to the "
                           "referrer after its users were taken over; or is none of a user"));
}

static uint32_t numbers_max(const setup *s) {
    uint64_t number = s->own.users_len + (uint64_t)s->referrer.state.user_count + GAPS_MAX;
    return number < PBTS_USERS_MAX ? (uint32_t)number : PBTS_USERS_MAX - 1;
}

static pbts_status set_up(setup *s, pbts_tracker_config *config) {
    if (s->config.has_referrer && s->app->config.referrer[0] != '\0')
        return complain(s->app,
                        "referrer and referrer_contract are both set; there is one predecessor",
                        PBTS_DENIED);
    PBTS_TRY(check_chain_id(s));
    PBTS_TRY(wait_for_pending(s));
    PBTS_TRY(load(s, &s->own, &s->config.contract));
    PBTS_TRY(check_contract(s));
    if (s->app->config.chain_root && s->own.tree == NULL)
        PBTS_TRY(pbts_reputation_tree_new(&s->own.tree, pbts_mem_system(), 0));
    if (s->config.has_referrer) {
        PBTS_TRY(load(s, &s->referrer, &s->config.referrer));
        drop_users_of(&s->referrer, &s->own);
        s->passed_over.numbers_max = numbers_max(s);
    }
    config->mirrored = true;
    pbts_reputation_iid(config->mirror_iid, s->config.chain.chain_id, &s->config.contract);
    pbts_status status = put(s, config);
    if (status != PBTS_OK) return complain(s->app, pbts_status_text(status), status);
    LOG(&s->app->log, LOG_INFO, "ethereum_setup",
        LOG_TEXT("contract", s->app->config.chain_contract),
        LOG_UINT("block", s->own.block.block_number), LOG_UINT("users", s->own.users_len),
        LOG_UINT("of_referrer", s->referrer.users_len - s->passed_over.count),
        LOG_UINT("sequence", s->own.state.sequence));
    tell_passed_over(s);
    if (s->config.has_referrer && !s->referrer.state.sealed)
        LOG(&s->app->log, LOG_WARN, "referrer_open",
            LOG_TEXT("contract", s->app->config.referrer_contract),
            LOG_TEXT("advice", "its owner can still write: what users have there is taken over "
                               "again by a fresh machine; seal it with its key if you have it"));
    return PBTS_OK;
}

pbts_status ethereum_setup(struct app *app, pbts_tracker_config *config) {
    setup s = { .app = app };
    if (!ethereum_config_read(&s.config, app)) return PBTS_CORRUPT;
    pbts_status status = pbts_chain_open(&s.chain, &s.config.chain);
    if (status == PBTS_OK) status = set_up(&s, config);
    pbts_chain_close(s.chain);
    free(s.own.users);
    free(s.referrer.users);
    pbts_reputation_tree_free(s.own.tree);
    pbts_reputation_tree_free(s.referrer.tree);
    return status;
}

pbts_status ethereum_check(struct app *app) {
    struct ethereum_config config;
    ethereum_base base;
    if (!ethereum_config_read(&config, app)) return PBTS_CORRUPT;
    pbts_status status = ethereum_base_get(app->store, &base);
    /* A base alone is of a set-up that failed, before a local one. */
    if (status == PBTS_NOT_FOUND || !pbts_tracker_is_mirrored(app->tracker))
        return complain(app,
                        "the data belong to an instance with a local ledger; a new instance takes "
                        "it over with referrer = its export",
                        PBTS_DENIED);
    if (status != PBTS_OK) return status;
    if (base.chain_id == config.chain.chain_id &&
        pbts_eth_address_equal(&base.contract, &config.contract))
        return PBTS_OK;
    return complain(app, "the data belong to another contract or chain", PBTS_DENIED);
}
