/* worker.h - the announce front's threads: each its own sockets, epoll loop and counters. */
#ifndef PBTS_TRACKER_WORKER_H
#define PBTS_TRACKER_WORKER_H

#include "answer.h"
#include "net/front.h"
#include "udp_token.h"

struct worker {
    struct app *app;
    pbts_front *front;
    struct udp_token *token;
    struct metrics_worker *http, *udp;
    pbts_now now; /* at the last wake-up */
    pthread_t thread;
};

struct workers;

/* Open the sockets of config.listen on config.port (0: any free port; app->http_port tells which),
 * make the workers; no thread runs yet. The reason of a failure is logged. */
PBTS_MUST_USE pbts_status workers_open(struct workers **out, struct app *app);
PBTS_MUST_USE pbts_status workers_start(struct workers *workers);
/* Stop accepting, finish what is under way for at most drain_ms, end the threads. */
void workers_stop(struct workers *workers, uint32_t drain_ms);
void workers_free(struct workers *workers); /* NULL is a no-op */
size_t workers_count(const struct workers *workers);
const pbts_front_stats *workers_stats(const struct workers *workers, size_t index);

/* What a worker answers with (worker_http.c, worker_udp.c); `host` is the struct worker. */
pbts_front_verdict worker_http_request(void *host, pbts_writer *out, size_t *consumed,
                                       pbts_span bytes, const pbts_addr *client);
pbts_front_verdict worker_http_preamble(void *host, pbts_addr *client, size_t *consumed,
                                        pbts_span bytes);
void worker_udp_datagram(void *host, pbts_writer *writer, pbts_span datagram,
                         const pbts_addr *from);

#endif
