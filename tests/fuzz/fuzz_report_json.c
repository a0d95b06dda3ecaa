/* libFuzzer target: decoding a report from json is total; what is taken is stable. */
#include "report_stable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_report report;
    const char *problem = NULL;
    pbts_status status =
        pbts_report_decode_json(&report, &problem, pbts_mem_system(), (pbts_span){ data, len });
    if (status != PBTS_OK) {
        require(problem != NULL);
        return 0;
    }
    require_stable(&report, true);
    pbts_report_free(&report);
    return 0;
}
