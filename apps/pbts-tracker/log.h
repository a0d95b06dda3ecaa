/* log.h - one line per event on stderr: key=value, or JSON. Never give it a secret.
 *
 *   LOG(&app->log, LOG_INFO, "listening", LOG_UINT("http", port), LOG_TEXT("data", dir));
 *
 * Values are escaped. LOG_HOSTILE is for events that a stranger can cause at will: such lines are
 * limited to LOG_HOSTILE_PER_S a second, and the next line says how many were left out.
 */
#ifndef PBTS_TRACKER_LOG_H
#define PBTS_TRACKER_LOG_H

#include <stdatomic.h>

#include "base/addr.h"
#include "config/config.h"

enum { LOG_LINE_MAX = 2048, LOG_HOSTILE_PER_S = 10 };

struct log {
    bool json;
    atomic_int level; /* enum config_log_level */
    atomic_uint_fast64_t hostile_second, hostile_count, hostile_dropped;
};

struct log_field {
    const char *key; /* NULL: end */
    enum { LOG_FIELD_TEXT, LOG_FIELD_UINT, LOG_FIELD_INT, LOG_FIELD_SPAN, LOG_FIELD_ADDR } type;
    union {
        const char *text; /* NULL is written as an empty text */
        uint64_t number;
        int64_t signed_number;
        pbts_span span;
        const pbts_addr *addr;
    };
};

/* clang-format off */
#define LOG_TEXT(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_TEXT, .text = (v) })
#define LOG_UINT(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_UINT, .number = (v) })
#define LOG_INT(k, v)  ((struct log_field){ .key = (k), .type = LOG_FIELD_INT, .signed_number = (v) })
#define LOG_SPAN(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_SPAN, .span = (v) })
#define LOG_ADDR(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_ADDR, .addr = (v) })
/* clang-format on */
/* An event has at least one field. */
#define LOG(log, level, event, ...)           \
    log_write((log), (level), false, (event), \
              (const struct log_field[]){ __VA_ARGS__, { .key = NULL } })
#define LOG_HOSTILE(log, event, ...)          \
    log_write((log), LOG_WARN, true, (event), \
              (const struct log_field[]){ __VA_ARGS__, { .key = NULL } })

void log_init(struct log *log, bool json, enum config_log_level level);
void log_set_level(struct log *log, enum config_log_level level);
void log_write(struct log *log, enum config_log_level level, bool hostile, const char *event,
               const struct log_field *fields);
/* The line alone, without writing it; returns its length with the newline (for tests). */
size_t log_format(char out[static LOG_LINE_MAX], bool json, enum config_log_level level,
                  uint64_t unix_ms, const char *event, const struct log_field *fields);

#endif
