#include "ethereum_root.h"

#include <stdlib.h>
#include <string.h>

#include "../app.h"
#include "ledger/mirror.h"
#include "ledger/mirror_accounts.h"

enum {
    PORTION = 256,
    ROWS_MAX = PBTS_ETH_BATCH_LEN_MAX / PBTS_REPUTATION_ROOT_SHORT_LEN, /* in one batch */
    OTHER_USER = 255, /* why a row was set aside: the contract has somebody else under its number */
};

struct ethereum_root {
    struct app *app;
    pbts_reputation_tree *tree;
    bool is_known; /* where the tree is: */
    pbts_mirror_place place;
    bool is_compared; /* the tree, with the contract's root: */
    bool is_broken;
    uint32_t after_no; /* who was offered last: the next choice goes on behind */
    /* Changed accounts, of which the first ROWS_MAX by number are kept. */
    pbts_ledger_account *rows;
    size_t rows_len;
    bool has_dropped;
    pbts_mirror_row portion[PORTION];
};

/* ---- the store ---- */

static pbts_mirror_account to_row(const pbts_reputation_account *account) {
    pbts_mirror_account row = { .public_key = account->public_key,
                                .user_no = account->user_no,
                                .generation = account->word.generation,
                                .up_bytes = account->word.up_bytes,
                                .down_bytes = account->word.down_bytes };
    memcpy(row.uid_hash, account->uid_hash, sizeof row.uid_hash);
    return row;
}

static pbts_reputation_account from_row(const pbts_mirror_account *row) {
    pbts_reputation_account account = { .public_key = row->public_key,
                                        .user_no = row->user_no,
                                        .word = { .up_bytes = row->up_bytes,
                                                  .down_bytes = row->down_bytes,
                                                  .generation = row->generation } };
    memcpy(account.uid_hash, row->uid_hash, sizeof account.uid_hash);
    return account;
}

pbts_status ethereum_root_put(pbts_txn *txn, const pbts_reputation_tree *tree,
                              const pbts_reputation_state *state) {
    pbts_mirror_place place = { .sequence = state->sequence };
    memcpy(place.head, state->head.bytes, sizeof place.head);
    PBTS_TRY(pbts_mirror_accounts_clear(txn));
    for (uint32_t i = 0; i < pbts_reputation_tree_count(tree); i++) {
        pbts_mirror_account row = to_row(pbts_reputation_tree_at(tree, i));
        PBTS_TRY(pbts_mirror_account_put(txn, &row));
    }
    return pbts_mirror_place_put(txn, &place);
}

/* All rows; *accounts is malloc's. */
static pbts_status read_accounts(pbts_txn *txn, pbts_reputation_account **accounts,
                                 uint32_t *accounts_len) {
    pbts_mirror_account rows[PORTION];
    size_t count = PORTION, room = 0;
    while (count == PORTION) {
        uint32_t after = *accounts_len == 0 ? 0 : (*accounts)[*accounts_len - 1].user_no;
        PBTS_TRY(pbts_mirror_accounts_read(txn, rows, &count, PORTION, after));
        if (*accounts_len + count > room) {
            room = 2 * (*accounts_len + count);
            pbts_reputation_account *more = realloc(*accounts, room * sizeof *more);
            if (more == NULL) return PBTS_NO_MEMORY;
            *accounts = more;
        }
        for (size_t i = 0; i < count; i++) (*accounts)[(*accounts_len)++] = from_row(&rows[i]);
    }
    return PBTS_OK;
}

static pbts_status read_tree(ethereum_root *root, pbts_txn *txn) {
    pbts_reputation_account *accounts = NULL;
    uint32_t accounts_len = 0;
    pbts_status status = pbts_mirror_place_get(txn, &root->place);
    root->is_known = status == PBTS_OK;
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    if (status == PBTS_OK) status = read_accounts(txn, &accounts, &accounts_len);
    if (status == PBTS_OK) status = pbts_reputation_tree_set(root->tree, accounts, accounts_len);
    free(accounts);
    return status == PBTS_MALFORMED ? PBTS_CORRUPT : status;
}

static pbts_status open_into(ethereum_root *root) {
    pbts_txn *txn;
    root->rows = calloc(2 * (size_t)ROWS_MAX, sizeof *root->rows);
    if (root->rows == NULL) return PBTS_NO_MEMORY;
    PBTS_TRY(pbts_reputation_tree_new(&root->tree, pbts_mem_system(), PBTS_USERS_MAX));
    PBTS_TRY(pbts_txn_begin(&txn, root->app->store, false));
    pbts_status status = read_tree(root, txn);
    pbts_txn_abort(txn);
    return status;
}

pbts_status ethereum_root_open(ethereum_root **out, struct app *app) {
    ethereum_root *root = calloc(1, sizeof *root);
    if (root == NULL) return PBTS_NO_MEMORY;
    root->app = app;
    pbts_status status = open_into(root);
    if (status == PBTS_OK) {
        *out = root;
    } else {
        ethereum_root_close(root);
    }
    return status;
}

void ethereum_root_close(ethereum_root *root) {
    if (root == NULL) return;
    pbts_reputation_tree_free(root->tree);
    free(root->rows);
    free(root);
}

/* ---- the contract is elsewhere ---- */

static bool is_at(const ethereum_root *root, const pbts_reputation_state *state) {
    return root->is_known && root->place.sequence == state->sequence &&
           memcmp(root->place.head, state->head.bytes, sizeof root->place.head) == 0;
}

/* Whether the contract has an account as the ledger has it. */
static bool is_same(const pbts_reputation_tree *tree, const pbts_ledger_account *account) {
    const pbts_reputation_account *there = pbts_reputation_tree_find(tree, account->user_no, NULL);
    return there != NULL && there->word.up_bytes == account->up_bytes &&
           there->word.down_bytes == account->down_bytes &&
           there->word.generation == account->generation;
}

static pbts_status mark_if_other(pbts_txn *txn, const pbts_reputation_tree *tree,
                                 const pbts_user *user) {
    uint8_t uid_hash[PBTS_UID_HASH_LEN];
    pbts_ledger_account account;
    bool from_referrer = false;
    if (user->uid_len == 0) /* it is known by its hash alone */
        memcpy(uid_hash, user->uid, sizeof uid_hash);
    else
        pbts_uid_hash(uid_hash, (pbts_span){ user->uid, user->uid_len });
    pbts_status status = pbts_ledger_read(txn, &account, &from_referrer, uid_hash);
    if (status == PBTS_NOT_FOUND || from_referrer) return PBTS_OK;
    PBTS_TRY(status);
    return is_same(tree, &account) ? PBTS_OK : pbts_mirror_mark(txn, uid_hash);
}

/* The ledger's values are the true ones: whoever has others in the contract is written again. */
static pbts_status mark_others(const ethereum_root *root, pbts_txn *txn,
                               const pbts_reputation_tree *tree, uint32_t users) {
    for (uint32_t user_no = 1; user_no <= users; user_no++) {
        pbts_user user;
        pbts_status status = pbts_tracker_user_by_no(root->app->tracker, &user, user_no);
        if (status == PBTS_OK && user.has_key) status = mark_if_other(txn, tree, &user);
        if (status != PBTS_NOT_FOUND) PBTS_TRY(status);
    }
    return PBTS_OK;
}

static pbts_status keep(ethereum_root *root, const pbts_reputation_tree *tree,
                        const pbts_reputation_state *state, uint32_t users) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, root->app->store, true));
    pbts_status status = ethereum_root_put(txn, tree, state);
    if (status == PBTS_OK) status = mark_others(root, txn, tree, users);
    if (status == PBTS_OK)
        status = pbts_txn_commit(txn);
    else
        pbts_txn_abort(txn);
    PBTS_TRY(status);
    uint32_t count = pbts_reputation_tree_count(tree);
    PBTS_TRY(pbts_reputation_tree_set(root->tree,
                                      count == 0 ? NULL : pbts_reputation_tree_at(tree, 0), count));
    root->place.sequence = state->sequence;
    memcpy(root->place.head, state->head.bytes, sizeof root->place.head);
    root->is_known = true;
    root->is_compared = false;
    return PBTS_OK;
}

static void compare(ethereum_root *root, const pbts_reputation_state *state) {
    uint8_t hash[PBTS_SHA256_LEN];
    if (root->is_compared) return;
    pbts_reputation_tree_root(root->tree, hash);
    root->is_broken = pbts_reputation_tree_count(root->tree) != state->user_count ||
                      (state->sequence > 0 && memcmp(hash, state->root, sizeof hash) != 0);
    root->is_compared = true;
    if (root->is_broken)
        LOG(&root->app->log, LOG_WARN, "ethereum_root_broken",
            LOG_UINT("sequence", state->sequence));
}

bool ethereum_root_is_broken(const ethereum_root *root) {
    return root->is_broken;
}

pbts_status ethereum_root_follow(ethereum_root *root, pbts_chain *chain,
                                 const struct ethereum_config *config,
                                 const pbts_reputation_state *state) {
    pbts_trusted_block block;
    pbts_reputation_state there;
    pbts_reputation_tree *tree;
    if (is_at(root, state)) {
        compare(root, state);
        return PBTS_OK;
    }
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(root->app->tracker, &stats);
    uint32_t users = (uint32_t)stats.users;
    PBTS_TRY(pbts_chain_block(chain, &block, 0));
    PBTS_TRY(pbts_chain_load_own_root(chain, &tree, &there, &block, &config->contract,
                                      root->app->config.chain_first_block, users));
    pbts_status status = keep(root, tree, &there, users);
    pbts_reputation_tree_free(tree);
    PBTS_TRY(status);
    LOG(&root->app->log, LOG_INFO, "ethereum_root_loaded", LOG_UINT("sequence", there.sequence),
        LOG_UINT("users", there.user_count));
    if (!is_at(root, state)) return PBTS_BUSY;
    compare(root, state);
    return PBTS_OK;
}

/* ---- choosing ---- */

static int by_user_no(const void *a, const void *b) {
    const pbts_ledger_account *one = a, *two = b;
    return (one->user_no > two->user_no) - (one->user_no < two->user_no);
}

static size_t rows_wanted(const ethereum_root *root) {
    uint32_t rows = root->app->config.chain_batch_rows;
    return rows > 0 && rows < ROWS_MAX ? rows : ROWS_MAX;
}

static void keep_first(ethereum_root *root) {
    size_t wanted = rows_wanted(root);
    qsort(root->rows, root->rows_len, sizeof *root->rows, by_user_no);
    if (root->rows_len <= wanted) return;
    root->rows_len = wanted;
    root->has_dropped = true;
}

static void collect_one(ethereum_root *root, const pbts_mirror_row *row) {
    if (row->aside != 0) return;
    if (row->account.user_no <= root->after_no) {
        root->has_dropped = true; /* its turn comes */
        return;
    }
    if (root->rows_len == 2 * (size_t)ROWS_MAX) keep_first(root);
    root->rows[root->rows_len++] = row->account;
}

static pbts_status collect(ethereum_root *root, pbts_txn *txn) {
    size_t count = PORTION;
    uint8_t last[32];
    const uint8_t *after = NULL;
    root->rows_len = 0;
    root->has_dropped = false;
    while (count == PORTION) {
        PBTS_TRY(pbts_mirror_marked(txn, root->portion, &count, PORTION, after));
        for (size_t i = 0; i < count; i++) collect_one(root, &root->portion[i]);
        if (count == 0) break;
        memcpy(last, root->portion[count - 1].account.uid_hash, sizeof last);
        after = last;
    }
    keep_first(root);
    return PBTS_OK;
}

static pbts_status collect_all(ethereum_root *root) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, root->app->store, false));
    pbts_status status = collect(root, txn);
    if (status == PBTS_OK && root->rows_len == 0 && root->after_no > 0) {
        root->after_no = 0;
        status = collect(root, txn);
    }
    pbts_txn_abort(txn);
    return status;
}

/* False: there is nothing to say of this account. A name that is only reserved has no key. */
static bool account_of(const ethereum_root *root, pbts_reputation_account *out,
                       const pbts_ledger_account *row) {
    pbts_user user;
    const pbts_reputation_account *old = pbts_reputation_tree_find(root->tree, row->user_no, NULL);
    *out = (pbts_reputation_account){ .user_no = row->user_no,
                                      .word = { .up_bytes = row->up_bytes,
                                                .down_bytes = row->down_bytes,
                                                .generation = row->generation } };
    memcpy(out->uid_hash, row->uid_hash, sizeof out->uid_hash);
    if (old != NULL) {
        out->public_key = old->public_key;
        return true;
    }
    if (pbts_tracker_user_by_no(root->app->tracker, &user, row->user_no) != PBTS_OK) return false;
    out->public_key = user.key;
    return user.has_key;
}

/* What cannot follow what the contract has must not hold up the others. */
static pbts_status set_aside(ethereum_root *root, const pbts_ledger_account *row) {
    pbts_txn *txn;
    LOG(&root->app->log, LOG_WARN, "ethereum_set_aside",
        LOG_TEXT("reason", "the contract has another user under this number"));
    PBTS_TRY(pbts_txn_begin(&txn, root->app->store, true));
    pbts_status status = pbts_mirror_set_aside(txn, row->uid_hash, OTHER_USER);
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}

/* The data of all rows, as far as they fit. */
static pbts_status write_data(ethereum_root *root, pbts_writer *data) {
    uint32_t previous_no = 0;
    for (size_t i = 0; i < root->rows_len; i++) {
        pbts_reputation_account account;
        if (!account_of(root, &account, &root->rows[i])) continue;
        pbts_status status = pbts_reputation_tree_entry(root->tree, data, &account, previous_no);
        if (status == PBTS_NO_SPACE) {
            root->has_dropped = true;
            break;
        }
        if (status == PBTS_MALFORMED)
            status = set_aside(root, &root->rows[i]);
        else
            previous_no = account.user_no;
        PBTS_TRY(status);
    }
    root->after_no = root->has_dropped ? previous_no : 0;
    if (data->len > 0 || !root->is_broken || pbts_reputation_tree_count(root->tree) == 0)
        return PBTS_OK;
    return pbts_reputation_tree_entry(root->tree, data, pbts_reputation_tree_at(root->tree, 0), 0);
}

static pbts_status offer_data(const ethereum_root *root, pbts_eth_writer *writer, pbts_span data) {
    pbts_reputation_tree *next;
    uint8_t hash[PBTS_SHA256_LEN];
    uint32_t count = pbts_reputation_tree_count(root->tree);
    PBTS_TRY(pbts_reputation_tree_new(&next, pbts_mem_system(), PBTS_USERS_MAX));
    pbts_status status = pbts_reputation_tree_set(
        next, count == 0 ? NULL : pbts_reputation_tree_at(root->tree, 0), count);
    if (status == PBTS_OK) status = pbts_reputation_tree_apply(next, data);
    if (status == PBTS_OK) {
        pbts_reputation_tree_root(next, hash);
        status = pbts_eth_writer_offer_root(writer, pbts_reputation_tree_count(next), hash, data);
    }
    pbts_reputation_tree_free(next);
    return status;
}

pbts_status ethereum_root_offer(ethereum_root *root, pbts_eth_writer *writer, uint64_t *offered,
                                bool *full) {
    size_t room = pbts_eth_writer_root_len_max(writer);
    PBTS_TRY(collect_all(root));
    *offered = 0;
    *full = false;
    if (root->rows_len == 0 && !root->is_broken) return PBTS_OK;
    uint8_t *bytes = malloc(room);
    if (bytes == NULL) return PBTS_NO_MEMORY;
    pbts_writer data = pbts_writer_over(bytes, room);
    pbts_status status = write_data(root, &data);
    if (status == PBTS_OK && data.len > 0)
        status = offer_data(root, writer, pbts_writer_span(&data));
    *offered = ethereum_root_rows(pbts_writer_span(&data));
    *full = root->has_dropped;
    free(bytes);
    return status;
}

/* ---- outcomes ---- */

/* The tree after this batch; false: the batch does not follow on the tree. */
static bool advance(ethereum_root *root, const pbts_eth_batch *batch, pbts_status *status) {
    pbts_eth_hash head;
    *status = PBTS_OK;
    if (!root->is_known) return false;
    if (root->place.sequence == batch->sequence) /* called again */
        return memcmp(root->place.head, batch->head.bytes, sizeof root->place.head) == 0;
    memcpy(head.bytes, root->place.head, sizeof head.bytes);
    head = pbts_reputation_head_next(&head, batch->rows);
    if (root->place.sequence + 1 != batch->sequence || !pbts_eth_hash_equal(&head, &batch->head))
        return false;
    *status = pbts_reputation_tree_apply(root->tree, batch->rows);
    if (*status != PBTS_OK) return *status != PBTS_MALFORMED;
    root->place.sequence = batch->sequence;
    memcpy(root->place.head, head.bytes, sizeof root->place.head);
    return true;
}

static pbts_status put_written(const ethereum_root *root, pbts_txn *txn,
                               const pbts_eth_batch *batch, uint32_t user_no) {
    const pbts_reputation_account *account = pbts_reputation_tree_find(root->tree, user_no, NULL);
    if (account == NULL) return PBTS_CORRUPT;
    pbts_mirror_account row = to_row(account);
    pbts_ledger_account values = { .up_bytes = row.up_bytes,
                                   .down_bytes = row.down_bytes,
                                   .generation = row.generation };
    memcpy(values.uid_hash, row.uid_hash, sizeof values.uid_hash);
    PBTS_TRY(pbts_mirror_account_put(txn, &row));
    return pbts_mirror_written(txn, &values, batch->sequence);
}

static pbts_status forget(ethereum_root *root, pbts_txn *txn) {
    root->is_known = false;
    return pbts_mirror_place_forget(txn);
}

static pbts_status written(ethereum_root *root, pbts_txn *txn, const pbts_eth_batch *batch) {
    pbts_status status;
    uint32_t user_no = 0;
    bool follows = advance(root, batch, &status);
    if (!follows) return forget(root, txn);
    PBTS_TRY(status);
    root->is_broken = false; /* this batch's root is the tree's */
    pbts_cursor data = pbts_cursor_over(batch->rows);
    while ((status = pbts_reputation_data_next(&data, &user_no)) == PBTS_OK)
        PBTS_TRY(put_written(root, txn, batch, user_no));
    if (status != PBTS_NEED_MORE) return status;
    return pbts_mirror_place_put(txn, &root->place);
}

pbts_status ethereum_root_outcome_put(ethereum_root *root, pbts_txn *txn,
                                      const pbts_eth_outcome *outcome) {
    switch (outcome->kind) {
    case PBTS_ETH_WRITTEN:
        return outcome->batch->kind == PBTS_ETH_ROOT ? written(root, txn, outcome->batch) : PBTS_OK;
    case PBTS_ETH_REWOUND:
        PBTS_TRY(forget(root, txn));
        return pbts_mirror_rewound(txn, outcome->sequence);
    default: return PBTS_OK;
    }
}

size_t ethereum_root_rows(pbts_span data) {
    pbts_cursor cursor = pbts_cursor_over(data);
    uint32_t user_no = 0;
    size_t rows = 0;
    while (pbts_reputation_data_next(&cursor, &user_no) == PBTS_OK) rows++;
    return rows;
}
