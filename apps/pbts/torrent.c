/* torrent.c - a .torrent from disk; `pbts torrent add` and `list`. */
#include "torrent.h"

#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "exit_codes.h"
#include "files.h"
#include "options.h"
#include "say.h"
#include "tracker_api.h"

enum { PAGE_LEN = 100, LIST_MAX = 1 << 24 };

int torrent_load(pbts_metainfo **out, const char *path) {
    uint8_t *bytes;
    size_t len;
    const char *problem = "it is no bencoded dictionary";
    int code = file_read(&bytes, &len, path, PBTS_METAINFO_LEN_MAX);
    if (code != PBTS_EXIT_OK) return code;
    pbts_status status =
        pbts_metainfo_parse(out, &problem, pbts_mem_system(), (pbts_span){ bytes, len });
    free(bytes);
    if (status == PBTS_OK) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_REFUSED, "%s: %s: %s", path, pbts_status_text(status), problem);
}

/* ---- add ---- */

static int add(const char *tracker, const char *ca, const keyfile *key, const char *path,
               bool json) {
    pbts_metainfo *meta;
    json_t *answer;
    char infohash[2 * PBTS_INFOHASH_LEN + 1];
    int code = torrent_load(&meta, path);
    if (code != PBTS_EXIT_OK) return code;
    http_request request = { .tracker = tracker,
                             .ca = ca,
                             .method = "POST",
                             .path = "/torrents",
                             .content_type = "application/x-bittorrent",
                             .body = pbts_metainfo_bytes(meta) };
    code = tracker_signed_json(&answer, &request, key);
    hex_text(infohash, sizeof infohash, (pbts_span){ pbts_metainfo_infohash(meta), 20 });
    pbts_metainfo_free(meta);
    if (code != PBTS_EXIT_OK) return code;
    if (!json_is_integer(json_object_get(answer, "torrent_no"))) {
        return tracker_answer_bad(answer, tracker, "torrent number");
    }
    if (json) return say_json(answer);
    printf("%s: registered, infohash %s\n", path, infohash);
    json_decref(answer);
    return PBTS_EXIT_OK;
}

int pbts_cmd_torrent_add(int argc, char **argv) {
    const char *tracker = NULL, *ca = NULL, *path = NULL;
    bool json = false;
    const command_option options[] = { OPTION_TRACKER(&tracker), OPTION_KEY(&path), OPTION_CA(&ca),
                                       OPTION_JSON(&json) };
    const command_spec spec = {
        "torrent add",
        " FILE",
        "Register a .torrent with a tracker: from then on it may be announced and credited "
        "there.\n",
        "  pbts torrent add --tracker http://127.0.0.1:8000 --key alice.key x.torrent\n",
        options,
        sizeof options / sizeof options[0],
        1,
        1
    };
    char **arguments;
    keyfile key;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = keyfile_load_registered(&key, path);
    if (code != PBTS_EXIT_OK) return code;
    code = add(tracker, ca, &key, arguments[0], json);
    keyfile_wipe(&key);
    return code;
}

/* ---- list ---- */

static void print_text(const json_t *text, size_t len_max) {
    const char *value = json_string_value(text);
    pbts_span span = pbts_span_text(value != NULL ? value : "?");
    if (span.len > len_max) span.len = len_max;
    say_clean(stdout, span);
}

static void print_torrents(const json_t *torrents) {
    size_t i;
    json_t *torrent;
    json_array_foreach(torrents, i, torrent) {
        json_t *v1 = json_object_get(torrent, "infohash");
        /* On the wire the v2 one is as long as the v1 one. */
        print_text(json_is_string(v1) ? v1 : json_object_get(torrent, "infohash_v2"), 40);
        printf("  %10s  %4llu seed %4llu leech  ", say_bytes(tracker_count(torrent, "total_bytes")),
               (unsigned long long)tracker_count(torrent, "complete"),
               (unsigned long long)tracker_count(torrent, "incomplete"));
        print_text(json_object_get(torrent, "name"), SIZE_MAX);
        (void)putchar('\n');
    }
}

/* Ask for the torrents past number `*after`, which moves to the last of them. */
static int list_page(json_t **torrents, uint64_t *after, const char *tracker, const char *ca,
                     const keyfile *key) {
    char path[64];
    json_t *answer;
    (void)snprintf(path, sizeof path, "/torrents?after=%llu&limit=%d", (unsigned long long)*after,
                   PAGE_LEN);
    http_request request = { .tracker = tracker, .ca = ca, .method = "GET", .path = path };
    int code = tracker_signed_json(&answer, &request, key);
    if (code != PBTS_EXIT_OK) return code;
    json_t *page = json_object_get(answer, "torrents");
    size_t count = json_array_size(page);
    uint64_t last = count > 0 ? tracker_count(json_array_get(page, count - 1), "torrent_no") : 0;
    /* Numbers must go up, else this would never end. */
    if (!json_is_array(page) || count > PAGE_LEN || (count > 0 && last <= *after)) {
        return tracker_answer_bad(answer, tracker, "list of torrents");
    }
    if (count > 0) *after = last;
    *torrents = json_incref(page);
    json_decref(answer);
    return PBTS_EXIT_OK;
}

/* One page after another; `all` collects them for --json. */
static int list(const char *tracker, const char *ca, const keyfile *key, json_t *all) {
    uint64_t after = 0;
    for (size_t total = 0; total < LIST_MAX;) {
        json_t *page = NULL;
        int code = list_page(&page, &after, tracker, ca, key);
        if (code != PBTS_EXIT_OK) return code;
        size_t count = json_array_size(page);
        total += count;
        if (all == NULL) print_torrents(page);
        if (all != NULL) json_array_extend(all, page);
        json_decref(page);
        if (count < PAGE_LEN) return PBTS_EXIT_OK;
    }
    return say_fail(PBTS_EXIT_IO, "%s: lists more than %d torrents", tracker, LIST_MAX);
}

int pbts_cmd_torrent_list(int argc, char **argv) {
    const char *tracker = NULL, *ca = NULL, *path = NULL;
    bool json = false;
    const command_option options[] = { OPTION_TRACKER(&tracker), OPTION_KEY(&path), OPTION_CA(&ca),
                                       OPTION_JSON(&json) };
    const command_spec spec = { "torrent list",
                                "",
                                "List the torrents of a tracker.\n",
                                "  pbts torrent list --tracker http://127.0.0.1:8000 --key "
                                "alice.key\n",
                                options,
                                sizeof options / sizeof options[0],
                                0,
                                0 };
    char **arguments;
    keyfile key;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = keyfile_load_registered(&key, path);
    if (code != PBTS_EXIT_OK) return code;
    json_t *all = json ? json_array() : NULL;
    code = list(tracker, ca, &key, all);
    keyfile_wipe(&key);
    if (all == NULL) return code;
    if (code == PBTS_EXIT_OK) return say_json(all);
    json_decref(all);
    return code;
}
