#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "exit_codes.h"
#include "say.h"

enum { HELP_VALUE = 1, FIRST_VALUE = 256 };

static int width_of(const command_option *option) {
    size_t len = strlen(option->name);
    return (int)(option->value == NULL ? len : len + 1 + strlen(option->value));
}

static void print_option(const command_option *option, int width) {
    const char *value = option->value == NULL ? "" : option->value;
    printf("  --%s%s%s%*s  ", option->name, option->value == NULL ? "" : " ", value,
           width - width_of(option), "");
    for (const char *at = option->help; *at != '\0'; at++) {
        (void)putchar(*at);
        if (*at == '\n') printf("%*s", width + 6, "");
    }
    (void)putchar('\n');
}

enum { USAGE_WIDTH = 92, USAGE_INDENT = 12 };

/* Append a part of the usage line, on a new line when it would be too wide. */
static int print_part(int column, const char *part) {
    int len = (int)strlen(part);
    if (column + len > USAGE_WIDTH) column = printf("\n%*s", USAGE_INDENT, "") - 1;
    (void)fputs(part, stdout);
    return column + len;
}

static void print_usage_line(const command_spec *spec) {
    char part[128];
    int column = printf("usage: %s %s", say_program, spec->name);
    for (size_t i = 0; i < spec->option_count; i++) {
        const command_option *option = &spec->options[i];
        if (!option->required) continue;
        (void)snprintf(part, sizeof part, " --%s %s", option->name, option->value);
        column = print_part(column, part);
    }
    column = print_part(column, spec->arguments);
    (void)print_part(column, " [options]\n");
}

static void print_usage(const command_spec *spec) {
    print_usage_line(spec);
    printf("\n%s\noptions\n", spec->about);
    static const command_option HELP = { "help", NULL, NULL, NULL, false, "print this" };
    int width = width_of(&HELP);
    for (size_t i = 0; i < spec->option_count; i++) {
        int option_width = width_of(&spec->options[i]);
        if (option_width > width) width = option_width;
    }
    for (size_t i = 0; i < spec->option_count; i++) print_option(&spec->options[i], width);
    print_option(&HELP, width);
    printf("\nexample\n%s\n" PBTS_EXIT_HELP, spec->examples);
}

static int usage_error(const command_spec *spec, const char *what, const char *name) {
    return say_fail(PBTS_EXIT_USAGE, "%s: %s%s; see \"%s %s --help\"", spec->name, what, name,
                    say_program, spec->name);
}

static int check(const command_spec *spec, const bool *given, int arguments) {
    for (size_t i = 0; i < spec->option_count; i++) {
        if (spec->options[i].required && !given[i]) {
            return usage_error(spec, "missing --", spec->options[i].name);
        }
    }
    if (arguments < spec->arguments_min) return usage_error(spec, "missing", spec->arguments);
    if (arguments > spec->arguments_max) {
        return usage_error(spec, "too many arguments, it takes",
                           spec->arguments_max == 0 ? " none" : spec->arguments);
    }
    return OPTIONS_GO_ON;
}

static void fill_table(struct option *table, const command_spec *spec) {
    assert(spec->option_count <= OPTIONS_MAX);
    for (size_t i = 0; i < spec->option_count; i++) {
        int has_value = spec->options[i].value == NULL ? no_argument : required_argument;
        table[i] = (struct option){ spec->options[i].name, has_value, NULL, FIRST_VALUE + (int)i };
    }
    table[spec->option_count] = (struct option){ "help", no_argument, NULL, HELP_VALUE };
    table[spec->option_count + 1] = (struct option){ NULL, 0, NULL, 0 };
}

/* getopt tells a short option by its letter, a long one only by its place. */
static int unknown_option(const command_spec *spec, char **argv) {
    char letter[3] = { '-', (char)optopt, '\0' };
    bool is_short = optopt > ' ' && optopt < 0x7F;
    return usage_error(spec, "unknown option ", is_short ? letter : argv[optind - 1]);
}

int options_parse(const command_spec *spec, char ***arguments, int argc, char **argv) {
    struct option table[OPTIONS_MAX + 2];
    bool given[OPTIONS_MAX] = { false };
    int value;
    fill_table(table, spec);
    optind = 0; /* start anew, also after another command was parsed */
    opterr = 0;
    while ((value = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        if (value == HELP_VALUE || value == 'h') {
            print_usage(spec);
            return say_flush(PBTS_EXIT_OK);
        }
        if (value == ':') return usage_error(spec, "a value is missing after ", argv[optind - 1]);
        if (value == '?') return unknown_option(spec, argv);
        const command_option *option = &spec->options[value - FIRST_VALUE];
        given[value - FIRST_VALUE] = true;
        if (option->value == NULL) {
            *option->flag = true;
        } else {
            *option->text = optarg;
        }
    }
    int problem = check(spec, given, argc - optind);
    if (problem == OPTIONS_GO_ON) *arguments = argv + optind;
    return problem;
}

bool options_number(uint64_t *out, const char *text, uint64_t max) {
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    if (at == text) return false;
    const char *unit = strchr("KMG", *at);
    if (*at != '\0') {
        if (unit == NULL || at[1] != '\0') return false;
        unsigned shift = *at == 'K' ? 10 : *at == 'M' ? 20 : 30;
        if (value > UINT64_MAX >> shift) return false;
        value <<= shift;
    }
    if (value > max) return false;
    *out = value;
    return true;
}
