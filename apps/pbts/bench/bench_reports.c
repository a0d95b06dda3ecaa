/* bench_reports.c - `pbts bench reports`: options, words and JSON. */
#include "bench_reports.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "bench.h"
#include "bench_machine.h"
#include "bench_posts.h"
#include "bench_tracker.h"
#include "say.h"

static const char help[] =
    "usage: pbts bench reports --tracker URL --admin-token FILE [options]\n"
    "\n"
    "Send reports and say how many per second the tracker makes durable, end to end, against how\n"
    "many one core could verify if it did nothing else. Users and a torrent are registered first\n"
    "and all reports are signed; then they are posted, every answer and at the end all totals are\n"
    "checked to the byte. Half of the verification is timed before, half after.\n"
    "\n"
    "  --admin-token FILE  the tracker's admin.token\n"
    "  --users N           who report to each other in turn (16)\n"
    "  --reports N         (4000)\n"
    "  --statements N      of each report, with one aggregate signature (1)\n"
    "  --form FORM         piece, or cumulative: 16 pieces in a row (piece)\n"
    "  --lanes N           connections, one report in flight on each (64)\n"
    "  --pid PID           the tracker's process, to read its CPU time (all threads)\n"
    "  --json              print JSON, with a description of the machine\n"
    "\n"
    "example: pbts bench reports --tracker http://127.0.0.1:8000 --admin-token data/admin.token "
    "\\\n"
    "             --pid 4711\n"
    "exit codes: 0 measured; 1 an answer or a total was wrong; 2 bad usage\n";

static const double aim = 0.7; /* of what verification alone allows */

typedef struct {
    const char *tracker;
    char header[PBTS_BENCH_AUTHORIZATION_LEN]; /* secret */
    uint32_t users, reports, statements, lanes, pid;
    pbts_receipt_form form;
    bool json;
} options;

/* ---- what came out ---- */

typedef struct {
    double wall, per_cpu, verifying; /* reports per second */
} rates;

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

static rates rates_of(const options *said, const pbts_reports_result *result) {
    const pbts_reports_verification *alone = &result->verification;
    return (rates){ .wall = ratio(said->reports, result->seconds),
                    .per_cpu = ratio(said->reports, result->tracker_cpu_seconds),
                    .verifying = ratio(alone->reports, alone->cpu_us / 1e6) };
}

static double quantile_ms(const pbts_reports_result *result, uint32_t per_100k) {
    return (double)pbts_histogram_quantile(&result->latency_ns, per_100k) / 1e6;
}

static const char *form_name(pbts_receipt_form form) {
    return form == PBTS_FORM_PIECE ? "piece" : "cumulative";
}

static void print_text(const options *said, const pbts_reports_result *result) {
    rates r = rates_of(said, result);
    printf("%s of %u %s statement%s and at most %zu bytes; %s, %s\n",
           say_count(said->reports, "report"), said->statements, form_name(said->form),
           said->statements == 1 ? "" : "s", result->body_bytes, say_count(said->users, "user"),
           say_count(said->lanes, "connection"));
    printf("  end to end  %.0f reports per second in %.2f s; latency p50 %.1f ms, p99 %.1f ms\n",
           r.wall, result->seconds, quantile_ms(result, 50000), quantile_ms(result, 99000));
    if (said->pid > 0)
        printf("  tracker     %.0f reports per CPU-second in %.2f CPU-seconds, %.0f us each\n",
               r.per_cpu, result->tracker_cpu_seconds, ratio(1e6, r.per_cpu));
    printf("  verifying   %.0f reports per second of one core, %.0f us each\n", r.verifying,
           ratio(1e6, r.verifying));
    printf("  of that     %.1f %% end to end", 100 * ratio(r.wall, r.verifying));
    if (said->pid > 0) printf(", %.1f %% per CPU-second", 100 * ratio(r.per_cpu, r.verifying));
    printf(" (aim: %.0f %%)\n", 100 * aim);
    if (result->has_commits)
        printf("  commits     %.0f, %.0f per second, %.1f reports and %.2f ms each\n",
               result->commits, ratio(result->commits, result->seconds),
               ratio(said->reports, result->commits),
               1e3 * ratio(result->commit_seconds, result->commits));
    printf("  generator   %.2f CPU-seconds; every answer and all totals are right\n",
           result->client_cpu_seconds);
}

static json_t *load_json(const options *said, const pbts_reports_result *result) {
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "form", form_name(said->form), "reports",
                     (json_int_t)said->reports, "statements", (json_int_t)said->statements, "users",
                     (json_int_t)said->users, "connections", (json_int_t)said->lanes,
                     "report_bytes_max", (json_int_t)result->body_bytes);
}

static json_t *commits_json(const options *said, const pbts_reports_result *result) {
    if (!result->has_commits) return json_null();
    return json_pack("{s:f, s:f, s:f, s:f}", "count", result->commits, "per_second",
                     ratio(result->commits, result->seconds), "reports_each",
                     ratio(said->reports, result->commits), "seconds_each",
                     ratio(result->commit_seconds, result->commits));
}

static int print_json(const options *said, const pbts_reports_result *result) {
    rates r = rates_of(said, result);
    json_t *json = json_pack(
        "{s:o, s:o, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:{s:f, s:f, s:f}, s:o}",
        "machine", pbts_bench_machine(), "load", load_json(said, result), "seconds",
        result->seconds, "tracker_cpu_seconds", result->tracker_cpu_seconds,
        "generator_cpu_seconds", result->client_cpu_seconds, "reports_per_second", r.wall,
        "reports_per_tracker_cpu_second", r.per_cpu, "verified_per_cpu_second", r.verifying,
        "share_of_verification", ratio(r.wall, r.verifying), "share_of_verification_cpu",
        ratio(r.per_cpu, r.verifying), "aim", aim, "latency_ms", "p50", quantile_ms(result, 50000),
        "p99", quantile_ms(result, 99000), "max", (double)result->latency_ns.max / 1e6, "commits",
        commits_json(said, result));
    if (json == NULL) return 1;
    int status = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    printf("\n");
    json_decref(json);
    return status == 0 ? 0 : 1;
}

static pbts_reports_plan plan_of(const options *said) {
    uint32_t run = said->form == PBTS_FORM_PIECE ? 1 : PBTS_REPORTS_RUN;
    return (pbts_reports_plan){ said->users, said->reports, said->statements, run };
}

static int measure(const options *said) {
    pbts_reports_set set = { .plan = plan_of(said), .form = said->form };
    pbts_reports_target target = { .tracker = said->tracker,
                                   .header = said->header,
                                   .lanes = said->lanes,
                                   .pid = (int)said->pid };
    pbts_reports_result *result = calloc(1, sizeof *result); /* big: it has a histogram */
    int code = result && pbts_reports_run(result, &set, &target) ? 0 : 1;
    if (code == 0 && said->json)
        code = print_json(said, result);
    else if (code == 0)
        print_text(said, result);
    pbts_reports_deinit(&set);
    free(result);
    return code;
}

/* ---- the command line ---- */

static bool read_number(uint32_t *out, const char *name, const char *text, uint32_t min,
                        uint32_t max) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    bool good = *text >= '0' && *text <= '9' && *end == 0 && value >= min && value <= max;
    if (good)
        *out = (uint32_t)value;
    else
        (void)fprintf(stderr, "pbts bench reports: --%s should be %u to %u, not \"%s\"\n", name,
                      min, max, text);
    return good;
}

static bool read_form(pbts_receipt_form *out, const char *text) {
    bool piece = strcmp(text, "piece") == 0;
    if (!piece && strcmp(text, "cumulative") != 0) {
        (void)fprintf(stderr, "pbts bench reports: --form should be piece or cumulative\n");
        return false;
    }
    *out = piece ? PBTS_FORM_PIECE : PBTS_FORM_CUMULATIVE;
    return true;
}

static bool apply(options *said, int option, const char *value) {
    switch (option) {
    case 't': said->tracker = value; return true;
    case 'a': return pbts_bench_read_token(said->header, value);
    case 'u': return read_number(&said->users, "users", value, 2, PBTS_REPORTS_USERS_MAX);
    case 'r': return read_number(&said->reports, "reports", value, 1, PBTS_REPORTS_MAX);
    case 's':
        return read_number(&said->statements, "statements", value, 1, PBTS_REPORTS_STATEMENTS_MAX);
    case 'f': return read_form(&said->form, value);
    case 'l': return read_number(&said->lanes, "lanes", value, 1, PBTS_POSTS_LANES_MAX);
    case 'p': return read_number(&said->pid, "pid", value, 1, INT32_MAX);
    case 'j': said->json = true; return true;
    default: return false;
    }
}

static bool is_complete(const options *said, bool words_left) {
    if (!said->tracker || said->header[0] == 0 || words_left) {
        (void)fputs("pbts bench reports: --tracker and --admin-token are needed; see --help\n",
                    stderr);
        return false;
    }
    const pbts_reports_plan plan = plan_of(said);
    if ((uint64_t)said->reports * said->statements > PBTS_REPORTS_SIGNATURES_MAX) {
        (void)fprintf(stderr, "pbts bench reports: at most %d statements in all reports together\n",
                      (int)PBTS_REPORTS_SIGNATURES_MAX);
        return false;
    }
    if (pbts_reports_plan_pieces(&plan) > PBTS_REPORTS_PIECES_MAX) {
        (void)fputs("pbts bench reports: so many pieces for so few users: raise --users\n", stderr);
        return false;
    }
    return true;
}

/* 0, -1 when help was printed, or the exit code. */
static int read_options(options *said, int argc, char **argv) {
    static const struct option table[] = {
        { "tracker", required_argument, NULL, 't' },
        { "admin-token", required_argument, NULL, 'a' },
        { "users", required_argument, NULL, 'u' },
        { "reports", required_argument, NULL, 'r' },
        { "statements", required_argument, NULL, 's' },
        { "form", required_argument, NULL, 'f' },
        { "lanes", required_argument, NULL, 'l' },
        { "pid", required_argument, NULL, 'p' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "h", table, NULL)) != -1;) {
        if (option == 'h') return printf("%s", help) < 0 ? 1 : -1;
        if (!apply(said, option, optarg)) return 2;
    }
    return is_complete(said, optind < argc) ? 0 : 2;
}

int pbts_bench_reports(int argc, char **argv) {
    options said = {
        .users = 16, .reports = 4000, .statements = 1, .lanes = 64, .form = PBTS_FORM_PIECE
    };
    int code = read_options(&said, argc, argv);
    if (code == 0) code = measure(&said);
    pbts_wipe(said.header, sizeof said.header);
    return code == -1 ? 0 : code;
}
