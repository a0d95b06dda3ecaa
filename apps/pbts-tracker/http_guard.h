/* http_guard.h - deadlines of the general server's connections. libmicrohttpd closes a connection
 * that is silent, but not one that sends a byte now and then, and a few thousand of those would
 * hold all of its places. Each connection has the time by which it must have come further (a whole
 * head, a whole body, an answer that was read), and one that is late is shut down.
 */
#ifndef PBTS_TRACKER_HTTP_GUARD_H
#define PBTS_TRACKER_HTTP_GUARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    HTTP_HEAD_DEADLINE_S = 30,    /* from connecting or the last answer: hand-shake, whole head */
    HTTP_BODY_DEADLINE_S = 300,   /* from the head */
    HTTP_ANSWER_DEADLINE_S = 300, /* until it was sent */
};

/* One connection's; in the list from when it is guarded until it is released. */
struct http_guard {
    int fd;
    atomic_uint_fast64_t deadline_us; /* mono; UINT64_MAX: it waits for us */
    struct http_guard *next, **link;
};

struct http_guards {
    pthread_mutex_t lock;
    struct http_guard *first;
};

void http_guards_init(struct http_guards *guards);
void http_guards_deinit(struct http_guards *guards); /* all were released */
/* NULL without memory. The descriptor must stay open until the release. */
struct http_guard *http_guard_new(struct http_guards *guards, int fd, uint64_t now_us);
void http_guard_release(struct http_guards *guards, struct http_guard *guard); /* NULL is a no-op */
/* From its connection's own thread; NULL is a no-op. `seconds` 0: no deadline. */
void http_guard_expect(struct http_guard *guard, unsigned seconds, uint64_t now_us);
/* Shut down what is late; returns how many. Call about once a second. */
unsigned http_guards_sweep(struct http_guards *guards, uint64_t now_us);

#endif
