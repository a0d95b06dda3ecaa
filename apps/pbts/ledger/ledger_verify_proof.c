/* ledger_verify_proof.c - `pbts ledger verify-proof`: check a portable proof without any server. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ethereum_access.h"
#include "exit_codes.h"
#include "files.h"
#include "ledger_commands.h"
#include "ledger_facts.h"
#include "options.h"
#include "receipt/receipt.h"
#include "say.h"

typedef struct {
    const char *path, *block_hash, *trusted_root, *contract, *chain_id, *uid;
    bool json;
    uint8_t *bytes;
    size_t len;
    pbts_portable_proof proof;
    pbts_portable_facts facts;
    const char *rests_on; /* NULL: on nothing yet */
} checking;

static int refuse(const checking *c, const char *why) {
    return say_fail(PBTS_EXIT_REFUSED, "%s: %s", c->path, why);
}

static int read_file(checking *c) {
    int code = file_read(&c->bytes, &c->len, c->path, PBTS_PORTABLE_PROOF_LEN_MAX);
    if (code != PBTS_EXIT_OK) return code;
    pbts_status status = pbts_portable_proof_decode(&c->proof, (pbts_span){ c->bytes, c->len });
    if (status == PBTS_CORRUPT) return refuse(c, "is damaged: its checksum is another");
    if (status != PBTS_OK) return refuse(c, "is no proof of \"pbts ledger prove\"");
    status = pbts_portable_proof_verify(&c->facts, &c->proof);
    return status == PBTS_OK ? PBTS_EXIT_OK : ledger_facts_refuse(c->path, status);
}

/* ---- what the file is about ---- */

static int check_contract(const checking *c) {
    pbts_eth_address wanted;
    if (c->contract == NULL) return PBTS_EXIT_OK;
    int code = ethereum_address_parse(&wanted, "contract", c->contract);
    if (code != PBTS_EXIT_OK) return code;
    return pbts_eth_address_equal(&wanted, &c->proof.contract)
               ? PBTS_EXIT_OK
               : refuse(c, "is about another contract");
}

static int check_chain(const checking *c) {
    uint64_t wanted;
    if (c->chain_id == NULL) return PBTS_EXIT_OK;
    if (!options_number(&wanted, c->chain_id, UINT64_MAX))
        return say_fail(PBTS_EXIT_USAGE, "--chain-id %s: should be a number", c->chain_id);
    return wanted == c->proof.chain_id ? PBTS_EXIT_OK : refuse(c, "is about another chain");
}

static int check_user(const checking *c) {
    uint8_t uid_hash[PBTS_UID_HASH_LEN];
    if (c->uid == NULL) return PBTS_EXIT_OK;
    pbts_uid_hash(uid_hash, pbts_span_text(c->uid));
    return memcmp(uid_hash, c->proof.uid_hash, sizeof uid_hash) == 0
               ? PBTS_EXIT_OK
               : refuse(c, "is about another user");
}

/* ---- whether its block is the chain's ---- */

static int check_block(checking *c) {
    uint8_t wanted[32];
    if (c->block_hash == NULL) return PBTS_EXIT_OK;
    int code = ethereum_hash_parse(wanted, "block-hash", c->block_hash);
    if (code != PBTS_EXIT_OK) return code;
    if (memcmp(wanted, c->facts.block_hash.bytes, sizeof wanted) != 0)
        return refuse(c, "is about another block");
    c->rests_on = "the block hash that you gave";
    return PBTS_EXIT_OK;
}

static const char *evidence_problem(pbts_status status) {
    switch (status) {
    case PBTS_NOT_FOUND: return "has no signatures of sync committees; give --block-hash";
    case PBTS_DENIED: return "begins with another trusted root than yours";
    case PBTS_STALE: return "has a message of the future, or one that comes too late";
    default: return "the sync committees' signatures do not lead to its block";
    }
}

static int check_committees(checking *c) {
    uint8_t root[32];
    uint64_t chain_id;
    if (c->trusted_root == NULL) return PBTS_EXIT_OK;
    int code = ethereum_hash_parse(root, "trusted-root", c->trusted_root);
    if (code != PBTS_EXIT_OK) return code;
    const pbts_beacon_network *network =
        pbts_portable_network_of(&chain_id, c->proof.evidence.network);
    pbts_status status =
        pbts_portable_proof_evidence_verify(&c->proof.evidence, &c->facts.block_hash, root, network,
                                            pbts_mem_system(), (uint64_t)time(NULL));
    if (status == PBTS_NO_MEMORY) return say_no_memory();
    if (status != PBTS_OK) return refuse(c, evidence_problem(status));
    if (chain_id != c->proof.chain_id)
        return refuse(c, "names another chain than the one whose committees signed");
    c->rests_on = "the beacon block that you trust, and two thirds of each sync committee since";
    return PBTS_EXIT_OK;
}

/* ---- what it says ---- */

static int print(const checking *c) {
    if (c->json) {
        json_t *out = ledger_facts_json(&c->proof, &c->facts);
        if (out == NULL ||
            json_object_set_new(out, "rests_on",
                                c->rests_on != NULL ? json_string(c->rests_on) : json_null()) != 0)
            return say_no_memory();
        return say_json(out);
    }
    ledger_facts_print(&c->proof, &c->facts);
    if (c->contract == NULL)
        (void)printf("compare    the contract with your tracker's: anybody can make one\n");
    if (c->rests_on != NULL) (void)printf("rests on   %s\n", c->rests_on);
    return PBTS_EXIT_OK;
}

static int check(checking *c) {
    int code = read_file(c);
    if (code == PBTS_EXIT_OK) code = check_contract(c);
    if (code == PBTS_EXIT_OK) code = check_chain(c);
    if (code == PBTS_EXIT_OK) code = check_user(c);
    if (code == PBTS_EXIT_OK) code = check_block(c);
    if (code == PBTS_EXIT_OK) code = check_committees(c);
    if (code == PBTS_EXIT_OK) code = print(c);
    if (code != PBTS_EXIT_OK || c->rests_on != NULL) return code;
    return refuse(c, "is consistent, but rests on nothing: a forger can make such a block. Compare "
                     "the block's hash with one that you trust and give it with --block-hash");
}

int pbts_cmd_ledger_verify_proof(int argc, char **argv) {
    static checking c; /* large */
    const command_option options[] = {
        { "block-hash", "HASH", &c.block_hash, NULL, false,
          "of the block, from somebody you trust, such as your own node" },
        { "trusted-root", "HASH", &c.trusted_root, NULL, false,
          "of a beacon block that you trust, for files with sync committees" },
        { "contract", "ADDRESS", &c.contract, NULL, false, "the contract that it should be about" },
        { "chain-id", "N", &c.chain_id, NULL, false, "the chain that it should be about" },
        { "uid", "UID", &c.uid, NULL, false, "the user that it should be about" },
        OPTION_JSON(&c.json),
    };
    const command_spec spec = {
        "ledger verify-proof",
        " FILE",
        "Check a file of \"pbts ledger prove\" without any server and say what it proves, and what "
        "that\n"
        "rests on. Without --block-hash or --trusted-root it rests on nothing, and the exit code "
        "is 1.\n",
        "  pbts ledger verify-proof a.proof --uid alice --block-hash 0x0123…\n",
        options,
        sizeof options / sizeof options[0],
        1,
        1
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    c.path = arguments[0];
    code = check(&c);
    free(c.bytes);
    return code;
}
