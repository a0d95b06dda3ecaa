/* pbts-peer - a BitTorrent client that signs for what it gets, and is signed for what it gives. */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "exit_codes.h"
#include "options.h"
#include "say.h"
#include "tell.h"

static const struct {
    const char *word;
    peer_command command;
    const char *help;
} COMMANDS[] = {
    { "get", COMMAND_GET, "download torrents" },
    { "seed", COMMAND_SEED, "serve content that is there" },
    { "daemon", COMMAND_DAEMON, "share until it is stopped; \"pbts peer\" speaks to it" },
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

static void print_help(FILE *out) {
    (void)fputs("usage: pbts-peer COMMAND [options]; pbts-peer COMMAND --help explains each\n\n",
                out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(out, "  %-7s  %s\n", COMMANDS[i].word, COMMANDS[i].help);
    }
    (void)fputs("\nexamples\n"
                "  pbts-peer get x.torrent --dir ~/Downloads --key alice.key\n"
                "  pbts-peer seed x.torrent --dir ~/Shared --key bob.key\n\n"
                "  --help, --version\n\n" PBTS_EXIT_HELP,
                out);
}

static int run(peer_command command, int argc, char **argv) {
    settings set;
    int code = settings_read(&set, command, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    tell_as_json(set.json);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return say_no_memory();
    code = engine_run(&set);
    curl_global_cleanup();
    return code;
}

int main(int argc, char **argv) {
    say_program = "pbts-peer";
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help(stderr);
        return PBTS_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return say_flush(PBTS_EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("pbts-peer " PBTS_VERSION);
        return say_flush(PBTS_EXIT_OK);
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(COMMANDS[i].word, argv[1]) != 0) continue;
        return say_flush(run(COMMANDS[i].command, argc - 1, argv + 1));
    }
    return say_fail(PBTS_EXIT_USAGE, "there is no command \"%s\"; see \"pbts-peer --help\"",
                    argv[1]);
}
