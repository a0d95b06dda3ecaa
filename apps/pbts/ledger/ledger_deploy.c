/* ledger_deploy.c - `pbts ledger deploy` and `pbts ledger address`: a contract for a tracker, and
 * which address pays for it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "ethereum_create.h"
#include "exit_codes.h"
#include "files.h"
#include "ledger_commands.h"
#include "options.h"
#include "say.h"

int pbts_cmd_ledger_address(int argc, char **argv) {
    const char *key = NULL, *key_file = NULL;
    bool json = false;
    const command_option options[] = {
        { "key", "FILE", &key, NULL, false, "the tracker's key, DIR/tracker.key" },
        { "eth-key", "FILE", &key_file, NULL, false, "or an Ethereum key of its own, hexadecimal" },
        OPTION_JSON(&json),
    };
    const command_spec spec = {
        "ledger address",
        "",
        "Show the Ethereum address that a tracker writes from. It owns the tracker's contract and "
        "pays\n"
        "for every batch: send some ether to it. Its key is made from the tracker's key, so "
        "nothing else\n"
        "needs to be kept.\n",
        "  pbts ledger address --key ./data/tracker.key\n",
        options,
        sizeof options / sizeof options[0],
        0,
        0
    };
    char **arguments, text[ETHEREUM_ADDRESS_TEXT];
    pbts_secp256k1_secret secret;
    pbts_eth_address address;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = ethereum_key_read(&secret, &address, key, key_file);
    if (code != PBTS_EXIT_OK) return code;
    pbts_wipe(&secret, sizeof secret);
    ethereum_address_text(text, &address);
    if (json) return say_json(json_pack("{s:s}", "address", text));
    (void)printf("%s\n", text);
    return PBTS_EXIT_OK;
}

typedef struct {
    ethereum_access access;
    const char *key, *key_file, *max_fee, *factory, *referrer, *attestation;
    bool json;
} deploying;

/* What was asked for, before anything is sent. */
static int read_wishes(const deploying *d, ethereum_created *out, uint8_t **attestation) {
    int code = PBTS_EXIT_OK;
    if (d->factory == NULL && d->referrer != NULL)
        return say_fail(PBTS_EXIT_USAGE,
                        "--referrer: a predecessor is of the same factory; name it with --factory");
    if (d->factory == NULL && d->attestation != NULL)
        return say_fail(PBTS_EXIT_USAGE,
                        "--attestation: a new factory asks for none; name yours with --factory");
    if (d->factory != NULL) code = ethereum_address_parse(&out->factory, "factory", d->factory);
    if (code == PBTS_EXIT_OK && d->referrer != NULL)
        code = ethereum_address_parse(&out->referrer, "referrer", d->referrer);
    if (code != PBTS_EXIT_OK || d->attestation == NULL) return code;
    size_t len;
    code = file_read(attestation, &len, d->attestation, ETHEREUM_ATTESTATION_MAX);
    if (code == PBTS_EXIT_OK) out->attestation = (pbts_span){ *attestation, len };
    return code;
}

static int create(deploying *d, ethereum_sender *sender, ethereum_created *created) {
    int code = ethereum_open(&d->access);
    if (code == PBTS_EXIT_OK && d->factory == NULL) code = ethereum_create_factory(sender, created);
    if (code == PBTS_EXIT_OK) code = ethereum_create_contract(sender, created);
    if (code != PBTS_EXIT_OK) return code;
    if (d->json) return say_json(ethereum_created_json(sender, created));
    ethereum_created_print(sender, created);
    return PBTS_EXIT_OK;
}

static int deploy(void *host, ethereum_sender *sender) {
    deploying *d = host;
    ethereum_created created = { .made_factory = false };
    uint8_t *attestation = NULL;
    int code = read_wishes(d, &created, &attestation);
    if (code == PBTS_EXIT_OK) code = create(d, sender, &created);
    free(attestation);
    return code;
}

int pbts_cmd_ledger_deploy(int argc, char **argv) {
    deploying d = { .key = NULL };
    const command_option options[] = {
        ETHEREUM_OPTIONS(&d.access),
        ETHEREUM_SENDER_OPTIONS(&d.key, &d.key_file, &d.max_fee),
        { "factory", "ADDRESS", &d.factory, NULL, false,
          "the factory that creates it (default: a new one is deployed)" },
        { "referrer", "ADDRESS", &d.referrer, NULL, false,
          "the predecessor's contract, of the same factory" },
        { "attestation", "FILE", &d.attestation, NULL, false,
          "what the factory's verifier wants to see, as the key service made it" },
        OPTION_JSON(&d.json),
    };
    const command_spec spec = {
        "ledger deploy",
        "",
        "Make a reputation contract for a tracker on an Ethereum chain, wait until it is mined, "
        "prove what\n"
        "stands there, and say what to write into the tracker's configuration. Every transaction "
        "is named\n"
        "before it is sent; after an interruption look for it there, and go on with --factory when "
        "the\n"
        "factory was made.\n",
        "  pbts ledger address --key ./data/tracker.key      # to be funded\n"
        "  pbts ledger deploy --rpc http://127.0.0.1:8545 --key ./data/tracker.key\n",
        options,
        sizeof options / sizeof options[0],
        0,
        0
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    return ethereum_pay(&d.access, d.key, d.key_file, d.max_fee, deploy, &d);
}
