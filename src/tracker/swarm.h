/* tracker/swarm.h - who is in which swarm: the tracker's memory of peers (no I/O, no money).
 *
 * One pbts_swarms is single-threaded and holds a share of all torrents; tracker/announce.c keeps
 * several behind locks. Memory is what a big tracker lives on: about 35 bytes per IPv4 peer.
 *
 * Per torrent and address family a dense array of peers, leechers first, seeders after them, so
 * that a sample for a seeder never meets a seeder; compact endpoints (6 or 18 bytes, wire format)
 * lie in an array of their own; an open-addressing index of positions finds a peer by identity.
 * Every peer is on its set's list in order of last announce, so expiry looks only at the oldest,
 * and a timer wheel knows which swarms have one that is due.
 *
 * Identity is (user, peer_id hash). The same identity in both families is one peer in the counts.
 */
#ifndef PBTS_TRACKER_SWARM_H
#define PBTS_TRACKER_SWARM_H

#include "base/addr.h"
#include "base/mem.h"
#include "base/random.h"

typedef struct pbts_swarms pbts_swarms;

typedef struct {
    pbts_mem *mem;
    uint64_t seed;               /* of hashes and samples; random in programs */
    uint32_t expire_after_s;     /* 1.5 x interval; 1 s to 12 h */
    uint32_t peers_per_user_max; /* per torrent, 1..64; the user's oldest peer makes room */
    uint32_t peers_max;          /* per torrent and family, up to 2^24 - 2; PBTS_BUSY past it */
    /* A peer of `user_no` appears (+1) or disappears (-1) as one identity; may be NULL. */
    void (*on_peer)(void *host, uint32_t user_no, int change);
    void *host;
} pbts_swarms_config;

typedef struct {
    uint32_t user_no; /* 0: anonymous (open access) */
    uint8_t peer_id[20];
    pbts_addr addr;        /* family and where others find it; port > 0 */
    bool seeder;           /* left = 0 */
    bool completed;        /* event=completed: a download, if a seeder now and not known as one */
    bool partial_seeder;   /* BEP 21 paused: counted as incomplete, sampled as a seeder */
    bool known_only;       /* refuse (PBTS_DENIED) unless this identity is in the swarm already */
    bool seeder_stays;     /* refuse (PBTS_DENIED) a known seeder that would be a leecher */
    uint32_t want4, want6; /* at most this many peers of each family */
} pbts_swarm_update;

typedef struct {
    uint32_t complete, incomplete, downloaded;
    size_t peers4_len, peers6_len; /* bytes written */
} pbts_swarm_result;

PBTS_MUST_USE pbts_status pbts_swarms_new(pbts_swarms **out, const pbts_swarms_config *config,
                                          uint64_t now_s);
void pbts_swarms_free(pbts_swarms *swarms);

/* Make a torrent known; idempotent. The two infohashes of a hybrid are two swarms.
 * PBTS_NO_MEMORY, PBTS_EXISTS (known by another number). */
PBTS_MUST_USE pbts_status pbts_swarms_add(pbts_swarms *swarms, const uint8_t infohash[static 20],
                                          uint32_t torrent_no, uint32_t downloaded);
/* One announce: join or refresh, and sample. A user's peer with a new id at an endpoint of the same
 * user replaces the one that was there. peers4/peers6 have room for 6*want4 and 18*want6 bytes.
 * The asker is never in its own sample, in neither family. PBTS_NOT_FOUND (unknown torrent),
 * PBTS_NO_MEMORY, PBTS_BUSY, PBTS_DENIED (known_only,
 * seeder_stays). A peer that fails to join for want of memory
 * leaves all as it was. */
PBTS_MUST_USE pbts_status pbts_swarms_announce(pbts_swarms *swarms, pbts_swarm_result *out,
                                               uint8_t *peers4, uint8_t *peers6,
                                               const uint8_t infohash[static 20],
                                               const pbts_swarm_update *update, uint64_t now_s);
/* Leave (event=stopped): both families. PBTS_NOT_FOUND for an unknown torrent; a peer that was
 * not there is fine. */
PBTS_MUST_USE pbts_status pbts_swarms_leave(pbts_swarms *swarms, pbts_swarm_result *out,
                                            const uint8_t infohash[static 20], uint32_t user_no,
                                            const uint8_t peer_id[static 20], uint64_t now_s);
PBTS_MUST_USE pbts_status pbts_swarms_scrape(pbts_swarms *swarms, pbts_swarm_result *out,
                                             const uint8_t infohash[static 20]);
/* Expire what is due; does a bounded amount of work a call and says whether more is waiting. An
 * announce, leave or scrape of a swarm first expires all that is due there, as of the latest time
 * that any call named. A peer is gone expire_after_s after its last announce, to the second. */
bool pbts_swarms_tick(pbts_swarms *swarms, uint64_t now_s);

/* ---- completed downloads, which are counted here and kept in the store ---- */

typedef struct {
    uint8_t infohash[20];
    uint32_t downloaded;
} pbts_swarm_downloads;
/* Torrents whose count is newer than the store's: up to `capacity` of them, returns how many. Looks
 * at every torrent when there is one, and at none when there is none. */
size_t pbts_swarms_downloads(const pbts_swarms *swarms, pbts_swarm_downloads *out, size_t capacity);
/* The store has this count now. */
void pbts_swarms_downloads_stored(pbts_swarms *swarms, const pbts_swarm_downloads *count);

typedef struct {
    uint64_t torrents, peers, seeders; /* identities */
    uint64_t unstored;                 /* torrents that pbts_swarms_downloads would give */
    uint64_t memory_bytes;             /* all that was asked of `mem` */
} pbts_swarms_stats;
void pbts_swarms_stats_read(const pbts_swarms *swarms, pbts_swarms_stats *out);
/* For tests: check every invariant above; asserts. */
void pbts_swarms_check(const pbts_swarms *swarms);

#endif
