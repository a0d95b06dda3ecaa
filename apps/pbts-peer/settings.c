#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "exit_codes.h"
#include "options.h"
#include "say.h"

/* The texts of all options, as they were given. */
typedef struct {
    const char *state, *bind, *port, *limit_down, *limit_up, *connections, *uploads, *legacy;
    const char *receipts, *schedule, *exposure, *timeout, *memory, *report, *encryption;
    const char *seed_time, *seed_ratio, *peers, *dht;
    char *bootstraps;
    bool seed;
} texts;

/* ---- values ---- */

static int bad(const char *option, const char *text, const char *right) {
    return say_fail(PBTS_EXIT_USAGE, "--%s \"%s\": %s", option, text, right);
}

static int read_number(uint64_t *out, const char *option, const char *text, uint64_t max,
                       const char *right) {
    if (text == NULL || options_number(out, text, max)) return OPTIONS_GO_ON;
    return bad(option, text, right);
}

typedef struct {
    const char *word;
    int value;
} word_value;

static int read_word(int *out, const char *option, const char *text, const word_value *words,
                     const char *right) {
    if (text == NULL) return OPTIONS_GO_ON;
    for (; words->word != NULL; words++) {
        if (strcmp(words->word, text) != 0) continue;
        *out = words->value;
        return OPTIONS_GO_ON;
    }
    return bad(option, text, right);
}

static int read_ports(settings *s, const char *text) {
    uint64_t first, last;
    char copy[16];
    if (text == NULL) return OPTIONS_GO_ON;
    (void)snprintf(copy, sizeof copy, "%s", text);
    char *dash = strchr(copy, '-');
    if (dash != NULL) *dash = '\0';
    bool good = strlen(text) < sizeof copy && options_number(&first, copy, UINT16_MAX) &&
                options_number(&last, dash == NULL ? copy : dash + 1, UINT16_MAX) &&
                first <= last && (dash == NULL || first > 0);
    if (!good) return bad("port", text, "a port, a range such as 6881-6889, or 0 for any");
    s->port_first = (uint16_t)first;
    s->port_last = (uint16_t)last;
    return OPTIONS_GO_ON;
}

static int read_bind(settings *s, const char *text) {
    if (text == NULL) return OPTIONS_GO_ON;
    s->has_bind = pbts_addr_parse(&s->bind, pbts_span_text(text)) == PBTS_OK;
    return s->has_bind ? OPTIONS_GO_ON : bad("bind", text, "an IPv4 or IPv6 address");
}

static int read_peers(settings *s, const char *text) {
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        pbts_span one = { (const uint8_t *)text, len };
        if (s->peer_count == SETTINGS_PEERS_MAX ||
            pbts_addr_parse_endpoint(&s->peers[s->peer_count], one) != PBTS_OK) {
            return bad("peer", text, "ADDRESS:PORT,... (at most 64)");
        }
        s->peer_count++;
        text += len + (text[len] == ',' ? 1 : 0);
    }
    return OPTIONS_GO_ON;
}

/* "HOST:PORT,..."; the text is cut up. */
static int read_bootstraps(settings *s, char *text) {
    static const char RIGHT[] = "HOST:PORT,... (at most 16)";
    char *rest = NULL;
    if (text == NULL) return OPTIONS_GO_ON;
    for (char *one = strtok_r(text, ",", &rest); one != NULL; one = strtok_r(NULL, ",", &rest)) {
        uint64_t port = 0;
        const char *colon = strrchr(one, ':');
        bool good = colon != NULL && colon > one && colon - one < 256 &&
                    options_number(&port, colon + 1, UINT16_MAX) && port > 0;
        if (!good || s->bootstrap_count == SETTINGS_BOOTSTRAPS_MAX) {
            return bad("dht-bootstrap", one, RIGHT);
        }
        s->bootstraps[s->bootstrap_count++] = one;
    }
    return OPTIONS_GO_ON;
}

static int read_dht(settings *s, const texts *t) {
    static const word_value DHT[] = { { "on", true }, { "off", false }, { NULL, 0 } };
    int on = true;
    int code = read_word(&on, "dht", t->dht, DHT, "on or off");
    s->dht = on && s->key != NULL;
    if (code == OPTIONS_GO_ON) code = read_bootstraps(s, t->bootstraps);
    if (code != OPTIONS_GO_ON) return code;
    if (s->dht_only && s->command != COMMAND_DAEMON) {
        return say_fail(PBTS_EXIT_USAGE, "--dht-only: only with daemon");
    }
    if ((s->dht_only || s->dht_member != NULL || s->bootstrap_count > 0) && !s->dht) {
        return say_fail(PBTS_EXIT_USAGE,
                        "the DHT is for members: it needs --key, and not --dht off");
    }
    return OPTIONS_GO_ON;
}

static int read_ratio(settings *s, const char *text) {
    char *end;
    if (text == NULL) return OPTIONS_GO_ON;
    s->seed_ratio = strtod(text, &end);
    if (end != text && *end == '\0' && s->seed_ratio >= 0 && s->seed_ratio < 1e9) {
        return OPTIONS_GO_ON;
    }
    return bad("seed-ratio", text, "a number such as 1.5");
}

/* "off" or a form of receipt. */
static int read_receipts(settings *s, const char *text) {
    static const word_value WORDS[] = { { "off", 0 },
                                        { "piece", PBTS_FORM_PIECE },
                                        { "cumulative", PBTS_FORM_CUMULATIVE },
                                        { "batch", PBTS_FORM_BATCH },
                                        { "session", PBTS_FORM_SESSION },
                                        { NULL, 0 } };
    int form = PBTS_FORM_CUMULATIVE;
    int code =
        read_word(&form, "receipts", text, WORDS, "one of cumulative, piece, batch, session, off");
    s->receipts = form != 0;
    if (form != 0) s->form = (pbts_receipt_form)form;
    return code;
}

static int read_policies(settings *s, const texts *t) {
    static const word_value LEGACY[] = { { "serve", true }, { "refuse", false }, { NULL, 0 } };
    static const word_value SCHEDULES[] = { { "exposure", PBTS_SCHEDULE_EXPOSURE },
                                            { "paper", PBTS_SCHEDULE_PAPER },
                                            { NULL, 0 } };
    static const word_value ENCRYPTIONS[] = { { "prefer", ENCRYPTION_PREFER },
                                              { "require", ENCRYPTION_REQUIRE },
                                              { "off", ENCRYPTION_OFF },
                                              { NULL, 0 } };
    int legacy = s->key == NULL, schedule = PBTS_SCHEDULE_EXPOSURE, encryption = ENCRYPTION_PREFER;
    int code = read_receipts(s, t->receipts);
    if (code == OPTIONS_GO_ON) {
        code = read_word(&legacy, "legacy-peers", t->legacy, LEGACY, "serve or refuse");
    }
    if (code == OPTIONS_GO_ON) {
        code = read_word(&schedule, "schedule", t->schedule, SCHEDULES, "exposure or paper");
    }
    if (code == OPTIONS_GO_ON) {
        code = read_word(&encryption, "encryption", t->encryption, ENCRYPTIONS,
                         "one of prefer, require, off");
    }
    s->serves_legacy = legacy != 0;
    s->schedule = (pbts_schedule)schedule;
    s->encryption = (encryption_policy)encryption;
    return code;
}

static int read_limits(settings *s, const texts *t) {
    enum { CONNECTIONS_MAX = 10000, UPLOADS_MAX = 1000 };
    static const char BYTES[] = "bytes, such as 512K, 64M or 2G";
    uint64_t connections = 200, uploads = 8;
    const struct {
        uint64_t *out;
        const char *option, *text;
        uint64_t max;
        const char *right;
    } numbers[] = {
        { &s->down_bytes_per_s, "limit-down", t->limit_down, 1ull << 40, BYTES },
        { &s->up_bytes_per_s, "limit-up", t->limit_up, 1ull << 40, BYTES },
        { &s->exposure_max_bytes, "exposure", t->exposure, 1ull << 40, BYTES },
        { &s->memory_bytes, "memory", t->memory, 1ull << 40, BYTES },
        { &connections, "connections", t->connections, CONNECTIONS_MAX, "1 to 10000" },
        { &uploads, "uploads", t->uploads, UPLOADS_MAX, "1 to 1000" },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        int code = read_number(numbers[i].out, numbers[i].option, numbers[i].text, numbers[i].max,
                               numbers[i].right);
        if (code != OPTIONS_GO_ON) return code;
    }
    if (connections == 0) return bad("connections", t->connections, "1 to 10000");
    if (uploads == 0) return bad("uploads", t->uploads, "1 to 1000");
    if (s->memory_bytes < SETTINGS_MEMORY_MIN) return bad("memory", t->memory, "at least 4M");
    s->connections_max = (uint32_t)connections;
    s->uploads_max = (uint32_t)uploads;
    return OPTIONS_GO_ON;
}

static int read_times(settings *s, const texts *t) {
    enum { MINUTES_MAX = 525600, SECONDS_MAX = 86400 };
    uint64_t report_minutes = 10, seed_minutes = 0, timeout_s = 30;
    int code = read_number(&report_minutes, "report-interval", t->report, MINUTES_MAX, "minutes");
    if (code == OPTIONS_GO_ON) {
        code = read_number(&seed_minutes, "seed-time", t->seed_time, MINUTES_MAX, "minutes");
    }
    if (code == OPTIONS_GO_ON) {
        code = read_number(&timeout_s, "receipt-timeout", t->timeout, SECONDS_MAX, "seconds");
    }
    s->report_interval_ms = report_minutes * 60000;
    s->receipt_timeout_ms = timeout_s * 1000;
    s->seed_time_ms = t->seed_time != NULL ? seed_minutes * 60000 : UINT64_MAX;
    return code == OPTIONS_GO_ON ? read_ratio(s, t->seed_ratio) : code;
}

/* The state belongs beside the content; a file has it in its folder. */
static int set_state(settings *s, const char *text) {
    struct stat info;
    int dir_len = (int)strlen(s->dir);
    bool is_file = stat(s->dir, &info) == 0 && S_ISREG(info.st_mode);
    while (is_file && dir_len > 0 && s->dir[dir_len - 1] != '/') dir_len--;
    int len = text != NULL   ? snprintf(s->state, sizeof s->state, "%s", text)
              : dir_len == 0 ? snprintf(s->state, sizeof s->state, ".pbts")
                             : snprintf(s->state, sizeof s->state, "%.*s/.pbts", dir_len, s->dir);
    if (len >= 0 && (size_t)len < sizeof s->state) return OPTIONS_GO_ON;
    return bad("state", text == NULL ? s->dir : text, "a shorter path");
}

static int read_all(settings *s, const texts *t) {
    int code = read_ports(s, t->port);
    if (code == OPTIONS_GO_ON) code = read_bind(s, t->bind);
    if (code == OPTIONS_GO_ON) code = read_peers(s, t->peers);
    if (code == OPTIONS_GO_ON) code = read_policies(s, t);
    if (code == OPTIONS_GO_ON) code = read_limits(s, t);
    if (code == OPTIONS_GO_ON) code = read_times(s, t);
    if (code == OPTIONS_GO_ON) code = set_state(s, t->state);
    if (code == OPTIONS_GO_ON) code = read_dht(s, t);
    if (code != OPTIONS_GO_ON) return code;
    if (s->key == NULL && s->tracker != NULL) {
        return say_fail(PBTS_EXIT_USAGE, "--tracker is the one that --key is registered with: "
                                         "give the key too");
    }
    return OPTIONS_GO_ON;
}

/* ---- the three commands ---- */

#define ABOUT_RECEIPTS                                                                           \
    "With --key every peer proves who it is, and receipts are exchanged: what others sign for\n" \
    "is kept on disk and reported to the tracker, which makes it ratio. Without a key it is a\n" \
    "BitTorrent client like any other.\n"

typedef struct {
    const char *name, *arguments, *about, *examples;
    int arguments_min, arguments_max;
} command_words;

static const command_words COMMANDS[] = {
    [COMMAND_GET] = { "get", " TORRENT...",
                      "Download what .torrent files or magnet links describe, and end when all "
                      "is there, signed\n"
                      "for and reported.\n" ABOUT_RECEIPTS,
                      "  pbts-peer get x.torrent --dir ~/Downloads --key alice.key\n"
                      "  pbts-peer get x.torrent --dir ~/Downloads --key alice.key --seed "
                      "--seed-ratio 2\n"
                      "  pbts-peer get 'magnet:?xt=urn:btih:...' --dir . --key alice.key --tracker "
                      "http://127.0.0.1:8000\n",
                      1, SETTINGS_TORRENTS_MAX },
    [COMMAND_SEED] = { "seed", " TORRENT...",
                       "Serve content that is there: it is checked first, and never "
                       "written.\n" ABOUT_RECEIPTS,
                       "  pbts-peer seed x.torrent --dir ~/Shared --key alice.key\n", 1,
                       SETTINGS_TORRENTS_MAX },
    [COMMAND_DAEMON] = { "daemon", "",
                         "Share torrents until it is stopped. \"pbts peer add\", \"list\" and "
                         "\"stats\" speak to it; what\n"
                         "was added is there again after a restart.\n" ABOUT_RECEIPTS,
                         "  pbts-peer daemon --dir ~/Downloads --key alice.key\n"
                         "  pbts peer add x.torrent\n",
                         0, 0 },
};

static void set_defaults(settings *s, peer_command command) {
    *s = (settings){ .command = command,
                     .port_first = 6881,
                     .port_last = 6889,
                     .form = PBTS_FORM_CUMULATIVE,
                     .exposure_max_bytes = PBTS_EXPOSURE_MAX_BYTES,
                     .memory_bytes = 48u << 20,
                     .seed_time_ms = UINT64_MAX,
                     .seed_ratio = -1 };
}

static void take_torrents(settings *s, const texts *t, peer_command command, char **arguments) {
    bool given = t->seed || t->seed_time != NULL || t->seed_ratio != NULL;
    s->seeds_after = command != COMMAND_GET || given;
    s->torrents = arguments;
    while (arguments[s->torrent_count] != NULL) s->torrent_count++;
}

int settings_read(settings *out, peer_command command, int argc, char **argv) {
    settings s;
    texts t = { 0 };
    set_defaults(&s, command);
    const command_option options[] = {
        { "dir", "DIR", &s.dir, NULL, true,
          command == COMMAND_SEED ? "the content, or the folder that it lies in"
                                  : "where downloads go" },
        { "key", "FILE", &s.key, NULL, false, "your key file, made by \"pbts key new\"" },
        { "tracker", "URL", &s.tracker, NULL, false,
          "the tracker that the key is registered with (default: the torrent's own)" },
        { "ca", "FILE", &s.ca, NULL, false,
          "certificates (PEM) to trust for https, instead of the system's" },
        { "peer", "ADDRESS:PORT,...", &t.peers, NULL, false, "peers to ask beside the tracker's" },
        { "port", "PORT", &t.port, NULL, false,
          "to listen on, a range to try, or 0 for any (default: 6881-6889)" },
        { "bind", "ADDRESS", &t.bind, NULL, false,
          "listen there and connect from there only (default: every address)" },
        { "state", "DIR", &t.state, NULL, false,
          "receipts and resume data (default: .pbts in --dir)" },
        { "receipts", "FORM", &t.receipts, NULL, false,
          "sign cumulative, piece, batch or session receipts, or off (default: cumulative)" },
        { "schedule", "WHEN", &t.schedule, NULL, false,
          "sign as late as the sender's trust lasts (exposure), or as in the paper (paper)\n"
          "(default: exposure)" },
        { "exposure", "BYTES", &t.exposure, NULL, false,
          "how much a proven peer may take before it signs, at most (default: 64M)" },
        { "receipt-timeout", "SECONDS", &t.timeout, NULL, false,
          "how long to wait for a receipt beyond that (default: 30)" },
        { "report-interval", "MINUTES", &t.report, NULL, false,
          "how often receipts are reported (default: 10; also at start and end)" },
        { "legacy-peers", "WHAT", &t.legacy, NULL, false,
          "serve or refuse peers that sign no receipts (default: refuse with a key)" },
        { "encryption", "POLICY", &t.encryption, NULL, false,
          "prefer, require or off: obfuscation of connections (default: prefer)" },
        { "limit-down", "BYTES", &t.limit_down, NULL, false, "per second, all torrents together" },
        { "limit-up", "BYTES", &t.limit_up, NULL, false, "per second, all torrents together" },
        { "connections", "N", &t.connections, NULL, false, "at most (default: 200)" },
        { "uploads", "N", &t.uploads, NULL, false, "served of one torrent at once (default: 8)" },
        { "memory", "BYTES", &t.memory, NULL, false,
          "for pieces on their way to the disk (default: 48M)" },
        { "seed", NULL, NULL, &t.seed, false, "get: go on serving when all is there" },
        { "seed-time", "MINUTES", &t.seed_time, NULL, false, "end after serving for so long" },
        { "seed-ratio", "RATIO", &t.seed_ratio, NULL, false,
          "end when so many times the content was served" },
        { "control", "PATH", &s.control, NULL, false,
          "daemon: the socket for \"pbts peer\" (default: in the user's runtime folder)" },
        { "dht", "on|off", &t.dht, NULL, false,
          "find other members without the tracker while it is away (default: on, with a key)" },
        { "dht-bootstrap", "HOST:PORT,...", (const char **)&t.bootstraps, NULL, false,
          "nodes to begin with, beside those that are known" },
        { "dht-member", "FILE", &s.dht_member, NULL, false,
          "a .torrent that the tracker gave you: its membership is good for the DHT" },
        { "dht-only", NULL, NULL, &s.dht_only, false,
          "daemon: be a node of the DHT and share nothing" },
        { "json", NULL, NULL, &s.json, false, "say what happens as JSON, one object a line" },
    };
    const command_words *words = &COMMANDS[command];
    const size_t count = sizeof options / sizeof options[0];
    const command_spec spec = {
        words->name, words->arguments,     words->about,        words->examples, options,
        count,       words->arguments_min, words->arguments_max
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code == OPTIONS_GO_ON) code = read_all(&s, &t);
    if (code != OPTIONS_GO_ON) return code;
    take_torrents(&s, &t, command, arguments);
    *out = s;
    return OPTIONS_GO_ON;
}
