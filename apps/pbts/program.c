#include "program.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/secret_memory.h"
#include "exit_codes.h"
#include "say.h"

static void print_help(const program *p, FILE *out) {
    (void)fprintf(out, "usage: %s COMMAND [options]; %s COMMAND --help explains each\n\n", p->name,
                  p->name);
    for (size_t i = 0; i < p->count; i++) {
        const char *first = p->commands[i].words[0], *second = p->commands[i].words[1];
        int used = (int)strlen(first) + (second != NULL ? 1 : 0);
        (void)fprintf(out, "  %s%s%-*s  %s\n", first, second != NULL ? " " : "", p->width - used,
                      second != NULL ? second : "", p->commands[i].help);
    }
    (void)fprintf(out, "\n%s\n%s\n  --help, --version\n\n%s", p->title, p->examples,
                  PBTS_EXIT_HELP);
}

/* The commands that begin with `word`; whether there are any. */
static bool print_group(const program *p, FILE *out, const char *word) {
    bool group = false;
    for (size_t i = 0; i < p->count; i++) {
        const char *const *words = p->commands[i].words;
        if (words[1] == NULL || strcmp(words[0], word) != 0) continue;
        if (!group) (void)fprintf(out, "usage: %s %s COMMAND, one of\n", p->name, word);
        group = true;
        (void)fprintf(out, "  %-12s  %s\n", words[1], p->commands[i].help);
    }
    return group;
}

static int unknown(const program *p, int argc, char **argv) {
    bool helped = argc > 2 && strcmp(argv[2], "--help") == 0;
    if (print_group(p, helped ? stdout : stderr, argv[1])) {
        return helped ? PBTS_EXIT_OK : PBTS_EXIT_USAGE;
    }
    return say_fail(PBTS_EXIT_USAGE, "there is no command \"%s\"; see \"%s --help\"", argv[1],
                    p->name);
}

static int run(const program *p, int argc, char **argv) {
    static char whole[80]; /* getopt begins its messages with it */
    for (size_t i = 0; i < p->count; i++) {
        const char *second = p->commands[i].words[1];
        if (strcmp(p->commands[i].words[0], argv[1]) != 0) continue;
        if (second != NULL && (argc < 3 || strcmp(second, argv[2]) != 0)) continue;
        int words = second == NULL ? 1 : 2;
        (void)snprintf(whole, sizeof whole, "%s %s%s%s", p->name, argv[1], words == 2 ? " " : "",
                       words == 2 ? second : "");
        argv[words] = whole;
        return p->commands[i].run(argc - words, argv + words);
    }
    return unknown(p, argc, argv);
}

/* Where stdin, stdout or stderr is closed, the next file that is opened would take its place, and
 * messages would be written into it. /dev/null takes it, for reading: writing fails as it should.
 */
static void hold_standard_streams(void) {
    int fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO) fd = dup(fd);
    if (fd > STDERR_FILENO) (void)close(fd);
}

int program_run(const program *p, int argc, char **argv) {
    say_program = p->name;
    hold_standard_streams();
    (void)pbts_process_conceal(); /* keys pass through here */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file larger than ulimit -f is an error, not an end */
    if (argc < 2) {
        print_help(p, stderr);
        return PBTS_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(p, stdout);
        return say_flush(PBTS_EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("%s %s\n", p->name, PBTS_VERSION);
        return say_flush(PBTS_EXIT_OK);
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return say_no_memory();
    int code = run(p, argc, argv);
    curl_global_cleanup();
    return say_flush(code);
}
