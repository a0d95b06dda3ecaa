#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { QUIET_MS = 1000, EVERY_MS = 200 };

static uint64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

progress progress_begin(const char *what, uint64_t total, bool forced) {
    uint64_t now = now_ms();
    progress line = { .what = what, .total = total, .start_ms = now, .forced = forced };
    line.next_ms = forced ? now : now + QUIET_MS;
    line.shows = forced || isatty(STDERR_FILENO) == 1;
    return line;
}

static void print(progress *line, uint64_t now) {
    uint64_t spent_ms = now - line->start_ms + 1;
    double percent = line->total == 0 ? 100 : 100.0 * (double)line->done / (double)line->total;
    double speed = (double)line->done / 1048576.0 * 1000.0 / (double)spent_ms;
    (void)fprintf(stderr, "\r%s: %.1f%% of %.1f MiB, %.0f MiB/s ", line->what, percent,
                  (double)line->total / 1048576.0, speed);
    line->shown = true;
}

void progress_add(progress *line, uint64_t bytes) {
    line->done += bytes;
    if (!line->shows) return;
    uint64_t now = now_ms();
    if (now < line->next_ms) return;
    line->next_ms = now + EVERY_MS;
    print(line, now);
}

void progress_end(progress *line) {
    if (line->forced) print(line, now_ms());
    if (!line->shown) return;
    (void)fputs(line->forced ? "\n" : "\r\033[K", stderr);
    line->shown = false;
}
