/* Lines are built on the stack and written with one write(2), so those of threads never mix. */
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/writer.h"
#include "net/clock.h"

static const char *const LEVEL_NAMES[] = { "debug", "info", "warn", "error" };

void log_init(struct log *log, bool json, enum config_log_level level) {
    memset(log, 0, sizeof *log);
    log->json = json;
    atomic_init(&log->level, (int)level);
}

void log_set_level(struct log *log, enum config_log_level level) {
    atomic_store(&log->level, (int)level);
}

/* JSON's escapes; everything outside printable ASCII as \u00XX, so that no terminal is harmed. */
static void write_escaped(pbts_writer *out, pbts_span text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\') pbts_write_u8(out, '\\');
        if (c >= 0x20 && c < 0x7F) {
            pbts_write_u8(out, c);
            continue;
        }
        char escape[8];
        snprintf(escape, sizeof escape, "\\u%04x", c);
        pbts_write_text(out, escape);
    }
}

static bool is_plain(pbts_span text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=') return false;
    }
    return text.len > 0;
}

static void write_text(pbts_writer *out, bool json, pbts_span text) {
    bool quoted = json || !is_plain(text);
    if (quoted) pbts_write_u8(out, '"');
    write_escaped(out, text);
    if (quoted) pbts_write_u8(out, '"');
}

static void write_key(pbts_writer *out, bool json, const char *key) {
    bool first = out->len == 0 || (json && out->len == 1);
    if (!first) pbts_write_u8(out, json ? ',' : ' ');
    if (json) pbts_write_u8(out, '"');
    pbts_write_text(out, key);
    pbts_write_text(out, json ? "\":" : "=");
}

static void write_field(pbts_writer *out, bool json, const struct log_field *field) {
    char addr[PBTS_ADDR_TEXT_MAX];
    write_key(out, json, field->key);
    switch (field->type) {
    case LOG_FIELD_TEXT:
        write_text(out, json, pbts_span_text(field->text ? field->text : ""));
        break;
    case LOG_FIELD_SPAN: write_text(out, json, field->span); break;
    case LOG_FIELD_UINT: pbts_write_decimal(out, field->number); break;
    case LOG_FIELD_INT: pbts_write_decimal_signed(out, field->signed_number); break;
    case LOG_FIELD_ADDR:
        pbts_addr_format(addr, field->addr);
        write_text(out, json, pbts_span_text(addr));
    }
}

static void write_time(pbts_writer *out, bool json, uint64_t unix_ms) {
    char text[40];
    struct tm parts;
    time_t seconds = (time_t)(unix_ms / 1000);
    gmtime_r(&seconds, &parts);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + len, sizeof text - len, ".%03uZ", (unsigned)(unix_ms % 1000));
    write_key(out, json, "time");
    write_text(out, json, pbts_span_text(text));
}

size_t log_format(char out[static LOG_LINE_MAX], bool json, enum config_log_level level,
                  uint64_t unix_ms, const char *event, const struct log_field *fields) {
    pbts_writer writer = pbts_writer_over((uint8_t *)out, LOG_LINE_MAX - 2);
    if (json) pbts_write_u8(&writer, '{');
    write_time(&writer, json, unix_ms);
    write_key(&writer, json, "level");
    write_text(&writer, json, pbts_span_text(LEVEL_NAMES[level]));
    write_key(&writer, json, "event");
    write_text(&writer, json, pbts_span_text(event));
    for (const struct log_field *field = fields; field->key != NULL; field++) {
        pbts_writer before = writer;
        write_field(&writer, json, field);
        if (!writer.failed) continue;
        writer = before; /* a field that does not fit is left out whole */
    }
    size_t len = writer.len;
    if (json) out[len++] = '}';
    out[len++] = '\n';
    return len;
}

/* Whether a line that a stranger caused may be written in this second. */
static bool hostile_allowed(struct log *log, uint64_t second, uint64_t *left_out) {
    uint64_t current = atomic_load(&log->hostile_second);
    if (current != second &&
        atomic_compare_exchange_strong(&log->hostile_second, &current, second)) {
        atomic_store(&log->hostile_count, 0);
        *left_out = atomic_exchange(&log->hostile_dropped, 0);
    }
    if (atomic_fetch_add(&log->hostile_count, 1) < LOG_HOSTILE_PER_S) return true;
    atomic_fetch_add(&log->hostile_dropped, 1);
    return false;
}

static void write_line(const char *line, size_t len) {
    ssize_t ignored = write(STDERR_FILENO, line, len); /* nobody to tell */
    (void)ignored;
}

void log_write(struct log *log, enum config_log_level level, bool hostile, const char *event,
               const struct log_field *fields) {
    char line[LOG_LINE_MAX];
    uint64_t unix_ms = pbts_clock_unix_ms(), left_out = 0;
    if ((int)level < atomic_load_explicit(&log->level, memory_order_relaxed)) return;
    if (hostile && !hostile_allowed(log, unix_ms / 1000, &left_out)) return;
    if (left_out > 0) {
        const struct log_field note[] = { LOG_UINT("lines", left_out), { .key = NULL } };
        write_line(line, log_format(line, log->json, LOG_WARN, unix_ms, "log_limited", note));
    }
    write_line(line, log_format(line, log->json, level, unix_ms, event, fields));
}
