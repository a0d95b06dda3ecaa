#include "tee_verify_snp.h"

#include <stdio.h>

#include "codec/text.h"
#include "exit_codes.h"
#include "say.h"
#include "tee_part.h"

enum { HEX_MAX = 2 * PBTS_REPORT_DATA_LEN + 1, VCEK_LEN_MAX = 8 * 1024 };

static const char *const GENERATIONS[PBTS_SNP_GENERATIONS] = {
    [PBTS_SNP_MILAN] = "Milan",
    [PBTS_SNP_GENOA] = "Genoa",
    [PBTS_SNP_TURIN] = "Turin",
};

static const char *hex_of(char out[static HEX_MAX], pbts_span bytes) {
    pbts_writer writer = pbts_writer_over((uint8_t *)out, HEX_MAX);
    pbts_hex_encode(&writer, bytes);
    pbts_write_u8(&writer, 0);
    return out;
}

static void print_text(const pbts_snp_report *report) {
    const pbts_snp_tcb *tcb = &report->reported_tcb;
    char hex[HEX_MAX];
    (void)printf("generation   %s, report version %u\n", GENERATIONS[report->generation],
                 (unsigned)report->version);
    (void)printf("tcb          boot loader %u, TEE %u, SNP %u, microcode %u", tcb->boot_loader,
                 tcb->tee, tcb->snp, tcb->microcode);
    if (report->generation == PBTS_SNP_TURIN) (void)printf(", FMC %u", tcb->fmc);
    (void)printf("\nchip_id      %s\n", hex_of(hex, PBTS_SPAN_OF(report->chip_id)));
    (void)printf("measurement  %s\n", hex_of(hex, PBTS_SPAN_OF(report->measurement)));
    (void)printf("host_data    %s\n", hex_of(hex, PBTS_SPAN_OF(report->host_data)));
    (void)printf("report_data  %s\n", hex_of(hex, PBTS_SPAN_OF(report->report_data)));
    (void)printf("ok: every check passed\n");
}

static int print_json(const pbts_snp_report *report, pbts_snp_reason reason) {
    char hex[HEX_MAX];
    json_t *out =
        json_pack("{s:b, s:b, s:s, s:s}", "verified", reason == PBTS_SNP_ACCEPTED, "simulated", 0,
                  "kind", "sev-snp-report", "reason", pbts_snp_reason_word(reason));
    if (out == NULL || reason != PBTS_SNP_ACCEPTED) return say_json(out);
    const struct {
        const char *name;
        pbts_span bytes;
    } parts[] = {
        { "chip_id", PBTS_SPAN_OF(report->chip_id) },
        { "measurement", PBTS_SPAN_OF(report->measurement) },
        { "host_data", PBTS_SPAN_OF(report->host_data) },
        { "report_data", PBTS_SPAN_OF(report->report_data) },
    };
    const pbts_snp_tcb *tcb = &report->reported_tcb;
    (void)json_object_set_new(out, "generation", json_string(GENERATIONS[report->generation]));
    (void)json_object_set_new(out, "tcb",
                              json_pack("{s:i, s:i, s:i, s:i, s:i}", "fmc", tcb->fmc, "boot_loader",
                                        tcb->boot_loader, "tee", tcb->tee, "snp", tcb->snp,
                                        "microcode", tcb->microcode));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        (void)json_object_set_new(out, parts[i].name, json_string(hex_of(hex, parts[i].bytes)));
    return say_json(out);
}

static int tell(const pbts_snp_report *report, pbts_snp_reason reason, bool json) {
    int code = PBTS_EXIT_OK;
    if (json) {
        code = print_json(report, reason);
    } else if (reason == PBTS_SNP_ACCEPTED) {
        print_text(report);
    }
    if (code != PBTS_EXIT_OK || reason == PBTS_SNP_ACCEPTED) return code;
    return say_fail(PBTS_EXIT_REFUSED, "refused (%s): %s", pbts_snp_reason_word(reason),
                    pbts_snp_reason_sentence(reason));
}

int tee_verify_snp(pbts_span report, const char *folder, const pbts_attest_policy *policy,
                   uint64_t now_s, bool json) {
    pbts_snp_certificates certificates = { 0 };
    pbts_snp_report found = { 0 };
    pbts_snp_reason reason;
    int code = tee_part_read(&certificates.vcek_der, folder, "vcek.der", VCEK_LEN_MAX);
    if (code == PBTS_EXIT_OK)
        code = tee_part_read(&certificates.ask_ark_pem, folder, "ask_ark.pem",
                             PBTS_X509_CHAIN_PEM_MAX);
    if (code == PBTS_EXIT_OK) {
        pbts_status status =
            pbts_snp_verify(&found, &reason, report, &certificates, &PBTS_SNP_AMD, policy, now_s);
        code = status == PBTS_NO_MEMORY ? say_no_memory() : tell(&found, reason, json);
    }
    tee_part_free(certificates.vcek_der);
    tee_part_free(certificates.ask_ark_pem);
    return code;
}
