/* bench_run.c - the course of a run: clock, phases, CPU time, statistics. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench_load.h"

static const uint64_t SECOND_NS = 1000000000u;

uint64_t pbts_bench_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* The first number of /proc/<pid>/task/<tid>/schedstat: nanoseconds on a CPU. */
static bool thread_cpu_ns(uint64_t *out, int pid, const char *tid) {
    char path[128], line[128];
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", pid, tid);
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool ok = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    if (ok) *out = strtoull(line, NULL, 10);
    return ok;
}

bool pbts_bench_cpu_ns(uint64_t *out, int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks) return false;
    uint64_t sum = 0;
    bool any = false;
    for (struct dirent *entry = readdir(tasks); entry; entry = readdir(tasks)) {
        uint64_t ns;
        if (entry->d_name[0] == '.' || !thread_cpu_ns(&ns, pid, entry->d_name)) continue;
        sum += ns;
        any = true;
    }
    closedir(tasks);
    if (any) *out = sum;
    return any;
}

static void read_cpu(uint64_t *tracker, uint64_t *generator, const pbts_bench_options *options) {
    if (options->pid > 0 && !pbts_bench_cpu_ns(tracker, options->pid)) *tracker = 0;
    if (!pbts_bench_cpu_ns(generator, getpid())) *generator = 0;
}

static void start_measuring(pbts_bench_run *run) {
    memset(&run->stats, 0, sizeof run->stats);
    run->measuring = true;
    run->stats.started_ns = run->now_ns;
    run->end_ns = run->now_ns + run->options->seconds * SECOND_NS;
    read_cpu(&run->stats.tracker_cpu_ns, &run->stats.generator_cpu_ns, run->options);
}

static void stop_measuring(pbts_bench_run *run) {
    uint64_t tracker = 0, generator = 0;
    read_cpu(&tracker, &generator, run->options);
    run->stats.ended_ns = run->now_ns;
    run->stats.tracker_cpu_ns = tracker - run->stats.tracker_cpu_ns;
    run->stats.generator_cpu_ns = generator - run->stats.generator_cpu_ns;
}

void pbts_bench_begin(pbts_bench_run *run, const pbts_bench_options *options) {
    memset(run, 0, sizeof *run);
    run->options = options;
    run->now_ns = pbts_bench_now_ns();
    run->warm_until_ns = run->now_ns + options->warmup_s * SECOND_NS;
    run->next_progress_ns = run->now_ns + SECOND_NS;
    if (options->warmup_s == 0) start_measuring(run);
}

static void show_progress(pbts_bench_run *run) {
    run->next_progress_ns += SECOND_NS;
    if (!isatty(STDERR_FILENO)) return;
    fprintf(stderr, "\r%s: %llu answers, %llu failures, %llu losses ",
            run->measuring ? "measuring" : "warming up", (unsigned long long)run->stats.answers,
            (unsigned long long)run->stats.failures, (unsigned long long)run->stats.losses);
}

bool pbts_bench_continue(pbts_bench_run *run) {
    run->now_ns = pbts_bench_now_ns();
    if (run->now_ns >= run->next_progress_ns) show_progress(run);
    if (!run->measuring) {
        if (run->now_ns >= run->warm_until_ns) start_measuring(run);
        return true;
    }
    uint64_t answers_max = run->options->answers_max;
    bool enough = answers_max > 0 && run->stats.answers >= answers_max;
    if (run->now_ns < run->end_ns && !enough) return true;
    stop_measuring(run);
    if (isatty(STDERR_FILENO)) fputs("\n", stderr);
    return false;
}

static void keep_failure(pbts_bench_stats *stats, const uint8_t *bytes, size_t len) {
    size_t kept = len < sizeof stats->first_failure ? len : sizeof stats->first_failure - 1;
    for (size_t i = 0; i < kept; i++)
        stats->first_failure[i] = (char)(bytes[i] >= ' ' && bytes[i] < 127 ? bytes[i] : '.');
    stats->first_failure[kept] = 0;
}

void pbts_bench_note(pbts_bench_run *run, pbts_bench_verdict verdict, uint64_t sent_ns,
                     uint64_t peers, const uint8_t *bytes, size_t len) {
    pbts_bench_stats *stats = &run->stats;
    if (verdict == PBTS_BENCH_ANSWER) {
        stats->answers++;
        stats->peers += peers;
        stats->bytes += len;
        pbts_histogram_add(&stats->latency_ns, run->now_ns - sent_ns);
        return;
    }
    if (verdict == PBTS_BENCH_FAILURE) stats->failures++;
    if (verdict == PBTS_BENCH_MALFORMED) stats->malformed++;
    if (!stats->first_failure[0]) keep_failure(stats, bytes, len);
}
