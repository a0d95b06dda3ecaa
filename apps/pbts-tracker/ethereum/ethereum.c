/* The thread that brings the contract to the accounts' values: it does what eth/writer.h says. */
#include "ethereum.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../app.h"
#include "base/secret.h"
#include "ethereum_parts.h"
#include "ethereum_root.h"
#include "ledger/mirror.h"
#include "net/clock.h"

enum {
    PORTION = 256,
    PATIENCE_MS = 20000,
    /* Servers said that an account cannot be written, without proof: it is tried again so often. */
    RETRY_MS = 6 * 3600 * 1000,
    FAILED_POLLS = 5, /* what the contract has could not be read: again after so many polls */
};

struct ethereum {
    struct app *app;
    struct ethereum_config config;
    pbts_chain *chain;
    pbts_eth_writer *writer;
    pbts_secp256k1_signer *signer;
    ethereum_base base;
    ethereum_root *root;        /* NULL: slots mode */
    pbts_reputation_state seen; /* the contract in the last view */
    pthread_t thread;
    bool thread_runs;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    bool stopping, dirty;
    struct ethereum_status status;

    /* of the thread */
    uint64_t next_batch_ms, next_retry_ms;
    uint64_t left;     /* accounts of this round that are not written yet: it goes on at once */
    uint8_t after[32]; /* the account that was written to last: the next choice goes on behind it */
    bool has_after;
    const char *said_problem;
    pbts_status chosen; /* whether the last choice could be made */
    pbts_mirror_row rows[PORTION];
};

/* ---- what others see ---- */

const char *ethereum_phase_name(pbts_eth_writer_phase phase) {
    switch (phase) {
    case PBTS_ETH_UNSTARTED: return "starting";
    case PBTS_ETH_LOOKING: return "looking";
    case PBTS_ETH_IDLE: return "idle";
    case PBTS_ETH_IN_FLIGHT: return "in flight";
    case PBTS_ETH_MINED: return "mined";
    }
    return "";
}

const char *ethereum_problem_text(pbts_eth_writer_problem problem) {
    switch (problem) {
    case PBTS_ETH_NO_PROBLEM: return "";
    case PBTS_ETH_NO_ANSWER: return "the chain cannot be read or written now";
    case PBTS_ETH_OLD_BLOCK:
        return "what is known of the chain is too old: this machine's clock is ahead, or the "
               "servers are behind";
    case PBTS_ETH_CLOCK:
        return "receipts were counted in hours that have not come yet by the chain's blocks: this "
               "machine's clock was ahead";
    case PBTS_ETH_FEE_CAP: return "the network asks more than chain_max_fee_gwei";
    case PBTS_ETH_NO_FUNDS: return "the writer's address has not enough funds";
    case PBTS_ETH_REFUSED: return "the servers do not take the transaction";
    case PBTS_ETH_BEHIND: return "the servers are behind what was confirmed";
    case PBTS_ETH_SEALED: return "the contract is sealed";
    case PBTS_ETH_NOT_OWNER: return "another key owns the contract";
    case PBTS_ETH_OTHER_MODE: return "the contract is in another mode";
    case PBTS_ETH_CONFLICT:
        return "the contract has batches that are not of this store: another tracker writes with "
               "this key, or the store is an old copy";
    }
    return "";
}

/* Now, and not when the thread looked last: it may be waiting for a server. */
static void count_waiting(struct app *app, uint64_t *out) {
    pbts_txn *txn;
    uint64_t count;
    if (pbts_txn_begin(&txn, app->store, false) != PBTS_OK) return;
    if (pbts_mirror_count(txn, &count) == PBTS_OK) *out = count;
    pbts_txn_abort(txn);
}

void ethereum_look(struct ethereum *ethereum, struct ethereum_status *out) {
    pthread_mutex_lock(&ethereum->mutex);
    *out = ethereum->status;
    pthread_mutex_unlock(&ethereum->mutex);
    count_waiting(ethereum->app, &out->waiting);
}

static const char *problem_of(const struct ethereum *e, const pbts_eth_writer_status *state) {
    if (state->problem != PBTS_ETH_NO_PROBLEM) return ethereum_problem_text(state->problem);
    if (e->root != NULL && e->chosen != PBTS_OK)
        return "what the contract has cannot be read again";
    if (e->root != NULL && ethereum_root_is_broken(e->root))
        return "after a reorganisation the contract's root is not what its data lead to; it is "
               "being written again";
    return "";
}

/* By their places in chain_rpc: a URL may have a secret in it. */
static void tell_servers(const struct ethereum *e) {
    pbts_chain_endpoint all[PBTS_ENDPOINTS_MAX];
    uint32_t count = pbts_chain_endpoints(e->chain, all);
    for (uint32_t i = 0; i < count; i++) {
        const pbts_endpoint *one = &all[i].state;
        LOG(&e->app->log, LOG_WARN, "ethereum_server", LOG_UINT("server", i + 1),
            LOG_TEXT("last", pbts_endpoint_outcome_name(one->last)), LOG_UINT("head", one->head),
            LOG_UINT("good", one->good_count), LOG_UINT("bad", one->bad_count));
    }
}

static void tell_problem(struct ethereum *e, const pbts_eth_writer_status *state,
                         const char *problem) {
    if (strcmp(problem, e->said_problem) == 0) return;
    e->said_problem = problem;
    if (problem[0] == '\0') {
        LOG(&e->app->log, LOG_INFO, "ethereum_well", LOG_UINT("sequence", state->sequence));
    } else {
        LOG(&e->app->log, LOG_WARN, "ethereum_problem", LOG_TEXT("problem", problem),
            LOG_TEXT("last", pbts_chain_problem(e->chain)));
        tell_servers(e);
    }
}

static void publish(struct ethereum *e) {
    pbts_eth_writer_status state = pbts_eth_writer_look(e->writer);
    const char *problem = problem_of(e, &state);
    tell_problem(e, &state, problem);
    pthread_mutex_lock(&e->mutex);
    e->status.state = state;
    (void)snprintf(e->status.problem, sizeof e->status.problem, "%s", problem);
    pthread_mutex_unlock(&e->mutex);
}

/* ---- choosing ---- */

/* One marked account. False: no more fit. */
static bool offer(struct ethereum *e, const pbts_mirror_row *row, uint64_t *offered) {
    pbts_reputation_account account = { .user_no = row->account.user_no,
                                        .word = { .up_bytes = row->account.up_bytes,
                                                  .down_bytes = row->account.down_bytes,
                                                  .generation = row->account.generation } };
    pbts_user user;
    memcpy(account.uid_hash, row->account.uid_hash, sizeof account.uid_hash);
    if (!row->present) {
        /* A name that is only reserved has no key, and cannot be in the contract. */
        pbts_status status = pbts_tracker_user_by_no(e->app->tracker, &user, row->account.user_no);
        if (status != PBTS_OK || !user.has_key) return true;
        account.public_key = user.key;
    }
    ++*offered;
    return pbts_eth_writer_offer(e->writer, &account,
                                 row->present ? PBTS_ETH_PRESENT : PBTS_ETH_ABSENT);
}

/* Those behind `after` (NULL: from the first), up to `last` (NULL: to the end). */
static pbts_status offer_some(struct ethereum *e, pbts_txn *txn, const uint8_t *after,
                              const uint8_t *last, uint64_t *offered, bool *full) {
    size_t count = PORTION;
    uint8_t at[32];
    while (!*full && count == PORTION) {
        PBTS_TRY(pbts_mirror_marked(txn, e->rows, &count, PORTION, after));
        for (size_t i = 0; !*full && i < count; i++) {
            if (last != NULL && memcmp(e->rows[i].account.uid_hash, last, sizeof at) > 0)
                return PBTS_OK;
            if (e->rows[i].aside == 0) *full = !offer(e, &e->rows[i], offered);
        }
        if (count == 0) break;
        memcpy(at, e->rows[count - 1].account.uid_hash, sizeof at);
        after = at;
    }
    return PBTS_OK;
}

/* Differences are offered to a tree that is known to be the contract's. */
static pbts_status offer_root(struct ethereum *e, uint64_t *offered, bool *full) {
    PBTS_TRY(ethereum_root_follow(e->root, e->chain, &e->config, &e->seen));
    return ethereum_root_offer(e->root, e->writer, offered, full);
}

/* Each once: from behind the last one to the end, then from the first. Nobody waits for ever. */
static pbts_status offer_all(struct ethereum *e, uint64_t *offered, bool *full) {
    pbts_txn *txn;
    const uint8_t *after = e->has_after ? e->after : NULL;
    PBTS_TRY(pbts_txn_begin(&txn, e->app->store, false));
    pbts_status status = offer_some(e, txn, after, NULL, offered, full);
    if (status == PBTS_OK && after != NULL) status = offer_some(e, txn, NULL, after, offered, full);
    pbts_txn_abort(txn);
    return status;
}

static void count_marks(struct ethereum *e) {
    pbts_txn *txn;
    uint64_t waiting = 0, aside = 0;
    uint8_t last[32];
    const uint8_t *after = NULL;
    size_t count = PORTION;
    if (pbts_txn_begin(&txn, e->app->store, false) != PBTS_OK) return;
    while (count == PORTION) {
        if (pbts_mirror_marked(txn, e->rows, &count, PORTION, after) != PBTS_OK) break;
        waiting += count;
        for (size_t i = 0; i < count; i++) aside += e->rows[i].aside != 0;
        if (count == 0) break;
        memcpy(last, e->rows[count - 1].account.uid_hash, sizeof last);
        after = last;
    }
    pbts_txn_abort(txn);
    pthread_mutex_lock(&e->mutex);
    e->status.waiting = waiting;
    e->status.aside = aside;
    pthread_mutex_unlock(&e->mutex);
}

static void set_dirty(struct ethereum *e) {
    pthread_mutex_lock(&e->mutex);
    e->dirty = true;
    pthread_mutex_unlock(&e->mutex);
}

static pbts_status retry(struct ethereum *e) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, e->app->store, true));
    pbts_status status = pbts_mirror_retry(txn);
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}

/* A round brings as many accounts to the contract as are marked when it begins, in as many batches
 * as that takes: what did not fit, or was refused, does not wait for the next round. */
static pbts_status go_round(struct ethereum *e, uint64_t now_ms) {
    const struct config *config = &e->app->config;
    bool begins = now_ms >= e->next_batch_ms, full = false;
    uint64_t offered = 0;
    if (!begins && e->left == 0) return PBTS_OK;
    if (begins) e->next_batch_ms = now_ms + 1000 * (uint64_t)config->chain_interval_s;
    pbts_status status =
        e->root != NULL ? offer_root(e, &offered, &full) : offer_all(e, &offered, &full);
    if (status != PBTS_OK)
        e->next_batch_ms = now_ms + FAILED_POLLS * (uint64_t)config->chain_poll_ms;
    if (begins || offered == 0) e->left = offered;
    if (begins && full) count_waiting(e->app, &e->left);
    return status;
}

static void choose(struct ethereum *e) {
    uint64_t now_ms = pbts_clock_mono_ms();
    uint64_t counted_epoch = UINT64_MAX; /* not known: no batch */
    pbts_status status = PBTS_OK;
    if (now_ms >= e->next_retry_ms) {
        status = retry(e);
        e->next_retry_ms = now_ms + RETRY_MS;
    }
    if (status == PBTS_OK) status = go_round(e, now_ms);
    e->chosen = status;
    if (now_ms < e->next_batch_ms) set_dirty(e); /* to choose again when it is due */
    /* After the values were read, so that it covers all receipts that are in them. The clock may
     * have gone back since one counted; so the clock alone does not do. */
    if (status == PBTS_OK) status = pbts_tracker_counted_epoch(e->app->tracker, &counted_epoch);
    if (status != PBTS_OK)
        LOG(&e->app->log, LOG_ERROR, "ethereum_failed",
            LOG_TEXT("reason", pbts_status_text(status)));
    pbts_eth_writer_offered(e->writer, app_now().unix_s, counted_epoch, pbts_clock_mono_ms());
    count_marks(e);
}

/* ---- the other actions ---- */

static void read_view(struct ethereum *e, uint32_t depth) {
    pbts_eth_view view;
    pbts_eth_network_fees fees;
    pbts_eth_address writer = pbts_eth_writer_address(e->writer);
    pbts_status status = pbts_chain_view(e->chain, &view, depth == 0 ? &fees : NULL, depth,
                                         &e->config.contract, &writer);
    uint64_t now_ms = pbts_clock_mono_ms();
    /* So far back the contract was not there yet: nothing was written to it. */
    if (status == PBTS_NOT_FOUND && depth != 0) {
        view = (pbts_eth_view){ .block_number = 0 };
        status = PBTS_OK;
    }
    if (status == PBTS_OK && depth == 0) e->seen = view.state;
    if (status == PBTS_STALE) {
        pbts_eth_writer_viewed_old(e->writer, now_ms);
    } else if (status != PBTS_OK) {
        pbts_eth_writer_failed(e->writer, now_ms);
    } else if (depth != 0) {
        pbts_eth_writer_viewed_deep(e->writer, &view, now_ms);
    } else {
        pbts_eth_writer_viewed(e->writer, &view, &fees, now_ms);
    }
}

static void check_block(struct ethereum *e, const pbts_eth_action *action) {
    bool is_gone = false;
    pbts_status status =
        pbts_chain_block_is_gone(e->chain, &is_gone, action->block_number, &action->block_hash);
    pbts_eth_writer_checked(e->writer, status == PBTS_OK && is_gone, pbts_clock_mono_ms());
}

static pbts_status persist(struct ethereum *e, const pbts_eth_action *action) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, e->app->store, true));
    pbts_status status = ethereum_journal_put(txn, action->record);
    if (status == PBTS_OK)
        status = e->root != NULL ? ethereum_root_outcome_put(e->root, txn, &action->outcome)
                                 : ethereum_outcome_put(txn, &action->outcome);
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}

static uint64_t rows_of(const pbts_eth_batch *batch) {
    return batch->kind == PBTS_ETH_ROOT ? ethereum_root_rows(batch->rows)
                                        : batch->rows.len / pbts_eth_batch_row_len(batch->kind);
}

static void count_done(struct ethereum *e, const pbts_eth_batch *batch) {
    uint64_t rows = rows_of(batch);
    e->left -= rows < e->left ? rows : e->left;
    if (batch->kind != PBTS_ETH_WRITE) return;
    memcpy(e->after, batch->rows.data + batch->rows.len - PBTS_REPUTATION_WRITE_ROW_LEN,
           sizeof e->after);
    e->has_after = true;
}

static void tell_outcome(struct ethereum *e, const pbts_eth_outcome *outcome) {
    switch (outcome->kind) {
    case PBTS_ETH_NO_OUTCOME: return;
    case PBTS_ETH_WRITTEN:
        count_done(e, outcome->batch);
        LOG(&e->app->log, LOG_INFO, "ethereum_written",
            LOG_UINT("sequence", outcome->batch->sequence),
            LOG_UINT("rows", rows_of(outcome->batch)));
        pthread_mutex_lock(&e->mutex);
        e->status.confirmed_unix_s = app_now().unix_s;
        pthread_mutex_unlock(&e->mutex);
        return;
    case PBTS_ETH_SET_ASIDE:
        count_done(e, outcome->batch);
        LOG(&e->app->log, LOG_WARN, "ethereum_set_aside",
            LOG_TEXT("reason", pbts_reputation_revert_text(outcome->revert.kind)));
        return;
    case PBTS_ETH_REWOUND:
        LOG(&e->app->log, LOG_WARN, "ethereum_rewound", LOG_UINT("sequence", outcome->sequence));
        e->next_batch_ms =
            0; /* what was confirmed is not there any more: do not wait for the hour */
        set_dirty(e);
    }
}

static void on_persist(struct ethereum *e, const pbts_eth_action *action) {
    pbts_status status = persist(e, action);
    if (status == PBTS_OK) {
        tell_outcome(e, &action->outcome);
        pbts_eth_writer_persisted(e->writer, pbts_clock_mono_ms());
        return;
    }
    LOG(&e->app->log, LOG_ERROR, "ethereum_failed", LOG_TEXT("reason", pbts_status_text(status)));
    pbts_eth_writer_failed(e->writer, pbts_clock_mono_ms());
}

static void on_estimate(struct ethereum *e, const pbts_eth_action *action) {
    uint64_t gas;
    uint8_t revert[PBTS_RPC_REVERT_DATA_MAX];
    size_t revert_len = 0;
    pbts_eth_address writer = pbts_eth_writer_address(e->writer);
    pbts_status status = pbts_chain_estimate(e->chain, &gas, revert, &revert_len, &writer,
                                             &e->config.contract, action->call);
    uint64_t now_ms = pbts_clock_mono_ms();
    if (status == PBTS_OK) {
        pbts_eth_writer_estimated(e->writer, gas, now_ms);
    } else if (status == PBTS_DENIED) {
        pbts_eth_writer_reverted(e->writer, (pbts_span){ revert, revert_len }, now_ms);
    } else {
        pbts_eth_writer_failed(e->writer, now_ms);
    }
}

static void on_send(struct ethereum *e, const pbts_eth_action *action) {
    pbts_eth_send_result result = pbts_chain_send(e->chain, action->raw);
    LOG(&e->app->log, LOG_DEBUG, "ethereum_sent", LOG_UINT("bytes", action->raw.len),
        LOG_UINT("result", result));
    pbts_eth_writer_sent(e->writer, result, pbts_clock_mono_ms());
}

static void on_receipts(struct ethereum *e, const pbts_eth_action *action) {
    pbts_rpc_receipt receipt;
    pbts_status status = PBTS_NOT_FOUND;
    for (size_t i = action->hashes_len; status == PBTS_NOT_FOUND && i-- > 0;)
        status = pbts_chain_receipt(e->chain, &receipt, &action->hashes[i].hash);
    uint64_t now_ms = pbts_clock_mono_ms();
    if (status == PBTS_OK) {
        pbts_eth_writer_receipt(e->writer, receipt.succeeded, now_ms);
    } else if (status == PBTS_NOT_FOUND) {
        pbts_eth_writer_no_receipt(e->writer, now_ms);
    } else {
        pbts_eth_writer_failed(e->writer, now_ms);
    }
}

/* ---- the thread ---- */

static bool is_stopping(struct ethereum *e) {
    pthread_mutex_lock(&e->mutex);
    bool stopping = e->stopping;
    pthread_mutex_unlock(&e->mutex);
    return stopping;
}

static void wait_until(struct ethereum *e, uint64_t until_ms) {
    uint64_t now_ms = pbts_clock_mono_ms();
    uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    struct timespec until;
    if (left_ms > 60 * 1000) left_ms = 60 * 1000;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(left_ms / 1000);
    until.tv_nsec += (long)(left_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    (void)pthread_cond_timedwait(&e->wake, &e->mutex, &until);
}

/* Rest; when something is dirty and a batch is due, end the writer's rest too. */
static void rest(struct ethereum *e, uint64_t until_ms) {
    pthread_mutex_lock(&e->mutex);
    bool dirty = e->dirty;
    if (dirty && e->next_batch_ms < until_ms) until_ms = e->next_batch_ms;
    if (!e->stopping && until_ms > pbts_clock_mono_ms()) wait_until(e, until_ms);
    bool due = e->dirty && pbts_clock_mono_ms() >= e->next_batch_ms;
    if (due) e->dirty = false;
    pthread_mutex_unlock(&e->mutex);
    if (due) pbts_eth_writer_wake(e->writer);
}

static void act(struct ethereum *e, const pbts_eth_action *action) {
    switch (action->kind) {
    case PBTS_ETH_REST: rest(e, action->until_ms); break;
    case PBTS_ETH_READ: read_view(e, 0); break;
    case PBTS_ETH_READ_DEEP: read_view(e, e->app->config.chain_depth); break;
    case PBTS_ETH_CHECK_BLOCK: check_block(e, action); break;
    case PBTS_ETH_CHOOSE: choose(e); break;
    case PBTS_ETH_ESTIMATE: on_estimate(e, action); break;
    case PBTS_ETH_PERSIST: on_persist(e, action); break;
    case PBTS_ETH_SEND: on_send(e, action); break;
    case PBTS_ETH_RECEIPTS: on_receipts(e, action); break;
    }
}

static void *run(void *argument) {
    struct ethereum *e = argument;
    pbts_eth_action action;
    count_marks(e);
    while (!is_stopping(e)) {
        pbts_eth_writer_next(e->writer, &action, pbts_clock_mono_ms());
        act(e, &action);
        if (!is_stopping(e)) publish(e); /* what was broken off is no problem */
    }
    return NULL;
}

/* ---- life ---- */

static pbts_status new_writer(struct ethereum *e, const pbts_secp256k1_secret *key) {
    const struct config *config = &e->app->config;
    pbts_eth_writer_config writer = PBTS_ETH_WRITER_DEFAULT;
    uint8_t *record = NULL;
    size_t len = 0;
    writer.chain_id = config->chain_id;
    writer.contract = e->config.contract;
    writer.mode = config->chain_root ? PBTS_REPUTATION_ROOT : PBTS_REPUTATION_SLOTS;
    writer.has_start = true;
    writer.start_sequence = e->base.sequence;
    writer.start_head = e->base.head;
    writer.clock_ahead_max_s = e->config.chain.age_max_s; /* no older block is a view */
    writer.depth_blocks = config->chain_depth;
    writer.fee_cap.max_fee_wei = (uint64_t)config->chain_max_fee_gwei * 1000000000u;
    writer.fee_cap.max_priority_fee_wei = (uint64_t)config->chain_max_tip_gwei * 1000000000u;
    writer.rows_max = config->chain_batch_rows;
    writer.resend_ms = PBTS_ETH_WRITER_DEFAULT.resend_ms / PBTS_ETH_WRITER_DEFAULT.poll_ms *
                       config->chain_poll_ms; /* a poll is about a block's time */
    writer.bump_ms =
        PBTS_ETH_WRITER_DEFAULT.bump_ms / PBTS_ETH_WRITER_DEFAULT.poll_ms * config->chain_poll_ms;
    writer.poll_ms = config->chain_poll_ms;
    pbts_status status = ethereum_journal_get(e->app->store, &record, &len);
    if (status == PBTS_OK || status == PBTS_NOT_FOUND)
        status = pbts_eth_writer_new(&e->writer, &writer, pbts_mem_system(), e->signer, key,
                                     (pbts_span){ record, len });
    free(record);
    if (status == PBTS_CORRUPT || status == PBTS_DENIED)
        LOG(&e->app->log, LOG_ERROR, "ethereum_failed",
            LOG_TEXT("reason", status == PBTS_DENIED
                                   ? "the writer's journal is of another chain, contract or key"
                                   : "the writer's journal in the store is damaged"));
    return status == PBTS_DENIED ? PBTS_CORRUPT : status;
}

static pbts_status start_thread(struct ethereum *e) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&e->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    e->thread_runs = pthread_create(&e->thread, NULL, run, e) == 0;
    return e->thread_runs ? PBTS_OK : PBTS_IO;
}

static pbts_status start(struct ethereum *e, const pbts_secp256k1_secret *key) {
    if (!ethereum_config_read(&e->config, e->app)) return PBTS_CORRUPT;
    PBTS_TRY(ethereum_base_get(e->app->store, &e->base));
    if (e->app->config.chain_root) PBTS_TRY(ethereum_root_open(&e->root, e->app));
    e->config.chain.patience_ms = PATIENCE_MS;
    PBTS_TRY(pbts_chain_open(&e->chain, &e->config.chain));
    PBTS_TRY(pbts_secp256k1_signer_new(&e->signer, pbts_mem_system(), pbts_random_system()));
    PBTS_TRY(new_writer(e, key));
    e->dirty = true; /* of the last run */
    e->status.contract = e->config.contract;
    e->status.writer = pbts_eth_writer_address(e->writer);
    e->status.chain_id = e->app->config.chain_id;
    return start_thread(e);
}

pbts_status ethereum_start(struct ethereum **out, struct app *app,
                           const pbts_secp256k1_secret *key) {
    struct ethereum *e = calloc(1, sizeof *e);
    if (e == NULL) return PBTS_NO_MEMORY;
    e->app = app;
    e->said_problem = "";
    pthread_mutex_init(&e->mutex, NULL);
    pbts_status status = start(e, key);
    if (status == PBTS_OK) {
        *out = e;
    } else {
        ethereum_stop(e);
    }
    return status;
}

void ethereum_stop(struct ethereum *e) {
    if (e == NULL) return;
    if (e->thread_runs) {
        pthread_mutex_lock(&e->mutex);
        e->stopping = true;
        pthread_cond_signal(&e->wake);
        pthread_mutex_unlock(&e->mutex);
        pbts_chain_stop(e->chain);
        pthread_join(e->thread, NULL);
        pthread_cond_destroy(&e->wake);
    }
    pthread_mutex_destroy(&e->mutex);
    pbts_eth_writer_free(e->writer);
    ethereum_root_close(e->root);
    pbts_secp256k1_signer_free(e->signer);
    pbts_chain_close(e->chain);
    free(e);
}

void ethereum_wake(struct ethereum *e) {
    if (e == NULL) return;
    pthread_mutex_lock(&e->mutex);
    e->dirty = true;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->mutex);
}
