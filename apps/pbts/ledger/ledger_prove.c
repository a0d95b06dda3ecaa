/* ledger_prove.c - `pbts ledger prove`: what a contract says of one user, with its proof, as a
 * file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/chain_root.h"
#include "eth/factory_code.h"
#include "eth/portable_proof.h"
#include "ethereum_access.h"
#include "exit_codes.h"
#include "files.h"
#include "ledger_commands.h"
#include "ledger_facts.h"
#include "options.h"
#include "receipt/receipt.h"
#include "say.h"

typedef struct {
    ethereum_access access;
    const char *contract_text, *out, *first_block_text;
    pbts_eth_address contract;
    uint64_t first_block; /* root mode: batches from here on */
    pbts_portable_proof proof;
    pbts_portable_facts facts;
    uint8_t *file;
    uint8_t *kept; /* root mode: what the proof borrows from while the chain goes on */
    uint8_t path[PBTS_HASH_TREE_HEIGHT_MAX][PBTS_SHA256_LEN];
    uint8_t servers[PBTS_PORTABLE_ENDPOINTS_LEN_MAX];
} proving;

static int encode(const proving *p, uint8_t **buffer, pbts_span *out) {
    *buffer = malloc(PBTS_PORTABLE_PROOF_LEN_MAX);
    if (*buffer == NULL) return say_no_memory();
    pbts_writer writer = pbts_writer_over(*buffer, PBTS_PORTABLE_PROOF_LEN_MAX);
    pbts_status status = pbts_portable_proof_encode(&writer, &p->proof);
    if (status != PBTS_OK)
        return say_fail(PBTS_EXIT_IO, "%s: %s", p->out, pbts_status_text(status));
    *out = pbts_writer_span(&writer);
    return PBTS_EXIT_OK;
}

static void take_path(pbts_portable_path *out, const pbts_span *nodes, size_t nodes_len) {
    out->nodes_len = nodes_len; /* at most PBTS_ETH_PROOF_NODES_MAX, as pbts_rpc_read_proof says */
    for (size_t i = 0; i < nodes_len; i++) out->nodes[i] = nodes[i];
}

/* The nodes stay the chain's. */
static void take_proof(proving *p) {
    const pbts_rpc_proof *nodes = pbts_chain_last_proof(p->access.chain);
    size_t len;
    p->proof.header = pbts_chain_last_header(p->access.chain);
    take_path(&p->proof.account, nodes->nodes, nodes->account_len);
    for (size_t i = 0; i < PBTS_PORTABLE_SLOTS; i++) {
        const pbts_span *slot = pbts_rpc_proof_storage(&len, nodes, i);
        take_path(&p->proof.slots[i], slot, len);
    }
}

/* That the block is the chain's, when a light client says so. */
static int take_evidence(proving *p, const pbts_trusted_block *block) {
    if (p->access.beacon.urls == NULL) return PBTS_EXIT_OK;
    pbts_status status = pbts_chain_evidence(p->access.chain, &p->proof.evidence, block);
    if (status == PBTS_NO_MEMORY) return say_no_memory();
    if (status != PBTS_OK)
        say_note(
            "the proof has no evidence of its block: no node gave it as SSZ, or the network is "
            "one of your own");
    return PBTS_EXIT_OK;
}

/* ---- root mode: the user's leaf, from all batches ---- */

/* The only account with this uid_hash; a path cannot show that there is none or that there are two,
 * so either is refused. */
static int find_account(const proving *p, const pbts_reputation_account **out,
                        const pbts_reputation_tree *tree) {
    *out = NULL;
    for (uint32_t i = 0; i < pbts_reputation_tree_count(tree); i++) {
        const pbts_reputation_account *account = pbts_reputation_tree_at(tree, i);
        if (memcmp(account->uid_hash, p->proof.uid_hash, sizeof account->uid_hash) != 0) continue;
        if (*out != NULL)
            return say_fail(PBTS_EXIT_REFUSED, "%s: the contract has this user twice",
                            p->contract_text);
        *out = account;
    }
    if (*out != NULL) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_REFUSED,
                    "%s: the contract does not have this user; it is in root mode, where only all "
                    "its users together prove that one is absent, so there is no file",
                    p->contract_text);
}

static int take_leaf(proving *p, const pbts_reputation_tree *tree) {
    const pbts_reputation_account *account;
    pbts_portable_leaf *leaf = &p->proof.leaf;
    int code = find_account(p, &account, tree);
    if (code != PBTS_EXIT_OK) return code;
    *leaf = (pbts_portable_leaf){ .given = true,
                                  .word = account->word,
                                  .public_key = account->public_key,
                                  .user_no = account->user_no,
                                  .path = (const uint8_t(*)[PBTS_SHA256_LEN])p->path };
    pbts_status status =
        pbts_reputation_root_prove(tree, account->user_no, &leaf->index, p->path, &leaf->path_len);
    return status == PBTS_OK ? PBTS_EXIT_OK : say_no_memory(); /* the account is in the tree */
}

/* Reading all batches uses the chain and may take long, so what it lent is copied before. */
static int read_leaf(proving *p, const pbts_trusted_block *block) {
    pbts_reputation_tree *tree;
    pbts_reputation_state state;
    pbts_span kept = { NULL, 0 };
    int code = encode(p, &p->kept, &kept);
    if (code != PBTS_EXIT_OK) return code;
    pbts_status status = pbts_portable_proof_decode(&p->proof, kept);
    if (status != PBTS_OK)
        return say_fail(PBTS_EXIT_IO, "%s: %s", p->out, pbts_status_text(status));
    status = pbts_chain_load_root(p->access.chain, &tree, &state, block, &p->contract,
                                  p->first_block, NULL, NULL);
    if (status != PBTS_OK) return ethereum_fail(&p->access, "the contract's batches", status);
    code = take_leaf(p, tree);
    pbts_reputation_tree_free(tree);
    return code;
}

static bool is_in_root_mode(const pbts_u256 *values, const pbts_eth_account *account) {
    pbts_reputation_state state;
    return account->present && pbts_reputation_state_unpack(&state, values) == PBTS_OK &&
           state.mode == PBTS_REPUTATION_ROOT &&
           memcmp(account->code_hash.bytes, pbts_eth_reputation_code_hash(),
                  PBTS_ETH_CODE_HASH_LEN) == 0;
}

static int read_proof(proving *p) {
    pbts_u256 keys[PBTS_PORTABLE_SLOTS], values[PBTS_PORTABLE_SLOTS];
    pbts_trusted_block block;
    pbts_eth_account account;
    const ethereum_access *access = &p->access;
    pbts_portable_proof_keys(keys, p->proof.uid_hash);
    pbts_status status = pbts_chain_block(access->chain, &block, access->depth_blocks);
    if (status != PBTS_OK) return ethereum_fail(access, "the newest block", status);
    status = pbts_chain_read_words(access->chain, &account, values, NULL, &block, &p->contract,
                                   keys, PBTS_PORTABLE_SLOTS);
    if (status != PBTS_OK) return ethereum_fail(access, "the proof", status);
    take_proof(p);
    int code = take_evidence(p, &block);
    if (code == PBTS_EXIT_OK && is_in_root_mode(values, &account)) code = read_leaf(p, &block);
    if (code != PBTS_EXIT_OK) return code;
    status = pbts_portable_proof_verify(&p->facts, &p->proof);
    return status == PBTS_OK ? PBTS_EXIT_OK : ledger_facts_refuse(p->contract_text, status);
}

static int write_file(proving *p) {
    pbts_span file = { NULL, 0 };
    int code = encode(p, &p->file, &file);
    if (code != PBTS_EXIT_OK) return code;
    return file_replace(p->out, file, 0644, PBTS_PORTABLE_PROOF_MAGIC, "proof");
}

/* Without what is secret in their URLs: the file is for anybody. */
static int take_servers(proving *p) {
    pbts_chain_endpoint all[PBTS_ENDPOINTS_MAX];
    pbts_writer text = pbts_writer_over(p->servers, sizeof p->servers);
    uint32_t count = pbts_chain_endpoints(p->access.chain, all);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) pbts_write_text(&text, ",");
        pbts_chain_origin(&text, all[i].url);
    }
    p->proof.endpoints = pbts_writer_span(&text);
    if (!text.failed) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "--rpc: the names of servers have more than %d characters",
                    PBTS_PORTABLE_ENDPOINTS_LEN_MAX);
}

static int prove(proving *p, const char *uid) {
    size_t uid_len = pbts_span_text(uid).len;
    if (uid_len == 0 || uid_len > PBTS_UID_LEN_MAX)
        return say_fail(PBTS_EXIT_USAGE, "a user's name has 1 to %d characters", PBTS_UID_LEN_MAX);
    pbts_uid_hash(p->proof.uid_hash, pbts_span_text(uid));
    if (p->first_block_text != NULL &&
        !options_number(&p->first_block, p->first_block_text, UINT64_MAX))
        return say_fail(PBTS_EXIT_USAGE, "--first-block %s: should be a number",
                        p->first_block_text);
    int code = ethereum_address_parse(&p->contract, "contract", p->contract_text);
    p->access.beacon.keep_evidence = true;
    if (code == PBTS_EXIT_OK) code = ethereum_open(&p->access);
    if (code == PBTS_EXIT_OK) code = take_servers(p);
    p->proof.chain_id = p->access.chain_id;
    p->proof.contract = p->contract;
    if (code == PBTS_EXIT_OK) code = read_proof(p);
    if (code == PBTS_EXIT_OK) code = write_file(p);
    return code;
}

static void print(const proving *p, const char *uid) {
    char hash[ETHEREUM_HASH_TEXT];
    ethereum_hash_text(hash, p->facts.block_hash.bytes);
    ledger_facts_print(&p->proof, &p->facts);
    (void)printf("check it: pbts ledger verify-proof %s --uid %s --block-hash %s\n", p->out, uid,
                 hash);
}

int pbts_cmd_ledger_prove(int argc, char **argv) {
    static proving p; /* large */
    const command_option options[] = {
        ETHEREUM_OPTIONS(&p.access),
        { "contract", "ADDRESS", &p.contract_text, NULL, true, "the reputation contract" },
        { "out", "FILE", &p.out, NULL, true, "where the proof goes" },
        { "first-block", "N", &p.first_block_text, NULL, false,
          "root mode: the block that the contract was made in, to read from (default: 0)" },
    };
    const command_spec spec = {
        "ledger prove",
        " UID",
        "Prove what a contract says of a user, also that it does not have them, and write the "
        "proof to a\n"
        "file that anybody can check without a server, as long as they know the block's hash from "
        "somebody\n"
        "they trust, or, with --beacon, an earlier block of the beacon chain. In root mode all "
        "batches of\n"
        "the contract are read, and only a user that it has can be proved.\n",
        "  pbts ledger prove alice --rpc http://127.0.0.1:8545 --contract 0x0123… --out a.proof\n",
        options,
        sizeof options / sizeof options[0],
        1,
        1
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = prove(&p, arguments[0]);
    if (code == PBTS_EXIT_OK) print(&p, arguments[0]);
    ethereum_close(&p.access);
    free(p.file);
    free(p.kept);
    return code;
}
