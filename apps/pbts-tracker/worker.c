#include "worker.h"

#include <stdlib.h>
#include <unistd.h>

#include "http_server.h"
#include "net/clock.h"
#include "net/socket.h"

enum {
    HEAD_TIMEOUT_MS = 10 * 1000,
    WRITE_TIMEOUT_MS = 10 * 1000,
    LINGER_MS = 2 * 1000,
    PORT_TRIES_MAX = 32, /* any free port: TCP and UDP of both families must have it */
};

struct workers {
    struct app *app;
    size_t count, started;
    uint8_t token_key[UDP_TOKEN_KEY_LEN];
    struct worker worker[CONFIG_WORKERS_MAX];
};

static const char BUSY_ANSWER[] = "HTTP/1.1 503 Service Unavailable\r\n"
                                  "Retry-After: 30\r\n"
                                  "Content-Type: text/plain\r\n"
                                  "Content-Length: 55\r\n"
                                  "Connection: close\r\n\r\n"
                                  "d14:failure reason20:too many connections8:retry ini1ee";

static void on_wake(void *host, uint64_t mono_ms) {
    struct worker *worker = host;
    worker->now = (pbts_now){ .unix_s = pbts_clock_unix_ms() / 1000, .mono_s = mono_ms / 1000 };
}

static void on_hand_over(void *host, int fd, const pbts_addr *client) {
    struct worker *worker = host;
    http_server_take(worker->app->http, fd, client);
}

static pbts_status make_worker(struct workers *workers, size_t index) {
    struct worker *worker = &workers->worker[index];
    struct app *app = workers->app;
    pbts_front_host host = {
        .host = worker,
        .wake = on_wake,
        .request = worker_http_request,
        .preamble = app->config.proxy_protocol ? worker_http_preamble : NULL,
        .hand_over = on_hand_over,
        .datagram = worker_udp_datagram,
    };
    pbts_front_config config = {
        .mem = pbts_mem_system(),
        .connections_max =
            (app->config.connections_max + (uint32_t)workers->count - 1) / (uint32_t)workers->count,
        .head_timeout_ms = HEAD_TIMEOUT_MS,
        .idle_timeout_ms = app->config.idle_timeout_s * 1000,
        .write_timeout_ms = WRITE_TIMEOUT_MS,
        .linger_ms = LINGER_MS,
        .busy_answer = { (const uint8_t *)BUSY_ANSWER, sizeof BUSY_ANSWER - 1 },
    };
    worker->app = app;
    worker->http = &app->metrics.http[index];
    worker->udp = &app->metrics.udp[index];
    worker->now = app_now();
    PBTS_TRY(udp_token_new(&worker->token, workers->token_key));
    return pbts_front_new(&worker->front, &config, &host);
}

/* Give the worker its sockets on one address. A socket that the front does not take is closed. */
static pbts_status open_address(struct worker *worker, const pbts_addr *addr, uint16_t *bound) {
    int fd;
    PBTS_TRY(pbts_socket_listen_tcp(&fd, bound, addr));
    pbts_status status = pbts_front_listen(worker->front, fd);
    if (status != PBTS_OK) {
        close(fd);
        return status;
    }
    pbts_addr same = *addr;
    same.port = *bound;
    PBTS_TRY(pbts_socket_bind_udp(&fd, NULL, &same));
    status = pbts_front_serve_udp(worker->front, fd);
    if (status != PBTS_OK) close(fd);
    return status;
}

/* All sockets of all workers on one port. */
static pbts_status open_all(struct workers *workers, uint16_t port, pbts_addr *failed) {
    struct app *app = workers->app;
    size_t opened = 0;
    for (size_t a = 0; a < app->config.listen_count; a++) {
        pbts_addr addr = app->config.listen[a];
        pbts_status status = PBTS_OK;
        addr.port = port;
        if (port != 0) status = pbts_socket_is_free(&addr);
        for (size_t i = 0; status == PBTS_OK && i < workers->count; i++) {
            status = open_address(&workers->worker[i], &addr, &port);
            addr.port = port;
        }
        *failed = addr;
        if (status == PBTS_NOT_FOUND && app->config.listen_is_default) continue;
        if (status != PBTS_OK) return status;
        opened++;
    }
    if (opened == 0) return PBTS_NOT_FOUND;
    app->http_port = port;
    return PBTS_OK;
}

static void free_workers(struct workers *workers) {
    for (size_t i = 0; i < workers->count; i++) {
        pbts_front_free(workers->worker[i].front);
        udp_token_free(workers->worker[i].token);
        workers->worker[i].front = NULL;
        workers->worker[i].token = NULL;
    }
}

static pbts_status make_and_open(struct workers *workers, pbts_addr *failed) {
    pbts_status status = PBTS_OK;
    for (size_t i = 0; i < workers->count && status == PBTS_OK; i++)
        status = make_worker(workers, i);
    if (status == PBTS_OK) status = open_all(workers, workers->app->config.port, failed);
    return status;
}

static size_t worker_count(const struct config *config) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (config->workers > 0) return config->workers;
    if (cores < 1) return 1;
    return cores > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : (size_t)cores;
}

pbts_status workers_open(struct workers **out, struct app *app) {
    struct workers *workers = calloc(1, sizeof *workers);
    if (workers == NULL) return PBTS_NO_MEMORY;
    workers->app = app;
    workers->count = worker_count(&app->config);
    pbts_addr failed = { .family = PBTS_IPV4 };
    uint8_t salt[16];
    pbts_status status = pbts_random_fill(pbts_random_system(), salt, sizeof salt);
    if (status == PBTS_OK) pbts_tracker_keys_udp(workers->token_key, app->keys, salt);
    for (unsigned tries = 0; status == PBTS_OK; tries++) {
        status = make_and_open(workers, &failed);
        if (status == PBTS_OK) {
            *out = workers;
            return PBTS_OK;
        }
        bool again = status == PBTS_EXISTS && app->config.port == 0 && tries < PORT_TRIES_MAX;
        free_workers(workers);
        if (again) status = PBTS_OK;
    }
    LOG(&app->log, LOG_ERROR, "listen_failed", LOG_ADDR("addr", &failed),
        LOG_UINT("port", failed.port), LOG_TEXT("reason", pbts_listen_failure_text(status)));
    free(workers);
    return status;
}

static void *run(void *argument) {
    struct worker *worker = argument;
    pbts_front_run(worker->front);
    return NULL;
}

pbts_status workers_start(struct workers *workers) {
    for (; workers->started < workers->count; workers->started++) {
        struct worker *worker = &workers->worker[workers->started];
        if (pthread_create(&worker->thread, NULL, run, worker) != 0) return PBTS_IO;
    }
    return PBTS_OK;
}

void workers_stop(struct workers *workers, uint32_t drain_ms) {
    for (size_t i = 0; i < workers->started; i++)
        pbts_front_stop(workers->worker[i].front, drain_ms);
    for (size_t i = 0; i < workers->started; i++) pthread_join(workers->worker[i].thread, NULL);
    workers->started = 0;
}

void workers_free(struct workers *workers) {
    if (workers == NULL) return;
    free_workers(workers);
    free(workers);
}

size_t workers_count(const struct workers *workers) {
    return workers->count;
}

const pbts_front_stats *workers_stats(const struct workers *workers, size_t index) {
    return pbts_front_stats_of(workers->worker[index].front);
}
