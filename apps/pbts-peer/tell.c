#include "tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

enum { TEXT_MAX = 4096, SHORT_MAX = 32 };

static struct {
    bool json;
    char progress[512]; /* what stands in the terminal's last line; "" for nothing */
} teller;

void tell_as_json(bool json) {
    teller.json = json;
}

bool tell_is_json(void) {
    return teller.json;
}

bool tell_has_terminal(void) {
    return !teller.json && isatty(STDERR_FILENO) == 1;
}

/* ---- lines ---- */

static void wipe_progress(void) {
    if (teller.progress[0] != '\0') (void)fputs("\r\033[K", stderr);
}

static void draw_progress(void) {
    if (teller.progress[0] != '\0') say_clean(stderr, pbts_span_text(teller.progress));
}

static void print_line(const char *text) {
    char clock[16];
    time_t now = time(NULL);
    struct tm parts;
    wipe_progress();
    (void)localtime_r(&now, &parts);
    (void)strftime(clock, sizeof clock, "%H:%M:%S ", &parts);
    (void)fputs(clock, stderr);
    say_clean(stderr, pbts_span_text(text));
    (void)fputc('\n', stderr);
    draw_progress();
}

/* Fields may hold text of strangers that is no UTF-8; json_pack gives NULL then, and the event goes
 * without them. */
static void print_json(const char *event, json_t *fields) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    json_t *line = json_pack("{s:s, s:f}", "event", event, "time",
                             (double)now.tv_sec + (double)now.tv_nsec / 1e9);
    if (line == NULL) return;
    if (fields != NULL) (void)json_object_update(line, fields);
    /* In ASCII, for terminals; see say_json. */
    (void)json_dumpf(line, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(14));
    (void)putchar('\n');
    (void)fflush(stdout);
    json_decref(line);
}

void tell(const char *event, json_t *fields, const char *format, ...) {
    char text[TEXT_MAX];
    va_list args;
    if (teller.json) {
        print_json(event, fields);
    } else {
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        print_line(text);
    }
    json_decref(fields);
}

void tell_program(const char *event, json_t *fields) {
    if (teller.json) print_json(event, fields);
    json_decref(fields);
}

void tell_progress(const char *text) {
    if (!tell_has_terminal()) return;
    wipe_progress();
    (void)snprintf(teller.progress, sizeof teller.progress, "%s", text);
    draw_progress();
    (void)fflush(stderr);
}

/* ---- numbers ---- */

static char *next_text(void) {
    static char texts[8][SHORT_MAX];
    static unsigned next;
    return texts[next++ % 8];
}

const char *tell_bytes(uint64_t bytes) {
    static const char *const UNITS[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    char *text = next_text();
    size_t unit = 0;
    double value = (double)bytes;
    for (; value >= 1000 && unit + 1 < sizeof UNITS / sizeof UNITS[0]; unit++) value /= 1024;
    (void)snprintf(text, SHORT_MAX, "%.*f %s", unit == 0 || value >= 100 ? 0 : 1, value,
                   UNITS[unit]);
    return text;
}

const char *tell_seconds(uint64_t seconds) {
    char *text = next_text();
    unsigned long long hours = seconds / 3600;
    unsigned minutes = (unsigned)(seconds / 60 % 60), rest = (unsigned)(seconds % 60);
    if (hours > 0) {
        (void)snprintf(text, SHORT_MAX, "%llu:%02u:%02u", hours, minutes, rest);
    } else {
        (void)snprintf(text, SHORT_MAX, "%u:%02u", minutes, rest);
    }
    return text;
}
