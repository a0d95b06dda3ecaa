/* bench_announce.c - `pbts bench announce`: run a load and report it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "bench_load.h"
#include "say.h"

static double in_seconds(uint64_t ns) {
    return (double)ns / 1e9;
}

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

static double quantile_us(const pbts_bench_stats *stats, uint32_t per_100k) {
    return (double)pbts_histogram_quantile(&stats->latency_ns, per_100k) / 1e3;
}

static json_t *latency_json(const pbts_bench_stats *stats) {
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "p50", quantile_us(stats, 50000), "p90",
                     quantile_us(stats, 90000), "p99", quantile_us(stats, 99000), "p99.9",
                     quantile_us(stats, 99900), "max", (double)stats->latency_ns.max / 1e3);
}

static json_t *load_json(const pbts_bench_options *options) {
    bool udp = options->mode == PBTS_BENCH_UDP;
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "mode",
                     pbts_bench_mode_name(options->mode), "request",
                     options->scrape ? "scrape" : "announce", "target", options->target_text,
                     "in_flight", (int)(udp ? options->window : options->connections), "torrents",
                     (int)options->torrents, "users", (int)options->users, "peers",
                     (int)options->peers, "seeders_percent", (int)options->seeders_percent,
                     "sources", (int)options->sources, "numwant", (int)options->numwant);
}

static json_t *counts_json(const pbts_bench_stats *stats) {
    double answers = (double)stats->answers;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "answers",
                     (json_int_t)stats->answers, "failures", (json_int_t)stats->failures,
                     "malformed", (json_int_t)stats->malformed, "losses", (json_int_t)stats->losses,
                     "late", (json_int_t)stats->late, "connects", (json_int_t)stats->connects,
                     "peers_per_answer", ratio((double)stats->peers, answers), "bytes_per_answer",
                     ratio((double)stats->bytes, answers));
}

static int print_json(const pbts_bench_options *options, const pbts_bench_stats *stats) {
    double seconds = in_seconds(stats->ended_ns - stats->started_ns);
    double cpu = in_seconds(stats->tracker_cpu_ns);
    json_t *json =
        json_pack("{s:o, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:s}", "load", load_json(options),
                  "seconds", seconds, "requests_per_second", ratio((double)stats->answers, seconds),
                  "tracker_cpu_seconds", cpu, "requests_per_tracker_cpu_second",
                  ratio((double)stats->answers, cpu), "generator_cpu_seconds",
                  in_seconds(stats->generator_cpu_ns), "counts", counts_json(stats), "latency_us",
                  latency_json(stats), "first_failure", stats->first_failure);
    if (!json) return 1;
    int status = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
    putchar('\n');
    json_decref(json);
    return status == 0 ? 0 : 1;
}

static void print_text(const pbts_bench_options *options, const pbts_bench_stats *stats) {
    double seconds = in_seconds(stats->ended_ns - stats->started_ns);
    double answers = (double)stats->answers;
    printf("%s %s of %s in %s, %s, %s, %u in flight\n", pbts_bench_mode_name(options->mode),
           options->scrape ? "scrapes" : "announces", say_count(options->peers, "peer"),
           say_count(options->torrents, "torrent"), say_count(options->users, "user"),
           say_count(options->sources, "source"),
           options->mode == PBTS_BENCH_UDP ? options->window : options->connections);
    printf("  answers    %.0f in %.2f s, %.0f per second, %.1f peers and %.0f bytes each\n",
           answers, seconds, ratio(answers, seconds), ratio((double)stats->peers, answers),
           ratio((double)stats->bytes, answers));
    printf("  not        %llu failures, %llu malformed, %llu lost, %llu late\n",
           (unsigned long long)stats->failures, (unsigned long long)stats->malformed,
           (unsigned long long)stats->losses, (unsigned long long)stats->late);
    printf("  latency    p50 %.0f us, p90 %.0f, p99 %.0f, p99.9 %.0f, max %.0f\n",
           quantile_us(stats, 50000), quantile_us(stats, 90000), quantile_us(stats, 99000),
           quantile_us(stats, 99900), (double)stats->latency_ns.max / 1e3);
    printf("  generator  %.2f CPU-seconds\n", in_seconds(stats->generator_cpu_ns));
    if (options->pid > 0)
        printf("  tracker    %.2f CPU-seconds, %.0f requests per CPU-second\n",
               in_seconds(stats->tracker_cpu_ns),
               ratio(answers, in_seconds(stats->tracker_cpu_ns)));
    if (stats->first_failure[0]) printf("  first failure: %s\n", stats->first_failure);
}

static int load_and_report(const pbts_bench_options *options) {
    pbts_bench_run *run = calloc(1, sizeof *run); /* too big for the stack: the histogram */
    if (!run) return 1;
    pbts_bench_begin(run, options);
    int code = options->mode == PBTS_BENCH_UDP ? pbts_bench_udp(run) : pbts_bench_http(run);
    if (code == 0) {
        if (options->json)
            code = print_json(options, &run->stats);
        else
            print_text(options, &run->stats);
        if (run->stats.answers == 0 || run->stats.failures + run->stats.malformed > 0) code = 1;
    }
    free(run);
    return code;
}

int pbts_bench_announce(int argc, char **argv) {
    pbts_bench_options options;
    int code = pbts_bench_options_read(&options, argc, argv);
    if (code == 0) code = load_and_report(&options);
    pbts_bench_options_free(&options);
    return code == -1 ? 0 : code;
}
