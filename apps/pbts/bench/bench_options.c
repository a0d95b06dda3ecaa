/* bench_options.c - the command line of `pbts bench announce`. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_lines.h"

static const char help[] =
    "usage: pbts bench announce --udp|--http|--http-close --target 127.0.0.1:PORT [options]\n"
    "\n"
    "Load a tracker with announces from many sources 127.1.x.y and say what it answered, how\n"
    "fast, and how many requests it served per second of its own CPU time.\n"
    "\n"
    "  --udp                BEP 15, with BEP 41 URL data when there are passkeys\n"
    "  --http               HTTP/1.1, connections kept alive\n"
    "  --http-close         a new connection for each request\n"
    "  --target HOST:PORT   the tracker, on 127.0.0.0/8\n"
    "  --pid PID            its process, to read its CPU time (all threads)\n"
    "  --seconds N          measure for N seconds (10)\n"
    "  --warmup N           announce N seconds before that (2)\n"
    "  --count N            stop after N answers, if that is sooner\n"
    "  --window N           UDP: requests in flight (256)\n"
    "  --connections N      HTTP: connections, one request in flight on each (64)\n"
    "  --torrents FILE|N    infohashes, one in hex per line; or N made-up ones (500)\n"
    "  --passkeys FILE      one per line, given to the peers in turn; none: path /announce\n"
    "  --peers N            size of the population that announces again and again (100000)\n"
    "  --seeders N          per cent of them that seed (50)\n"
    "  --sources N          source addresses (64; --http: as many as connections)\n"
    "  --numwant N          peers asked for (50)\n"
    "  --scrape             scrape one torrent per request instead of announcing\n"
    "  --json               print JSON\n"
    "\n"
    "example: pbts bench announce --udp --target 127.0.0.1:8000 --pid 4711 --torrents t.txt \\\n"
    "             --passkeys p.txt --seconds 10\n"
    "exit codes: 0 measured; 1 no answer, or answers that were failures; 2 bad usage\n";

enum {
    OPTION_UDP = 256,
    OPTION_HTTP,
    OPTION_HTTP_CLOSE,
    OPTION_TARGET,
    OPTION_PID,
    OPTION_SECONDS,
    OPTION_WARMUP,
    OPTION_COUNT,
    OPTION_WINDOW,
    OPTION_CONNECTIONS,
    OPTION_TORRENTS,
    OPTION_PASSKEYS,
    OPTION_PEERS,
    OPTION_SEEDERS,
    OPTION_SOURCES,
    OPTION_NUMWANT,
    OPTION_SCRAPE,
    OPTION_JSON,
    OPTION_HELP
};

static const struct option table[] = {
    { "udp", no_argument, NULL, OPTION_UDP },
    { "http", no_argument, NULL, OPTION_HTTP },
    { "http-close", no_argument, NULL, OPTION_HTTP_CLOSE },
    { "target", required_argument, NULL, OPTION_TARGET },
    { "pid", required_argument, NULL, OPTION_PID },
    { "seconds", required_argument, NULL, OPTION_SECONDS },
    { "warmup", required_argument, NULL, OPTION_WARMUP },
    { "count", required_argument, NULL, OPTION_COUNT },
    { "window", required_argument, NULL, OPTION_WINDOW },
    { "connections", required_argument, NULL, OPTION_CONNECTIONS },
    { "torrents", required_argument, NULL, OPTION_TORRENTS },
    { "passkeys", required_argument, NULL, OPTION_PASSKEYS },
    { "peers", required_argument, NULL, OPTION_PEERS },
    { "seeders", required_argument, NULL, OPTION_SEEDERS },
    { "sources", required_argument, NULL, OPTION_SOURCES },
    { "numwant", required_argument, NULL, OPTION_NUMWANT },
    { "scrape", no_argument, NULL, OPTION_SCRAPE },
    { "json", no_argument, NULL, OPTION_JSON },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

/* What was said, before it is put together. */
typedef struct {
    bool mode_given;
    const char *torrents, *passkeys;
} said;

static bool read_number(uint32_t *out, const char *text, uint32_t min, uint32_t max) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    bool good = text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0;
    if (!good || value < min || value > max) {
        fprintf(stderr, "pbts bench: \"%s\" should be a number from %u to %u\n", text, min, max);
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

static bool read_target(pbts_bench_options *options, const char *text) {
    char host[32];
    const char *colon = strrchr(text, ':');
    size_t host_len = colon ? (size_t)(colon - text) : sizeof host;
    uint32_t port;
    if (host_len >= sizeof host || strlen(text) >= sizeof options->target_text ||
        !read_number(&port, colon + 1, 1, UINT16_MAX)) {
        fprintf(stderr, "pbts bench: --target should be HOST:PORT, not \"%s\"\n", text);
        return false;
    }
    memcpy(host, text, host_len);
    host[host_len] = 0;
    if (strcmp(host, "localhost") == 0) strcpy(host, "127.0.0.1");
    struct sockaddr_in *target = &options->target;
    *target = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    if (inet_pton(AF_INET, host, &target->sin_addr) != 1 ||
        ntohl(target->sin_addr.s_addr) >> 24 != 127) {
        fprintf(stderr, "pbts bench: only a tracker on 127.0.0.0/8 can be loaded: the sources"
                        " are there too\n");
        return false;
    }
    memcpy(options->target_text, text, strlen(text) + 1);
    return true;
}

static bool apply(pbts_bench_options *options, said *words, int option, const char *value) {
    uint32_t number;
    switch (option) {
    case OPTION_UDP:
    case OPTION_HTTP:
    case OPTION_HTTP_CLOSE:
        words->mode_given = true;
        options->mode = (pbts_bench_mode)(option - OPTION_UDP);
        return true;
    case OPTION_TARGET: return read_target(options, value);
    case OPTION_PID:
        if (!read_number(&number, value, 1, INT_MAX)) return false;
        options->pid = (int)number;
        return true;
    case OPTION_SECONDS: return read_number(&options->seconds, value, 1, PBTS_BENCH_SECONDS_MAX);
    case OPTION_WARMUP: return read_number(&options->warmup_s, value, 0, PBTS_BENCH_SECONDS_MAX);
    case OPTION_COUNT:
        if (!read_number(&number, value, 1, UINT32_MAX)) return false;
        options->answers_max = number;
        return true;
    case OPTION_WINDOW: return read_number(&options->window, value, 1, PBTS_BENCH_WINDOW_MAX);
    case OPTION_CONNECTIONS:
        return read_number(&options->connections, value, 1, PBTS_BENCH_CONNECTIONS_MAX);
    case OPTION_TORRENTS: words->torrents = value; return true;
    case OPTION_PASSKEYS: words->passkeys = value; return true;
    case OPTION_PEERS: return read_number(&options->peers, value, 1, PBTS_BENCH_PEERS_MAX);
    case OPTION_SEEDERS: return read_number(&options->seeders_percent, value, 0, 100);
    case OPTION_SOURCES: return read_number(&options->sources, value, 1, PBTS_BENCH_SOURCES_MAX);
    case OPTION_NUMWANT: return read_number(&options->numwant, value, 0, PBTS_BENCH_NUMWANT_MAX);
    case OPTION_SCRAPE: options->scrape = true; return true;
    case OPTION_JSON: options->json = true; return true;
    default: return false;
    }
}

static bool load_torrents(pbts_bench_options *options, const char *said_torrents) {
    const char *text = said_torrents ? said_torrents : "500";
    if (strspn(text, "0123456789") == strlen(text)) {
        uint32_t count;
        if (!read_number(&count, text, 1, PBTS_BENCH_LINES_MAX)) return false;
        options->torrents = pbts_bench_make_infohashes(&options->infohashes, count);
    } else {
        options->torrents = pbts_bench_read_infohashes(&options->infohashes, text);
    }
    return options->torrents > 0;
}

static bool complete(pbts_bench_options *options, const said *words) {
    if (!words->mode_given || options->target.sin_port == 0) {
        fputs("pbts bench: --target and one of --udp, --http, --http-close are needed\n", stderr);
        return false;
    }
    if (!load_torrents(options, words->torrents)) return false;
    if (words->passkeys) {
        options->users = pbts_bench_read_passkeys(&options->passkeys, words->passkeys);
        if (options->users == 0) return false;
    }
    if (options->mode == PBTS_BENCH_HTTP) {
        /* A kept connection has one source, and walks through that source's peers only. */
        options->sources = options->connections;
        options->peers += options->connections - 1;
        options->peers -= options->peers % options->connections;
    }
    return true;
}

int pbts_bench_options_read(pbts_bench_options *options, int argc, char **argv) {
    *options = (pbts_bench_options){ .seconds = 10,
                                     .warmup_s = 2,
                                     .window = 256,
                                     .connections = 64,
                                     .peers = 100000,
                                     .sources = 64,
                                     .numwant = 50,
                                     .seeders_percent = 50 };
    said words = { 0 };
    optind = 1;
    for (;;) {
        int option = getopt_long(argc, argv, "h", table, NULL);
        if (option == -1) break;
        if (option == OPTION_HELP || option == 'h') {
            fputs(help, stdout);
            return -1;
        }
        if (!apply(options, &words, option, optarg)) return 2;
    }
    if (optind < argc) {
        fprintf(stderr, "pbts bench announce: what is \"%s\"? See --help\n", argv[optind]);
        return 2;
    }
    return complete(options, &words) ? 0 : 2;
}

void pbts_bench_options_free(pbts_bench_options *options) {
    free(options->infohashes);
    free(options->passkeys);
}

const char *pbts_bench_mode_name(pbts_bench_mode mode) {
    static const char *const names[] = { "udp", "http", "http-close" };
    return names[mode];
}
