#include "ethereum_create.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"
#include "eth/factory_code.h"
#include "exit_codes.h"
#include "say.h"

enum {
    CREATE_GAS = 1500000, /* createReputation: 1.18 million, and a fifth more (contracts/GAS.tsv) */
    FACTORY_GAS = 1800000, /* the factory: 1.50 million, likewise */
    FACTORY_ARGUMENTS_MAX = 32,
    CREATE_CALL_FIXED = 4 + 4 * 32, /* all but the attestation, and what fills its last word up */
    LOGS_PAUSE_MS = 200,
    LOGS_TRIES = 50,
};

static const pbts_eth_address NOBODY = { { 0 } };

static bool is_nobody(const pbts_eth_address *address) {
    return pbts_eth_address_equal(address, &NOBODY);
}

/* ---- factory ---- */

/* In the newest block. The code says nothing about which factory it is; the address does: only the
 * sender's key makes contracts there. */
static int check_code(const ethereum_access *access, const pbts_eth_address *address) {
    pbts_trusted_block block;
    pbts_eth_account account;
    char text[ETHEREUM_ADDRESS_TEXT];
    ethereum_address_text(text, address);
    pbts_status status = pbts_chain_block(access->chain, &block, access->depth_blocks);
    if (status == PBTS_OK)
        status =
            pbts_chain_read_words(access->chain, &account, NULL, NULL, &block, address, NULL, 0);
    if (status != PBTS_OK) return ethereum_fail(access, text, status);
    if (!account.present || pbts_eth_hash_equal(&account.code_hash, &PBTS_ETH_EMPTY_CODE))
        return say_fail(PBTS_EXIT_REFUSED, "%s: there is no contract at this address", text);
    return PBTS_EXIT_OK;
}

static int send_factory(ethereum_sender *sender, ethereum_mined *mined,
                        const pbts_eth_address *verifier, uint64_t more_gas) {
    pbts_span code = pbts_eth_factory_code();
    size_t capacity = code.len + FACTORY_ARGUMENTS_MAX;
    uint8_t *data = malloc(capacity);
    if (data == NULL) return say_no_memory();
    pbts_writer writer = pbts_writer_over(data, capacity);
    pbts_reputation_factory_deploy(&writer, code, verifier);
    int ended =
        ethereum_send(sender, mined, "the factory", NULL, pbts_writer_span(&writer), more_gas);
    free(data);
    return ended == PBTS_EXIT_OK ? check_code(sender->access, &mined->created) : ended;
}

int ethereum_create_factory(ethereum_sender *sender, ethereum_created *out) {
    ethereum_mined mined;
    int code = send_factory(sender, &mined, &NOBODY, CREATE_GAS);
    if (code != PBTS_EXIT_OK) return code;
    out->factory = mined.created;
    out->made_factory = true;
    return PBTS_EXIT_OK;
}

/* ---- a factory with a verifier ---- */

/* What the sender makes after `later` transactions more. */
static int foresee(ethereum_sender *sender, pbts_eth_address *out, uint64_t later) {
    uint64_t nonce;
    int code = ethereum_nonce(sender, &nonce);
    if (code == PBTS_EXIT_OK) *out = pbts_eth_address_created(&sender->address, nonce + later);
    return code;
}

static int send_verifier(ethereum_sender *sender, ethereum_mined *mined,
                         const pbts_kms_verifier_arguments *arguments) {
    uint8_t *data = malloc(PBTS_KMS_VERIFIER_DEPLOY_LEN_MAX);
    if (data == NULL) return say_no_memory();
    pbts_writer writer = pbts_writer_over(data, PBTS_KMS_VERIFIER_DEPLOY_LEN_MAX);
    pbts_kms_verifier_deploy(&writer, arguments);
    int code =
        ethereum_send(sender, mined, "the verifier", NULL, pbts_writer_span(&writer), FACTORY_GAS);
    free(data);
    return code == PBTS_EXIT_OK ? check_code(sender->access, &mined->created) : code;
}

static int check_place(const pbts_eth_address *made, const pbts_eth_address *foreseen) {
    char text[ETHEREUM_ADDRESS_TEXT];
    if (pbts_eth_address_equal(made, foreseen)) return PBTS_EXIT_OK;
    ethereum_address_text(text, foreseen);
    return say_fail(PBTS_EXIT_REFUSED,
                    "the verifier answers %s alone, where no factory will stand: something else "
                    "sends from this address. Stop that, and start again",
                    text);
}

int ethereum_create_verified(ethereum_sender *sender, ethereum_verified *out) {
    ethereum_mined verifier, factory;
    pbts_eth_address next;
    int code = foresee(sender, &out->arguments.factory, 1);
    if (code == PBTS_EXIT_OK) code = send_verifier(sender, &verifier, &out->arguments);
    if (code == PBTS_EXIT_OK) code = foresee(sender, &next, 0);
    if (code == PBTS_EXIT_OK) code = check_place(&next, &out->arguments.factory);
    if (code == PBTS_EXIT_OK) code = send_factory(sender, &factory, &verifier.created, 0);
    if (code == PBTS_EXIT_OK) code = check_place(&factory.created, &out->arguments.factory);
    if (code != PBTS_EXIT_OK) return code;
    out->verifier = verifier.created;
    out->factory = factory.created;
    out->transaction = factory.hash;
    return PBTS_EXIT_OK;
}

/* ---- contract ---- */

/* Servers may know a receipt before its logs. */
static int find_created(const ethereum_sender *sender, ethereum_created *out) {
    pbts_status status = PBTS_NOT_FOUND;
    for (int i = 0; i < LOGS_TRIES && status == PBTS_NOT_FOUND; i++) {
        if (i > 0) ethereum_pause(LOGS_PAUSE_MS);
        status = pbts_chain_created(sender->access->chain, &out->contract, &out->factory,
                                    &out->transaction, out->created_block);
    }
    if (status == PBTS_OK) return PBTS_EXIT_OK;
    if (status != PBTS_NOT_FOUND) return ethereum_fail(sender->access, "the new contract", status);
    return say_fail(PBTS_EXIT_REFUSED,
                    "the new contract: no server shows its event; is --factory a factory?");
}

static int refuse(const ethereum_created *out, const char *why) {
    char text[ETHEREUM_ADDRESS_TEXT];
    ethereum_address_text(text, &out->contract);
    return say_fail(PBTS_EXIT_REFUSED, "%s: %s", text, why);
}

/* An event proves nothing, so: code, owner and referrer of what it named, and the factory's word.
 */
static int prove_created(const ethereum_sender *sender, ethereum_created *out) {
    const ethereum_access *access = sender->access;
    pbts_reputation_state state;
    pbts_eth_account factory;
    pbts_u256 slot = pbts_reputation_factory_is_reputation_slot(&out->contract), is_reputation;
    pbts_status status = pbts_chain_block(access->chain, &out->block, access->depth_blocks);
    if (status == PBTS_OK) status = ethereum_contract(access, &state, &out->block, &out->contract);
    if (status != PBTS_OK) return ethereum_contract_fail(access, &out->contract, status);
    status = pbts_chain_read_words(access->chain, &factory, &is_reputation, NULL, &out->block,
                                   &out->factory, &slot, 1);
    if (status != PBTS_OK) return ethereum_fail(access, "the factory", status);
    if (!pbts_eth_address_equal(&state.owner, &sender->address))
        return refuse(out, "is another owner's contract");
    if (!pbts_eth_address_equal(&state.referrer, &out->referrer))
        return refuse(out, "has another referrer");
    if (pbts_u256_is_zero(&is_reputation)) return refuse(out, "is not of this factory");
    if (state.sequence > 0 || state.sealed)
        return refuse(out, "is in use, so it is an older one than was just made: a server lies");
    return PBTS_EXIT_OK;
}

static int send_create(ethereum_sender *sender, ethereum_mined *mined,
                       const ethereum_created *created) {
    size_t capacity = CREATE_CALL_FIXED + created->attestation.len + 32;
    uint8_t *call = malloc(capacity);
    if (call == NULL) return say_no_memory();
    pbts_writer writer = pbts_writer_over(call, capacity);
    pbts_reputation_factory_call_create(&writer, &created->referrer, created->attestation);
    int code = ethereum_send(sender, mined, "the contract", &created->factory,
                             pbts_writer_span(&writer), 0);
    free(call);
    return code;
}

int ethereum_create_contract(ethereum_sender *sender, ethereum_created *out) {
    ethereum_mined mined = { .block_number = 0 };
    int code = out->made_factory ? PBTS_EXIT_OK : check_code(sender->access, &out->factory);
    if (code == PBTS_EXIT_OK) code = send_create(sender, &mined, out);
    if (code != PBTS_EXIT_OK) return code;
    out->transaction = mined.hash;
    out->created_block = mined.block_number;
    code = find_created(sender, out);
    return code == PBTS_EXIT_OK ? prove_created(sender, out) : code;
}

/* ---- what it says ---- */

typedef struct {
    char factory[ETHEREUM_ADDRESS_TEXT], contract[ETHEREUM_ADDRESS_TEXT];
    char owner[ETHEREUM_ADDRESS_TEXT], referrer[ETHEREUM_ADDRESS_TEXT];
    char block[ETHEREUM_HASH_TEXT], transaction[ETHEREUM_HASH_TEXT], iid[ETHEREUM_HASH_TEXT];
} created_texts;

static created_texts texts_of(const ethereum_sender *sender, const ethereum_created *created) {
    created_texts out = { .factory = "" };
    uint8_t iid[32];
    pbts_reputation_iid(iid, sender->access->chain_id, &created->contract);
    ethereum_address_text(out.factory, &created->factory);
    ethereum_address_text(out.contract, &created->contract);
    ethereum_address_text(out.owner, &sender->address);
    ethereum_address_text(out.referrer, &created->referrer);
    ethereum_hash_text(out.block, created->block.block_hash.bytes);
    ethereum_hash_text(out.transaction, created->transaction.bytes);
    ethereum_hash_text(out.iid, iid);
    return out;
}

void ethereum_created_print(const ethereum_sender *sender, const ethereum_created *created) {
    created_texts text = texts_of(sender, created);
    const ethereum_access *access = sender->access;
    (void)printf("factory    %s\ncontract   %s\niid        %s\nowner      %s\n", text.factory,
                 text.contract, text.iid + 2, text.owner);
    if (!is_nobody(&created->referrer)) (void)printf("referrer   %s\n", text.referrer);
    (void)printf("block      %" PRIu64 ", proved in %" PRIu64 " %s\nconfiguration\n",
                 created->created_block, created->block.block_number, text.block);
    (void)printf("  ledger = ethereum\n  chain_id = %" PRIu64 "\n  chain_rpc = %s\n"
                 "  chain_contract = %s\n  chain_first_block = %" PRIu64 "\n",
                 access->chain_id, access->rpc, text.contract, created->created_block);
    if (!is_nobody(&created->referrer)) (void)printf("  referrer_contract = %s\n", text.referrer);
}

json_t *ethereum_created_json(const ethereum_sender *sender, const ethereum_created *created) {
    created_texts text = texts_of(sender, created);
    bool has_referrer = !is_nobody(&created->referrer);
    return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:I, s:I, s:s, s:{s:I, s:s}}", "factory",
                     text.factory, "contract", text.contract, "iid", text.iid + 2, "owner",
                     text.owner, "referrer", has_referrer ? text.referrer : NULL, "chain_id",
                     (json_int_t)sender->access->chain_id, "created_block",
                     (json_int_t)created->created_block, "transaction", text.transaction, "block",
                     "number", (json_int_t)created->block.block_number, "hash", text.block);
}
