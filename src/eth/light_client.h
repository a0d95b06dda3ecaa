/* eth/light_client.h - a light client of the beacon chain: from one trusted block root to verified
 * headers of execution blocks, by the signatures of sync committees.
 *
 * Sans I/O. The core says what it wants to know and from which server (next_request); the host
 * fetches /eth/v1/beacon/light_client/... as SSZ or JSON and hands the bytes back (answer), or says
 * that none came (no_answer). A server that gives a wrong answer is asked again much later than one
 * that gives none; nothing an answer says is believed before it is verified. One request is under
 * way at a time. One thread at a time; all memory is taken by new (some 275 KiB), but for the tree
 * of a JSON answer. Verifying takes about 2 ms, and 40 ms more when a committee is new.
 *
 * The finalized head moves when 2/3 of a committee signed for a block that proves it final. The
 * optimistic head is what enough members signed for last, without finality; it may be reorganised
 * away. Neither ever moves to a lower slot.
 *
 * Trust ends with age: a committee that is gone can be bought. A bootstrap, a stored state or a
 * head whose finalized block is older than age_max_s is refused; then a new trusted root is needed.
 * Source: Ethereum consensus specs, altair/light-client/sync-protocol.md and light-client.md, as
 * amended by capella, deneb and electra; phase0/weak-subjectivity.md.
 */
#ifndef PBTS_ETH_LIGHT_CLIENT_H
#define PBTS_ETH_LIGHT_CLIENT_H

#include "base/mem.h"
#include "eth/light_data.h"

enum {
    PBTS_LIGHT_SERVERS_MAX = 32,
    PBTS_LIGHT_AGE_MAX_S = 14 * 24 * 3600, /* what to configure on public networks */
    PBTS_LIGHT_PATH_LEN_MAX = 128,
    PBTS_LIGHT_STATE_LEN_MAX = 52000,
};

typedef struct pbts_light_client pbts_light_client;

typedef struct {
    pbts_mem *mem;                            /* outlives the client */
    const pbts_beacon_network *network;       /* copied */
    uint8_t trusted_root[PBTS_SSZ_CHUNK_LEN]; /* hash_tree_root of a finalized block's header, from
                                                 somebody who is trusted */
    uint64_t age_max_s;                       /* how old a finalized block may be; > 0 */
    uint32_t optimistic_min; /* members that must sign for an optimistic head, 1..committee_size;
                                at least half of the most seen lately are needed anyway */
    uint32_t server_count;   /* 1..PBTS_LIGHT_SERVERS_MAX; servers are 0..server_count - 1 */
    uint32_t poll_s;         /* between two questions for the head; > 0 */
} pbts_light_config;

/* What is known of a block. Times in seconds since 1970. */
typedef struct {
    uint64_t slot;
    pbts_ssz_chunk beacon_root;
    bool has_execution; /* false before Capella: the rest is zero */
    uint64_t block_number;
    pbts_ssz_chunk block_hash; /* Keccak-256 of the execution header's RLP */
    pbts_ssz_chunk state_root; /* of the accounts' trie */
    uint64_t timestamp_s;
} pbts_light_head;

/* PBTS_MALFORMED: the network (pbts_beacon_network_check) or a number is out of range;
 * PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_light_client_new(pbts_light_client **out,
                                                const pbts_light_config *config);
void pbts_light_client_free(pbts_light_client *client); /* NULL is allowed */

/* ---- what is known ---- */

/* PBTS_OK; PBTS_NOT_FOUND: not bootstrapped; PBTS_STALE: the finalized block is older than
 * age_max_s. */
PBTS_MUST_USE pbts_status pbts_light_client_finalized(const pbts_light_client *client,
                                                      pbts_light_head *out, uint64_t now_s);
PBTS_MUST_USE pbts_status pbts_light_client_optimistic(const pbts_light_client *client,
                                                       pbts_light_head *out, uint64_t now_s);
/* Whether the finalized head is one that force_update declared so. */
bool pbts_light_client_is_forced(const pbts_light_client *client);

/* ---- what to fetch ---- */

typedef enum {
    PBTS_LIGHT_BOOTSTRAP,  /* .../bootstrap/{root} */
    PBTS_LIGHT_UPDATES,    /* .../updates?start_period={period}&count={count} */
    PBTS_LIGHT_FINALITY,   /* .../finality_update */
    PBTS_LIGHT_OPTIMISTIC, /* .../optimistic_update */
} pbts_light_request_kind;

typedef struct {
    uint64_t number; /* to hand back with the answer */
    uint32_t server;
    pbts_light_request_kind kind;
    pbts_ssz_chunk root; /* of a bootstrap */
    uint64_t period;     /* of updates: the first */
    uint32_t count;      /* of updates: 1..PBTS_LIGHT_UPDATES_MAX */
} pbts_light_request;

/* The next request, which is under way from now until answer or no_answer. False: nothing to ask
 * before pbts_light_client_deadline_s, or one is under way. */
bool pbts_light_client_next_request(pbts_light_client *client, pbts_light_request *out,
                                    uint64_t now_s);
/* When to ask next_request again, seconds since 1970; UINT64_MAX: when the request under way has
 * ended, or never (the trusted block is too old). Never earlier than now_s. */
uint64_t pbts_light_client_deadline_s(const pbts_light_client *client, uint64_t now_s);
/* The request's path and query, "/eth/v1/...". At most PBTS_LIGHT_PATH_LEN_MAX bytes. */
void pbts_light_request_path(pbts_writer *writer, const pbts_light_request *request);

/* The body of a 200 answer to request `number`. What is right is taken over, up to what is wrong.
 * PBTS_OK, whether it was news or not; PBTS_STALE: nothing wrong that can be told, but older than
 * what is known, ahead of now_s or too far ahead of the committees known: the server is asked
 * later; or a bootstrap older than age_max_s; PBTS_NOT_FOUND: an empty list; PBTS_MALFORMED,
 * PBTS_LIMIT, PBTS_BAD_SIGNATURE: a wrong answer; PBTS_NO_MEMORY: nobody's fault; PBTS_DENIED: no
 * such request is under way, and nothing was looked at. */
PBTS_MUST_USE pbts_status pbts_light_client_answer(pbts_light_client *client, uint64_t number,
                                                   pbts_light_format format, pbts_span body,
                                                   uint64_t now_s);
/* The server could not be reached, took too long, or answered with an error. */
void pbts_light_client_no_answer(pbts_light_client *client, uint64_t number, uint64_t now_s);

/* ---- what was fetched otherwise: from a file, or a proof ---- */

/* Bootstrap from the trusted root; also replaces what was known. PBTS_MALFORMED: not the trusted
 * block, a branch or a key is wrong; PBTS_STALE: older than age_max_s. */
PBTS_MUST_USE pbts_status pbts_light_client_bootstrap(pbts_light_client *client,
                                                      const pbts_light_bootstrap *bootstrap,
                                                      uint64_t now_s);
/* process_light_client_update. PBTS_OK; PBTS_STALE, PBTS_MALFORMED, PBTS_BAD_SIGNATURE: as with
 * answer; PBTS_NOT_FOUND: not bootstrapped. Nothing has changed then. */
PBTS_MUST_USE pbts_status pbts_light_client_update(pbts_light_client *client,
                                                   const pbts_light_update *update, uint64_t now_s);

/* process_light_client_store_force_update: when there was no finality for a whole period, take the
 * best update that did not prove finality as if it had. It trades safety for going on: a few
 * members of one committee can then fool the client. The request loop never does it; a host does it
 * on an operator's word. PBTS_OK; PBTS_NOT_FOUND: the time has not come, or there is no update;
 * PBTS_MALFORMED: its committee has a bad key. */
PBTS_MUST_USE pbts_status pbts_light_client_force_update(pbts_light_client *client, uint64_t now_s);

/* ---- keeping it ---- */

/* Everything known, for load, with a checksum; nothing secret, but who can change it can change
 * what this client believes. PBTS_NOT_FOUND: not bootstrapped; PBTS_NO_SPACE. */
PBTS_MUST_USE pbts_status pbts_light_client_save(const pbts_light_client *client,
                                                 pbts_writer *writer);
/* Replace what is known. PBTS_CORRUPT: not what save wrote; PBTS_MALFORMED: another network's or
 * trusted root's, or made inconsistently; PBTS_STALE: older than age_max_s. Nothing has changed
 * then but that the client is not bootstrapped. */
PBTS_MUST_USE pbts_status pbts_light_client_load(pbts_light_client *client, pbts_span bytes,
                                                 uint64_t now_s);

#endif
