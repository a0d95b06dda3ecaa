/* peer.c - `pbts peer list`, `add`, `remove` and `stats`: what a running daemon shares. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "exit_codes.h"
#include "options.h"
#include "peer/peer_control.h"
#include "say.h"
#include "torrent/magnet.h"

#define OPTION_CONTROL(text)                                                             \
    {                                                                                    \
        "control", "PATH", text, NULL, false,                                            \
            "the daemon's socket (default: pbts-peer.sock in the user's runtime folder)" \
    }

static unsigned long long count_of(const json_t *object, const char *name) {
    return (unsigned long long)json_integer_value(json_object_get(object, name));
}

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static void print_clean(const char *text) {
    say_clean(stdout, pbts_span_text(text));
}

/* ---- list ---- */

static void print_torrent(const json_t *torrent) {
    unsigned long long total = count_of(torrent, "total_bytes");
    unsigned long long left = count_of(torrent, "left_bytes");
    double percent = total == 0 ? 0 : 100.0 * (double)(total - left) / (double)total;
    printf("%s  %5.1f%%  %-11s  ", text_of(torrent, "torrent"), percent, text_of(torrent, "state"));
    print_clean(text_of(torrent, "name"));
    (void)putchar('\n');
    const char *problem = text_of(torrent, "problem");
    if (*problem == '\0') return;
    printf("%42s", "");
    print_clean(problem);
    (void)putchar('\n');
}

int pbts_cmd_peer_list(int argc, char **argv) {
    const char *control = NULL;
    bool json = false;
    const command_option options[] = { OPTION_CONTROL(&control), OPTION_JSON(&json) };
    const command_spec spec = { "peer list",
                                "",
                                "What the daemon shares, and how far it is.\n",
                                "  pbts peer list\n",
                                options,
                                sizeof options / sizeof options[0],
                                0,
                                0 };
    char **arguments;
    json_t *answer = NULL, *torrents;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = peer_ask(&answer, control, json_pack("{s:s}", "do", "list"));
    if (code != PBTS_EXIT_OK) return code;
    torrents = json_object_get(answer, "torrents");
    if (json) {
        code = say_json(json_incref(torrents));
    } else {
        size_t i;
        json_t *torrent;
        json_array_foreach(torrents, i, torrent) {
            print_torrent(torrent);
        }
    }
    json_decref(answer);
    return code;
}

/* ---- add, remove ---- */

/* The daemon has another working folder. */
static int absolute(char out[static PATH_MAX], const char *path) {
    return realpath(path, out) == NULL ? say_errno(path) : PBTS_EXIT_OK;
}

int pbts_cmd_peer_add(int argc, char **argv) {
    const char *control = NULL, *dir = NULL;
    char source[PATH_MAX], folder[PATH_MAX];
    const command_option options[] = {
        { "dir", "DIR", &dir, NULL, false, "where its files go (default: the daemon's --dir)" },
        OPTION_CONTROL(&control),
    };
    const command_spec spec = { "peer add",
                                " TORRENT",
                                "Have the daemon share a torrent: a .torrent file or a magnet "
                                "link. It is there again\n"
                                "after a restart.\n",
                                "  pbts peer add x.torrent\n"
                                "  pbts peer add 'magnet:?xt=urn:btih:...' --dir ~/Films\n",
                                options,
                                sizeof options / sizeof options[0],
                                1,
                                1 };
    char **arguments;
    json_t *answer = NULL;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    bool magnet = pbts_magnet_is(pbts_span_text(arguments[0]));
    code = magnet ? PBTS_EXIT_OK : absolute(source, arguments[0]);
    if (code == PBTS_EXIT_OK && dir != NULL) code = absolute(folder, dir);
    if (code != PBTS_EXIT_OK) return code;
    json_t *question =
        json_pack("{s:s, s:s}", "do", "add", "source", magnet ? arguments[0] : source);
    if (question != NULL && dir != NULL) {
        (void)json_object_set_new(question, "dir", json_string(folder));
    }
    code = peer_ask(&answer, control, question);
    if (code != PBTS_EXIT_OK) return code;
    printf("%s\n", text_of(answer, "torrent"));
    json_decref(answer);
    return PBTS_EXIT_OK;
}

int pbts_cmd_peer_remove(int argc, char **argv) {
    const char *control = NULL;
    const command_option options[] = { OPTION_CONTROL(&control) };
    const command_spec spec = { "peer remove",
                                " INFOHASH",
                                "Have the daemon share a torrent no more. Its files stay.\n",
                                "  pbts peer remove 0123456789abcdef0123456789abcdef01234567\n",
                                options,
                                sizeof options / sizeof options[0],
                                1,
                                1 };
    char **arguments;
    json_t *answer = NULL;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = peer_ask(&answer, control,
                    json_pack("{s:s, s:s}", "do", "remove", "torrent", arguments[0]));
    json_decref(answer);
    return code;
}

/* ---- stats ---- */

static void print_rates(const json_t *stats) {
    printf("down      %s, now %s/s\n", say_bytes(count_of(stats, "downloaded_bytes")),
           say_bytes(count_of(stats, "down_bytes_per_s")));
    printf("up        %s, now %s/s\n", say_bytes(count_of(stats, "uploaded_bytes")),
           say_bytes(count_of(stats, "up_bytes_per_s")));
    printf("peers     %llu\n", count_of(stats, "connections"));
    printf("receipts  %llu given, %llu taken; served and not signed for: %s\n",
           count_of(stats, "receipts_given"), count_of(stats, "receipts_taken"),
           say_bytes(count_of(stats, "unreceipted_bytes")));
    if (json_object_get(stats, "receipts_waiting") == NULL) return;
    printf("reports   %llu receipts wait, %llu were refused; credited %s, held %s\n",
           count_of(stats, "receipts_waiting"), count_of(stats, "receipts_refused"),
           say_bytes(count_of(stats, "credited_bytes")), say_bytes(count_of(stats, "held_bytes")));
}

static void print_peer(const json_t *peer) {
    printf("  %-24s ", text_of(peer, "address"));
    print_clean(text_of(peer, "client"));
    printf(", down %s/s, up %s/s, receipts %s", say_bytes(count_of(peer, "down_bytes_per_s")),
           say_bytes(count_of(peer, "up_bytes_per_s")), text_of(peer, "receipts"));
    if (strcmp(text_of(peer, "refusal"), "NONE") != 0) printf(" (%s)", text_of(peer, "refusal"));
    (void)putchar('\n');
}

static void print_stats(const json_t *answer) {
    const json_t *stats = json_object_get(answer, "stats"), *peer;
    size_t i;
    if (json_object_get(stats, "torrent") != NULL) print_torrent(stats);
    print_rates(stats);
    json_array_foreach(json_object_get(answer, "peers"), i, peer) {
        print_peer(peer);
    }
}

int pbts_cmd_peer_stats(int argc, char **argv) {
    const char *control = NULL;
    bool json = false;
    const command_option options[] = { OPTION_CONTROL(&control), OPTION_JSON(&json) };
    const command_spec spec = { "peer stats",
                                " [INFOHASH]",
                                "What moves at the daemon: all torrents together, or one and its "
                                "peers.\n",
                                "  pbts peer stats\n"
                                "  pbts peer stats 0123456789abcdef0123456789abcdef01234567\n",
                                options,
                                sizeof options / sizeof options[0],
                                0,
                                1 };
    char **arguments;
    json_t *answer = NULL;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    json_t *question = json_pack("{s:s}", "do", "stats");
    if (question != NULL && arguments[0] != NULL) {
        (void)json_object_set_new(question, "torrent", json_string(arguments[0]));
    }
    code = peer_ask(&answer, control, question);
    if (code != PBTS_EXIT_OK) return code;
    if (json) return say_json(answer);
    print_stats(answer);
    json_decref(answer);
    return PBTS_EXIT_OK;
}
