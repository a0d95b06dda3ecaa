/* torrent_create.c - `pbts torrent create`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "content.h"
#include "exit_codes.h"
#include "files.h"
#include "options.h"
#include "progress.h"
#include "say.h"
#include "torrent/fallback.h"
#include "tracker_api.h"

enum { CHUNK_LEN = 1 << 20 };

static const char MAGIC[] = "d", KIND[] = ".torrent";

typedef struct {
    const char *out;
    bool force, forced_progress;
} create_options;

static int add_file(pbts_torrent_builder *builder, const content *all, size_t index,
                    progress *line) {
    static uint8_t chunk[CHUNK_LEN];
    char path[CONTENT_PATH_MAX];
    const content_file *file = &all->files[index];
    int code = content_file_path(path, all, index);
    if (code != PBTS_EXIT_OK) return code;
    FILE *in = content_open(path);
    if (in == NULL) return say_errno(path);
    pbts_status status =
        pbts_torrent_builder_begin_file(builder, pbts_span_text(file->path), file->length_bytes);
    size_t got;
    uint64_t left = file->length_bytes;
    while (status == PBTS_OK && (got = fread(chunk, 1, sizeof chunk, in)) > 0) {
        status = pbts_torrent_builder_add(builder, (pbts_span){ chunk, got });
        progress_add(line, got);
        left -= got < left ? got : left;
    }
    int failed = ferror(in);
    (void)fclose(in);
    if (failed) return say_errno(path);
    if (status == PBTS_OK && left == 0) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_REFUSED, "%s: %s", path,
                    status == PBTS_OK || status == PBTS_MALFORMED
                        ? "did not stay as it was while it was read"
                        : pbts_status_text(status));
}

static int build(pbts_torrent_builder *builder, const content *all, const create_options *how) {
    const char *out = how->out;
    progress line = progress_begin("hashing", all->total_bytes, how->forced_progress);
    int code = PBTS_EXIT_OK;
    for (size_t i = 0; code == PBTS_EXIT_OK && i < all->count; i++) {
        code = add_file(builder, all, i, &line);
    }
    progress_end(&line);
    if (code != PBTS_EXIT_OK) return code;
    pbts_span bytes;
    pbts_status status = pbts_torrent_builder_finish(builder, &bytes);
    if (status != PBTS_OK) {
        return say_fail(PBTS_EXIT_REFUSED, "%s: %s", out, pbts_status_text(status));
    }
    pbts_metainfo *meta;
    const char *problem = "no memory";
    if (pbts_metainfo_parse(&meta, &problem, pbts_mem_system(), bytes) != PBTS_OK) {
        return say_fail(PBTS_EXIT_REFUSED, "%s: %s", out, problem);
    }
    code = how->force ? file_replace(how->out, bytes, 0666, MAGIC, KIND)
                      : file_create(how->out, bytes, 0666);
    char infohash[2 * PBTS_INFOHASH_LEN + 1];
    hex_text(infohash, sizeof infohash,
             (pbts_span){ pbts_metainfo_infohash(meta), PBTS_INFOHASH_LEN });
    if (code == PBTS_EXIT_OK) {
        printf("%s: infohash %s, %s of %s, %s in all\n", out, infohash,
               say_count(pbts_metainfo_piece_count(meta), "piece"),
               say_bytes(pbts_metainfo_piece_length(meta)),
               say_bytes(pbts_metainfo_total_bytes(meta)));
    }
    pbts_metainfo_free(meta);
    return code;
}

/* "IP:PORT,IP:PORT" as the dictionary "pbts" of the file. */
static int nodes_into(pbts_writer *out, const char *list) {
    uint8_t four[6 * PBTS_FALLBACK_NODES_MAX], six[18 * PBTS_FALLBACK_NODES_MAX];
    pbts_writer nodes4 = pbts_writer_over(four, sizeof four);
    pbts_writer nodes6 = pbts_writer_over(six, sizeof six);
    for (const char *item = list; item != NULL;) {
        pbts_addr addr;
        const char *comma = strchr(item, ',');
        size_t len = comma != NULL ? (size_t)(comma - item) : strlen(item);
        pbts_span text = { (const uint8_t *)item, len };
        if (pbts_addr_parse_endpoint(&addr, text) != PBTS_OK) {
            return say_fail(PBTS_EXIT_USAGE,
                            "--nodes %s: should be nodes like 192.0.2.1:6881,[2001:db8::1]:6881",
                            list);
        }
        if (!pbts_torrent_fallback_add(&nodes4, &nodes6, &addr)) {
            return say_fail(PBTS_EXIT_USAGE, "--nodes: at most %d of each family",
                            PBTS_FALLBACK_NODES_MAX);
        }
        item = comma != NULL ? comma + 1 : NULL;
    }
    const pbts_torrent_fallback fallback = { .nodes4 = pbts_writer_span(&nodes4),
                                             .nodes6 = pbts_writer_span(&nodes6) };
    pbts_torrent_fallback_encode(out, &fallback);
    return PBTS_EXIT_OK;
}

static int create(const char *path, const create_options *how, pbts_torrent_options *options) {
    content all;
    pbts_torrent_builder *builder;
    int code = file_check_place(how->out, how->force, MAGIC, KIND);
    if (code == PBTS_EXIT_OK) code = content_scan(&all, path);
    if (code != PBTS_EXIT_OK) return code;
    options->name = pbts_span_text(all.name);
    options->single_file = all.single_file;
    options->created_at = (uint64_t)time(NULL);
    pbts_status status = pbts_torrent_builder_new(&builder, pbts_mem_system(), options);
    if (status != PBTS_OK) {
        code = say_fail(PBTS_EXIT_USAGE, "the piece length must be a power of two, %d to %d",
                        PBTS_PIECE_LENGTH_MIN, PBTS_PIECE_LENGTH_MAX);
    } else {
        code = build(builder, &all, how);
        pbts_torrent_builder_free(builder);
    }
    content_free(&all);
    return code;
}

int pbts_cmd_torrent_create(int argc, char **argv) {
    const char *length = "262144", *announce = "", *comment = "", *source = "", *nodes = NULL;
    create_options how = { .out = NULL };
    bool v2 = false, hybrid = false;
    const command_option options[] = {
        { "out", "FILE", &how.out, NULL, true, "the .torrent to write" },
        { "force", NULL, NULL, &how.force, false, "overwrite a .torrent that is there" },
        { "piece-length", "BYTES", &length, NULL, false,
          "a power of two, 16K to 64M (default 262144)" },
        { "v2", NULL, NULL, &v2, false, "version 2 (SHA-256) only" },
        { "hybrid", NULL, NULL, &hybrid, false, "versions 1 and 2 in one" },
        { "announce", "URL", &announce, NULL, false,
          "your announce URL; trackers fill in each user's own when they hand the\nfile out" },
        { "comment", "TEXT", &comment, NULL, false, "a comment" },
        { "source", "TEXT", &source, NULL, false,
          "the tracker's name, inside info: gives the same files another infohash\nat each "
          "tracker" },
        { "nodes", "LIST", &nodes, NULL, false,
          "ADDRESS:PORT,... where the users' DHT begins while the tracker is away" },
        OPTION_PROGRESS(&how.forced_progress),
    };
    const command_spec spec = {
        "torrent create",
        " PATH",
        "Make a private .torrent (private=1) from a file or folder.\n",
        "  pbts torrent create holiday/ --out holiday.torrent\n"
        "  pbts torrent create film.mkv --out film.torrent --piece-length 2M --hybrid\n",
        options,
        sizeof options / sizeof options[0],
        1,
        1
    };
    char **arguments;
    uint8_t fallback[PBTS_FALLBACK_LEN_MAX];
    uint64_t piece_length;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (v2 && hybrid) return say_fail(PBTS_EXIT_USAGE, "--v2 and --hybrid exclude each other");
    if (!options_number(&piece_length, length, PBTS_PIECE_LENGTH_MAX)) {
        return say_fail(PBTS_EXIT_USAGE, "--piece-length %s: should be a power of two, 16K to 64M",
                        length);
    }
    if (strlen(source) > PBTS_TORRENT_SOURCE_MAX) {
        return say_fail(PBTS_EXIT_USAGE, "--source: at most %d bytes", PBTS_TORRENT_SOURCE_MAX);
    }
    pbts_torrent_options torrent = {
        .version = v2       ? PBTS_TORRENT_V2
                   : hybrid ? PBTS_TORRENT_HYBRID
                            : PBTS_TORRENT_V1,
        .piece_length = (uint32_t)piece_length,
        .announce = pbts_span_text(announce),
        .comment = pbts_span_text(comment),
        .source = pbts_span_text(source),
    };
    pbts_writer writer = pbts_writer_over(fallback, sizeof fallback);
    if (nodes != NULL) code = nodes_into(&writer, nodes);
    if (nodes != NULL && code != PBTS_EXIT_OK) return code;
    torrent.fallback = pbts_writer_span(&writer);
    return create(arguments[0], &how, &torrent);
}
