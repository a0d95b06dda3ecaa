#include "bench_machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 256 };

#ifdef __clang__
static const char compiler[] = "clang " __clang_version__;
#else
static const char compiler[] = "gcc " __VERSION__;
#endif

/* "model name : ..." of the first core; "unknown" where /proc/cpuinfo has no such line. */
static void read_cpu_model(char out[TEXT_MAX]) {
    char line[TEXT_MAX];
    (void)snprintf(out, TEXT_MAX, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (file == NULL) return;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        line[strcspn(line, "\n")] = 0;
        (void)snprintf(out, TEXT_MAX, "%s", colon + 1 + strspn(colon + 1, " "));
        break;
    }
    (void)fclose(file);
}

json_t *pbts_bench_machine(void) {
    char model[TEXT_MAX], date[32] = "";
    struct utsname kernel;
    struct tm utc;
    time_t now = time(NULL);
    read_cpu_model(model);
    if (uname(&kernel) != 0) memset(&kernel, 0, sizeof kernel);
    if (gmtime_r(&now, &utc) != NULL) (void)strftime(date, sizeof date, "%FT%TZ", &utc);
    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s}", "cpu", model, "cores",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "kernel", kernel.release,
                     "compiler", compiler, "version", PBTS_VERSION, "date", date);
}
