/* conn.h - one connection to a peer: the socket, the encryption, what waits to be read and sent.
 *
 *   DIALING -> GREETING -> OPEN -> DEAD       outgoing
 *              GREETING -> OPEN -> DEAD       incoming
 *
 * GREETING is the encryption's handshake; for an incoming connection it also tells which torrent
 * is meant. From OPEN on the session has a number for it.
 */
#ifndef PBTS_PEER_APP_CONN_H
#define PBTS_PEER_APP_CONN_H

#include "engine.h"
#include "hash/rc4.h"
#include "wire/peer_mse.h"

enum {
    CONN_DIAL_MS = 10000,
    CONN_GREET_MS = 15000,
    CONN_FINISH_MS = 2000, /* for the peer to hang up, too */
    CONN_CLOSE_MS = 3000,  /* for what is queued, when it is to be closed */
    CONN_UNSENT_BYTES = 256 * 1024,
    CONN_WHY_MAX = 120,
    CONN_LOST_READS_MAX =
        64, /* of what came before the connection broke: more than a socket holds */
};

typedef enum { CONN_DIALING, CONN_GREETING, CONN_OPEN, CONN_DEAD } conn_state;

struct conn {
    engine *e;
    conn *next, *before;
    share *owner; /* NULL: an incoming one that has not said which */
    uv_poll_t poll;
    int fd, armed; /* events that the loop waits for */
    conn_state state;
    pbts_addr addr;
    bool outgoing, tries_encryption;
    uint64_t deadline_ms; /* of dialling, greeting and closing; UINT64_MAX: none */
    pbts_conn number;     /* OPEN: the session's */

    pbts_mse *mse;
    pbts_mse_config mse_config;
    pbts_mse_torrent *mse_torrents; /* incoming: its own copy */
    bool encrypted;
    pbts_rc4 incoming, outgoing_cipher;

    uint8_t *kept; /* read, and not a whole message yet */
    size_t kept_len, kept_capacity;
    uint8_t *unsent; /* taken from the session; encrypted already */
    size_t unsent_at, unsent_len, unsent_capacity;
    /* Then this much content from there, and zeros; never when it is encrypted. */
    uint64_t content_offset_bytes;
    uint32_t content_left, zeros_left;

    bool closing;  /* when all is sent */
    bool finished; /* nothing more is sent */
    char why[CONN_WHY_MAX];
    bool pump_queued;
    conn *pump_next;
};

void conn_dial(share *s, const pbts_addr *addr, bool encrypted);
void conn_accept(engine *e, int fd, const pbts_addr *addr);
/* At once. The memory goes when the loop has let go of it. */
void conn_close(conn *c, const char *why);
/* After what is queued. */
void conn_close_gently(conn *c, const char *why);
/* Say that nothing more comes, and close it when the peer does, or after a while. What was sent
 * arrives: a socket that is closed with bytes unread takes back what is under way. */
void conn_finish(conn *c);
void conn_tick(conn *c);
/* Send what there is, as far as the socket takes it. */
void conn_pump(conn *c);

/* ---- between the files of conn ---- */

conn *conn_new(engine *e, int fd, const pbts_addr *addr, bool outgoing); /* NULL: fd is closed */
void conn_arm(conn *c, int events);
bool conn_readable(conn *c); /* false: nothing more is there now, or it was closed */
/* It broke: take what came before, then close it. */
void conn_lost(conn *c, const char *why);
void conn_begin_greeting(conn *c);
/* Bytes for the greeting, as they came. */
void conn_greet(conn *c, uint8_t *bytes, size_t len);
/* Bytes for the session, decrypted. */
void conn_take(conn *c, const uint8_t *bytes, size_t len);
/* Put bytes behind what is unsent; false: no memory (it is closed then). */
bool conn_queue(conn *c, pbts_span bytes);
/* Send what is unsent; false: the socket is full or dead. */
bool conn_flush(conn *c);

#endif
