/* dht.c - `pbts dht status`, `lookup` and `announce`: a running daemon's node of the DHT that its
 * members have for times without the tracker. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "content.h"
#include "dht/lookup_key.h"
#include "exit_codes.h"
#include "files.h"
#include "peer/peer_control.h"
#include "say.h"
#include "torrent.h"
#include "tracker_api.h"

/* ---- status ---- */

static const char NO_ADDRESS[] =
    "not known, so nothing is announced; start it with --bind, or wait "
    "until two members at different addresses have told it";

static void print_status(const json_t *dht) {
    if (json_is_null(dht)) {
        printf("off: it needs a key, and not --dht off\n");
        return;
    }
    const char *means = peer_text(dht, "means");
    printf("node      %s\n", peer_text(dht, "state"));
    printf("peers     %s\n", strcmp(means, "dht") == 0 ? "found by DHT: the tracker is away"
                             : strcmp(means, "both") == 0
                                 ? "found by tracker and DHT: the tracker was away"
                                 : "found by the tracker");
    printf("known     %s\n", say_count(peer_count(dht, "known_addresses"), "address"));
    if (json_object_get(dht, "id") == NULL) return;
    printf("id        %s%s\n", peer_text(dht, "id"),
           json_is_true(json_object_get(dht, "seeds_only")) ? ", may only seed" : "");
    const char *address = json_string_value(json_object_get(dht, "address"));
    printf("address   %s\n", address != NULL ? address : NO_ADDRESS);
    printf("stores    %s for others\n", say_count(peer_count(dht, "records"), "record"));
    printf("packets   %llu received, %llu sent\n", peer_count(dht, "received"),
           peer_count(dht, "sent"));
    printf("refused   %s, %s, %s of another network\n",
           say_count(peer_count(dht, "refused_certificates"), "certificate"),
           say_count(peer_count(dht, "refused_signatures"), "signature"),
           say_count(peer_count(dht, "foreign"), "packet"));
}

int pbts_cmd_dht_status(int argc, char **argv) {
    static const peer_question STATUS = {
        .name = "dht status",
        .arguments = "",
        .about = "The daemon's node of the members' DHT.\n",
        .examples = "  pbts dht status\n",
        .asks = "dht",
        .part = "dht",
        .print = print_status,
    };
    return peer_question_run(&STATUS, argc, argv);
}

/* ---- lookup, announce ---- */

static bool is_infohash(const char *text) {
    return strlen(text) == 40 && strspn(text, "0123456789abcdefABCDEF") == 40;
}

/* A torrent as the daemon takes it: an infohash of one that it shares, or what its file gives. */
static int name_torrent(json_t *question, char **arguments) {
    const char *argument = arguments[0];
    pbts_dht_torrent_secret secret;
    char hex[2 * sizeof secret.bytes + 1];
    pbts_metainfo *meta;
    if (is_infohash(argument)) {
        (void)json_object_set_new(question, "torrent", json_string(argument));
        return PBTS_EXIT_OK;
    }
    int code = torrent_load(&meta, argument);
    if (code != PBTS_EXIT_OK) return code;
    pbts_dht_torrent_secret_of(&secret, pbts_metainfo_info_raw(meta));
    hex_text(hex, sizeof hex, PBTS_SPAN_OF(secret.bytes));
    (void)json_object_set_new(question, "secret", json_string(hex));
    pbts_metainfo_free(meta);
    return PBTS_EXIT_OK;
}

static void print_found(const json_t *answer) {
    const json_t *peers = json_object_get(answer, "peers"), *peer;
    size_t i;
    json_array_foreach(peers, i, peer) {
        printf("%-24s %-7s %.16s\n", peer_text(peer, "address"),
               json_is_true(json_object_get(peer, "seeder")) ? "seeder" : "",
               peer_text(peer, "user"));
    }
    printf("%s, after %s\n", say_count(json_array_size(peers), "peer"),
           say_count(peer_count(answer, "queries"), "question"));
}

int pbts_cmd_dht_lookup(int argc, char **argv) {
    static const peer_question LOOKUP = {
        .name = "dht lookup",
        .arguments = " TORRENT",
        .about = "Ask the members' DHT who shares a torrent: a .torrent file, or the infohash of "
                 "one\n"
                 "that the daemon shares.\n",
        .examples = "  pbts dht lookup x.torrent\n",
        .arguments_min = 1,
        .arguments_max = 1,
        .asks = "dht_lookup",
        .fill = name_torrent,
        .print = print_found,
    };
    return peer_question_run(&LOOKUP, argc, argv);
}

static void print_stored(const json_t *answer) {
    printf("kept by %s\n", say_count(peer_count(answer, "stored"), "node"));
}

int pbts_cmd_dht_announce(int argc, char **argv) {
    static const peer_question ANNOUNCE = {
        .name = "dht announce",
        .arguments = " INFOHASH",
        .about = "Have the daemon announce a torrent that it shares in the members' DHT now, also "
                 "while\n"
                 "the tracker is there.\n",
        .examples = "  pbts dht announce 0123456789abcdef0123456789abcdef01234567\n",
        .arguments_min = 1,
        .arguments_max = 1,
        .asks = "dht_announce",
        .fill = peer_name_infohash,
        .print = print_stored,
    };
    return peer_question_run(&ANNOUNCE, argc, argv);
}
