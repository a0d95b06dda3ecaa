/* bench_receipts.c - `pbts bench receipts`: the words, the table and the JSON. */
#include "bench_receipts.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "bench_forms.h"
#include "bench_machine.h"

static const char help[] =
    "usage: pbts bench receipts [--json] [--quick]\n"
    "\n"
    "Time the parts of making and verifying receipts, receipts one by one and aggregated, a\n"
    "cumulative report of 2,560 pieces, and 2,560 pieces in each form of receipts. Figures are\n"
    "CPU time of one core, medians of several runs. Takes about a minute.\n"
    "\n"
    "  --json    print JSON, with a description of the machine\n"
    "  --quick   fewer runs, at most 50 receipts: a check that all of it works\n"
    "\n"
    "example: pbts bench receipts --json >bench/results/receipts.json\n"
    "exit codes: 0 measured; 1 something did not verify; 2 bad usage\n";

static void show_progress(const char *step) {
    if (isatty(STDERR_FILENO)) (void)fprintf(stderr, "measuring %s...\n", step);
}

static void print_table(const pbts_bench_receipts_result *result) {
    printf("one operation                     us\n");
    for (int part = 0; part < PBTS_PARTS; part++)
        printf("  %-24s %9.1f\n", pbts_bench_part_name((pbts_bench_part)part),
               result->part_us[part]);
    printf("\nreceipts  signers  one by one ms  aggregated ms  times faster\n");
    for (size_t i = 0; i < result->case_count; i++) {
        const pbts_bench_case *c = &result->cases[i];
        printf("%8zu  %7zu  %13.2f  %13.2f  %12.1f\n", c->receipts, c->signers,
               c->one_by_one_us / 1e3, c->aggregated_us / 1e3, c->one_by_one_us / c->aggregated_us);
    }
    const pbts_bench_bound *bound = &result->bound;
    printf("\n1,000 receipts by 5 signers, aggregated: %.2f ms\n"
           "1,000 hashes to G1 + 6 Miller loops + 1 final exponentiation: %.2f ms\n"
           "ratio %.3f (limit %.2f)\n",
           bound->measured_us / 1e3, bound->floor_us / 1e3, bound->ratio, bound->limit);
    printf("\ncumulative report of 2,560 pieces\n");
    for (size_t i = 0; i < PBTS_BENCH_REPORTS; i++) {
        const pbts_bench_report_case *r = &result->reports[i];
        printf("  %-50s %4zu bytes, %zu Miller loops, %.2f ms = %.1f single Miller loops\n",
               r->name, r->bytes, r->miller_loops, r->verify_us / 1e3, r->in_miller_loops);
    }
}

static void print_forms(const pbts_bench_form *forms) {
    printf("\n%d pieces of %d MiB, one sender, one receiver\n", PBTS_BENCH_FORM_PIECES,
           PBTS_BENCH_FORM_PIECE_LEN >> 20);
    printf(
        "form           signatures  signed ms  checked ms  report bytes  statements  tracker ms\n");
    for (size_t i = 0; i < PBTS_BENCH_FORMS; i++) {
        const pbts_bench_form *f = &forms[i];
        printf("%-13s  %10zu  %9.1f  %10.1f  %12zu  %10zu  %10.1f\n", f->name, f->signatures,
               f->sign_us / 1e3, f->check_us / 1e3, f->report_bytes, f->statements,
               f->tracker_us / 1e3);
    }
}

static json_t *forms_json(const pbts_bench_form *forms) {
    json_t *list = json_array();
    for (size_t i = 0; i < PBTS_BENCH_FORMS; i++) {
        const pbts_bench_form *f = &forms[i];
        (void)json_array_append_new(
            list, json_pack("{s:s, s:I, s:f, s:f, s:f, s:I, s:I, s:f}", "form", f->name,
                            "signatures", (json_int_t)f->signatures, "sign_us", f->sign_us,
                            "verify_us", f->check_us, "sign_verify_us", f->sign_us + f->check_us,
                            "report_bytes", (json_int_t)f->report_bytes, "statements",
                            (json_int_t)f->statements, "report_verify_us", f->tracker_us));
    }
    return list;
}

static json_t *parts_json(const pbts_bench_receipts_result *result) {
    json_t *parts = json_object();
    for (int part = 0; part < PBTS_PARTS; part++)
        (void)json_object_set_new(parts, pbts_bench_part_name((pbts_bench_part)part),
                                  json_real(result->part_us[part]));
    return parts;
}

static json_t *cases_json(const pbts_bench_receipts_result *result) {
    json_t *cases = json_array();
    for (size_t i = 0; i < result->case_count; i++) {
        const pbts_bench_case *c = &result->cases[i];
        (void)json_array_append_new(
            cases, json_pack("{s:I, s:I, s:f, s:f}", "receipts", (json_int_t)c->receipts, "signers",
                             (json_int_t)c->signers, "one_by_one_us", c->one_by_one_us,
                             "aggregated_us", c->aggregated_us));
    }
    return cases;
}

static json_t *reports_json(const pbts_bench_receipts_result *result) {
    json_t *reports = json_array();
    for (size_t i = 0; i < PBTS_BENCH_REPORTS; i++) {
        const pbts_bench_report_case *r = &result->reports[i];
        (void)json_array_append_new(
            reports,
            json_pack("{s:s, s:I, s:I, s:f, s:f}", "case", r->name, "bytes", (json_int_t)r->bytes,
                      "miller_loops", (json_int_t)r->miller_loops, "verify_us", r->verify_us,
                      "in_single_miller_loops", r->in_miller_loops));
    }
    return reports;
}

static int print_json(const pbts_bench_receipts_result *result, const pbts_bench_form *forms) {
    const pbts_bench_bound *bound = &result->bound;
    json_t *json = json_pack(
        "{s:o, s:s, s:o, s:o, s:{s:f, s:f, s:f, s:f}, s:o, s:o}", "machine", pbts_bench_machine(),
        "clock", "CPU time of the thread", "part_us", parts_json(result), "receipts",
        cases_json(result), "bound_1000_by_5", "floor_us", bound->floor_us, "aggregated_us",
        bound->measured_us, "ratio", bound->ratio, "limit", bound->limit, "cumulative_reports_2560",
        reports_json(result), "forms_2560", forms_json(forms));
    if (json == NULL) return 1;
    int status = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    printf("\n");
    json_decref(json);
    return status == 0 ? 0 : 1;
}

int pbts_bench_receipts(int argc, char **argv) {
    static const struct option table[] = {
        { "json", no_argument, NULL, 'j' },
        { "quick", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    bool json = false, quick = false;
    for (int option; (option = getopt_long(argc, argv, "h", table, NULL)) != -1;) {
        if (option == 'j') json = true;
        if (option == 'q') quick = true;
        if (option == 'h') return printf("%s", help) < 0;
        if (option == '?') return 2;
    }
    if (optind < argc) {
        (void)fprintf(stderr, "pbts bench receipts: what is \"%s\"? See --help\n", argv[optind]);
        return 2;
    }
    pbts_bench_receipts_result result;
    memset(&result, 0, sizeof result);
    pbts_bench_form forms[PBTS_BENCH_FORMS];
    memset(forms, 0, sizeof forms);
    if (!pbts_bench_receipts_measure(&result, quick, show_progress) ||
        !pbts_bench_forms_measure(forms, quick, show_progress)) {
        (void)fprintf(stderr, "pbts bench receipts: something did not verify, or memory was "
                              "short; no figures\n");
        return 1;
    }
    if (json) return print_json(&result, forms);
    print_table(&result);
    print_forms(forms);
    return 0;
}
