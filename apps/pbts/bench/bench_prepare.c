/* bench_prepare.c - `pbts bench prepare`: fill a tracker with users and small torrents.
 *
 * Each user is registered with a fresh key and its proof of possession, as anyone would be, and
 * the key is forgotten; each torrent has one piece. What stays are two files for `bench announce`:
 * passkeys.txt and torrents.txt (infohashes in hex).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "bench.h"
#include "bench_lines.h"
#include "bench_posts.h"
#include "bench_tracker.h"
#include "codec/text.h"
#include "torrent/builder.h"

enum { PREPARE_MAX = 4 << 20, PIECE_LEN = PBTS_PIECE_LENGTH_MIN };

static const char help[] =
    "usage: pbts bench prepare --tracker URL --users N|--passkeys FILE --torrents N --out DIR\n"
    "\n"
    "Register N users with new keys and N torrents of one piece, over a few kept connections, and\n"
    "write DIR/passkeys.txt and DIR/torrents.txt for `pbts bench announce`. The tracker needs\n"
    "uploads_per_user_max >= torrents / users.\n"
    "\n"
    "  --admin-token FILE the tracker's admin.token: without it an address registers 60 per hour\n"
    "  --passkeys FILE    use these users of an earlier call instead of registering new ones\n"
    "  --lanes N          connections (32)\n"
    "\n"
    "example: pbts bench prepare --tracker http://127.0.0.1:8000 --users 1000 --torrents 500 \\\n"
    "             --admin-token data/admin.token --out /tmp/prepared\n"
    "exit codes: 0 done; 1 the tracker or the disk refused; 2 bad usage\n";

typedef struct {
    const char *tracker, *out;
    const char *passkeys_file;                        /* NULL: register new users */
    char authorization[PBTS_BENCH_AUTHORIZATION_LEN]; /* header line with the administrator's token;
                                                         empty: none. Secret */
    uint32_t users, torrents, lanes;
    uint8_t iid[PBTS_IID_LEN];
    uint32_t tag; /* random: tells this call's users from those of others */
    char (*passkeys)[PBTS_BENCH_PASSKEY_MAX + 1];
    uint8_t (*infohashes)[PBTS_INFOHASH_LEN];
} preparation;

static bool fits(uint32_t number, const char *what) {
    if (number >= 1 && number <= PREPARE_MAX) return true;
    fprintf(stderr, "pbts bench prepare: --%s should be 1 to %d\n", what, (int)PREPARE_MAX);
    return false;
}

static bool explain(const char *what, long http_status, pbts_span answer) {
    fprintf(stderr, "pbts bench prepare: %s: HTTP %ld: %.*s\n", what, http_status, (int)answer.len,
            (const char *)answer.data);
    return false;
}

static bool fill_user(void *host, pbts_writer *path, pbts_writer *body, uint32_t job) {
    preparation *all = host;
    char uid[PBTS_UID_LEN_MAX + 1];
    snprintf(uid, sizeof uid, "bench-%08x-%u", all->tag, job);
    pbts_bls_secret secret;
    pbts_bls_public key;
    if (pbts_bls_generate(&secret, pbts_random_system()) != PBTS_OK) return false;
    pbts_bls_public_of(&key, &secret);
    pbts_write_text(path, "/register");
    pbts_bench_write_registration(body, all->iid, uid, &key, &secret);
    pbts_wipe(&secret, sizeof secret);
    return true;
}

static bool take_user(void *host, uint32_t job, long http_status, pbts_span answer) {
    preparation *all = host;
    bool ok = http_status / 100 == 2 && pbts_bench_read_passkey(all->passkeys[job], answer);
    return ok || explain("register", http_status, answer);
}

/* One file of a few bytes whose name makes the infohash a new one. */
static bool build_torrent(preparation *all, pbts_writer *body, uint32_t job) {
    char name[48];
    snprintf(name, sizeof name, "bench-%08x-%u.bin", all->tag, job);
    pbts_span content = pbts_span_text(name), file = { NULL, 0 };
    pbts_torrent_options options = {
        .version = PBTS_TORRENT_V1, .piece_length = PIECE_LEN, .name = content, .single_file = true
    };
    pbts_torrent_builder *builder = NULL;
    pbts_metainfo *meta = NULL;
    const char *problem = NULL;
    bool ok = pbts_torrent_builder_new(&builder, pbts_mem_system(), &options) == PBTS_OK &&
              pbts_torrent_builder_begin_file(builder, content, content.len) == PBTS_OK &&
              pbts_torrent_builder_add(builder, content) == PBTS_OK &&
              pbts_torrent_builder_finish(builder, &file) == PBTS_OK &&
              pbts_metainfo_parse(&meta, &problem, pbts_mem_system(), file) == PBTS_OK;
    if (ok) {
        memcpy(all->infohashes[job], pbts_metainfo_infohash(meta), PBTS_INFOHASH_LEN);
        pbts_write_bytes(body, file);
    }
    pbts_metainfo_free(meta);
    pbts_torrent_builder_free(builder);
    return ok;
}

static bool fill_torrent(void *host, pbts_writer *path, pbts_writer *body, uint32_t job) {
    preparation *all = host;
    pbts_write_text(path, "/torrents?passkey=");
    pbts_write_text(path, all->passkeys[job % all->users]);
    return build_torrent(all, body, job);
}

static bool take_torrent(void *host, uint32_t job, long http_status, pbts_span answer) {
    return http_status / 100 == 2 || explain("torrents", http_status, answer);
}

static FILE *open_out(const preparation *all, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", all->out, name);
    FILE *file = fopen(path, "we");
    if (!file) perror(path);
    return file;
}

static bool write_passkeys(const preparation *all) {
    FILE *file = open_out(all, "passkeys.txt");
    if (!file) return false;
    for (uint32_t i = 0; i < all->users; i++) fprintf(file, "%s\n", all->passkeys[i]);
    return fclose(file) == 0;
}

static bool write_torrents(const preparation *all) {
    FILE *file = open_out(all, "torrents.txt");
    if (!file) return false;
    for (uint32_t i = 0; i < all->torrents; i++) {
        uint8_t text[2 * PBTS_INFOHASH_LEN + 1];
        pbts_writer writer = pbts_writer_over(text, sizeof text);
        pbts_hex_encode(&writer, (pbts_span){ all->infohashes[i], PBTS_INFOHASH_LEN });
        pbts_write_text(&writer, "\n");
        fwrite(text, 1, writer.len, file);
    }
    return fclose(file) == 0;
}

static bool post_users(preparation *all) {
    pbts_posts posts = { .what = "users",
                         .tracker = all->tracker,
                         .content_type = "application/json",
                         .header = all->authorization[0] ? all->authorization : NULL,
                         .jobs = all->users,
                         .lanes = all->lanes,
                         .fill = fill_user,
                         .take = take_user,
                         .host = all };
    return pbts_posts_run(&posts);
}

static bool post_torrents(preparation *all) {
    pbts_posts posts = { .what = "torrents",
                         .tracker = all->tracker,
                         .content_type = "application/x-bittorrent",
                         .jobs = all->torrents,
                         .lanes = all->lanes,
                         .fill = fill_torrent,
                         .take = take_torrent,
                         .host = all };
    return pbts_posts_run(&posts);
}

static bool prepare(preparation *all) {
    uint8_t tag[4];
    if (all->passkeys_file)
        all->users = pbts_bench_read_passkeys(&all->passkeys, all->passkeys_file);
    else
        all->passkeys = calloc(all->users, sizeof *all->passkeys);
    all->infohashes = calloc(all->torrents, sizeof *all->infohashes);
    bool ok = all->users > 0 && all->passkeys && all->infohashes &&
              pbts_random_fill(pbts_random_system(), tag, sizeof tag) == PBTS_OK;
    if (ok) memcpy(&all->tag, tag, sizeof tag);
    ok = ok && pbts_bench_fetch_iid(all->iid, all->tracker) &&
         (all->passkeys_file || post_users(all)) && post_torrents(all) && write_passkeys(all) &&
         write_torrents(all);
    free(all->passkeys);
    free(all->infohashes);
    return ok;
}

static uint32_t number_of(const char *text) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    return *end == 0 && value <= PREPARE_MAX ? (uint32_t)value : 0;
}

static bool apply(preparation *all, int option, const char *value) {
    switch (option) {
    case 't': all->tracker = value; return true;
    case 'o': all->out = value; return true;
    case 'p': all->passkeys_file = value; return true;
    case 'a': return pbts_bench_read_token(all->authorization, value);
    case 'u': all->users = number_of(value); return fits(all->users, "users");
    case 'n': all->torrents = number_of(value); return fits(all->torrents, "torrents");
    case 'l':
        all->lanes = number_of(value);
        if (all->lanes > PBTS_POSTS_LANES_MAX) all->lanes = PBTS_POSTS_LANES_MAX;
        return fits(all->lanes, "lanes");
    default: return false;
    }
}

/* 0, -1 when help was printed, or the exit code. */
static int read_options(preparation *all, int argc, char **argv) {
    static const struct option table[] = {
        { "tracker", required_argument, NULL, 't' },
        { "out", required_argument, NULL, 'o' },
        { "passkeys", required_argument, NULL, 'p' },
        { "admin-token", required_argument, NULL, 'a' },
        { "users", required_argument, NULL, 'u' },
        { "torrents", required_argument, NULL, 'n' },
        { "lanes", required_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "h", table, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return -1;
        }
        if (!apply(all, option, optarg)) return 2;
    }
    bool whom = all->users > 0 || all->passkeys_file;
    if (all->tracker && all->out && all->torrents > 0 && whom && optind == argc) return 0;
    fputs("pbts bench prepare: --tracker, --out, --torrents and --users (or --passkeys) are "
          "needed; see --help\n",
          stderr);
    return 2;
}

int pbts_bench_prepare(int argc, char **argv) {
    preparation all = { .lanes = 32 };
    int code = read_options(&all, argc, argv);
    if (code == 0) code = prepare(&all) ? 0 : 1;
    pbts_wipe(all.authorization, sizeof all.authorization);
    return code == -1 ? 0 : code;
}
