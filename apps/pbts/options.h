/* options.h - a command's options as a table: parsing, checking and --help come from it alone. */
#ifndef PBTS_APPS_OPTIONS_H
#define PBTS_APPS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One option. `value` names its value in --help; NULL: it takes none and sets `*flag`. */
typedef struct {
    const char *name;
    const char *value;
    const char **text;
    bool *flag;
    bool required;
    const char *help; /* lines after the first are indented by --help */
} command_option;

typedef struct {
    const char *name;      /* "key new" */
    const char *arguments; /* " FILE..." as the usage line shows it, or "" */
    const char *about;     /* one paragraph, lines of at most 92 columns, each ends with '\n' */
    const char *examples;  /* lines that begin with two blanks, each ends with '\n' */
    const command_option *options;
    size_t option_count;
    int arguments_min, arguments_max;
} command_spec;

enum { OPTIONS_GO_ON = -1, OPTIONS_MAX = 40 };

/* OPTIONS_GO_ON with `*arguments` at the first that is no option (NULL after the last), or the exit
 * code: --help was asked for and printed, or something was wrong and said. argv[0] is not looked
 * at. Options and arguments may come in any order; "--" ends the options. */
int options_parse(const command_spec *spec, char ***arguments, int argc, char **argv);

/* A decimal number, or one with K, M or G (powers of 1024) behind it; false: something else or
 * above `max`. */
bool options_number(uint64_t *out, const char *text, uint64_t max);

/* The options that several commands share. */
#define OPTION_TRACKER(text) \
    { "tracker", "URL", text, NULL, true, "the tracker's address, such as http://127.0.0.1:8000" }
#define OPTION_CA(text)                                              \
    {                                                                \
        "ca", "FILE", text, NULL, false,                             \
            "certificates (PEM) to trust for https, instead of the " \
            "system's"                                               \
    }
#define OPTION_KEY(text) \
    { "key", "FILE", text, NULL, true, "your key file, made by \"pbts key new\"" }
#define OPTION_JSON(flag) \
    { "json", NULL, NULL, flag, false, "print JSON" }
#define OPTION_PROGRESS(flag)                                         \
    {                                                                 \
        "progress", NULL, NULL, flag, false,                          \
            "show progress from the start and without a terminal too" \
    }

#endif
