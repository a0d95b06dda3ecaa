/* wire/announce.h - one announce or scrape, whichever transport brought it, and its answer.
 *
 * http_*.c and udp_*.c turn bytes into these values and these values into bytes; tracker/ works
 * on the values only. Sources: BEP 3, 7, 15, 21, 23, 24, 31, 41, 48.
 */
#ifndef PBTS_WIRE_ANNOUNCE_H
#define PBTS_WIRE_ANNOUNCE_H

#include "base/addr.h"
#include "base/writer.h"

enum {
    PBTS_NUMWANT_DEFAULT = 50,
    PBTS_NUMWANT_MAX = 200,
    PBTS_SCRAPE_HASHES_MAX = 74, /* what fits one UDP packet, BEP 15 */
    PBTS_PASSKEY_LEN = 32,       /* base32 of 20 bytes, DESIGN section 7 */
    PBTS_TRACKER_ID_LEN_MAX = 64,
};

typedef enum {
    PBTS_EVENT_NONE = 0, /* numbers of BEP 15 */
    PBTS_EVENT_COMPLETED = 1,
    PBTS_EVENT_STARTED = 2,
    PBTS_EVENT_STOPPED = 3,
    PBTS_EVENT_PAUSED = 4 /* BEP 21; over UDP libtorrent's number */
} pbts_event;

/* Spans are borrowed from the request; those that hold escapes were decoded into `scratch` space.
 */
typedef struct {
    uint8_t infohash[20];
    uint8_t peer_id[20];
    uint64_t uploaded_bytes, downloaded_bytes; /* self-reported: shown, never counted */
    uint64_t left_bytes;                       /* UINT64_MAX when absent, empty or unknown */
    pbts_event event;
    uint16_t port;   /* 0 is allowed with STOPPED only (decoders enforce) */
    int32_t numwant; /* negative: tracker's choice; at most PBTS_NUMWANT_MAX */
    uint32_t key;    /* UDP */
    bool compact;    /* HTTP: compact=1 (default when absent: true) */
    bool no_peer_id;
    pbts_span passkey;            /* from the path or BEP 41 URL data; empty when none */
    pbts_span tracker_id;         /* HTTP `trackerid`; empty when none */
    pbts_span uid, pk, time, sig; /* signed announce: uid text, pk and sig decoded from base64 or
                                     percent bytes by tracker/; empty when none */
} pbts_announce;

typedef struct {
    uint32_t interval_s, min_interval_s;
    uint32_t complete, incomplete, downloaded;
    pbts_span peers4;     /* 6 bytes each: ip[4] port, network order (BEP 23) */
    pbts_span peers6;     /* 18 bytes each (BEP 7) */
    pbts_span tracker_id; /* empty: none */
    pbts_span ticket;     /* the bencoded value of "ticket" in the dictionary "pbts"; empty: none */
    pbts_span membership; /* wire/membership.h, "member" in that dictionary; empty: none */
    pbts_span beacon;     /* the same, "beacon" */
    pbts_span warning;    /* `warning message`, empty: none */
} pbts_announce_reply;

/* A refusal: text for people, and BEP 31's "retry in" in minutes; 0: say nothing, -1: "never". */
typedef struct {
    const char *reason;
    int32_t retry_in_minutes;
} pbts_failure;

typedef struct {
    uint8_t infohash[20];
    uint32_t complete, downloaded, incomplete;
} pbts_scrape_entry;

#endif
