/* The daemons of libmicrohttpd, what they may use, and the HTTPS listeners. The plain one has no
 * listener: the front brings it its connections. */
#include "http_server.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/secret_memory.h"
#include "codec/text.h"
#include "hash/sha.h"
#include "http_connection.h"
#include "net/clock.h"
#include "net/socket.h"
#include "tls_self_signed.h"

enum { PEM_MAX = 256 * 1024 };

/* GnuTLS: 1.2 and 1.3, with authenticated ciphers and keys that are forgotten. */
#define TLS_PRIORITIES                                             \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CIPHER-ALL:" \
    "+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:%SERVER_PRECEDENCE"

static const char BUSY_ANSWER[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\n"
                                  "Content-Length: 0\r\nConnection: close\r\n\r\n";

/* ---- limits ---- */

/* By a hash with a secret, so that nobody can aim at another's bucket. */
size_t http_address_bucket(const struct http_server *server, const pbts_addr *client) {
    struct rest_limit_who who = rest_limit_address(client);
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, PBTS_SPAN_OF(server->app->limit_seed));
    pbts_sha256_update(&state, pbts_span_text("connections"));
    pbts_sha256_update(&state, (pbts_span){ who.bytes, who.len });
    pbts_sha256_final(&state, digest);
    return (size_t)(digest[0] << 8 | digest[1]) % HTTP_ADDRESS_BUCKETS;
}

static void leave(struct http_side *side, const pbts_addr *client) {
    struct http_server *server = side->server;
    atomic_fetch_sub(&server->connections, 1);
    atomic_fetch_sub(&server->per_address[http_address_bucket(server, client)], 1);
    if (side->https) atomic_fetch_sub(&server->https_connections, 1);
    atomic_fetch_sub(&side->connections, 1);
}

/* Count a connection in; false when there are too many. Proxies speak for many clients. */
static bool admit(struct http_side *side, const pbts_addr *client) {
    struct http_server *server = side->server;
    atomic_ushort *bucket = &server->per_address[http_address_bucket(server, client)];
    bool room = atomic_fetch_add(&server->connections, 1) < HTTP_CONNECTIONS_MAX;
    bool fair = atomic_fetch_add(bucket, 1) < HTTP_PER_ADDRESS_MAX;
    if (side->https)
        room &= atomic_fetch_add(&server->https_connections, 1) < HTTPS_CONNECTIONS_MAX;
    atomic_fetch_add(&side->connections, 1);
    if (room && (fair || app_is_trusted_proxy(server->app, client))) return true;
    leave(side, client);
    return false;
}

static void on_close(struct http_side *side, struct MHD_Connection *mhd) {
    pbts_addr client;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info != NULL && pbts_sockaddr_read(&client, info->client_addr) == PBTS_OK)
        leave(side, &client);
}

static void on_connection(void *closure, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
    struct http_side *side = closure;
    struct http_guards *guards = &side->server->guards;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        http_guard_release(guards, *socket_context);
        on_close(side, mhd);
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != NULL)
        *socket_context = http_guard_new(guards, info->connect_fd, pbts_clock_mono_us());
}

static void add(struct http_side *side, int fd, const pbts_addr *client) {
    pbts_sockaddr addr;
    char unread[4096];
    if (!admit(side, client)) {
        LOG_HOSTILE(&side->server->app->log, "rest_busy", LOG_ADDR("client", client));
        if (!side->https &&
            send(fd, BUSY_ANSWER, sizeof BUSY_ANSWER - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
            shutdown(fd, SHUT_WR);
            (void)recv(fd, unread, sizeof unread, MSG_DONTWAIT); /* or close would reset */
        }
        close(fd);
        return;
    }
    pbts_sockaddr_of(&addr, client);
    if (MHD_add_connection(side->daemon, fd, (struct sockaddr *)&addr.storage, addr.len) != MHD_YES)
        leave(side, client); /* it has closed the socket */
}

void http_server_take(struct http_server *server, int fd, const pbts_addr *client) {
    add(&server->plain, fd, client);
}

void http_server_tick(struct http_server *server) {
    unsigned late = http_guards_sweep(&server->guards, pbts_clock_mono_us());
    if (late > 0) LOG_HOSTILE(&server->app->log, "rest_late", LOG_UINT("connections", late));
}

size_t http_server_in_flight(struct http_server *server) {
    return atomic_load(&server->in_flight);
}

/* ---- daemons ---- */

__attribute__((format(printf, 2, 0))) static void on_log(void *closure, const char *format,
                                                         va_list arguments) {
    struct http_server *server = closure;
    char text[300];
    vsnprintf(text, sizeof text, format, arguments);
    LOG(&server->app->log, LOG_DEBUG, "http", LOG_TEXT("text", text));
}

static unsigned thread_count(const struct config *config) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted =
        config->rest_threads ? config->rest_threads : (unsigned)(cores > 0 ? cores : 1);
    return wanted < 2 ? 2 : wanted; /* a pool begins at two */
}

static bool start_daemon(struct http_side *side, unsigned flags,
                         const struct MHD_OptionItem *more) {
    struct http_server *server = side->server;
    flags |= MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
             MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    atomic_store(&side->retired, false);
    side->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, http_on_request, side, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
        MHD_OPTION_URI_LOG_CALLBACK, http_on_uri, side, MHD_OPTION_NOTIFY_COMPLETED,
        http_on_completed, side, MHD_OPTION_NOTIFY_CONNECTION, on_connection, side,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MEMORY_PER_CONNECTION,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_THREAD_POOL_SIZE,
        thread_count(&server->app->config), MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, more,
        MHD_OPTION_END);
    return side->daemon != NULL;
}

static char *read_pem(struct app *app, const char *path) {
    errno = 0;
    FILE *file = fopen(path, "re");
    char *text = calloc(1, PEM_MAX);
    size_t len = file && text ? fread(text, 1, PEM_MAX - 1, file) : 0;
    int error = errno;
    if (file) fclose(file);
    if (len > 0) return text;
    LOG(&app->log, LOG_ERROR, "tls_file", LOG_TEXT("file", path),
        LOG_TEXT("reason", error != 0 ? strerror(error) : "is empty"));
    free(text);
    return NULL;
}

static bool start_https_with(struct http_side *side, char *cert, char *key) {
    if (cert == NULL || key == NULL) return false;
    char priorities[] = TLS_PRIORITIES;
    const struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, cert },
                                          { MHD_OPTION_HTTPS_MEM_KEY, 0, key },
                                          { MHD_OPTION_HTTPS_PRIORITIES, 0, priorities },
                                          { MHD_OPTION_END, 0, NULL } };
    if (start_daemon(side, MHD_USE_TLS, tls)) return true;
    LOG(&side->server->app->log, LOG_ERROR, "tls_failed",
        LOG_TEXT("reason", "the certificate and the key do not go together"));
    return false;
}

static void say_self_signed(struct app *app, const char *host, pbts_span pin) {
    uint8_t text[64];
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    pbts_base64_encode(&writer, pin);
    LOG(&app->log, LOG_INFO, "tls_self_signed", LOG_TEXT("host", host),
        LOG_SPAN("pin_sha256", pbts_writer_span(&writer)));
}

static bool start_self_signed(struct http_side *side) {
    struct app *app = side->server->app;
    char host[TLS_HOST_MAX], first[PBTS_ADDR_TEXT_MAX] = "";
    struct tls_self_signed *tls = pbts_secret_new(sizeof *tls, NULL);
    bool started = false;
    static const uint8_t any[16] = { 0 };
    const pbts_addr *listen = &app->config.listen[0];
    if (memcmp(listen->ip, any, sizeof any) != 0) pbts_addr_format(first, listen);
    if (app->config.public_url[0] != '\0' || first[0] == '\0')
        tls_host_of_url(host, app->config.public_url);
    else
        snprintf(host, sizeof host, "%s", first);
    if (tls != NULL && tls_self_sign(tls, app->keys->tls, host, app_now().unix_s) == PBTS_OK) {
        say_self_signed(app, host, PBTS_SPAN_OF(tls->pin));
        started = start_https_with(side, tls->certificate, tls->key);
    }
    pbts_secret_free(tls);
    return started;
}

static bool start_https(struct http_side *side) {
    struct app *app = side->server->app;
    if (app->config.tls_cert[0] == '\0') return start_self_signed(side);
    char *cert = read_pem(app, app->config.tls_cert), *key = read_pem(app, app->config.tls_key);
    bool started = start_https_with(side, cert, key);
    if (key != NULL) explicit_bzero(key, strlen(key));
    free(key);
    free(cert);
    return started;
}

/* ---- HTTPS listeners ---- */

static void accept_https(struct http_server *server, int listener) {
    pbts_sockaddr from = { .len = sizeof from.storage };
    pbts_addr client;
    struct sockaddr *name = (struct sockaddr *)&from.storage;
    int fd = accept4(listener, name, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) usleep(100 * 1000); /* until one is closed */
        return;
    }
    if (pbts_sockaddr_read_len(&client, name, from.len) != PBTS_OK) {
        close(fd);
        return;
    }
    pthread_mutex_lock(&server->https_lock);
    add(server->https, fd, &client);
    pthread_mutex_unlock(&server->https_lock);
}

static void *accept_loop(void *argument) {
    struct http_server *server = argument;
    struct pollfd polled[CONFIG_LISTEN_MAX + 1];
    for (size_t i = 0; i < server->listener_count; i++)
        polled[i] = (struct pollfd){ .fd = server->listeners[i], .events = POLLIN };
    polled[server->listener_count] = (struct pollfd){ .fd = server->wake, .events = POLLIN };
    for (;;) {
        if (poll(polled, server->listener_count + 1, -1) < 0) continue;
        if (polled[server->listener_count].revents) return NULL;
        for (size_t i = 0; i < server->listener_count; i++)
            if (polled[i].revents) accept_https(server, server->listeners[i]);
    }
}

static pbts_status listen_https(struct http_server *server) {
    struct app *app = server->app;
    pbts_status status = PBTS_NOT_FOUND;
    for (size_t i = 0; i < app->config.listen_count; i++) {
        pbts_addr addr = app->config.listen[i];
        int *fd = &server->listeners[server->listener_count];
        addr.port = app->config.https_port;
        status = pbts_socket_listen_tcp(fd, &app->https_port, &addr);
        if (status == PBTS_NOT_FOUND && app->config.listen_is_default) continue;
        if (status != PBTS_OK) break;
        server->listener_count++;
    }
    if (server->listener_count > 0 && status == PBTS_NOT_FOUND) status = PBTS_OK;
    if (status != PBTS_OK)
        LOG(&app->log, LOG_ERROR, "listen_failed", LOG_UINT("https_port", app->config.https_port),
            LOG_TEXT("reason", pbts_listen_failure_text(status)));
    return status;
}

static pbts_status begin_https(struct http_server *server) {
    if (!start_https(&server->https_sides[0])) return PBTS_MALFORMED;
    server->https = &server->https_sides[0];
    PBTS_TRY(listen_https(server));
    server->wake = eventfd(0, EFD_CLOEXEC);
    if (server->wake < 0) return PBTS_IO;
    server->acceptor_runs = pthread_create(&server->acceptor, NULL, accept_loop, server) == 0;
    return server->acceptor_runs ? PBTS_OK : PBTS_IO;
}

/* ---- start, reload, stop ---- */

pbts_status http_server_start(struct http_server **out, struct app *app) {
    const struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL) return PBTS_NO_MEMORY;
    server->app = app;
    server->wake = -1;
    server->plain.server = server;
    for (size_t i = 0; i < HTTPS_DAEMONS_MAX; i++) {
        server->https_sides[i].server = server;
        server->https_sides[i].https = true;
    }
    pthread_mutex_init(&server->https_lock, NULL);
    http_guards_init(&server->guards);
    pbts_status status = start_daemon(&server->plain, 0, none) ? PBTS_OK : PBTS_IO;
    if (status == PBTS_OK && app->config.https_port != 0) status = begin_https(server);
    if (status != PBTS_OK) {
        http_server_stop(server);
        return status;
    }
    *out = server;
    return PBTS_OK;
}

/* Stop daemons of older certificates that nobody uses any more; a free place, or NULL. */
static struct http_side *reap_retired(struct http_server *server) {
    struct http_side *place = NULL;
    for (size_t i = 0; i < HTTPS_DAEMONS_MAX; i++) {
        struct http_side *side = &server->https_sides[i];
        if (side == server->https) continue;
        if (side->daemon != NULL && atomic_load(&side->connections) == 0) {
            MHD_stop_daemon(side->daemon);
            side->daemon = NULL;
        }
        if (side->daemon == NULL) place = side;
    }
    return place;
}

bool http_server_reload_tls(struct http_server *server) {
    struct http_side *old = server->https;
    if (old == NULL) return true;
    struct http_side *fresh = reap_retired(server);
    /* Without a place: within minutes the clients of an older one will have been sent away. */
    if (fresh == NULL || !start_https(fresh)) return false;
    pthread_mutex_lock(&server->https_lock);
    server->https = fresh;
    pthread_mutex_unlock(&server->https_lock);
    atomic_store(&old->retired, true);
    return true;
}

void http_server_quiesce(struct http_server *server) {
    uint64_t one = 1;
    if (!server->acceptor_runs) return;
    ssize_t ignored = write(server->wake, &one, sizeof one);
    (void)ignored;
    pthread_join(server->acceptor, NULL);
    server->acceptor_runs = false;
    for (size_t i = 0; i < server->listener_count; i++) close(server->listeners[i]);
    server->listener_count = 0;
}

void http_server_stop(struct http_server *server) {
    if (server == NULL) return;
    http_server_quiesce(server);
    if (server->plain.daemon != NULL) MHD_stop_daemon(server->plain.daemon);
    for (size_t i = 0; i < HTTPS_DAEMONS_MAX; i++)
        if (server->https_sides[i].daemon != NULL) MHD_stop_daemon(server->https_sides[i].daemon);
    for (size_t i = 0; i < server->listener_count; i++) close(server->listeners[i]);
    if (server->wake >= 0) close(server->wake);
    pthread_mutex_destroy(&server->https_lock);
    http_guards_deinit(&server->guards);
    free(server);
}
