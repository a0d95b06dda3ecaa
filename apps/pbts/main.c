/* pbts - keys, users, torrents, receipts, reports, peers, the ledger, benchmarks. */
#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "command.h"
#include "exit_codes.h"
#include "files.h"
#include "ledger/ledger_commands.h"
#include "say.h"

static const struct {
    const char *words[2]; /* the second may be NULL */
    int (*run)(int argc, char **argv);
    const char *help;
} COMMANDS[] = {
    { { "key", "new" }, pbts_cmd_key_new, "make a key file" },
    { { "key", "show" }, pbts_cmd_key_show, "show its public half" },
    { { "register", NULL }, pbts_cmd_register, "register a name with a tracker" },
    { { "passkey", "rotate" }, pbts_cmd_passkey_rotate, "end the old passkey, get a new one" },
    { { "user", "show" }, pbts_cmd_user_show, "a user's totals and ratio" },
    { { "torrent", "create" }, pbts_cmd_torrent_create, "make a .torrent from a file or folder" },
    { { "torrent", "show" }, pbts_cmd_torrent_show, "what a .torrent says" },
    { { "torrent", "add" }, pbts_cmd_torrent_add, "register a .torrent with a tracker" },
    { { "torrent", "list" }, pbts_cmd_torrent_list, "torrents registered with a tracker" },
    { { "receipt", "make" }, pbts_cmd_receipt_make, "sign for pieces that you received" },
    { { "receipt", "verify" }, pbts_cmd_receipt_verify, "check receipts offline" },
    { { "receipt", "show" }, pbts_cmd_receipt_show, "what receipts say" },
    { { "report", NULL }, pbts_cmd_report, "hand receipts in: they become ratio" },
    { { "peer", "list" }, pbts_cmd_peer_list, "what a running pbts-peer shares" },
    { { "peer", "add" }, pbts_cmd_peer_add, "have it share a torrent" },
    { { "peer", "remove" }, pbts_cmd_peer_remove, "have it share a torrent no more" },
    { { "peer", "stats" }, pbts_cmd_peer_stats, "what moves there" },
    { { "ledger", "verify" }, pbts_cmd_ledger_verify, "check a whole ledger offline" },
    { { "ledger", "export" }, pbts_cmd_ledger_export, "copy the ledger of a tracker's data" },
    { { "ledger", "import" }, pbts_cmd_ledger_import, "a tracker's data from such a copy" },
    { { "ledger", "seal" }, pbts_cmd_ledger_seal, "end a ledger for good, for a successor" },
    { { "bench", "announce" }, pbts_bench_announce, "load a tracker with announces" },
    { { "bench", "prepare" }, pbts_bench_prepare, "fill a tracker for benchmarks" },
    { { "bench", "receipts" }, pbts_bench_receipts, "time signatures and their checks" },
    { { "bench", "reports" }, pbts_bench_reports, "time reports end to end" },
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

static void print_help(FILE *out) {
    fputs("usage: pbts COMMAND [options]; pbts COMMAND --help explains each\n\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const char *second = COMMANDS[i].words[1];
        fprintf(out, "  %s%s%-*s  %s\n", COMMANDS[i].words[0], second ? " " : "",
                (int)(15 - strlen(COMMANDS[i].words[0]) - (second ? 1 : 0)), second ? second : "",
                COMMANDS[i].help);
    }
    fputs("\nA first tour\n"
          "  pbts key new --out alice.key\n"
          "  pbts register --tracker http://127.0.0.1:8000 --key alice.key --uid alice\n"
          "  pbts torrent create DIR --out x.torrent\n"
          "  pbts torrent add --tracker http://127.0.0.1:8000 --key alice.key x.torrent\n\n"
          "  --help, --version\n\n" PBTS_EXIT_HELP,
          out);
}

/* The commands that begin with `word`; whether there are any. */
static bool print_group(FILE *out, const char *word) {
    bool group = false;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (COMMANDS[i].words[1] == NULL || strcmp(COMMANDS[i].words[0], word) != 0) continue;
        if (!group) fprintf(out, "usage: pbts %s COMMAND, one of\n", word);
        group = true;
        fprintf(out, "  %-10s  %s\n", COMMANDS[i].words[1], COMMANDS[i].help);
    }
    return group;
}

static int unknown(int argc, char **argv) {
    bool helped = argc > 2 && strcmp(argv[2], "--help") == 0;
    if (print_group(helped ? stdout : stderr, argv[1])) {
        return helped ? PBTS_EXIT_OK : PBTS_EXIT_USAGE;
    }
    return say_fail(PBTS_EXIT_USAGE, "there is no command \"%s\"; see \"pbts --help\"", argv[1]);
}

/* Where stdin, stdout or stderr is closed, the next file that is opened would take its place, and
 * messages would be written into it. /dev/null takes it, for reading: writing fails as it should.
 */
static void hold_standard_streams(void) {
    int fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO) fd = dup(fd);
    if (fd > STDERR_FILENO) (void)close(fd);
}

int main(int argc, char **argv) {
    hold_standard_streams();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file larger than ulimit -f is an error, not an end */
    files_discard_on_signals();
    if (argc < 2) {
        print_help(stderr);
        return PBTS_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return say_flush(PBTS_EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("pbts " PBTS_VERSION);
        return say_flush(PBTS_EXIT_OK);
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return say_no_memory();
    int code = -1;
    for (size_t i = 0; i < COMMAND_COUNT && code < 0; i++) {
        const char *second = COMMANDS[i].words[1];
        if (strcmp(COMMANDS[i].words[0], argv[1]) != 0) continue;
        if (second != NULL && (argc < 3 || strcmp(second, argv[2]) != 0)) continue;
        int words = second == NULL ? 1 : 2;
        code = COMMANDS[i].run(argc - words, argv + words);
    }
    if (code < 0) code = unknown(argc, argv);
    curl_global_cleanup();
    return say_flush(code);
}
