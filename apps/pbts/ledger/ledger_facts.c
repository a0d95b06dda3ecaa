#include "ledger_facts.h"

#include <inttypes.h>
#include <stdio.h>

#include "ethereum_access.h"
#include "exit_codes.h"
#include "say.h"

int ledger_facts_refuse(const char *what, pbts_status status) {
    switch (status) {
    case PBTS_NOT_FOUND:
        return say_fail(PBTS_EXIT_REFUSED, "%s: there is no contract at this address in the block",
                        what);
    case PBTS_DENIED:
        return say_fail(PBTS_EXIT_REFUSED,
                        "%s: the contract is no Reputation, or is in root mode and there is no "
                        "path to its root",
                        what);
    default: return say_fail(PBTS_EXIT_REFUSED, "%s: the proof does not hold", what);
    }
}

typedef struct {
    char contract[ETHEREUM_ADDRESS_TEXT], owner[ETHEREUM_ADDRESS_TEXT];
    char uid_hash[ETHEREUM_HASH_TEXT], key_hash[ETHEREUM_HASH_TEXT], block[ETHEREUM_HASH_TEXT];
    char iid[ETHEREUM_HASH_TEXT];
    char referrer[ETHEREUM_ADDRESS_TEXT], successor[ETHEREUM_ADDRESS_TEXT];
    bool has_referrer, has_successor;
} fact_texts;

static fact_texts texts_of(const pbts_portable_proof *proof, const pbts_portable_facts *facts) {
    static const pbts_eth_address NOBODY = { { 0 } };
    fact_texts out = { 0 };
    uint8_t iid[32];
    pbts_reputation_iid(iid, proof->chain_id, &proof->contract);
    ethereum_address_text(out.contract, &proof->contract);
    ethereum_address_text(out.owner, &facts->contract.owner);
    ethereum_hash_text(out.uid_hash, proof->uid_hash);
    ethereum_hash_text(out.key_hash, facts->key_hash);
    ethereum_hash_text(out.block, facts->block_hash.bytes);
    ethereum_hash_text(out.iid, iid);
    ethereum_address_text(out.referrer, &facts->contract.referrer);
    ethereum_address_text(out.successor, &facts->contract.successor);
    out.has_referrer = !pbts_eth_address_equal(&facts->contract.referrer, &NOBODY);
    out.has_successor = !pbts_eth_address_equal(&facts->contract.successor, &NOBODY);
    return out;
}

void ledger_facts_print(const pbts_portable_proof *proof, const pbts_portable_facts *facts) {
    fact_texts text = texts_of(proof, facts);
    const pbts_reputation_word *word = &facts->word;
    (void)printf("contract   %s, chain %" PRIu64 ", owner %s\niid        %s\n", text.contract,
                 proof->chain_id, text.owner, text.iid + 2);
    (void)printf("block      %" PRIu64 " %s\ntime       %s\nuser       %s\n", facts->block_number,
                 text.block, say_time(facts->timestamp_s), text.uid_hash + 2);
    if (facts->contract.sealed)
        (void)printf("           the contract is sealed; who goes on has other values at %s\n",
                     text.has_successor ? text.successor : "a successor that it does not name");
    if (!facts->present) {
        (void)printf("           is not in this contract\n");
        if (text.has_referrer)
            (void)printf("           but may have values at its referrer %s, which was not asked\n",
                         text.referrer);
        return;
    }
    (void)printf("up         %s\n", say_bytes(word->up_bytes));
    (void)printf("down       %s\n", say_bytes(word->down_bytes));
    if (word->down_bytes > 0)
        (void)printf("ratio      %.3f\n", (double)word->up_bytes / (double)word->down_bytes);
    else
        (void)printf("ratio      none: nothing downloaded yet\n");
    (void)printf("passkey    generation %" PRIu32 "\nkey        SHA-256 %s\n", word->generation,
                 text.key_hash + 2);
}

static json_t *user_json(const fact_texts *text, const pbts_portable_facts *facts) {
    const pbts_reputation_word *word = &facts->word;
    if (!facts->present)
        return json_pack("{s:s, s:b}", "uid_hash", text->uid_hash + 2, "present", 0);
    json_t *ratio = word->down_bytes > 0
                        ? json_real((double)word->up_bytes / (double)word->down_bytes)
                        : json_null();
    return json_pack("{s:s, s:b, s:I, s:I, s:o, s:I, s:s}", "uid_hash", text->uid_hash + 2,
                     "present", 1, "up_bytes", (json_int_t)word->up_bytes, "down_bytes",
                     (json_int_t)word->down_bytes, "ratio", ratio, "generation",
                     (json_int_t)word->generation, "key_hash", text->key_hash + 2);
}

json_t *ledger_facts_json(const pbts_portable_proof *proof, const pbts_portable_facts *facts) {
    fact_texts text = texts_of(proof, facts);
    return json_pack("{s:I, s:s, s:s, s:s?, s:b, s:s?, s:s, s:{s:I, s:s, s:I}, s:o}", "chain_id",
                     (json_int_t)proof->chain_id, "contract", text.contract, "owner", text.owner,
                     "referrer", text.has_referrer ? text.referrer : NULL, "sealed",
                     facts->contract.sealed, "successor",
                     text.has_successor ? text.successor : NULL, "iid", text.iid + 2, "block",
                     "number", (json_int_t)facts->block_number, "hash", text.block, "unix_time",
                     (json_int_t)facts->timestamp_s, "user", user_json(&text, facts));
}
