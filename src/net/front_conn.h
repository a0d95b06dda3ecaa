/* net/front_conn.h - private to the front: its connections, and the lists that time them.
 *
 * Invariant: a used connection is on exactly one list other than FREE. All connections of a list
 * have the same time-out, and they stand in the order of `since_ms`, so the first is due first.
 */
#ifndef PBTS_NET_FRONT_CONN_H
#define PBTS_NET_FRONT_CONN_H

#include "net/front.h"
#include "net/front_pace.h"
#include "net/udp.h"

enum { FRONT_NONE = UINT32_MAX };

/* An epoll event's data: a connection's generation and index with the top bit set, or what front.c
 * numbers otherwise. */
#define FRONT_DATA_CONN ((uint64_t)1 << 63)
#define FRONT_GENERATION_MASK 0x7FFFFFFFu

typedef enum {
    FRONT_FREE,
    FRONT_HEAD,   /* a request has begun, or the first is awaited */
    FRONT_IDLE,   /* between requests */
    FRONT_WRITE,  /* the peer does not take our answer */
    FRONT_LINGER, /* answered for the last time; waits for the peer to close */
    FRONT_READY,  /* has had its turn and has more to do */
    FRONT_LISTS
} front_list;

typedef struct {
    int fd;
    uint32_t generation; /* tells an event of a connection that is gone from one of its successor */
    uint32_t prev, next; /* FRONT_NONE at the ends */
    front_list list;
    uint32_t answered; /* bytes answered and still in the socket */
    uint32_t owed_len, owed_sent;
    uint32_t discarded;  /* while lingering */
    uint16_t head_reads; /* how often the present request was looked at */
    bool watched;        /* in the epoll set */
    bool preamble_seen;
    bool peek_follows; /* at rest, the kernel's next peek begins at the first unanswered byte */
    bool roomy;        /* has a larger receive buffer */
    bool peer_closed;  /* its FIN came; what it sent before is still answered */
    bool ending;       /* close when what is owed is sent */
    bool refused;      /* and linger first */
    uint8_t *owed;     /* answer bytes that the socket did not take; heap, rare */
    uint64_t since_ms;
    pbts_addr client;
} front_conn;

typedef struct {
    uint32_t first, last;
} front_ends;

enum { FRONT_POSTPONED_MAX = 32 }; /* the first of them waits while the others are computed */

/* An answer in front->out that is not sent yet. */
typedef struct {
    uint32_t index, generation; /* whose */
    uint32_t at, len;
} front_answer;

struct pbts_front {
    pbts_front_config config;
    pbts_front_host host;
    pbts_front_stats stats;
    int epoll, wake;
    uint64_t now_ms;
    front_pace pace;
    front_conn *conns;
    front_ends lists[FRONT_LISTS];
    int listeners[PBTS_FRONT_LISTENERS_MAX];
    size_t listener_count;
    bool accept_paused; /* no descriptors left */
    pbts_udp *udp[PBTS_FRONT_UDP_MAX];
    size_t udp_count;
    atomic_uint_fast32_t drain_ms; /* asked for by stop */
    atomic_bool stop_asked;
    bool stopping;
    bool no_peek_offset; /* the kernel has none */
    uint64_t stop_at_ms;
    front_answer postponed[FRONT_POSTPONED_MAX];
    uint32_t postponed_count;
    uint32_t out_len; /* of `out`, the postponed answers */
    uint8_t peek[PBTS_FRONT_PEEK_MAX];
    uint8_t out[PBTS_FRONT_OUT_MAX];
};

void front_lists_init(pbts_front *front);
void front_move(pbts_front *front, front_conn *conn, front_list to);
front_conn *front_first(pbts_front *front, front_list list); /* NULL when empty */

/* A connection for an accepted socket; NULL when there is no room. */
front_conn *front_conn_open(pbts_front *front, int fd, const pbts_addr *client);
void front_conn_close(pbts_front *front, front_conn *conn);
/* Look at what came and do what can be done now. The connection may be gone afterwards. */
void front_conn_serve(pbts_front *front, front_conn *conn);
/* Send the postponed answers. Whatever may close a connection in good order comes after this, for a
 * closed connection's answer is dropped. */
void front_conn_send_postponed(pbts_front *front);
/* The peer takes bytes again. */
void front_conn_writable(pbts_front *front, front_conn *conn);

static inline void front_count(atomic_uint_fast64_t *counter, int by) {
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + (uint64_t)(int64_t)by, memory_order_relaxed);
}

#endif
