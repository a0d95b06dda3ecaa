/* metrics.h - counters of the daemon and their Prometheus text (GET /metrics). No secrets, no uids.
 */
#ifndef PBTS_TRACKER_METRICS_H
#define PBTS_TRACKER_METRICS_H

#include <stdatomic.h>

#include "base/writer.h"
#include "config/config.h"
#include "tracker/tracker.h"

struct app;

typedef atomic_uint_fast64_t metric;

enum metrics_transport { METRICS_HTTP, METRICS_UDP, METRICS_REST, METRICS_TRANSPORTS };

#define METRICS_ENDPOINT_MAP(X) \
    X(HEALTH, "health")         \
    X(PARAMS, "params")         \
    X(REGISTER, "register")     \
    X(REPORT, "report")         \
    X(TORRENTS, "torrents")     \
    X(USER, "user")             \
    X(VERIFY, "verify-receipt") \
    X(CONFIG, "config")         \
    X(CONTRACT, "contract")     \
    X(DEV, "dev")               \
    X(TEE, "tee")               \
    X(METRICS, "metrics")       \
    X(STATUS, "status")         \
    X(ANNOUNCE, "announce")     \
    X(OTHER, "other")
enum metrics_endpoint {
#define X(code, name) METRICS_ENDPOINT_##code,
    METRICS_ENDPOINT_MAP(X)
#undef X
        METRICS_ENDPOINTS
};

enum {
#define X(code, retry, status, text) +1
    METRICS_REFUSALS = 0 PBTS_REFUSAL_MAP(X),
#undef X
    METRICS_COMMIT_BUCKETS = 12,
};

/* One writer each (a front worker, or the HTTP pool together), so that cores do not share lines. */
struct metrics_worker {
    _Alignas(64) metric announces[METRICS_REFUSALS];
    metric announces_bad; /* could not be read */
    metric scrapes, scrapes_refused;
    metric udp_connects, udp_dropped, udp_bad_ids, udp_errors;
};

struct metrics {
    struct metrics_worker http[CONFIG_WORKERS_MAX], udp[CONFIG_WORKERS_MAX], pool;
    metric rest[METRICS_ENDPOINTS][6]; /* by status / 100; [0] unused */
    metric commits, commits_failed, commit_ops;
    metric commit_us_sum, commit_buckets[METRICS_COMMIT_BUCKETS + 1]; /* le 2^i ms/4; last: +Inf */
    metric statements[METRICS_REFUSALS];     /* of reports, by verdict; counted by REST */
    metric tee_made, tee_failed, tee_us_sum; /* evidence */
    metric tee_accepted, tee_refused;        /* verdicts on evidence */
    metric reports, duplicate_pieces, credited_bytes, held_bytes;
};

static inline void metric_add(metric *counter, uint64_t by) {
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}
/* For a counter with one writing thread: no locked instruction. */
static inline void metric_count(metric *counter) {
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_relaxed);
}
static inline uint64_t metric_read(const metric *counter) {
    return atomic_load_explicit((metric *)counter, memory_order_relaxed);
}

const char *metrics_endpoint_name(enum metrics_endpoint endpoint);
void metrics_commit(struct metrics *metrics, uint64_t micros, size_t ops, bool ok);
/* Append the text; PBTS_NO_SPACE shows in the writer. METRICS_TEXT_MAX is enough. */
enum { METRICS_TEXT_MAX = 128 * 1024 };
void metrics_write(pbts_writer *writer, struct app *app);

#endif
