/* settings.h - what the command line of `pbts-peer get`, `seed` and `daemon` says, checked. */
#ifndef PBTS_PEER_SETTINGS_H
#define PBTS_PEER_SETTINGS_H

#include <limits.h>

#include "base/addr.h"
#include "peer/exposure.h"
#include "receipt/receipt.h"

typedef enum { COMMAND_GET, COMMAND_SEED, COMMAND_DAEMON } peer_command;

typedef enum {
    ENCRYPTION_PREFER,  /* outgoing connections try it first; both kinds come in */
    ENCRYPTION_REQUIRE, /* nothing else, and RC4 for the payload */
    ENCRYPTION_OFF
} encryption_policy;

enum {
    SETTINGS_PEERS_MAX = 64,
    SETTINGS_TORRENTS_MAX = 1000, /* of one command line */
    SETTINGS_BOOTSTRAPS_MAX = 16,
    SETTINGS_MEMORY_MIN = 4 << 20,
};

typedef struct {
    peer_command command;
    char **torrents; /* files and links, up to a NULL */
    size_t torrent_count;
    const char *dir, *key, *tracker, *ca, *control; /* NULL: not given; control: daemon */
    char state[PATH_MAX];
    bool has_bind;
    pbts_addr bind;                            /* port 0 */
    uint16_t port_first, port_last;            /* both 0: any */
    uint64_t down_bytes_per_s, up_bytes_per_s; /* 0: no limit */
    uint32_t connections_max, uploads_max;
    bool serves_legacy;
    bool receipts;
    pbts_receipt_form form; /* that we sign, with receipts */
    pbts_schedule schedule;
    uint64_t exposure_max_bytes, receipt_timeout_ms;
    uint64_t memory_bytes;
    uint64_t report_interval_ms;
    encryption_policy encryption;
    bool seeds_after;      /* get: go on until a limit below, or for ever */
    uint64_t seed_time_ms; /* UINT64_MAX: no limit */
    double seed_ratio;     /* negative: no limit */
    pbts_addr peers[SETTINGS_PEERS_MAX];
    size_t peer_count;
    bool dht;                                        /* with a key: be a node of the members' DHT */
    bool dht_only;                                   /* daemon: be nothing else */
    const char *dht_member;                          /* NULL, or a .torrent to take part by */
    const char *bootstraps[SETTINGS_BOOTSTRAPS_MAX]; /* HOST:PORT */
    size_t bootstrap_count;
    bool json;
} settings;

/* OPTIONS_GO_ON, or an exit code: --help was printed, or what is wrong was said. */
int settings_read(settings *out, peer_command command, int argc, char **argv);

#endif
