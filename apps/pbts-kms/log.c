#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 1024 };

void kms_log(const char *event, const char *format, ...) {
    char line[LINE_MAX_LEN], when[32], fields[LINE_MAX_LEN - 128];
    time_t now = time(NULL);
    struct tm utc;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(fields, sizeof fields, format, arguments);
    va_end(arguments);
    (void)gmtime_r(&now, &utc);
    (void)strftime(when, sizeof when, "%FT%TZ", &utc);
    int len = snprintf(line, sizeof line, "time=%s event=%s %s\n", when, event, fields);
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)len); /* whole, or nobody to tell */
    (void)ignored;
}
