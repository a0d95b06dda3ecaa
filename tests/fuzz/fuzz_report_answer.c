/* libFuzzer target: reading a tracker's answer is total, and what is taken is in range. */
#include <stdlib.h>

#include "wire/report_answer.h"

static void require(bool truth) {
    if (!truth) abort();
}

static void require_word(pbts_span word) {
    require(word.len > 0 && word.len <= PBTS_ANSWER_CODE_MAX);
    for (size_t i = 0; i < word.len; i++) require(word.data[i] > ' ' && word.data[i] < 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_report_answer answer;
    pbts_span body = { data, len };
    if (pbts_report_answer_decode(&answer, pbts_mem_system(), body) != PBTS_OK) return 0;
    if (!answer.success) require_word(answer.code);
    require(answer.count <= PBTS_REPORT_STATEMENTS_MAX);
    for (size_t i = 0; i < answer.count; i++) {
        const pbts_answer_statement *statement = &answer.statements[i];
        require(statement->credited_bytes <= INT64_MAX && statement->held_bytes <= INT64_MAX);
        if (statement->verdict == PBTS_ANSWER_REFUSED) require_word(statement->code);
    }
    pbts_report_answer_free(&answer);
    return 0;
}
