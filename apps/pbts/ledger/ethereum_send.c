#include "ethereum_send.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "eth/transaction.h"
#include "exit_codes.h"
#include "net/clock.h"
#include "options.h"
#include "say.h"

enum {
    WAIT_MAX_MS = 10 * 60 * 1000,
    BUMP_MS = 72 * 1000, /* six blocks of Ethereum */
    POLL_FIRST_MS = 50,
    POLL_MAX_MS = 2000,
    ATTEMPTS_MAX = 16,
    MAX_FEE_GWEI = 100,
    GWEI = 1000000000,
};
#define TIP_MAX_WEI (2 * (uint64_t)GWEI)
#define MAX_FEE_GWEI_MAX (UINT64_MAX / GWEI)

int ethereum_sender_begin(ethereum_sender *out, ethereum_access *access, const char *tracker_key,
                          const char *key_file, const char *max_fee_gwei) {
    uint64_t gwei = MAX_FEE_GWEI;
    *out = (ethereum_sender){ .access = access };
    if (max_fee_gwei != NULL &&
        (!options_number(&gwei, max_fee_gwei, MAX_FEE_GWEI_MAX) || gwei == 0))
        return say_fail(PBTS_EXIT_USAGE, "--max-fee-gwei %s: should be a number from 1",
                        max_fee_gwei);
    out->cap.max_fee_wei = gwei * GWEI;
    out->cap.max_priority_fee_wei =
        out->cap.max_fee_wei < TIP_MAX_WEI ? out->cap.max_fee_wei : TIP_MAX_WEI;
    int code = ethereum_key_read(&out->secret, &out->address, tracker_key, key_file);
    if (code != PBTS_EXIT_OK) return code;
    if (pbts_secp256k1_signer_new(&out->signer, pbts_mem_system(), pbts_random_system()) != PBTS_OK)
        return say_no_memory();
    return PBTS_EXIT_OK;
}

void ethereum_sender_end(ethereum_sender *sender) {
    pbts_secp256k1_signer_free(sender->signer);
    sender->signer = NULL;
    pbts_wipe(&sender->secret, sizeof sender->secret);
}

int ethereum_pay(ethereum_access *access, const char *tracker_key, const char *key_file,
                 const char *max_fee_gwei, int (*make)(void *host, ethereum_sender *sender),
                 void *host) {
    ethereum_sender sender;
    int code = ethereum_sender_begin(&sender, access, tracker_key, key_file, max_fee_gwei);
    if (code == PBTS_EXIT_OK) code = make(host, &sender);
    ethereum_sender_end(&sender);
    ethereum_close(access);
    return code;
}

/* ---- before it leaves ---- */

typedef struct {
    ethereum_sender *sender;
    const char *what;
    pbts_eth_transaction fields;
    pbts_eth_fees fees;
    pbts_u256 balance_wei;
    pbts_eth_network_fees network;
    pbts_eth_hash hashes[ATTEMPTS_MAX]; /* of all that were sent, for this nonce */
    size_t hashes_len;
    uint8_t *raw; /* PBTS_ETH_TRANSACTION_LEN_MAX bytes */
    size_t raw_len;
} sending;

/* Nonce, balance and base fee, proved; the tip is a hint, bounded by the cap. */
static int look(sending *s) {
    ethereum_access *access = s->sender->access;
    pbts_trusted_block block;
    pbts_eth_account account;
    pbts_u256 base_fee_wei;
    pbts_status status = pbts_chain_block(access->chain, &block, 0);
    if (status == PBTS_OK)
        status = pbts_chain_read_words(access->chain, &account, NULL, &base_fee_wei, &block,
                                       &s->sender->address, NULL, 0);
    if (status != PBTS_OK) return ethereum_fail(access, "the sender's account", status);
    s->fields.nonce = account.present ? account.nonce : 0;
    s->balance_wei = account.present ? account.balance_wei : pbts_u256_from_u64(0);
    if (pbts_u256_to_u64(&s->network.base_fee_wei, &base_fee_wei) != PBTS_OK)
        s->network.base_fee_wei = UINT64_MAX;
    if (pbts_chain_tip(access->chain, &s->network.tip_wei) != PBTS_OK) s->network.tip_wei = GWEI;
    return PBTS_EXIT_OK;
}

static int estimate(sending *s, const pbts_eth_address *to) {
    uint8_t revert[PBTS_RPC_REVERT_DATA_MAX];
    size_t revert_len = 0;
    uint64_t gas = 0;
    ethereum_access *access = s->sender->access;
    pbts_status status = pbts_chain_estimate(access->chain, &gas, revert, &revert_len,
                                             &s->sender->address, to, s->fields.data);
    if (status == PBTS_DENIED) {
        pbts_reputation_revert why =
            pbts_reputation_revert_decode((pbts_span){ revert, revert_len });
        return say_fail(PBTS_EXIT_REFUSED, "%s: the contract refuses: %s", s->what,
                        pbts_reputation_revert_text(why.kind));
    }
    if (status != PBTS_OK) return ethereum_fail(access, s->what, status);
    if (gas > PBTS_ETH_TRANSACTION_GAS_MAX)
        return say_fail(PBTS_EXIT_REFUSED,
                        "%s: needs %" PRIu64 " gas, a transaction has %d at most", s->what, gas,
                        PBTS_ETH_TRANSACTION_GAS_MAX);
    gas += gas / 5; /* the state may have changed when it is carried out */
    s->fields.gas_limit = gas < PBTS_ETH_TRANSACTION_GAS_MAX ? gas : PBTS_ETH_TRANSACTION_GAS_MAX;
    return PBTS_EXIT_OK;
}

static int say_funds(const sending *s, uint64_t gas) {
    char address[ETHEREUM_ADDRESS_TEXT], has[ETHEREUM_ETHER_TEXT], needs[ETHEREUM_ETHER_TEXT];
    pbts_u256 cost = pbts_u256_from_u64(s->fees.max_fee_wei);
    if (pbts_u256_multiply_u64(&cost, &cost, gas) != PBTS_OK) return PBTS_EXIT_REFUSED;
    ethereum_address_text(address, &s->sender->address);
    ethereum_ether_text(has, &s->balance_wei);
    ethereum_ether_text(needs, &cost);
    return say_fail(PBTS_EXIT_REFUSED,
                    "%s: %s has %s ether and needs up to %s, on chain %" PRIu64
                    "; send it some and try again",
                    s->what, address, has, needs, s->fields.chain_id);
}

static int choose_fees(sending *s, uint64_t more_gas) {
    uint64_t gas = s->fields.gas_limit + more_gas;
    if (pbts_eth_fees_first(&s->fees, &s->network, &s->sender->cap) != PBTS_OK)
        return say_fail(PBTS_EXIT_REFUSED,
                        "%s: gas costs %" PRIu64 " wei now, above --max-fee-gwei (%" PRIu64 ")",
                        s->what, s->network.base_fee_wei, s->sender->cap.max_fee_wei / GWEI);
    return pbts_eth_fees_affordable(&s->balance_wei, &s->fees, gas) ? PBTS_EXIT_OK
                                                                    : say_funds(s, gas);
}

/* ---- sending ---- */

/* Sign with the present fees. Said before it is sent, so that whoever is interrupted knows it. */
static int sign(sending *s) {
    char hash[ETHEREUM_HASH_TEXT], address[ETHEREUM_ADDRESS_TEXT];
    pbts_writer writer = pbts_writer_over(s->raw, PBTS_ETH_TRANSACTION_LEN_MAX);
    s->fields.max_fee_wei = pbts_u256_from_u64(s->fees.max_fee_wei);
    s->fields.max_priority_fee_wei = pbts_u256_from_u64(s->fees.max_priority_fee_wei);
    if (pbts_eth_transaction_sign(&writer, &s->fields, s->sender->signer, &s->sender->secret) !=
        PBTS_OK)
        return say_fail(PBTS_EXIT_REFUSED, "%s: too long for a transaction", s->what);
    s->raw_len = writer.len;
    s->hashes[s->hashes_len] = pbts_eth_hash_of(pbts_writer_span(&writer));
    ethereum_hash_text(hash, s->hashes[s->hashes_len++].bytes);
    pbts_eth_address created = pbts_eth_address_created(&s->sender->address, s->fields.nonce);
    ethereum_address_text(address, &created);
    if (s->fields.creates)
        say_note("%s: sending transaction %s, which makes %s", s->what, hash, address);
    else
        say_note("%s: sending transaction %s", s->what, hash);
    return PBTS_EXIT_OK;
}

static bool has_bumped(sending *s) {
    pbts_eth_fees next;
    if (s->hashes_len == ATTEMPTS_MAX) return false;
    if (pbts_eth_fees_bump_capped(&next, &s->fees, &s->network, &s->sender->cap) != PBTS_OK)
        return false;
    s->fees = next;
    return true;
}

static int send_signed(sending *s) {
    for (;;) {
        int code = sign(s);
        if (code != PBTS_EXIT_OK) return code;
        switch (pbts_chain_send(s->sender->access->chain, (pbts_span){ s->raw, s->raw_len })) {
        case PBTS_ETH_SEND_ACCEPTED:
        case PBTS_ETH_SEND_NONCE_TOO_LOW: /* mined already, or another: receipts tell */
            return PBTS_EXIT_OK;
        case PBTS_ETH_SEND_UNDERPRICED:
            if (has_bumped(s)) continue;
            return say_fail(PBTS_EXIT_REFUSED,
                            "%s: the servers want higher fees than --max-fee-gwei allows; an older "
                            "transaction of this address may wait there",
                            s->what);
        case PBTS_ETH_SEND_NO_FUNDS: return say_funds(s, s->fields.gas_limit);
        case PBTS_ETH_SEND_REFUSED: return ethereum_fail(s->sender->access, s->what, PBTS_DENIED);
        case PBTS_ETH_SEND_FAILED: return ethereum_fail(s->sender->access, s->what, PBTS_IO);
        }
    }
}

/* ---- waiting ---- */

static bool is_mined(sending *s, pbts_rpc_receipt *receipt, size_t *which) {
    for (size_t i = s->hashes_len; i-- > 0;) {
        *which = i;
        if (pbts_chain_receipt(s->sender->access->chain, receipt, &s->hashes[i]) == PBTS_OK)
            return true;
    }
    return false;
}

static uint32_t longer(uint32_t pause_ms) {
    return pause_ms * 2 < POLL_MAX_MS ? pause_ms * 2 : POLL_MAX_MS;
}

static int wait_mined(sending *s, pbts_rpc_receipt *receipt, size_t *which) {
    uint64_t start_ms = pbts_clock_mono_ms(), sent_ms = start_ms;
    for (uint32_t pause_ms = POLL_FIRST_MS; !is_mined(s, receipt, which);
         pause_ms = longer(pause_ms)) {
        uint64_t now_ms = pbts_clock_mono_ms();
        if (now_ms - start_ms > WAIT_MAX_MS)
            return say_fail(PBTS_EXIT_IO,
                            "%s: not mined within 10 minutes; it may still be. Look for the "
                            "transactions above before you try again",
                            s->what);
        if (now_ms - sent_ms > BUMP_MS && has_bumped(s)) {
            int code = send_signed(s);
            if (code != PBTS_EXIT_OK) return code;
            sent_ms = now_ms;
        }
        ethereum_pause(pause_ms);
    }
    return PBTS_EXIT_OK;
}

/* Until the quorum has a block at least this high, `depth` behind the newest. */
static int wait_block(sending *s, uint64_t number) {
    ethereum_access *access = s->sender->access;
    uint64_t start_ms = pbts_clock_mono_ms();
    pbts_trusted_block block = { .block_number = 0 };
    for (uint32_t pause_ms = POLL_FIRST_MS; block.block_number < number;
         pause_ms = longer(pause_ms)) {
        pbts_status status = pbts_chain_block(access->chain, &block, access->depth_blocks);
        if (status != PBTS_OK) return ethereum_fail(access, s->what, status);
        if (block.block_number >= number) break;
        if (pbts_clock_mono_ms() - start_ms > WAIT_MAX_MS)
            return say_fail(PBTS_EXIT_IO,
                            "%s: mined in block %" PRIu64
                            ", but the servers do not come %u blocks further",
                            s->what, number, access->depth_blocks);
        ethereum_pause(pause_ms);
    }
    return PBTS_EXIT_OK;
}

static int finish(sending *s, ethereum_mined *out) {
    pbts_rpc_receipt receipt = { .succeeded = false };
    size_t which = 0;
    int code = wait_mined(s, &receipt, &which);
    if (code != PBTS_EXIT_OK) return code;
    if (!receipt.succeeded)
        return say_fail(PBTS_EXIT_REFUSED, "%s: was mined in block %" PRIu64 " and reverted",
                        s->what, receipt.block_number);
    *out = (ethereum_mined){ .hash = s->hashes[which],
                             .nonce = s->fields.nonce,
                             .block_number = receipt.block_number,
                             .gas_used = receipt.gas_used,
                             .created =
                                 pbts_eth_address_created(&s->sender->address, s->fields.nonce) };
    return wait_block(s, receipt.block_number);
}

int ethereum_nonce(ethereum_sender *sender, uint64_t *out) {
    sending s = { .sender = sender, .what = "the sender's account" };
    int code = look(&s);
    if (code == PBTS_EXIT_OK) *out = s.fields.nonce;
    return code;
}

int ethereum_send(ethereum_sender *sender, ethereum_mined *out, const char *what,
                  const pbts_eth_address *to, pbts_span data, uint64_t more_gas) {
    sending s = { .sender = sender,
                  .what = what,
                  .fields = {
                      .chain_id = sender->access->chain_id, .creates = to == NULL, .data = data } };
    if (to != NULL) s.fields.to = *to;
    s.raw = malloc(PBTS_ETH_TRANSACTION_LEN_MAX);
    if (s.raw == NULL) return say_no_memory();
    int code = look(&s);
    if (code == PBTS_EXIT_OK) code = estimate(&s, to);
    if (code == PBTS_EXIT_OK) code = choose_fees(&s, more_gas);
    if (code == PBTS_EXIT_OK) code = send_signed(&s);
    if (code == PBTS_EXIT_OK) code = finish(&s, out);
    free(s.raw);
    return code;
}
