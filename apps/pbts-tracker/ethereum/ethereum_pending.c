#include "ethereum_pending.h"

#include <signal.h>
#include <time.h>

#include "../app.h"
#include "eth/transaction.h"
#include "eth/writer_key.h"

enum {
    PENDING_MAX = 8, /* a writer has one batch in flight, and signs for three nonces in its turn */
    REPLACE_POLLS = 20,
    GIVE_UP_POLLS = 60,
    TRANSFER_GAS = 21000,
    TELL_POLLS = 5,
};

typedef struct {
    struct app *app;
    pbts_chain *chain;
    pbts_secp256k1_signer *signer;
    pbts_eth_address address;
    uint64_t first_nonce; /* at the first look */
    uint64_t nonce;       /* proved, in this block */
    uint64_t block_number;
    uint64_t end_nonce; /* behind the last that is waited for; a hint */
} pending;

static pbts_status begin(pending *p) {
    PBTS_TRY(pbts_secp256k1_signer_new(&p->signer, pbts_mem_system(), pbts_random_system()));
    p->address = pbts_eth_address_of_secret(p->signer, &p->app->keys->ethereum);
    return PBTS_OK;
}

static void forget(pending *p) {
    pbts_secp256k1_signer_free(p->signer);
}

static pbts_status look(pending *p) {
    pbts_trusted_block block;
    pbts_eth_account account;
    PBTS_TRY(pbts_chain_block(p->chain, &block, 0));
    PBTS_TRY(pbts_chain_read_words(p->chain, &account, NULL, NULL, &block, &p->address, NULL, 0));
    p->nonce = account.nonce;
    p->block_number = block.block_number;
    PBTS_TRY(pbts_chain_pending_nonce(p->chain, &p->end_nonce, &p->address));
    return PBTS_OK;
}

static bool is_settled(const pending *p) {
    return p->nonce >= p->end_nonce || p->nonce >= p->first_nonce + PENDING_MAX;
}

/* A transfer of nothing to itself, at the highest fees: in place of whatever waits there. */
static void replace(const pending *p, uint64_t nonce) {
    uint8_t bytes[PBTS_ETH_TRANSACTION_OVERHEAD_MAX];
    pbts_writer raw = pbts_writer_over(bytes, sizeof bytes);
    const struct config *config = &p->app->config;
    uint32_t tip_gwei = config->chain_max_tip_gwei < config->chain_max_fee_gwei
                            ? config->chain_max_tip_gwei
                            : config->chain_max_fee_gwei;
    uint64_t fee_wei = (uint64_t)config->chain_max_fee_gwei * 1000000000u;
    pbts_eth_transaction transfer = {
        .chain_id = config->chain_id,
        .nonce = nonce,
        .max_priority_fee_wei = pbts_u256_from_u64((uint64_t)tip_gwei * 1000000000u),
        .max_fee_wei = pbts_u256_from_u64(fee_wei),
        .gas_limit = TRANSFER_GAS,
        .to = p->address,
    };
    if (pbts_eth_transaction_sign(&raw, &transfer, p->signer, &p->app->keys->ethereum) != PBTS_OK)
        return;
    pbts_eth_send_result result = pbts_chain_send(p->chain, pbts_writer_span(&raw));
    LOG(&p->app->log, LOG_WARN, "ethereum_replaced", LOG_UINT("nonce", nonce),
        LOG_UINT("result", result));
}

static void replace_all(const pending *p) {
    uint64_t end = p->first_nonce + PENDING_MAX;
    if (p->end_nonce < end) end = p->end_nonce;
    for (uint64_t nonce = p->nonce; nonce < end; nonce++) replace(p, nonce);
}

/* Signals are blocked, and nobody reads them before the start is over. */
static bool is_told_to_end(void) {
    sigset_t set;
    if (sigpending(&set) != 0) return false;
    return sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1;
}

/* For a poll; false: it is to end. */
static bool rest(const pending *p) {
    uint32_t left_ms = p->app->config.chain_poll_ms;
    while (left_ms > 0 && !is_told_to_end()) {
        uint32_t ms = left_ms < 500 ? left_ms : 500;
        struct timespec pause = { .tv_nsec = (long)ms * 1000000 };
        (void)nanosleep(&pause, NULL);
        left_ms -= ms;
    }
    return left_ms == 0;
}

static pbts_status wait_for_all(pending *p) {
    PBTS_TRY(look(p));
    p->first_nonce = p->nonce;
    for (unsigned i = 0; !is_settled(p); i++) {
        if (i == GIVE_UP_POLLS) return PBTS_BUSY;
        if (i % TELL_POLLS == 0)
            LOG(&p->app->log, LOG_INFO, "ethereum_waiting",
                LOG_UINT("transactions", p->end_nonce - p->nonce),
                LOG_TEXT("reason", "transactions of this key are pending, which another machine "
                                   "may have sent"));
        if (i == REPLACE_POLLS) replace_all(p);
        if (!rest(p)) return PBTS_BUSY;
        pbts_status status = look(p);
        if (status != PBTS_OK && status != PBTS_IO) return status;
    }
    return PBTS_OK;
}

pbts_status ethereum_pending_wait(struct app *app, pbts_chain *chain, uint64_t *block_number) {
    pending p = { .app = app, .chain = chain };
    pbts_status status = begin(&p);
    if (status == PBTS_OK) status = wait_for_all(&p);
    *block_number = p.block_number;
    forget(&p);
    return status;
}
