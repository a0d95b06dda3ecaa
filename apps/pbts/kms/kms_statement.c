/* pbts kms statement - have a key service vouch for who will own a contract: the file that
 * `pbts ledger deploy --attestation` takes. In the guest that the tracker runs in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/simulator.h"
#include "bls/eip2537.h"
#include "codec/text.h"
#include "exit_codes.h"
#include "files.h"
#include "kms/kms_ask.h"
#include "kms/kms_commands.h"
#include "ledger/ethereum_access.h"
#include "options.h"
#include "say.h"
#include "tee/tee.h"
#include "tee/tee_part.h"

enum {
    VALID_S = 3600,
    CLAIMS_AT = 48, /* lineage, measurement, expiry: what the contract does not know */
    ATTESTATION_LEN = PBTS_KMS_STATEMENT_LEN - CLAIMS_AT + PBTS_EIP2537_G1_LEN,
};

typedef struct {
    kms_ask_options ask;
    const char *tee, *path, *collateral, *chain_id, *verifier, *owner, *valid, *out;
} statement_request;

/* Too large for a stack. Zeroed, it may be cleaned up. */
typedef struct {
    pbts_kms_fetch_config config;
    pbts_kms_members members;
    pbts_kms_fetch_report report;
    pbts_tee *tee;
    pbts_tee_evidence evidence;
    pbts_simulator *simulator;        /* whose collateral it is; NULL: */
    pbts_collateral_files collateral; /* of files */
    pbts_kms_statement statement;
} statement_work;

/* ---- evidence ---- */

static pbts_status make(void *host, pbts_span *quote, pbts_collateral_files *collateral,
                        const uint8_t report_data[static PBTS_REPORT_DATA_LEN]) {
    statement_work *work = host;
    pbts_tee_evidence_free(&work->evidence);
    work->evidence = (pbts_tee_evidence){ .len = 0 };
    PBTS_TRY(pbts_tee_generate(work->tee, &work->evidence, report_data));
    *quote = (pbts_span){ work->evidence.bytes, work->evidence.len };
    *collateral = work->collateral;
    return PBTS_OK;
}

static int open_tee(statement_work *work, const statement_request *request) {
    pbts_tee_config config = { .path = request->path };
    if (strcmp(request->tee, pbts_tee_kind_text(PBTS_TEE_TDX)) == 0) {
        config.kind = PBTS_TEE_TDX;
    } else if (strcmp(request->tee, pbts_tee_kind_text(PBTS_TEE_DSTACK)) == 0) {
        config.kind = PBTS_TEE_DSTACK;
    } else if (strcmp(request->tee, pbts_tee_kind_text(PBTS_TEE_SIMULATOR)) == 0) {
        config.kind = PBTS_TEE_SIMULATOR;
    } else {
        return say_fail(PBTS_EXIT_USAGE, "--tee %s: should be tdx, dstack or simulator",
                        request->tee);
    }
    work->config.client.is_simulated = config.kind == PBTS_TEE_SIMULATOR;
    return pbts_tee_open(&work->tee, &config) == PBTS_OK
               ? PBTS_EXIT_OK
               : say_fail(PBTS_EXIT_IO, "--path: the TEE cannot be opened");
}

static int open_collateral(statement_work *work, const statement_request *request) {
    if (!work->config.client.is_simulated) {
        if (request->collateral == NULL)
            return say_fail(PBTS_EXIT_USAGE, "kms statement needs --collateral DIR");
        return tee_part_read_collateral(&work->collateral, request->collateral);
    }
    if (pbts_simulator_new(&work->simulator, pbts_mem_system(), (uint64_t)time(NULL)) != PBTS_OK)
        return say_no_memory();
    pbts_simulator_collateral(&work->collateral, work->simulator);
    return PBTS_EXIT_OK;
}

static int say_no_evidence(const statement_work *work) {
    return say_fail(PBTS_EXIT_IO, "no evidence: %s", pbts_tee_problem(work->tee));
}

/* What runs here, of a quote for nothing: the statement is in the report_data of the next one. */
static int measure(statement_work *work) {
    const uint8_t nothing[PBTS_REPORT_DATA_LEN] = { 0 };
    pbts_span bytes;
    pbts_collateral_files collateral;
    pbts_quote quote;
    if (make(work, &bytes, &collateral, nothing) != PBTS_OK) return say_no_evidence(work);
    if (pbts_quote_parse(&quote, bytes) != PBTS_ATTEST_ACCEPTED)
        return say_fail(PBTS_EXIT_REFUSED, "the evidence of this machine is no TDX quote");
    pbts_kms_measure(work->statement.measurement, &quote.td);
    return PBTS_EXIT_OK;
}

/* ---- the statement ---- */

static int read_statement(statement_work *work, const statement_request *request) {
    pbts_kms_statement *statement = &work->statement;
    pbts_eth_address verifier, owner;
    uint64_t valid_s = VALID_S;
    if (!options_number(&statement->chain_id, request->chain_id, UINT64_MAX) ||
        (request->valid != NULL &&
         (!options_number(&valid_s, request->valid, UINT32_MAX) || valid_s == 0)))
        return say_fail(PBTS_EXIT_USAGE, "--chain-id, --valid: a number");
    int code = ethereum_address_parse(&verifier, "verifier", request->verifier);
    if (code == PBTS_EXIT_OK) code = ethereum_address_parse(&owner, "owner", request->owner);
    if (code != PBTS_EXIT_OK) return code;
    memcpy(statement->verifier, verifier.bytes, sizeof statement->verifier);
    memcpy(statement->owner, owner.bytes, sizeof statement->owner);
    statement->lineage = work->config.client.lineage;
    statement->expiry_s = (uint64_t)time(NULL) + valid_s;
    return PBTS_EXIT_OK;
}

static int write_attestation(const char *path, const uint8_t *message,
                             const pbts_bls_signature *signature) {
    uint8_t bytes[ATTESTATION_LEN], point_bytes[PBTS_EIP2537_G1_LEN];
    pbts_bls_g1_point point;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_status status = pbts_bls_signature_decode(&point, signature);
    if (status != PBTS_OK) return kms_ask_fail(status, "statement", 0);
    pbts_eip2537_signature(point_bytes, &point);
    pbts_write_bytes(&writer,
                     (pbts_span){ message + CLAIMS_AT, PBTS_KMS_STATEMENT_LEN - CLAIMS_AT });
    pbts_write_bytes(&writer, PBTS_SPAN_OF(point_bytes));
    return file_create(path, pbts_writer_span(&writer), 0644);
}

static void tell(const statement_work *work) {
    char hex[2 * PBTS_MEASUREMENT_LEN + 1];
    pbts_writer writer = pbts_writer_over((uint8_t *)hex, sizeof hex);
    pbts_hex_encode(&writer, PBTS_SPAN_OF(work->statement.measurement));
    pbts_write_u8(&writer, 0);
    (void)printf("measurement  %s\nexpires      %llu\n", hex,
                 (unsigned long long)work->statement.expiry_s);
    if (work->config.client.is_simulated) (void)printf("evidence     SIMULATED\n");
}

static int fetch(statement_work *work, const char *out) {
    pbts_kms_client_config *client = &work->config.client;
    pbts_bls_signature signature;
    client->kind = PBTS_KMS_ASK_STATEMENT;
    pbts_kms_statement_encode(client->statement, &work->statement);
    work->config.evidence = (pbts_kms_evidence){ work, make };
    pbts_status status = pbts_kms_fetch_signature(&signature, &work->report, &work->config);
    if (status != PBTS_OK && pbts_tee_problem(work->tee)[0] != '\0') return say_no_evidence(work);
    kms_ask_tell(&work->report, work->members.nodes);
    if (status != PBTS_OK) return kms_ask_fail(status, "statement", client->threshold);
    tell(work);
    return write_attestation(out, client->statement, &signature);
}

static int run_with(statement_work *work, const statement_request *request) {
    int code = kms_ask_read(&work->config, &work->members, &request->ask);
    if (code == PBTS_EXIT_OK) code = read_statement(work, request);
    if (code == PBTS_EXIT_OK) code = open_tee(work, request);
    if (code == PBTS_EXIT_OK) code = open_collateral(work, request);
    if (code == PBTS_EXIT_OK) code = measure(work);
    return code == PBTS_EXIT_OK ? fetch(work, request->out) : code;
}

static int run(const statement_request *request) {
    statement_work *work = calloc(1, sizeof *work);
    if (work == NULL) return say_no_memory();
    int code = run_with(work, request);
    if (work->tee != NULL) pbts_tee_close(work->tee);
    pbts_tee_evidence_free(&work->evidence);
    if (work->simulator == NULL) tee_part_free_collateral(&work->collateral);
    pbts_simulator_free(work->simulator);
    free(work);
    return code;
}

int pbts_cmd_kms_statement(int argc, char **argv) {
    statement_request request = { 0 };
    const command_option options[] = {
        KMS_ASK_OPTIONS(request.ask),
        { "tee", "KIND", &request.tee, NULL, true,
          "where the quote comes from: tdx, dstack, or simulator, which no node believes" },
        { "path", "PATH", &request.path, NULL, false,
          "of configfs-tsm's folder or the agent's socket, instead of the usual one" },
        { "collateral", "DIR", &request.collateral, NULL, false,
          "what Intel says of the platform, as for \"pbts tee verify\"" },
        { "chain-id", "N", &request.chain_id, NULL, true, "the chain" },
        { "verifier", "ADDRESS", &request.verifier, NULL, true,
          "the verifier there, of \"pbts ledger deploy-verifier\"" },
        { "owner", "ADDRESS", &request.owner, NULL, true,
          "who will own the contract, of \"pbts ledger address\"" },
        { "valid", "SECONDS", &request.valid, NULL, false, "for how long; default 3600" },
        { "out", "FILE", &request.out, NULL, true, "where it goes; a new file" },
    };
    const command_spec spec = {
        .name = "kms statement",
        .arguments = "",
        .about =
            "Has a key service vouch, to a contract's verifier, that this guest runs what\n"
            "its nodes allow, and for whom. What it writes is for\n"
            "\"pbts ledger deploy --attestation\". Nodes vouch for guests of a real TEE only,\n"
            "and no longer ahead than their policy says (kms_statement_max_s).\n",
        .examples = "  pbts kms statement --members members --public 93e0...2b --threshold 3 \\\n"
                    "      --lineage 8f3c...e1 --tee tdx --collateral collateral --chain-id 1 \\\n"
                    "      --verifier 0x5b...d2 --owner 0x71...0c --out attestation\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    return code == OPTIONS_GO_ON ? run(&request) : code;
}
