/* `pbts tee generate`: evidence of the machine that this runs on, into a file. */
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"
#include "exit_codes.h"
#include "files.h"
#include "options.h"
#include "say.h"
#include "tee/tee.h"
#include "tee_binding.h"
#include "tee_commands.h"

enum { PATIENCE_MAX_S = 3600 };

typedef struct {
    const char *tee, *path, *report_data, *patience, *out, *event_log;
    tee_binding_options binding;
} generate_request;

static int read_kind(pbts_tee_kind *out, const char *text) {
    for (unsigned i = PBTS_TEE_NONE + 1; i < PBTS_TEE_KINDS; i++) {
        if (strcmp(text, pbts_tee_kind_text((pbts_tee_kind)i)) != 0) continue;
        *out = (pbts_tee_kind)i;
        return PBTS_EXIT_OK;
    }
    return say_fail(PBTS_EXIT_USAGE, "--tee %s: should be tdx, sev, dstack or simulator", text);
}

static int read_report_data(uint8_t out[static PBTS_REPORT_DATA_LEN],
                            const generate_request *request) {
    if (tee_binding_is_given(&request->binding)) {
        if (request->report_data == NULL) return tee_binding_read(out, &request->binding);
        return say_fail(PBTS_EXIT_USAGE, "either --report-data, or what it is made of");
    }
    if (request->report_data == NULL)
        return say_fail(PBTS_EXIT_USAGE, "tee generate needs --report-data HEX, or --nonce HEX, "
                                         "--iid HEX and --tracker-key KEY");
    if (pbts_hex_decode_exact(out, PBTS_REPORT_DATA_LEN, pbts_span_text(request->report_data)) ==
        PBTS_OK)
        return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "--report-data should be %d hexadecimal digits",
                    2 * PBTS_REPORT_DATA_LEN);
}

static int read_config(pbts_tee_config *out, const generate_request *request) {
    uint64_t seconds = PBTS_TEE_PATIENCE_MS / 1000;
    *out = (pbts_tee_config){ .path = request->path };
    if (request->patience != NULL &&
        (!options_number(&seconds, request->patience, PATIENCE_MAX_S) || seconds == 0))
        return say_fail(PBTS_EXIT_USAGE, "--patience should be 1 to %d seconds", PATIENCE_MAX_S);
    out->patience_ms = (uint32_t)seconds * 1000;
    return read_kind(&out->kind, request->tee);
}

static int write_evidence(const pbts_tee_evidence *evidence, const generate_request *request) {
    int code = file_create(request->out, (pbts_span){ evidence->bytes, evidence->len }, 0644);
    if (code != PBTS_EXIT_OK || request->event_log == NULL) return code;
    return file_create(request->event_log,
                       (pbts_span){ evidence->event_log, evidence->event_log_len }, 0644);
}

static int generate(const pbts_tee_config *config, const generate_request *request,
                    const uint8_t report_data[static PBTS_REPORT_DATA_LEN]) {
    pbts_tee *tee;
    pbts_tee_evidence evidence;
    pbts_status status = pbts_tee_open(&tee, config);
    if (status != PBTS_OK) return say_fail(PBTS_EXIT_IO, "%s", pbts_status_text(status));
    status = pbts_tee_generate(tee, &evidence, report_data);
    int code = PBTS_EXIT_OK;
    if (status != PBTS_OK) {
        const char *problem = pbts_tee_problem(tee);
        code = say_fail(PBTS_EXIT_IO, "no evidence (%s): %s", pbts_status_name(status),
                        problem[0] != '\0' ? problem : pbts_status_text(status));
    } else {
        code = write_evidence(&evidence, request);
        pbts_tee_evidence_free(&evidence);
    }
    pbts_tee_close(tee);
    if (code == PBTS_EXIT_OK && config->kind == PBTS_TEE_SIMULATOR)
        say_note("SIMULATED: this evidence proves nothing");
    return code;
}

int pbts_cmd_tee_generate(int argc, char **argv) {
    generate_request request = { 0 };
    const command_option options[] = {
        { "tee", "KIND", &request.tee, NULL, true,
          "tdx or sev (the kernel's configfs-tsm), dstack (its guest agent),\n"
          "or simulator, whose evidence proves nothing" },
        { "out", "FILE", &request.out, NULL, true, "where the evidence goes; a new file" },
        { "event-log", "FILE", &request.event_log, NULL, false,
          "where dstack's event log goes; a new file" },
        { "path", "PATH", &request.path, NULL, false,
          "of configfs-tsm's folder or the agent's socket, instead of the usual one" },
        { "patience", "SECONDS", &request.patience, NULL, false, "how long to try; 30" },
        { "report-data", "HEX", &request.report_data, NULL, false,
          "the 64 bytes that the evidence is to carry" },
        TEE_BINDING_OPTIONS(request.binding),
    };
    const command_spec spec = {
        .name = "tee generate",
        .arguments = "",
        .about = "Has the machine's TEE make evidence of what runs on it.\n",
        .examples = "  pbts tee generate --tee tdx --report-data $(openssl rand -hex 64) --out "
                    "quote.bin\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .arguments_min = 0,
        .arguments_max = 0,
    };
    char **arguments;
    pbts_tee_config config;
    uint8_t report_data[PBTS_REPORT_DATA_LEN];
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = read_config(&config, &request);
    if (code == PBTS_EXIT_OK) code = read_report_data(report_data, &request);
    return code == PBTS_EXIT_OK ? generate(&config, &request, report_data) : code;
}
