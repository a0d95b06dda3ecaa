#include "say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "exit_codes.h"

enum { MESSAGE_MAX = 16384 };

const char *say_program = "pbts";

void say_clean(FILE *out, pbts_span text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        uint8_t after = i + 1 < text.len ? text.data[i + 1] : 0;
        bool c1 = byte == 0xC2 && after >= 0x80 && after < 0xA0; /* U+0080 to U+009F */
        (void)fputc(byte < 0x20 || byte == 0x7F || c1 ? '?' : byte, out);
        if (c1) i++;
    }
}

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list args) {
    char text[MESSAGE_MAX];
    (void)fflush(stdout);
    int len = vsnprintf(text, sizeof text, format, args);
    if (len < 0) text[0] = '\0';
    (void)fprintf(stderr, "%s: ", say_program);
    say_clean(stderr, (pbts_span){ (uint8_t *)text, strnlen(text, sizeof text) });
    (void)fputc('\n', stderr);
}

int say_fail(int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    return code;
}

void say_note(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

int say_errno(const char *path) {
    return say_fail(PBTS_EXIT_IO, "%s: %s", path, strerror(errno));
}

int say_status(const char *path, pbts_status status) {
    if (status == PBTS_IO) return say_errno(path);
    return say_fail(PBTS_EXIT_IO, "%s: %s", path, pbts_status_text(status));
}

int say_no_memory(void) {
    return say_fail(PBTS_EXIT_IO, "out of memory");
}

int say_json(json_t *take) {
    if (take == NULL) return say_no_memory();
    /* In ASCII: U+0080 to U+009F, which JSON leaves as they are, do things to a terminal. */
    int failed = json_dumpf(take, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
    json_decref(take);
    if (failed || putchar('\n') == EOF) return say_fail(PBTS_EXIT_IO, "cannot write the output");
    return PBTS_EXIT_OK;
}

int say_flush(int code) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    return code != PBTS_EXIT_OK ? code : say_fail(PBTS_EXIT_IO, "cannot write the output");
}

const char *say_count(unsigned long long count, const char *noun) {
    static char texts[8][SAY_NOUN_MAX + 32];
    static unsigned next;
    char *text = texts[next++ % 8];
    size_t len = strlen(noun);
    bool is_y = len > 0 && noun[len - 1] == 'y', is_s = len > 0 && noun[len - 1] == 's';
    const char *ending = is_y ? "ies" : is_s ? "es" : "s";
    if (count == 1) {
        (void)snprintf(text, sizeof texts[0], "1 %.*s", SAY_NOUN_MAX, noun);
    } else {
        (void)snprintf(text, sizeof texts[0], "%llu %.*s%s", count, (int)(is_y ? len - 1 : len),
                       noun, ending);
    }
    return text;
}

const char *say_bytes(unsigned long long bytes) {
    static const char *const UNITS[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    static char texts[4][64];
    static unsigned next;
    char *text = texts[next++ % 4];
    size_t unit = 0;
    double value = (double)bytes;
    for (; value >= 1024 && unit + 1 < sizeof UNITS / sizeof UNITS[0]; unit++) value /= 1024;
    if (unit == 0) {
        (void)snprintf(text, sizeof texts[0], "%s", say_count(bytes, "byte"));
    } else {
        (void)snprintf(text, sizeof texts[0], "%.2f %s (%llu bytes)", value, UNITS[unit], bytes);
    }
    return text;
}

const char *say_time(uint64_t unix_s) {
    static char text[32];
    time_t seconds = (time_t)unix_s;
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc) == 0)
        text[0] = '\0';
    return text;
}
