/* ledger_migrate.c - `pbts ledger migrate`: a new contract that follows an old contract, or an
 * exported ledger. */
#include <stdio.h>
#include <string.h>

#include "ethereum_create.h"
#include "exit_codes.h"
#include "ledger_chain.h"
#include "ledger_commands.h"
#include "options.h"
#include "say.h"

enum { SEAL_CALL_MAX = 4 + 32 };

typedef struct {
    ethereum_access access;
    const char *to, *from, *factory, *new_contract;
    const char *key, *key_file, *max_fee, *old_key, *old_key_file;
    bool yes, json, is_contract, is_sealed;
    pbts_eth_address sealed_for; /* when is_sealed; zero: nobody */
    ethereum_created created;
} migrating;

static int say_local(const migrating *m) {
    (void)printf("start the new tracker once with\n  pbts-tracker --data NEW --referrer %s\n"
                 "and with --referrer-claims, when claims were exported too\n",
                 m->from);
    return PBTS_EXIT_OK;
}

/* ---- looking ---- */

static int read_from(migrating *m) {
    ledger_chain chain = { .map = { .path = NULL } };
    m->is_contract = strncmp(m->from, "0x", 2) == 0;
    if (m->is_contract) return ethereum_address_parse(&m->created.referrer, "from", m->from);
    int code = ledger_chain_open(&chain, m->from);
    ledger_chain_close(&chain);
    return code;
}

static int read_addresses(migrating *m) {
    int code = PBTS_EXIT_OK;
    if (m->factory != NULL)
        code = ethereum_address_parse(&m->created.factory, "factory", m->factory);
    if (code == PBTS_EXIT_OK && m->new_contract != NULL)
        code = ethereum_address_parse(&m->created.contract, "new", m->new_contract);
    if (code == PBTS_EXIT_OK && m->is_contract && m->factory == NULL)
        code = say_fail(PBTS_EXIT_USAGE, "--factory: name the factory that made %s", m->from);
    if (code == PBTS_EXIT_OK && m->new_contract != NULL && !m->is_contract)
        code =
            say_fail(PBTS_EXIT_USAGE, "--new: is for sealing a contract, which %s is not", m->from);
    return code;
}

static int look(const migrating *m, pbts_reputation_state *out, const pbts_eth_address *contract) {
    pbts_trusted_block block;
    const ethereum_access *access = &m->access;
    pbts_status status = pbts_chain_block(access->chain, &block, access->depth_blocks);
    if (status == PBTS_OK) status = ethereum_contract(access, out, &block, contract);
    return status == PBTS_OK ? PBTS_EXIT_OK : ethereum_contract_fail(access, contract, status);
}

/* The old contract is one. */
static int check_old(migrating *m) {
    pbts_reputation_state state = { .sealed = false };
    int code = look(m, &state, &m->created.referrer);
    if (code != PBTS_EXIT_OK) return code;
    m->is_sealed = state.sealed;
    m->sealed_for = state.successor;
    return PBTS_EXIT_OK;
}

/* The new contract is there already, and follows the old one, which is sealed for no other. */
static int check_new(const migrating *m) {
    pbts_reputation_state state = { .sealed = false };
    char text[ETHEREUM_ADDRESS_TEXT];
    int code = look(m, &state, &m->created.contract);
    if (code != PBTS_EXIT_OK) return code;
    if (!pbts_eth_address_equal(&state.referrer, &m->created.referrer))
        return say_fail(PBTS_EXIT_REFUSED, "--new %s: this contract does not follow %s",
                        m->new_contract, m->from);
    if (!m->is_sealed || pbts_eth_address_equal(&m->sealed_for, &m->created.contract))
        return PBTS_EXIT_OK;
    ethereum_address_text(text, &m->sealed_for);
    return say_fail(PBTS_EXIT_REFUSED, "%s: is sealed for %s, which cannot be taken back", m->from,
                    text);
}

static void note_other_successor(const migrating *m) {
    static const pbts_eth_address NOBODY = { { 0 } };
    char text[ETHEREUM_ADDRESS_TEXT];
    if (!m->is_sealed || pbts_eth_address_equal(&m->sealed_for, &NOBODY)) return;
    ethereum_address_text(text, &m->sealed_for);
    say_note("%s is sealed for %s: that is where it sends its users", m->from, text);
}

/* ---- sealing ---- */

static int seal(migrating *m) {
    ethereum_sender old;
    ethereum_mined mined;
    uint8_t call[SEAL_CALL_MAX];
    pbts_writer writer = pbts_writer_over(call, sizeof call);
    pbts_reputation_call_seal(&writer, &m->created.contract);
    int code = ethereum_sender_begin(&old, &m->access, m->old_key, m->old_key_file, m->max_fee);
    if (code == PBTS_EXIT_OK)
        code = ethereum_send(&old, &mined, "the seal", &m->created.referrer,
                             pbts_writer_span(&writer), 0);
    ethereum_sender_end(&old);
    if (code == PBTS_EXIT_OK) code = check_old(m);
    if (code == PBTS_EXIT_OK && !m->is_sealed)
        code = say_fail(PBTS_EXIT_IO, "the seal: was mined, but the contract is not sealed");
    return code;
}

static int seal_if_asked(migrating *m) {
    bool is_asked = m->is_contract && (m->old_key != NULL || m->old_key_file != NULL);
    if (!is_asked || m->is_sealed) return PBTS_EXIT_OK;
    int code = seal(m);
    if (code == PBTS_EXIT_OK) return code;
    char text[ETHEREUM_ADDRESS_TEXT];
    ethereum_address_text(text, &m->created.contract);
    return say_fail(
        code, "the new contract is there, the old one is not sealed; go on with --new %s", text);
}

/* ---- what it says ---- */

static int print(const migrating *m, const ethereum_sender *sender) {
    if (m->json) {
        json_t *out = ethereum_created_json(sender, &m->created);
        if (out == NULL || json_object_set_new(out, "from_sealed", json_boolean(m->is_sealed)) != 0)
            return say_no_memory();
        return say_json(out);
    }
    ethereum_created_print(sender, &m->created);
    if (!m->is_contract) (void)printf("  referrer = %s\n", m->from);
    if (m->is_contract && !m->is_sealed)
        (void)printf("the old contract is not sealed: its owner can still write to it\n");
    return PBTS_EXIT_OK;
}

static int migrate(void *host, ethereum_sender *sender) {
    migrating *m = host;
    int code = ethereum_open(&m->access);
    if (code == PBTS_EXIT_OK && m->is_contract) code = check_old(m);
    if (code != PBTS_EXIT_OK) return code;
    if (!m->yes)
        return say_fail(PBTS_EXIT_USAGE,
                        "nothing was done; this costs ether, and a seal cannot be taken back: say "
                        "--yes when you are sure");
    if (m->new_contract != NULL) {
        code = check_new(m);
        if (code == PBTS_EXIT_OK) code = seal_if_asked(m);
        if (code == PBTS_EXIT_OK && !m->json)
            (void)printf("sealed     %s\nsuccessor  %s\n", m->from, m->new_contract);
        if (code != PBTS_EXIT_OK || !m->json) return code;
        return say_json(json_pack("{s:s, s:s, s:b}", "referrer", m->from, "contract",
                                  m->new_contract, "from_sealed", m->is_sealed));
    }
    note_other_successor(m);
    if (m->factory == NULL) code = ethereum_create_factory(sender, &m->created);
    if (code == PBTS_EXIT_OK) code = ethereum_create_contract(sender, &m->created);
    if (code == PBTS_EXIT_OK) code = seal_if_asked(m);
    return code == PBTS_EXIT_OK ? print(m, sender) : code;
}

static int run(migrating *m) {
    int code = read_from(m);
    if (code != PBTS_EXIT_OK) return code;
    if (strcmp(m->to, "local") == 0 && !m->is_contract) return say_local(m);
    if (strcmp(m->to, "ethereum") != 0)
        return say_fail(PBTS_EXIT_USAGE,
                        "--to %s: should be ethereum, or local for an exported ledger", m->to);
    if (m->access.rpc == NULL) return say_fail(PBTS_EXIT_USAGE, "--rpc: which servers?");
    code = read_addresses(m);
    if (code != PBTS_EXIT_OK) return code;
    return ethereum_pay(&m->access, m->key, m->key_file, m->max_fee, migrate, m);
}

int pbts_cmd_ledger_migrate(int argc, char **argv) {
    migrating m = { .to = NULL };
    command_option options[] = {
        ETHEREUM_OPTIONS(&m.access),
        ETHEREUM_SENDER_OPTIONS(&m.key, &m.key_file, &m.max_fee),
        { "to", "LEDGER", &m.to, NULL, true, "where accounts go: ethereum, or local" },
        { "from", "WHAT", &m.from, NULL, true,
          "where they are: a contract's address, or a file of \"ledger export\"" },
        { "factory", "ADDRESS", &m.factory, NULL, false,
          "the factory that creates the new contract; of a contract, its own" },
        { "old-key", "FILE", &m.old_key, NULL, false,
          "the old contract's tracker key: it is sealed for the new one" },
        { "old-eth-key", "FILE", &m.old_key_file, NULL, false, "or its owner's Ethereum key" },
        { "new", "ADDRESS", &m.new_contract, NULL, false,
          "the new contract, when it is there already: only seal" },
        { "yes", NULL, NULL, &m.yes, false, "do it; without this it only looks" },
        OPTION_JSON(&m.json),
    };
    options[0].required = false; /* not for --to local */
    const command_spec spec = {
        "ledger migrate",
        "",
        "Make a contract that follows another one, or a local ledger: the old accounts are found "
        "through\n"
        "it and copied when they are first used. With the old contract's key it is sealed, so that "
        "nobody\n"
        "writes to it any more.\n",
        "  pbts ledger migrate --to ethereum --from 0x0123… --factory 0x4567… \\\n"
        "      --rpc http://127.0.0.1:8545 --key new/tracker.key --old-key old/tracker.key --yes\n"
        "  pbts ledger migrate --to ethereum --from ledger.bin --rpc … --key data/tracker.key "
        "--yes\n"
        "  pbts ledger migrate --to local --from ledger.bin\n",
        options,
        sizeof options / sizeof options[0],
        0,
        0
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    return code == OPTIONS_GO_ON ? run(&m) : code;
}
