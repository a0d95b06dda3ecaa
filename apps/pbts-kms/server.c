#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/secret.h"
#include "exit_codes.h"
#include "limit.h"
#include "log.h"
#include "net/clock.h"
#include "net/socket.h"
#include "say.h"
#include "tls.h"

enum {
    CONNECTIONS_MAX = 256,
    PER_ADDRESS_MAX = 32,
    IDLE_S = 20,
    LIFE_MS = 30 * 1000, /* of a connection, whatever comes: a byte now and then is not idle */
    STATUS_MAX = 8192,
    SMALL_MAX = PBTS_KMS_QUESTION_LEN_MAX,
};

/* GnuTLS: 1.3 only, authenticated ciphers. */
static const char PRIORITIES[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3";

/* One open connection. */
typedef struct {
    int fd;
    uint64_t until_ms; /* 0: free */
} place;

struct kms_server {
    kms_service *service;
    struct MHD_Daemon *https, *control;
    kms_limit limit;
    pthread_mutex_t places_lock;
    place places[CONNECTIONS_MAX];
    char socket_path[HOME_PATH_MAX];
};

typedef struct {
    uint8_t *body;
    size_t len, max;
    bool too_long;
} upload;

typedef struct MHD_Connection connection;

/* ---- answers ---- */

static enum MHD_Result answer(connection *c, unsigned status, const char *type, pbts_span body) {
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) return MHD_NO;
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    enum MHD_Result result = MHD_queue_response(c, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_bytes(connection *c, const pbts_writer *bytes) {
    return answer(c, MHD_HTTP_OK, "application/octet-stream", pbts_writer_span(bytes));
}

static enum MHD_Result answer_text(connection *c, unsigned status, const char *word,
                                   const char *sentence) {
    char text[512];
    int len = snprintf(text, sizeof text, "%s\n%s\n", word, sentence);
    return answer(c, status, "text/plain", (pbts_span){ (const uint8_t *)text, (size_t)len });
}

static unsigned code_of(pbts_status status) {
    switch (pbts_status_class(status)) {
    case PBTS_DONE: return MHD_HTTP_OK;
    case PBTS_RESOURCE: return MHD_HTTP_SERVICE_UNAVAILABLE;
    default: break;
    }
    if (status == PBTS_MALFORMED || status == PBTS_LIMIT) return MHD_HTTP_BAD_REQUEST;
    if (status == PBTS_NOT_FOUND) return MHD_HTTP_NOT_FOUND;
    if (status == PBTS_EXISTS) return MHD_HTTP_CONFLICT;
    return MHD_HTTP_FORBIDDEN;
}

static enum MHD_Result answer_status(connection *c, pbts_status status) {
    return answer_text(c, code_of(status), pbts_status_name(status), pbts_status_text(status));
}

/* ---- who asks ---- */

/* Whether the client has shown, and proved to have, the TLS key of another node. */
static bool is_member(const kms_service *s, connection *c) {
    char pin[TLS_PIN_MAX];
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info == NULL || !tls_pin_of_peer(pin, info->tls_session)) return false;
    for (size_t i = 0; i < s->config.group.nodes; i++) {
        if (strcmp(s->config.members.pins[i], pin) == 0) return true;
    }
    return false;
}

static bool may_ask(kms_server *server, connection *c) {
    pbts_addr client;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || pbts_sockaddr_read(&client, info->client_addr) != PBTS_OK) return false;
    if (limit_allows(&server->limit, &client, pbts_clock_mono_ms())) return true;
    atomic_fetch_add(&server->service->counters.limited, 1);
    return false;
}

/* ---- endpoints ---- */

static enum MHD_Result on_gossip(kms_server *server, connection *c, pbts_span body) {
    kms_service *s = server->service;
    if (!is_member(s, c))
        return answer_text(c, MHD_HTTP_FORBIDDEN, "stranger", "the client is no node of the group");
    uint8_t *buffer = malloc(PBTS_KMS_ANSWER_LEN_MAX);
    if (buffer == NULL) return answer_status(c, PBTS_NO_MEMORY);
    pbts_writer writer = pbts_writer_over(buffer, PBTS_KMS_ANSWER_LEN_MAX);
    pbts_status status = service_gossip(s, &writer, body);
    atomic_fetch_add(&s->counters.gossip_served, 1);
    enum MHD_Result result =
        status == PBTS_OK ? answer_bytes(c, &writer) : answer_status(c, status);
    free(buffer);
    return result;
}

static enum MHD_Result on_hello(kms_server *server, connection *c, pbts_span body) {
    uint8_t buffer[PBTS_KMS_HELLO_LEN_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    (void)body;
    if (!may_ask(server, c))
        return answer_text(c, MHD_HTTP_TOO_MANY_REQUESTS, "limit", "too many requests");
    atomic_fetch_add(&server->service->counters.hellos, 1);
    pbts_status status = service_hello(server->service, &writer);
    return status == PBTS_OK ? answer_bytes(c, &writer) : answer_status(c, status);
}

static enum MHD_Result on_request(kms_server *server, connection *c, pbts_span body) {
    uint8_t buffer[PBTS_KMS_REPLY_LEN_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_kms_verdict verdict;
    if (!may_ask(server, c))
        return answer_text(c, MHD_HTTP_TOO_MANY_REQUESTS, "limit", "too many requests");
    pbts_status status = service_answer(server->service, &writer, &verdict, body);
    if (status == PBTS_OK) return answer_bytes(c, &writer);
    if (verdict.refusal == PBTS_KMS_REFUSED_EVIDENCE)
        return answer_text(c, code_of(status), pbts_attest_reason_word(verdict.reason),
                           pbts_attest_reason_sentence(verdict.reason));
    return answer_text(c, code_of(status), pbts_kms_refusal_word(verdict.refusal),
                       pbts_kms_refusal_sentence(verdict.refusal));
}

static enum MHD_Result on_health(kms_server *server, connection *c, pbts_span body) {
    (void)server, (void)body;
    return answer(c, MHD_HTTP_OK, "text/plain", pbts_span_text("ok\n"));
}

static enum MHD_Result on_metrics(kms_server *server, connection *c, pbts_span body) {
    uint8_t buffer[STATUS_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    (void)body;
    service_metrics(server->service, &writer);
    return answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4", pbts_writer_span(&writer));
}

static enum MHD_Result on_status(kms_server *server, connection *c, pbts_span body) {
    uint8_t buffer[STATUS_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    (void)body;
    service_status(server->service, &writer);
    return answer(c, MHD_HTTP_OK, "text/plain", pbts_writer_span(&writer));
}

static enum MHD_Result on_dkg(kms_server *server, connection *c, pbts_span body) {
    (void)body;
    return answer_status(c, service_begin(server->service, false));
}

static enum MHD_Result on_refresh(kms_server *server, connection *c, pbts_span body) {
    (void)body;
    return answer_status(c, service_begin(server->service, true));
}

typedef struct {
    const char *method, *path;
    enum MHD_Result (*run)(kms_server *, connection *, pbts_span);
    size_t body_max;
} endpoint;

static const endpoint OPEN_ENDPOINTS[] = {
    { "POST", "/kms/v1/gossip", on_gossip, PBTS_KMS_QUESTION_LEN_MAX },
    { "POST", "/kms/v1/hello", on_hello, 0 },
    { "POST", "/kms/v1/request", on_request, PBTS_KMS_REQUEST_LEN_MAX },
    { "GET", "/health", on_health, 0 },
    { "GET", "/metrics", on_metrics, 0 },
    { NULL, NULL, NULL, 0 },
};
static const endpoint CONTROL_ENDPOINTS[] = {
    { "POST", "/dkg", on_dkg, 0 },
    { "POST", "/refresh", on_refresh, 0 },
    { "GET", "/status", on_status, 0 },
    { "GET", "/metrics", on_metrics, 0 },
    { NULL, NULL, NULL, 0 },
};

/* ---- requests ---- */

static enum MHD_Result take_upload(upload *u, const char *data, size_t *len) {
    if (*len > u->max - u->len) u->too_long = true;
    if (!u->too_long) {
        uint8_t *bigger = realloc(u->body, u->len + *len);
        if (bigger == NULL) return MHD_NO;
        memcpy(bigger + u->len, data, *len);
        u->body = bigger;
        u->len += *len;
    }
    *len = 0;
    return MHD_YES;
}

static enum MHD_Result serve(kms_server *server, const endpoint *endpoints, connection *c,
                             const char *path, const char *method, const char *data, size_t *len,
                             void **context) {
    const endpoint *e = endpoints;
    upload *u = *context;
    while (e->path != NULL && (strcmp(e->path, path) != 0 || strcmp(e->method, method) != 0)) e++;
    if (e->path == NULL) return answer_status(c, PBTS_NOT_FOUND);
    if (u == NULL) {
        *context = u = calloc(1, sizeof *u);
        if (u == NULL) return MHD_NO;
        u->max = e->body_max;
        return MHD_YES;
    }
    if (*len > 0) return take_upload(u, data, len);
    if (u->too_long) return answer_status(c, PBTS_LIMIT);
    return e->run(server, c, (pbts_span){ u->body, u->len });
}

static enum MHD_Result on_https(void *host, connection *c, const char *path, const char *method,
                                const char *version, const char *data, size_t *len,
                                void **context) {
    (void)version;
    return serve(host, OPEN_ENDPOINTS, c, path, method, data, len, context);
}

static enum MHD_Result on_control(void *host, connection *c, const char *path, const char *method,
                                  const char *version, const char *data, size_t *len,
                                  void **context) {
    (void)version;
    return serve(host, CONTROL_ENDPOINTS, c, path, method, data, len, context);
}

static void on_done(void *host, connection *c, void **context,
                    enum MHD_RequestTerminationCode code) {
    upload *u = *context;
    (void)host, (void)c, (void)code;
    if (u == NULL) return;
    free(u->body);
    free(u);
    *context = NULL;
}

/* ---- connections ---- */

static void on_connection(void *host, connection *c, void **context,
                          enum MHD_ConnectionNotificationCode code) {
    kms_server *server = host;
    place *p = *context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    pthread_mutex_lock(&server->places_lock);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED && p != NULL) p->until_ms = 0;
    for (size_t i = 0; code == MHD_CONNECTION_NOTIFY_STARTED && i < CONNECTIONS_MAX; i++) {
        if (info == NULL || server->places[i].until_ms != 0) continue;
        *context = p = &server->places[i];
        *p = (place){ info->connect_fd, pbts_clock_mono_ms() + LIFE_MS };
        break;
    }
    pthread_mutex_unlock(&server->places_lock);
}

/* libmicrohttpd closes what is silent, but not who sends a byte now and then. */
void server_tick(kms_server *server) {
    uint64_t now_ms = pbts_clock_mono_ms();
    /* Under the lock, so that no descriptor is closed and another's meanwhile. */
    pthread_mutex_lock(&server->places_lock);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        place *p = &server->places[i];
        if (p->until_ms == 0 || now_ms < p->until_ms) continue;
        (void)shutdown(p->fd, SHUT_RDWR); /* its thread sees the end and closes it */
        p->until_ms = UINT64_MAX;
    }
    pthread_mutex_unlock(&server->places_lock);
}

/* ---- start ---- */

typedef pbts_status (*reader)(uint8_t **out, size_t *len, const char *dir, const char *name,
                              size_t max);

static int read_pem(char **out, const kms_service *s, reader read, const char *name) {
    uint8_t *bytes = NULL;
    size_t len;
    char path[HOME_PATH_MAX];
    pbts_status status = read(&bytes, &len, s->config.data, name, TLS_PEM_MAX);
    *out = (char *)bytes;
    if (status == PBTS_OK) return PBTS_EXIT_OK;
    (void)home_path(path, s->config.data, name);
    if (status == PBTS_DENIED)
        return say_fail(PBTS_EXIT_IO, "%s: may be read by others; chmod 600", path);
    return say_status(path, status);
}

static int start_https(kms_server *server, int listener, const char *certificate, const char *key) {
    char pin[TLS_PIN_MAX];
    kms_service *s = server->service;
    if (!tls_pin_of_pem(pin, certificate) ||
        strcmp(pin, s->config.members.pins[s->number - 1]) != 0)
        return say_fail(PBTS_EXIT_USAGE, "tls.crt is not the one that the members name");
    /* With certificates to trust, a client is asked for its own; which it is, on_gossip decides. */
    server->https = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS, 0, NULL, NULL, on_https, server,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_HTTPS_MEM_KEY, key,
        MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_HTTPS_MEM_TRUST, certificate,
        MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)PER_ADDRESS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_done,
        server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
    return server->https != NULL ? PBTS_EXIT_OK
                                 : say_fail(PBTS_EXIT_IO, "the HTTPS server does not start");
}

static int listen_https(kms_server *server) {
    kms_service *s = server->service;
    char *certificate = NULL, *key = NULL;
    pbts_addr addr;
    int listener = -1;
    int code = read_pem(&certificate, s, home_read, "tls.crt");
    if (code == PBTS_EXIT_OK) code = read_pem(&key, s, home_read_private, "tls.key");
    if (code == PBTS_EXIT_OK && pbts_addr_parse(&addr, pbts_span_text(s->config.listen)) != PBTS_OK)
        code = say_fail(PBTS_EXIT_USAGE, "listen: wanted is an address");
    addr.port = s->config.port;
    if (code == PBTS_EXIT_OK && pbts_socket_listen_tcp(&listener, &s->port, &addr) != PBTS_OK)
        code = say_fail(PBTS_EXIT_IO, "port %u cannot be listened on", s->config.port);
    if (code == PBTS_EXIT_OK) code = start_https(server, listener, certificate, key);
    if (code != PBTS_EXIT_OK && listener >= 0) close(listener);
    if (key != NULL) pbts_wipe(key, strlen(key));
    free(key);
    free(certificate);
    return code;
}

static int listen_control(kms_server *server) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (!home_path(server->socket_path, server->service->config.data, "control") ||
        strlen(server->socket_path) >= sizeof address.sun_path)
        return say_fail(PBTS_EXIT_USAGE, "data: the path is too long for a socket");
    memcpy(address.sun_path, server->socket_path, strlen(server->socket_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    (void)unlink(server->socket_path); /* of a process that was killed */
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                listen(fd, 16) == 0;
    (void)umask(before);
    if (good)
        server->control =
            MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_control, server,
                             MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, 16U,
                             MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
                             MHD_OPTION_NOTIFY_COMPLETED, on_done, server, MHD_OPTION_END);
    if (server->control != NULL) return PBTS_EXIT_OK;
    int code = say_errno(server->socket_path);
    if (fd >= 0) close(fd);
    return code;
}

int server_start(kms_server **out, kms_service *service) {
    kms_server *server = calloc(1, sizeof *server);
    if (server == NULL) return say_no_memory();
    server->service = service;
    (void)pthread_mutex_init(&server->places_lock, NULL);
    int code = PBTS_EXIT_OK;
    if (limit_init(&server->limit, service->config.requests_per_minute, pbts_random_system()) !=
        PBTS_OK)
        code = say_fail(PBTS_EXIT_IO, "there is no randomness");
    if (code == PBTS_EXIT_OK) code = listen_https(server);
    if (code == PBTS_EXIT_OK) code = listen_control(server);
    if (code != PBTS_EXIT_OK) {
        server_stop(server);
        return code;
    }
    *out = server;
    return PBTS_EXIT_OK;
}

void server_stop(kms_server *server) {
    if (server == NULL) return;
    if (server->control != NULL) {
        MHD_stop_daemon(server->control);
        (void)unlink(server->socket_path);
    }
    if (server->https != NULL) MHD_stop_daemon(server->https);
    limit_deinit(&server->limit);
    (void)pthread_mutex_destroy(&server->places_lock);
    free(server);
}
