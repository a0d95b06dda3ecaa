#include "metrics.h"

#include <stdio.h>

#include "app.h"
#include "committer.h"
#include "ethereum/ethereum.h"
#include "tee/tee.h"
#include "worker.h"

static const char *const TRANSPORT_NAMES[METRICS_TRANSPORTS] = { "http", "udp", "rest" };

const char *metrics_endpoint_name(enum metrics_endpoint endpoint) {
    static const char *const names[] = {
#define X(code, name) name,
        METRICS_ENDPOINT_MAP(X)
#undef X
    };
    return names[endpoint];
}

/* Upper bounds of the commit histogram: 1 ms, 2 ms, 4 ms, ... */
static uint64_t bucket_us(size_t index) {
    return (uint64_t)1000 << index;
}

void metrics_commit(struct metrics *metrics, uint64_t micros, size_t ops, bool ok) {
    size_t bucket = 0;
    while (bucket < METRICS_COMMIT_BUCKETS && micros > bucket_us(bucket)) bucket++;
    metric_add(ok ? &metrics->commits : &metrics->commits_failed, 1);
    metric_add(&metrics->commit_ops, ops);
    metric_add(&metrics->commit_us_sum, micros);
    metric_add(&metrics->commit_buckets[bucket], 1);
}

/* ---- the text ---- */

static void describe(pbts_writer *out, const char *name, const char *type, const char *help) {
    pbts_write_text(out, "# HELP pbts_");
    pbts_write_text(out, name);
    pbts_write_u8(out, ' ');
    pbts_write_text(out, help);
    pbts_write_text(out, "\n# TYPE pbts_");
    pbts_write_text(out, name);
    pbts_write_u8(out, ' ');
    pbts_write_text(out, type);
    pbts_write_u8(out, '\n');
}

/* One sample; `labels` as in {labels}, or NULL. */
static void sample(pbts_writer *out, const char *name, const char *labels, uint64_t value) {
    pbts_write_text(out, "pbts_");
    pbts_write_text(out, name);
    if (labels != NULL) {
        pbts_write_u8(out, '{');
        pbts_write_text(out, labels);
        pbts_write_u8(out, '}');
    }
    pbts_write_u8(out, ' ');
    pbts_write_decimal(out, value);
    pbts_write_u8(out, '\n');
}

static void single(pbts_writer *out, const char *name, const char *type, const char *help,
                   uint64_t value) {
    describe(out, name, type, help);
    sample(out, name, NULL, value);
}

/* One counter summed over the threads of a transport; `field` is its place in metrics_worker. */
static uint64_t sum(const struct metrics *metrics, enum metrics_transport transport, size_t field) {
    const struct metrics_worker *workers = &metrics->pool;
    size_t count = 1;
    uint64_t total = 0;
    if (transport != METRICS_REST) {
        workers = transport == METRICS_HTTP ? metrics->http : metrics->udp;
        count = CONFIG_WORKERS_MAX;
    }
    for (size_t i = 0; i < count; i++)
        total += metric_read((const metric *)(const void *)((const uint8_t *)&workers[i] + field));
    return total;
}

#define FIELD(name) offsetof(struct metrics_worker, name)

static void write_announces(pbts_writer *out, const struct metrics *metrics) {
    char labels[96];
    describe(out, "announces_total", "counter", "Announces by transport and result.");
    for (unsigned t = 0; t < METRICS_TRANSPORTS; t++) {
        for (unsigned r = 0; r < METRICS_REFUSALS; r++) {
            uint64_t value = sum(metrics, t, FIELD(announces) + r * sizeof(metric));
            if (value == 0 && r != PBTS_REFUSAL_NONE) continue;
            const char *result = r == PBTS_REFUSAL_NONE ? "OK" : pbts_refusal_name(r);
            snprintf(labels, sizeof labels, "transport=\"%s\",result=\"%s\"", TRANSPORT_NAMES[t],
                     result);
            sample(out, "announces_total", labels, value);
        }
        snprintf(labels, sizeof labels, "transport=\"%s\",result=\"UNREADABLE\"",
                 TRANSPORT_NAMES[t]);
        sample(out, "announces_total", labels, sum(metrics, t, FIELD(announces_bad)));
    }
}

static void write_scrapes(pbts_writer *out, const struct metrics *metrics) {
    char labels[96];
    describe(out, "scrapes_total", "counter", "Scrapes by transport and result.");
    for (unsigned t = 0; t < METRICS_TRANSPORTS; t++) {
        uint64_t refused = sum(metrics, t, FIELD(scrapes_refused));
        snprintf(labels, sizeof labels, "transport=\"%s\",result=\"OK\"", TRANSPORT_NAMES[t]);
        sample(out, "scrapes_total", labels, sum(metrics, t, FIELD(scrapes)) - refused);
        snprintf(labels, sizeof labels, "transport=\"%s\",result=\"REFUSED\"", TRANSPORT_NAMES[t]);
        sample(out, "scrapes_total", labels, refused);
    }
}

static uint64_t sum_front(struct app *app, size_t field) {
    uint64_t total = 0;
    for (size_t i = 0; i < workers_count(app->workers); i++) {
        const uint8_t *stats = (const uint8_t *)workers_stats(app->workers, i);
        total += atomic_load((const atomic_uint_fast64_t *)(const void *)(stats + field));
    }
    return total;
}

static void write_front(pbts_writer *out, struct app *app) {
    static const struct {
        size_t field;
        const char *name, *type, *help;
    } rows[] = {
        { offsetof(pbts_front_stats, open), "front_connections", "gauge",
          "TCP connections that the front has now." },
        { offsetof(pbts_front_stats, accepted), "front_accepted_total", "counter",
          "TCP connections accepted." },
        { offsetof(pbts_front_stats, handed_over), "front_handed_over_total", "counter",
          "Connections handed over to the REST server." },
        { offsetof(pbts_front_stats, timed_out), "front_timed_out_total", "counter",
          "Connections closed because of a deadline." },
        { offsetof(pbts_front_stats, refused), "front_refused_total", "counter",
          "Connections whose bytes were no request." },
        { offsetof(pbts_front_stats, evicted), "front_evicted_total", "counter",
          "Idle and slow connections closed to make room." },
        { offsetof(pbts_front_stats, busy), "front_busy_total", "counter",
          "Connections turned away at the limit." },
        { offsetof(pbts_front_stats, udp_lost), "udp_unsent_total", "counter",
          "UDP answers that the socket did not take." },
    };
    if (app->workers == NULL) return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        single(out, rows[i].name, rows[i].type, rows[i].help, sum_front(app, rows[i].field));
}

static void write_udp(pbts_writer *out, const struct metrics *metrics) {
    single(out, "udp_connects_total", "counter", "UDP connection ids given out.",
           sum(metrics, METRICS_UDP, FIELD(udp_connects)));
    single(out, "udp_dropped_total", "counter", "Datagrams that were no request.",
           sum(metrics, METRICS_UDP, FIELD(udp_dropped)));
    single(out, "udp_bad_ids_total", "counter", "Requests with a wrong or old connection id.",
           sum(metrics, METRICS_UDP, FIELD(udp_bad_ids)));
    single(out, "udp_errors_total", "counter", "BEP 15 errors sent.",
           sum(metrics, METRICS_UDP, FIELD(udp_errors)));
}

static void write_rest(pbts_writer *out, const struct metrics *metrics) {
    char labels[96];
    describe(out, "rest_requests_total", "counter", "REST requests by endpoint and status class.");
    for (unsigned e = 0; e < METRICS_ENDPOINTS; e++) {
        for (unsigned class = 1; class < 6; class ++) {
            uint64_t value = metric_read(&metrics->rest[e][class]);
            if (value == 0) continue;
            snprintf(labels, sizeof labels, "endpoint=\"%s\",status=\"%uxx\"",
                     metrics_endpoint_name(e), class);
            sample(out, "rest_requests_total", labels, value);
        }
    }
}

static void write_commit_times(pbts_writer *out, const struct metrics *metrics) {
    uint64_t below = 0;
    char labels[64];
    describe(out, "commit_seconds", "histogram", "Time of a group commit, fsync included.");
    for (size_t i = 0; i < METRICS_COMMIT_BUCKETS; i++) {
        below += metric_read(&metrics->commit_buckets[i]);
        snprintf(labels, sizeof labels, "le=\"%.3f\"", (double)bucket_us(i) / 1e6);
        sample(out, "commit_seconds_bucket", labels, below);
    }
    below += metric_read(&metrics->commit_buckets[METRICS_COMMIT_BUCKETS]);
    sample(out, "commit_seconds_bucket", "le=\"+Inf\"", below);
    uint64_t micros = metric_read(&metrics->commit_us_sum);
    snprintf(labels, sizeof labels, "pbts_commit_seconds_sum %.6f\n", (double)micros / 1e6);
    pbts_write_text(out, labels);
    sample(out, "commit_seconds_count", NULL, below);
}

static void write_commits(pbts_writer *out, struct app *app) {
    const struct metrics *metrics = &app->metrics;
    single(out, "commits_total", "counter", "Group commits that are on disk.",
           metric_read(&metrics->commits));
    single(out, "commits_failed_total", "counter", "Group commits of which nothing happened.",
           metric_read(&metrics->commits_failed));
    single(out, "commit_operations_total", "counter", "Operations in all commits.",
           metric_read(&metrics->commit_ops));
    single(out, "commit_queue", "gauge", "Operations waiting for the next commit.",
           app->committer ? committer_waiting(app->committer) : 0);
    write_commit_times(out, metrics);
}

static void write_reports(pbts_writer *out, const struct metrics *metrics) {
    char labels[64];
    single(out, "reports_total", "counter", "Reports committed.", metric_read(&metrics->reports));
    single(out, "report_duplicate_pieces_total", "counter", "Pieces that were claimed before.",
           metric_read(&metrics->duplicate_pieces));
    single(out, "credited_bytes_total", "counter", "Bytes credited to senders.",
           metric_read(&metrics->credited_bytes));
    describe(out, "report_statements_total", "counter", "Statements of reports by verdict.");
    for (unsigned r = 0; r < METRICS_REFUSALS; r++) {
        uint64_t value = metric_read(&metrics->statements[r]);
        if (value == 0 && r != PBTS_REFUSAL_NONE) continue;
        snprintf(labels, sizeof labels, "verdict=\"%s\"",
                 r == PBTS_REFUSAL_NONE ? "OK" : pbts_refusal_name(r));
        sample(out, "report_statements_total", labels, value);
    }
}

static void write_ethereum(pbts_writer *out, struct app *app) {
    struct ethereum_status status;
    if (app->ethereum == NULL) return;
    ethereum_look(app->ethereum, &status);
    single(out, "chain_waiting_accounts", "gauge", "Accounts that the contract has not got yet.",
           status.waiting);
    single(out, "chain_aside_accounts", "gauge", "Of them, those that it refuses.", status.aside);
    single(out, "chain_sequence", "gauge", "Number of the last confirmed batch.",
           status.state.sequence);
    single(out, "chain_block", "gauge", "The newest block that was seen.",
           status.state.block_number);
    single(out, "chain_problem", "gauge", "1 when the writer cannot go on now.",
           status.problem[0] != '\0');
    single(out, "chain_reorgs", "gauge", "Batches that were in a block and then were not.",
           status.state.reorgs);
}

static void write_tee(pbts_writer *out, struct app *app) {
    const struct metrics *metrics = &app->metrics;
    char labels[80];
    bool simulated = app->config.tee == PBTS_TEE_SIMULATOR;
    snprintf(labels, sizeof labels, "tee=\"%s\",simulated=\"%s\"",
             pbts_tee_kind_text((pbts_tee_kind)app->config.tee), simulated ? "SIMULATED" : "no");
    describe(out, "tee_info", "gauge", "Which TEE gives evidence; SIMULATED proves nothing.");
    sample(out, "tee_info", labels, 1);
    describe(out, "tee_attestations_total", "counter", "Evidence that was asked for, by result.");
    sample(out, "tee_attestations_total", "result=\"OK\"", metric_read(&metrics->tee_made));
    sample(out, "tee_attestations_total", "result=\"FAILED\"", metric_read(&metrics->tee_failed));
    describe(out, "tee_verifications_total", "counter", "Evidence that was verified, by verdict.");
    sample(out, "tee_verifications_total", "verdict=\"ACCEPTED\"",
           metric_read(&metrics->tee_accepted));
    sample(out, "tee_verifications_total", "verdict=\"REFUSED\"",
           metric_read(&metrics->tee_refused));
    single(out, "tee_attestation_microseconds_total", "counter", "Time that making evidence took.",
           metric_read(&metrics->tee_us_sum));
}

static void write_tracker(pbts_writer *out, struct app *app) {
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(app->tracker, &stats);
    single(out, "users", "gauge", "Registered users.", stats.users);
    single(out, "torrents", "gauge", "Registered torrents.", stats.torrents);
    single(out, "peers", "gauge", "Peers in all swarms.", stats.peers);
    single(out, "seeders", "gauge", "Seeders in all swarms.", stats.seeders);
    single(out, "swarm_memory_bytes", "gauge", "Memory of the swarms.", stats.swarm_memory_bytes);
    single(out, "held_bytes", "gauge", "Served bytes whose credit is held.", stats.held_bytes);
    single(out, "ledger_sequence", "gauge", "Number of the ledger's last entry.",
           stats.ledger_sequence);
    single(out, "ledger_time_seconds", "gauge", "Time of the ledger's last entry.",
           stats.ledger_unix_s);
    write_ethereum(out, app);
    write_tee(out, app);
    single(out, "store_used_bytes", "gauge", "Bytes of the store in use.", stats.store_used_bytes);
    single(out, "store_max_bytes", "gauge", "Limit of the store.", app->config.store_max_bytes);
    single(out, "start_time_seconds", "gauge", "When the daemon started.", app->start_unix_s);
}

void metrics_write(pbts_writer *out, struct app *app) {
    write_announces(out, &app->metrics);
    write_scrapes(out, &app->metrics);
    write_front(out, app);
    write_udp(out, &app->metrics);
    write_rest(out, &app->metrics);
    write_commits(out, app);
    write_reports(out, &app->metrics);
    write_tracker(out, app);
}
