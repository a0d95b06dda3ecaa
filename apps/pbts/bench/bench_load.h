/* bench_load.h - what the announce load generators share: options, the workload, the run.
 *
 * The workload is a fixed population of peers. Peer i lives at source address i mod sources and in
 * torrent i mod torrents, and belongs to user (i mod torrents + i / torrents) mod users, so that
 * any two of them in one torrent have different users as long as there are enough. The
 * generators walk through all peers again and again; a peer's first announce says `started`.
 */
#ifndef PBTS_APPS_BENCH_LOAD_H
#define PBTS_APPS_BENCH_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench_histogram.h"

typedef enum { PBTS_BENCH_UDP, PBTS_BENCH_HTTP, PBTS_BENCH_HTTP_CLOSE } pbts_bench_mode;

enum {
    PBTS_BENCH_PASSKEY_MAX = 64, /* longest passkey, without NUL */
    PBTS_BENCH_PEERS_MAX = 1 << 26,
    PBTS_BENCH_SOURCES_MAX = 1 << 20, /* 127.1.0.1 and on */
    PBTS_BENCH_WINDOW_MAX = 1 << 15,
    PBTS_BENCH_CONNECTIONS_MAX = 1 << 14,
    PBTS_BENCH_LINES_MAX = 4 << 20, /* torrents or passkeys of a file */
    PBTS_BENCH_NUMWANT_MAX = 200,
    PBTS_BENCH_SECONDS_MAX = 3600,
};

typedef struct {
    pbts_bench_mode mode;
    struct sockaddr_in target;
    char target_text[64];
    int pid;          /* the tracker's, for its CPU time; 0: none */
    uint32_t seconds; /* measured, after the warm-up */
    uint32_t warmup_s;
    uint64_t answers_max; /* stop the measured part after this many; 0: only `seconds` stops it */
    uint32_t window;      /* UDP: requests in flight */
    uint32_t connections; /* HTTP: connections, one request in flight on each */
    uint32_t peers, sources, numwant;
    uint32_t seeders_percent;
    bool scrape, json;
    uint8_t (*infohashes)[20];
    uint32_t torrents;
    char (*passkeys)[PBTS_BENCH_PASSKEY_MAX + 1];
    uint32_t users; /* count of passkeys; 0: announce without one */
} pbts_bench_options;

/* Read argv; prints what is wrong. 0, or the exit code (with -1 for "help was printed"). */
int pbts_bench_options_read(pbts_bench_options *options, int argc, char **argv);
void pbts_bench_options_free(pbts_bench_options *options);
const char *pbts_bench_mode_name(pbts_bench_mode mode);

typedef struct {
    uint32_t number;
    uint32_t source;
    const uint8_t *infohash;
    const char *passkey; /* NULL: none */
    char id[21];         /* with NUL */
    uint16_t port;
    bool seeder, started;
} pbts_bench_peer;

/* The peer of step `step` of an endless walk through the population. */
void pbts_bench_peer_at(pbts_bench_peer *out, const pbts_bench_options *options, uint64_t step);
struct in_addr pbts_bench_source(uint32_t source);

typedef struct {
    uint64_t answers;   /* good ones */
    uint64_t failures;  /* refusals by the tracker */
    uint64_t malformed; /* answers that are none */
    uint64_t losses;    /* requests without an answer in time */
    uint64_t late;      /* UDP answers after that */
    uint64_t connects;  /* UDP handshakes or TCP connections */
    uint64_t peers;     /* in all good answers */
    uint64_t bytes;     /* of all good answers */
    uint64_t started_ns;
    uint64_t ended_ns;
    uint64_t tracker_cpu_ns, generator_cpu_ns; /* first the counters at the start, then the use */
    char first_failure[128];
    pbts_histogram latency_ns;
} pbts_bench_stats;

/* A run: the warm-up, then the measured part. */
typedef struct {
    const pbts_bench_options *options;
    uint64_t now_ns; /* monotonic; refreshed by pbts_bench_continue */
    uint64_t warm_until_ns, end_ns, next_progress_ns;
    bool measuring;
    pbts_bench_stats stats;
} pbts_bench_run;

uint64_t pbts_bench_now_ns(void);
/* Nanoseconds of CPU that all threads of a process have used; false when it cannot be read. */
bool pbts_bench_cpu_ns(uint64_t *out, int pid);

void pbts_bench_begin(pbts_bench_run *run, const pbts_bench_options *options);
/* Look at the clock: true while the run goes on. Clears the statistics after the warm-up. */
bool pbts_bench_continue(pbts_bench_run *run);

/* What an answer was. `text` (a failure's reason) is borrowed and printable only by _note. */
typedef enum { PBTS_BENCH_ANSWER, PBTS_BENCH_FAILURE, PBTS_BENCH_MALFORMED } pbts_bench_verdict;
void pbts_bench_note(pbts_bench_run *run, pbts_bench_verdict verdict, uint64_t sent_ns,
                     uint64_t peers, const uint8_t *bytes, size_t len);

/* The generators; 0, or an exit code after printing what went wrong. */
int pbts_bench_udp(pbts_bench_run *run);
int pbts_bench_http(pbts_bench_run *run);

#endif
