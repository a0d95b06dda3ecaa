/* ledger_status.c - `pbts ledger status`: what a contract says, proved, and how the servers are. */
#include <inttypes.h>
#include <stdio.h>

#include "ethereum_access.h"
#include "exit_codes.h"
#include "ledger_commands.h"
#include "net/clock.h"
#include "options.h"
#include "say.h"

enum { OLD_S = 600 };

typedef struct {
    ethereum_access access;
    const char *contract_text;
    bool json;
    pbts_eth_address contract;
    pbts_trusted_block block;
    pbts_reputation_state state;
    pbts_u256 balance_wei; /* of the owner */
} looking;

static int look(looking *l) {
    const ethereum_access *access = &l->access;
    pbts_eth_account owner;
    pbts_status status = pbts_chain_block(access->chain, &l->block, access->depth_blocks);
    if (status != PBTS_OK) return ethereum_fail(access, "the newest block", status);
    status = ethereum_contract(access, &l->state, &l->block, &l->contract);
    if (status != PBTS_OK) return ethereum_contract_fail(access, &l->contract, status);
    status = pbts_chain_read_words(access->chain, &owner, NULL, NULL, &l->block, &l->state.owner,
                                   NULL, 0);
    if (status != PBTS_OK) return ethereum_fail(access, "the owner's account", status);
    l->balance_wei = owner.present ? owner.balance_wei : pbts_u256_from_u64(0);
    return PBTS_EXIT_OK;
}

static const char *mode_name(pbts_reputation_mode mode) {
    static const char *const NAMES[] = { "none yet", "slots", "root" };
    return NAMES[mode];
}

static uint64_t age_s(const looking *l) {
    uint64_t now_s = pbts_clock_unix_ms() / 1000;
    return now_s > l->block.timestamp_s ? now_s - l->block.timestamp_s : 0;
}

/* ---- servers ---- */

static json_t *endpoints_json(const ethereum_access *access) {
    pbts_chain_endpoint all[PBTS_ENDPOINTS_MAX];
    uint32_t count = pbts_chain_endpoints(access->chain, all);
    json_t *out = json_array();
    for (uint32_t i = 0; i < count; i++) {
        const pbts_endpoint *e = &all[i].state;
        json_t *head = e->has_head ? json_integer((json_int_t)e->head) : json_null();
        json_t *one = json_pack("{s:s, s:o, s:I, s:I, s:s}", "url", all[i].url, "head", head,
                                "good", (json_int_t)e->good_count, "bad", (json_int_t)e->bad_count,
                                "last", pbts_endpoint_outcome_name(e->last));
        if (json_array_append_new(out, one) != 0) break;
    }
    return out;
}

static void print_endpoints(const ethereum_access *access) {
    pbts_chain_endpoint all[PBTS_ENDPOINTS_MAX];
    uint32_t count = pbts_chain_endpoints(access->chain, all);
    for (uint32_t i = 0; i < count; i++) {
        const pbts_endpoint *e = &all[i].state;
        (void)printf("server     ");
        say_clean(stdout, pbts_span_text(all[i].url));
        if (e->has_head) (void)printf(", block %" PRIu64, e->head);
        (void)printf(", %" PRIu64 " good, %" PRIu64 " bad, last %s\n", e->good_count, e->bad_count,
                     pbts_endpoint_outcome_name(e->last));
    }
}

/* ---- what it says ---- */

typedef struct {
    char contract[ETHEREUM_ADDRESS_TEXT], owner[ETHEREUM_ADDRESS_TEXT];
    char referrer[ETHEREUM_ADDRESS_TEXT], successor[ETHEREUM_ADDRESS_TEXT];
    char block[ETHEREUM_HASH_TEXT], head[ETHEREUM_HASH_TEXT], iid[ETHEREUM_HASH_TEXT];
    char root[ETHEREUM_HASH_TEXT], balance[ETHEREUM_ETHER_TEXT];
    bool has_referrer, has_successor;
} status_texts;

static status_texts texts_of(const looking *l) {
    static const pbts_eth_address NOBODY = { { 0 } };
    status_texts out;
    uint8_t iid[32];
    pbts_reputation_iid(iid, l->access.chain_id, &l->contract);
    ethereum_address_text(out.contract, &l->contract);
    ethereum_address_text(out.owner, &l->state.owner);
    ethereum_address_text(out.referrer, &l->state.referrer);
    ethereum_address_text(out.successor, &l->state.successor);
    ethereum_hash_text(out.block, l->block.block_hash.bytes);
    ethereum_hash_text(out.head, l->state.head.bytes);
    ethereum_hash_text(out.root, l->state.root);
    ethereum_hash_text(out.iid, iid);
    ethereum_ether_text(out.balance, &l->balance_wei);
    out.has_referrer = !pbts_eth_address_equal(&l->state.referrer, &NOBODY);
    out.has_successor = !pbts_eth_address_equal(&l->state.successor, &NOBODY);
    return out;
}

static int print_json(const looking *l) {
    const pbts_reputation_state *c = &l->state;
    status_texts text = texts_of(l);
    return say_json(json_pack(
        "{s:I, s:{s:I, s:s, s:I, s:I}, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:s, s:s?, s:s?, "
        "s:s, s:s, s:I, s:o}",
        "chain_id", (json_int_t)l->access.chain_id, "block", "number",
        (json_int_t)l->block.block_number, "hash", text.block, "unix_time",
        (json_int_t)l->block.timestamp_s, "age_s", (json_int_t)age_s(l), "contract", text.contract,
        "iid", text.iid + 2, "owner", text.owner, "owner_ether", text.balance, "sequence",
        (json_int_t)c->sequence, "epoch", (json_int_t)c->epoch, "users", (json_int_t)c->user_count,
        "sealed", c->sealed, "mode", mode_name(c->mode), "successor",
        text.has_successor ? text.successor : NULL, "referrer",
        text.has_referrer ? text.referrer : NULL, "head", text.head, "root", text.root, "quorum",
        (json_int_t)l->access.quorum_len, "endpoints", endpoints_json(&l->access)));
}

static int print_text(const looking *l) {
    const pbts_reputation_state *c = &l->state;
    status_texts text = texts_of(l);
    (void)printf("contract   %s, chain %" PRIu64 "\niid        %s\nowner      %s, has %s ether\n",
                 text.contract, l->access.chain_id, text.iid + 2, text.owner, text.balance);
    (void)printf("batches    %" PRIu64 ", the last in epoch %" PRIu64 "\nusers      %" PRIu32
                 "\nmode       %s\nhead       %s\n",
                 c->sequence, c->epoch, c->user_count, mode_name(c->mode), text.head);
    if (c->mode == PBTS_REPUTATION_ROOT) (void)printf("root       %s\n", text.root);
    if (text.has_referrer) (void)printf("referrer   %s\n", text.referrer);
    if (c->sealed)
        (void)printf("sealed     successor %s\n", text.has_successor ? text.successor : "none");
    (void)printf("proved in  block %" PRIu64 " %s, %" PRIu64 " s old, ", l->block.block_number,
                 text.block, age_s(l));
    if (l->access.quorum_len == 0) {
        (void)printf("%s\n", l->access.depth_blocks > 0 ? "final by the light client"
                                                        : "signed for by a sync committee");
    } else {
        (void)printf("named by %" PRIu32 " of %" PRIu32 " servers or more\n", l->access.quorum_len,
                     l->access.endpoints);
    }
    print_endpoints(&l->access);
    if (age_s(l) > OLD_S) say_note("the newest block is old: is the chain standing still?");
    return PBTS_EXIT_OK;
}

int pbts_cmd_ledger_status(int argc, char **argv) {
    looking l = { .json = false };
    const command_option options[] = {
        ETHEREUM_OPTIONS(&l.access),
        { "contract", "ADDRESS", &l.contract_text, NULL, true, "the reputation contract" },
        OPTION_JSON(&l.json),
    };
    const command_spec spec = {
        "ledger status",
        "",
        "Show what a reputation contract says of itself, proved in a block that enough servers "
        "name, and\n"
        "how the servers behaved.\n",
        "  pbts ledger status --rpc http://127.0.0.1:8545 --contract 0x0123…\n",
        options,
        sizeof options / sizeof options[0],
        0,
        0
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = ethereum_address_parse(&l.contract, "contract", l.contract_text);
    if (code == PBTS_EXIT_OK) code = ethereum_open(&l.access);
    if (code == PBTS_EXIT_OK) code = look(&l);
    if (code == PBTS_EXIT_OK) code = l.json ? print_json(&l) : print_text(&l);
    ethereum_close(&l.access);
    return code;
}
