/* `pbts tee verify`: a TDX quote or a SEV-SNP report, with what goes with it and policy from files,
 * at any time. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "attest/calendar.h"
#include "attest/simulator.h"
#include "codec/text.h"
#include "exit_codes.h"
#include "files.h"
#include "options.h"
#include "say.h"
#include "tee_binding.h"
#include "tee_commands.h"
#include "tee_part.h"
#include "tee_verify_snp.h"

enum { HEX_MAX = 2 * PBTS_REPORT_DATA_LEN + 1, DATE_MAX = 32 };

typedef struct {
    const char *collateral, *policy, *at;
    tee_binding_options binding;
    bool json, simulator;
} tee_request;

/* ---- what it is given ---- */

static int parse_time(uint64_t *out, const char *at) {
    if (at == NULL) {
        *out = (uint64_t)time(NULL);
        return PBTS_EXIT_OK;
    }
    if (pbts_iso8601_to_unix(out, pbts_span_text(at)) == PBTS_OK) return PBTS_EXIT_OK;
    if (options_number(out, at, INT64_MAX)) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE,
                    "--at %s: should be a time such as 2025-06-20T00:00:00Z, or unix seconds", at);
}

static int read_policy(pbts_attest_policy *out, const char *path) {
    uint8_t *text;
    size_t len;
    pbts_policy_mistake mistake;
    char what[PBTS_POLICY_MISTAKE_MAX];
    int code = file_read(&text, &len, path, PBTS_POLICY_LEN_MAX);
    if (code != PBTS_EXIT_OK) return code;
    pbts_status status = pbts_attest_policy_parse(out, &mistake, (pbts_span){ text, len });
    free(text);
    if (status == PBTS_OK) return PBTS_EXIT_OK;
    pbts_policy_mistake_text(what, &mistake, status);
    return say_fail(PBTS_EXIT_USAGE, "%s: %s", path, what);
}

static int read_collateral(pbts_collateral **out, const char *folder) {
    pbts_collateral_files files;
    int code = tee_part_read_collateral(&files, folder);
    if (code == PBTS_EXIT_OK && pbts_collateral_new(out, pbts_mem_system(), &files) != PBTS_OK)
        code = say_no_memory();
    tee_part_free_collateral(&files);
    return code;
}

/* The simulator's own; anybody can make it. */
static int make_collateral(pbts_collateral **out, uint64_t now_s) {
    pbts_simulator *simulator;
    pbts_collateral_files files;
    if (pbts_simulator_new(&simulator, pbts_mem_system(), now_s) != PBTS_OK) return say_no_memory();
    pbts_simulator_collateral(&files, simulator);
    pbts_status status = pbts_collateral_new(out, pbts_mem_system(), &files);
    pbts_simulator_free(simulator);
    return status == PBTS_OK ? PBTS_EXIT_OK : say_no_memory();
}

static int choose_policy(pbts_attest_policy *out, const tee_request *request) {
    int code = PBTS_EXIT_OK;
    if (request->policy != NULL)
        code = read_policy(out, request->policy);
    else
        pbts_simulator_policy(out);
    if (code != PBTS_EXIT_OK || !tee_binding_is_given(&request->binding)) return code;
    out->has_report_data = true;
    return tee_binding_read(out->report_data, &request->binding);
}

/* ---- what it says ---- */

static const char *hex_of(char out[static HEX_MAX], pbts_span bytes) {
    pbts_writer writer = pbts_writer_over((uint8_t *)out, HEX_MAX);
    pbts_hex_encode(&writer, bytes);
    pbts_write_u8(&writer, 0);
    return out;
}

static const char *date_of(char out[static DATE_MAX], uint64_t unix_s) {
    time_t seconds = (time_t)unix_s;
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL || strftime(out, DATE_MAX, "%FT%TZ", &utc) == 0)
        out[0] = '\0';
    return out;
}

static void print_guest(const pbts_td_report *td) {
    char hex[HEX_MAX];
    (void)printf("mrtd         %s\n", hex_of(hex, PBTS_SPAN_OF(td->mrtd)));
    for (int i = 0; i < PBTS_RTMR_COUNT; i++) {
        (void)printf("rtmr%d        %s\n", i, hex_of(hex, PBTS_SPAN_OF(td->rtmr[i])));
    }
    (void)printf("mrconfigid   %s\n", hex_of(hex, PBTS_SPAN_OF(td->mrconfigid)));
    (void)printf("report_data  %s\n", hex_of(hex, PBTS_SPAN_OF(td->report_data)));
}

static void print_text(const pbts_attest_verdict *verdict, bool simulated) {
    char hex[HEX_MAX], from[DATE_MAX], to[DATE_MAX];
    if (verdict->has_tcb) {
        (void)printf("status       %s (platform %s, module %s, enclave %s)\n",
                     pbts_tcb_status_text(verdict->status), pbts_tcb_status_text(verdict->platform),
                     pbts_tcb_status_text(verdict->tdx_module), pbts_tcb_status_text(verdict->qe));
        (void)printf("fmspc        %s\n", hex_of(hex, PBTS_SPAN_OF(verdict->pck.fmspc)));
        (void)printf("passes       %s to %s\n", date_of(from, verdict->valid_from_s),
                     date_of(to, verdict->valid_to_s));
        for (size_t i = 0; i < verdict->advisories_len; i++) {
            (void)printf("advisory     %s\n", verdict->advisories[i]);
        }
        print_guest(&verdict->quote.td);
    }
    if (verdict->reason != PBTS_ATTEST_ACCEPTED) return;
    if (simulated)
        (void)printf("SIMULATED: every check passed under the simulator's root, which proves "
                     "nothing\n");
    else
        (void)printf("ok: every check passed\n");
}

static json_t *advisories_of(const pbts_attest_verdict *verdict) {
    json_t *list = json_array();
    for (size_t i = 0; i < verdict->advisories_len; i++) {
        (void)json_array_append_new(list, json_string(verdict->advisories[i]));
    }
    return list;
}

static int print_json(const pbts_attest_verdict *verdict, bool simulated) {
    const pbts_td_report *td = &verdict->quote.td;
    char hex[HEX_MAX], name[16];
    json_t *out =
        json_pack("{s:b, s:b, s:s, s:i}", "verified", verdict->reason == PBTS_ATTEST_ACCEPTED,
                  "simulated", simulated, "reason", pbts_attest_reason_word(verdict->reason),
                  "step", pbts_attest_reason_step(verdict->reason));
    if (out == NULL || !verdict->has_tcb) return say_json(out);
    (void)json_object_set_new(out, "status", json_string(pbts_tcb_status_text(verdict->status)));
    (void)json_object_set_new(out, "advisories", advisories_of(verdict));
    (void)json_object_set_new(out, "valid_from", json_integer((json_int_t)verdict->valid_from_s));
    (void)json_object_set_new(out, "valid_to", json_integer((json_int_t)verdict->valid_to_s));
    (void)json_object_set_new(out, "fmspc",
                              json_string(hex_of(hex, PBTS_SPAN_OF(verdict->pck.fmspc))));
    (void)json_object_set_new(out, "mrtd", json_string(hex_of(hex, PBTS_SPAN_OF(td->mrtd))));
    for (int i = 0; i < PBTS_RTMR_COUNT; i++) {
        (void)snprintf(name, sizeof name, "rtmr%d", i);
        (void)json_object_set_new(out, name, json_string(hex_of(hex, PBTS_SPAN_OF(td->rtmr[i]))));
    }
    (void)json_object_set_new(out, "report_data",
                              json_string(hex_of(hex, PBTS_SPAN_OF(td->report_data))));
    return say_json(out);
}

static int tell(const pbts_attest_verdict *verdict, const tee_request *request) {
    pbts_attest_reason reason = verdict->reason;
    int code = PBTS_EXIT_OK;
    if (request->json) {
        code = print_json(verdict, request->simulator);
    } else {
        print_text(verdict, request->simulator);
    }
    if (code != PBTS_EXIT_OK || reason == PBTS_ATTEST_ACCEPTED) return code;
    return say_fail(PBTS_EXIT_REFUSED, "refused in step %d (%s): %s",
                    pbts_attest_reason_step(reason), pbts_attest_reason_word(reason),
                    pbts_attest_reason_sentence(reason));
}

/* The verdict and the policy are too large for a stack. */
typedef struct {
    pbts_attest_verdict verdict;
    pbts_attest_policy policy;
} tee_work;

static int verify(tee_work *work, const tee_request *request, const char *quote_path) {
    uint8_t *quote = NULL;
    size_t len = 0;
    uint64_t now_s;
    pbts_collateral *collateral = NULL;
    int code = parse_time(&now_s, request->at);
    if (code == PBTS_EXIT_OK) code = choose_policy(&work->policy, request);
    if (code == PBTS_EXIT_OK) code = file_read(&quote, &len, quote_path, PBTS_QUOTE_LEN_MAX);
    if (code != PBTS_EXIT_OK) return code;
    pbts_span bytes = { quote, len };
    if (len == PBTS_SNP_REPORT_LEN && !request->simulator) {
        code = tee_verify_snp(bytes, request->collateral, &work->policy, now_s, request->json);
        free(quote);
        return code;
    }
    code = request->simulator ? make_collateral(&collateral, now_s)
                              : read_collateral(&collateral, request->collateral);
    if (code == PBTS_EXIT_OK) {
        const pbts_attest_root *root =
            request->simulator ? &PBTS_ATTEST_SIMULATOR : &PBTS_ATTEST_INTEL;
        (void)!pbts_attest_verify(&work->verdict, bytes, collateral, root, &work->policy, now_s);
        code = tell(&work->verdict, request);
    }
    pbts_collateral_free(collateral);
    free(quote);
    return code;
}

int pbts_cmd_tee_verify(int argc, char **argv) {
    tee_request request = { 0 };
    const command_option options[] = {
        { "collateral", "DIR", &request.collateral, NULL, false,
          "tcbinfo.json, qeidentity.json, root_ca_crl.der, pck_crl.der,\n"
          "tcb_signing_chain.pem, as Intel's service sends them; of SEV-SNP\n"
          "vcek.der and ask_ark.pem, as AMD's does" },
        { "policy", "FILE", &request.policy, NULL, false, "what is demanded of the guest" },
        { "simulator", NULL, NULL, &request.simulator, false,
          "evidence of tee = simulator, under its root and no other: proves nothing;\n"
          "needs no collateral, and no policy" },
        TEE_BINDING_OPTIONS(request.binding),
        { "at", "TIME", &request.at, NULL, false,
          "verify as of 2025-06-20T00:00:00Z, or unix seconds; now, when absent" },
        OPTION_JSON(&request.json),
    };
    const command_spec spec = {
        .name = "tee verify",
        .arguments = " QUOTE",
        .about = "Verifies a TDX quote (version 4 or 5): signatures up to Intel's root key,\n"
                 "revocation lists, TCB level and quoting enclave, and the policy. Or a SEV-SNP\n"
                 "report: signatures up to AMD's root key, chip, firmware, and the policy.\n"
                 "Nothing is fetched.\n",
        .examples = "  pbts tee verify quote.bin --collateral collateral --policy tee.policy\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .arguments_min = 1,
        .arguments_max = 1,
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (!request.simulator && (request.collateral == NULL || request.policy == NULL))
        return say_fail(PBTS_EXIT_USAGE, "tee verify needs --collateral DIR and --policy FILE");
    if (request.simulator && request.collateral != NULL)
        return say_fail(PBTS_EXIT_USAGE, "--simulator has collateral of its own");
    tee_work *work = calloc(1, sizeof *work);
    if (work == NULL) return say_no_memory();
    code = verify(work, &request, arguments[0]);
    free(work);
    return code;
}
