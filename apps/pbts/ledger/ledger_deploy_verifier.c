/* ledger_deploy_verifier.c - `pbts ledger deploy-verifier`: a factory that lets in whom a key
 * service vouches for. */
#include <stdio.h>
#include <string.h>

#include "codec/text.h"
#include "ethereum_create.h"
#include "exit_codes.h"
#include "ledger_commands.h"
#include "options.h"
#include "say.h"

typedef struct {
    ethereum_access access;
    const char *key, *key_file, *max_fee, *public, *lineages;
    bool json;
} deploying;

static int read_public(pbts_bls_public_point *out, const char *text) {
    pbts_bls_public key;
    if (pbts_hex_decode_exact(key.bytes, sizeof key.bytes, pbts_span_text(text)) == PBTS_OK &&
        pbts_bls_public_decode(out, &key) == PBTS_OK)
        return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "--public: should be a key of a service, 192 hexadecimal "
                                     "digits, as `pbts-kms status` shows it");
}

static bool is_there(const pbts_kms_verifier_arguments *arguments, const uint8_t *lineage) {
    for (size_t i = 0; i < arguments->lineages_len; i++) {
        if (memcmp(arguments->lineages[i], lineage, PBTS_KMS_VERIFIER_LINEAGE_LEN) == 0)
            return true;
    }
    return false;
}

static int read_lineages(pbts_kms_verifier_arguments *out, const char *text) {
    for (const char *at = text;; at++) {
        uint8_t lineage[PBTS_KMS_VERIFIER_LINEAGE_LEN];
        size_t len = strcspn(at, ",");
        if (out->lineages_len == PBTS_KMS_VERIFIER_LINEAGES_MAX)
            return say_fail(PBTS_EXIT_USAGE, "--lineage: more than %d",
                            PBTS_KMS_VERIFIER_LINEAGES_MAX);
        if (pbts_hex_decode_exact(lineage, sizeof lineage,
                                  (pbts_span){ (const uint8_t *)at, len }) != PBTS_OK)
            return say_fail(PBTS_EXIT_USAGE, "--lineage: each should be 64 hexadecimal digits");
        if (is_there(out, lineage))
            return say_fail(PBTS_EXIT_USAGE, "--lineage: one is there twice");
        memcpy(out->lineages[out->lineages_len++], lineage, sizeof lineage);
        at += len;
        if (*at == '\0') return PBTS_EXIT_OK;
    }
}

static int tell(const deploying *d, const ethereum_verified *made) {
    char verifier[ETHEREUM_ADDRESS_TEXT], factory[ETHEREUM_ADDRESS_TEXT];
    ethereum_address_text(verifier, &made->verifier);
    ethereum_address_text(factory, &made->factory);
    if (d->json)
        return say_json(json_pack("{s:s, s:s, s:I}", "verifier", verifier, "factory", factory,
                                  "chain_id", (json_int_t)d->access.chain_id));
    (void)printf("verifier   %s\nfactory    %s\nnext\n"
                 "  pbts ledger deploy --rpc %s --factory %s --attestation FILE --key FILE\n",
                 verifier, factory, d->access.rpc, factory);
    return PBTS_EXIT_OK;
}

static int deploy(void *host, ethereum_sender *sender) {
    deploying *d = host;
    ethereum_verified made = { .arguments = { .lineages_len = 0 } };
    int code = read_public(&made.arguments.key, d->public);
    if (code == PBTS_EXIT_OK) code = read_lineages(&made.arguments, d->lineages);
    if (code == PBTS_EXIT_OK) code = ethereum_open(&d->access);
    if (code == PBTS_EXIT_OK) code = ethereum_create_verified(sender, &made);
    return code == PBTS_EXIT_OK ? tell(d, &made) : code;
}

int pbts_cmd_ledger_deploy_verifier(int argc, char **argv) {
    deploying d = { .key = NULL };
    const command_option options[] = {
        ETHEREUM_OPTIONS(&d.access),
        ETHEREUM_SENDER_OPTIONS(&d.key, &d.key_file, &d.max_fee),
        { "public", "HEX", &d.public, NULL, true, "the key service's public key, 192 digits" },
        { "lineage", "HEX,...", &d.lineages, NULL, true,
          "whose trackers are let in, for ever: 1 to 16 of 64 digits" },
        OPTION_JSON(&d.json),
    };
    const command_spec spec = {
        "ledger deploy-verifier",
        "",
        "Make a factory of reputation contracts that lets in only those trackers for which a key\n"
        "service vouches, and the verifier that it asks. Neither has an owner, and nothing in "
        "them\n"
        "can be changed. Whoever pays for them has no rights; nothing else may send from that\n"
        "address meanwhile. Each transaction is named before it is sent. After an interruption\n"
        "start again: a verifier without its factory is of no use, and of no harm.\n",
        "  pbts ledger deploy-verifier --rpc http://127.0.0.1:8545 --eth-key payer.key \\\n"
        "      --public 93e0...2b --lineage 8f3c...e1\n",
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
