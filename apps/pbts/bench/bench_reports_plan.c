/* bench_reports_plan.c - who reports what; see bench_reports.h. */
#include <string.h>

#include "bench_reports.h"

static uint64_t statement_bytes(const pbts_reports_plan *plan) {
    return (uint64_t)plan->run * PBTS_REPORTS_PIECE_LEN;
}

pbts_reports_transfer pbts_reports_plan_at(const pbts_reports_plan *plan, uint32_t report,
                                           uint32_t statement) {
    uint32_t others = plan->users - 1, sender = report % plan->users;
    uint32_t of_sender = report / plan->users * plan->statements + statement;
    return (pbts_reports_transfer){ .sender = sender,
                                    .receiver = (sender + 1 + of_sender % others) % plan->users,
                                    .first_piece = of_sender / others * plan->run };
}

uint32_t pbts_reports_plan_pieces(const pbts_reports_plan *plan) {
    /* The first user reports as often as any. */
    uint32_t last = (plan->reports - 1) / plan->users * plan->users;
    uint32_t needed =
        pbts_reports_plan_at(plan, last, plan->statements - 1).first_piece + plan->run;
    return needed > PBTS_REPORTS_PIECES_MIN ? needed : PBTS_REPORTS_PIECES_MIN;
}

void pbts_reports_plan_totals(const pbts_reports_plan *plan, uint64_t *sent, uint64_t *received) {
    memset(sent, 0, plan->users * sizeof *sent);
    memset(received, 0, plan->users * sizeof *received);
    for (uint32_t report = 0; report < plan->reports; report++) {
        for (uint32_t statement = 0; statement < plan->statements; statement++) {
            pbts_reports_transfer transfer = pbts_reports_plan_at(plan, report, statement);
            sent[transfer.sender] += statement_bytes(plan);
            received[transfer.receiver] += statement_bytes(plan);
        }
    }
}

uint64_t pbts_reports_plan_bytes(const pbts_reports_plan *plan) {
    return plan->statements * statement_bytes(plan);
}

static bool is_number(const json_t *object, const char *key, uint64_t wanted) {
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) && json_integer_value(value) == (json_int_t)wanted;
}

bool pbts_reports_answer_is_good(const pbts_reports_plan *plan, pbts_span answer) {
    json_t *json = json_loadb((const char *)answer.data, answer.len, 0, NULL);
    const json_t *credited = json_object_get(json, "credited");
    bool ok = is_number(credited, "statements", plan->statements) &&
              is_number(credited, "pieces", (uint64_t)plan->statements * plan->run) &&
              is_number(credited, "bytes", pbts_reports_plan_bytes(plan)) &&
              is_number(json_object_get(json, "held"), "bytes", 0) &&
              is_number(json, "duplicates", 0) && is_number(json, "refused", 0);
    json_decref(json);
    return ok;
}
