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

static void print_clean(const char *text) {
    say_clean(stdout, pbts_span_text(text));
}

/* ---- list ---- */

static void print_torrent(const json_t *torrent) {
    unsigned long long total = peer_count(torrent, "total_bytes");
    unsigned long long left = peer_count(torrent, "left_bytes");
    double percent = total == 0 ? 0 : 100.0 * (double)(total - left) / (double)total;
    printf("%s  %5.1f%%  %-11s  ", peer_text(torrent, "torrent"), percent,
           peer_text(torrent, "state"));
    print_clean(peer_text(torrent, "name"));
    (void)putchar('\n');
    const char *problem = peer_text(torrent, "problem");
    if (*problem == '\0') return;
    printf("%42s", "");
    print_clean(problem);
    (void)putchar('\n');
}

static void print_torrents(const json_t *torrents) {
    size_t i;
    const json_t *torrent;
    json_array_foreach(torrents, i, torrent) {
        print_torrent(torrent);
    }
}

int pbts_cmd_peer_list(int argc, char **argv) {
    static const peer_question LIST = {
        .name = "peer list",
        .arguments = "",
        .about = "What the daemon shares, and how far it is.\n",
        .examples = "  pbts peer list\n",
        .asks = "list",
        .part = "torrents",
        .print = print_torrents,
    };
    return peer_question_run(&LIST, argc, argv);
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
    printf("%s\n", peer_text(answer, "torrent"));
    json_decref(answer);
    return PBTS_EXIT_OK;
}

int pbts_cmd_peer_remove(int argc, char **argv) {
    static const peer_question REMOVE = {
        .name = "peer remove",
        .arguments = " INFOHASH",
        .about = "Have the daemon share a torrent no more. Its files stay.\n",
        .examples = "  pbts peer remove 0123456789abcdef0123456789abcdef01234567\n",
        .arguments_min = 1,
        .arguments_max = 1,
        .asks = "remove",
        .fill = peer_name_infohash,
    };
    return peer_question_run(&REMOVE, argc, argv);
}

/* ---- stats ---- */

static void print_rates(const json_t *stats) {
    printf("down      %s, now %s/s\n", say_bytes(peer_count(stats, "downloaded_bytes")),
           say_bytes(peer_count(stats, "down_bytes_per_s")));
    printf("up        %s, now %s/s\n", say_bytes(peer_count(stats, "uploaded_bytes")),
           say_bytes(peer_count(stats, "up_bytes_per_s")));
    printf("peers     %llu\n", peer_count(stats, "connections"));
    printf("receipts  %llu given, %llu taken; served and not signed for: %s\n",
           peer_count(stats, "receipts_given"), peer_count(stats, "receipts_taken"),
           say_bytes(peer_count(stats, "unreceipted_bytes")));
    const json_t *dht = json_object_get(stats, "dht");
    if (json_object_get(dht, "state") != NULL) {
        printf("DHT       %s; peers are found by %s\n", peer_text(dht, "state"),
               peer_text(dht, "means"));
    }
    if (json_object_get(stats, "receipts_waiting") == NULL) return;
    printf("reports   %s waiting, %llu refused; credited %s, held %s\n",
           say_count(peer_count(stats, "receipts_waiting"), "receipt"),
           peer_count(stats, "receipts_refused"), say_bytes(peer_count(stats, "credited_bytes")),
           say_bytes(peer_count(stats, "held_bytes")));
}

static void print_peer(const json_t *peer) {
    printf("  %-24s ", peer_text(peer, "address"));
    print_clean(peer_text(peer, "client"));
    printf(", down %s/s, up %s/s, receipts %s", say_bytes(peer_count(peer, "down_bytes_per_s")),
           say_bytes(peer_count(peer, "up_bytes_per_s")), peer_text(peer, "receipts"));
    if (strcmp(peer_text(peer, "refusal"), "NONE") != 0)
        printf(" (%s)", peer_text(peer, "refusal"));
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
    static const peer_question STATS = {
        .name = "peer stats",
        .arguments = " [INFOHASH]",
        .about = "What moves at the daemon: all torrents together, or one and its peers.\n",
        .examples = "  pbts peer stats\n"
                    "  pbts peer stats 0123456789abcdef0123456789abcdef01234567\n",
        .arguments_max = 1,
        .asks = "stats",
        .fill = peer_name_infohash,
        .print = print_stats,
    };
    return peer_question_run(&STATS, argc, argv);
}
