/* pbts kms key - ask a key service as a tracker does, with the simulator's evidence: to see that a
 * service works, and for whom. A tracker in a TEE asks by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "attest/simulator.h"
#include "base/secret.h"
#include "codec/text.h"
#include "exit_codes.h"
#include "files.h"
#include "hash/sha.h"
#include "kms/kms_ask.h"
#include "kms/kms_commands.h"
#include "options.h"
#include "say.h"

typedef struct {
    kms_ask_options ask;
    const char *out;
    bool simulate;
} kms_request;

/* ---- evidence ---- */

typedef struct {
    pbts_simulator *simulator;
    uint8_t quote[PBTS_SIMULATOR_QUOTE_MAX];
} simulated;

static pbts_status make(void *host, pbts_span *quote, pbts_collateral_files *collateral,
                        const uint8_t report_data[static PBTS_REPORT_DATA_LEN]) {
    simulated *s = host;
    pbts_writer writer = pbts_writer_over(s->quote, sizeof s->quote);
    PBTS_TRY(pbts_simulator_quote(&writer, s->simulator, report_data));
    pbts_simulator_collateral(collateral, s->simulator);
    *quote = pbts_writer_span(&writer);
    return PBTS_OK;
}

/* ---- what came of it ---- */

static int write_key(const char *path, const uint8_t key[static PBTS_KMS_KEY_TRK_LEN]) {
    uint8_t line[2 * PBTS_KMS_KEY_TRK_LEN + 1];
    pbts_writer writer = pbts_writer_over(line, sizeof line);
    pbts_hex_encode(&writer, (pbts_span){ key, PBTS_KMS_KEY_TRK_LEN });
    pbts_write_text(&writer, "\n");
    int code = file_create(path, pbts_writer_span(&writer), 0600);
    pbts_wipe(line, sizeof line);
    return code;
}

/* A fingerprint, so that keys can be compared without being shown. */
static int tell_key(const uint8_t key[static PBTS_KMS_KEY_TRK_LEN], const char *out) {
    uint8_t digest[PBTS_SHA256_LEN];
    char hex[2 * PBTS_SHA256_LEN + 1];
    pbts_writer writer = pbts_writer_over((uint8_t *)hex, sizeof hex);
    pbts_sha256(digest, (pbts_span){ key, PBTS_KMS_KEY_TRK_LEN });
    pbts_hex_encode(&writer, PBTS_SPAN_OF(digest));
    pbts_write_u8(&writer, 0);
    (void)printf("evidence     SIMULATED\nfingerprint  %s\n", hex);
    return out != NULL ? write_key(out, key) : PBTS_EXIT_OK;
}

static int fetch(const pbts_kms_fetch_config *config, const char *out) {
    uint8_t key[PBTS_KMS_KEY_TRK_LEN];
    pbts_kms_fetch_report report;
    pbts_status status = pbts_kms_fetch_key(key, &report, config);
    kms_ask_tell(&report, config->members->nodes);
    int code = status == PBTS_OK ? tell_key(key, out)
                                 : kms_ask_fail(status, "key", config->client.threshold);
    pbts_wipe(key, sizeof key);
    return code;
}

/* Too large for a stack. */
typedef struct {
    pbts_kms_fetch_config config;
    pbts_kms_members members;
    simulated evidence;
} kms_work;

static int run_with(kms_work *work, const kms_request *request) {
    int code = kms_ask_read(&work->config, &work->members, &request->ask);
    if (code != PBTS_EXIT_OK) return code;
    if (!request->simulate)
        return say_fail(PBTS_EXIT_USAGE, "this command has no evidence but the simulator's: "
                                         "say --simulate if that is meant");
    pbts_status status =
        pbts_simulator_new(&work->evidence.simulator, pbts_mem_system(), (uint64_t)time(NULL));
    if (status != PBTS_OK) return say_no_memory();
    work->config.client.is_simulated = true;
    work->config.evidence = (pbts_kms_evidence){ &work->evidence, make };
    code = fetch(&work->config, request->out);
    pbts_simulator_free(work->evidence.simulator);
    return code;
}

static int run(const kms_request *request) {
    kms_work *work = calloc(1, sizeof *work);
    if (work == NULL) return say_no_memory();
    int code = run_with(work, request);
    free(work);
    return code;
}

int pbts_cmd_kms_key(int argc, char **argv) {
    kms_request request = { 0 };
    const command_option options[] = {
        KMS_ASK_OPTIONS(request.ask),
        { "simulate", NULL, NULL, &request.simulate, false, "with the simulator's evidence" },
        { "out", "FILE", &request.out, NULL, false, "write the key there, mode 0600" },
    };
    const command_spec spec = {
        .name = "kms key",
        .arguments = "",
        .about =
            "Asks a key service for a key as a tracker does, says what came of each node, and\n"
            "shows the key's fingerprint. The simulator's evidence is refused unless a node\n"
            "was told to let it through, and gives a key that no real tracker has.\n",
        .examples = "  pbts kms key --members members --public 93e0…2b --threshold 3 \\\n"
                    "      --lineage 8f3c…e1 --simulate\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    return code == OPTIONS_GO_ON ? run(&request) : code;
}
