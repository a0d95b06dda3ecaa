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

#include "http_connection.h"
#include "net/clock.h"
#include "net/socket.h"

enum { PEM_MAX = 256 * 1024 };

/* GnuTLS: 1.2 and 1.3, with authenticated ciphers and keys that are forgotten. */
#define TLS_PRIORITIES                                             \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CIPHER-ALL:" \
    "+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:%SERVER_PRECEDENCE"

static const char BUSY_ANSWER[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\n"
                                  "Content-Length: 0\r\nConnection: close\r\n\r\n";

/* ---- limits ---- */

static size_t bucket_of(const pbts_addr *client) {
    uint64_t hash = 1469598103934665603u; /* FNV-1a */
    /* An IPv6 customer has a whole /64. */
    size_t len = client->family == PBTS_IPV4 ? 4 : 8;
    for (size_t i = 0; i < len; i++) hash = (hash ^ client->ip[i]) * 1099511628211u;
    return (hash >> 32) % HTTP_ADDRESS_BUCKETS;
}

static void leave(struct http_server *server, bool https, const pbts_addr *client) {
    atomic_fetch_sub(&server->connections, 1);
    atomic_fetch_sub(&server->per_address[bucket_of(client)], 1);
    if (https) atomic_fetch_sub(&server->https_connections, 1);
}

/* Count a connection in; false when there are too many. Proxies speak for many clients. */
static bool admit(struct http_server *server, bool https, const pbts_addr *client) {
    atomic_ushort *bucket = &server->per_address[bucket_of(client)];
    bool room = atomic_fetch_add(&server->connections, 1) < HTTP_CONNECTIONS_MAX;
    bool fair = atomic_fetch_add(bucket, 1) < HTTP_PER_ADDRESS_MAX;
    if (https) room &= atomic_fetch_add(&server->https_connections, 1) < HTTPS_CONNECTIONS_MAX;
    if (room && (fair || app_is_trusted_proxy(server->app, client))) return true;
    leave(server, https, client);
    return false;
}

static void on_close(const struct http_side *side, struct MHD_Connection *mhd) {
    pbts_addr client;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info != NULL && pbts_sockaddr_read(&client, info->client_addr) == PBTS_OK)
        leave(side->server, side->https, &client);
}

static void on_connection(void *closure, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
    const struct http_side *side = closure;
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

static void add(struct http_server *server, bool https, int fd, const pbts_addr *client) {
    pbts_sockaddr addr;
    char unread[4096];
    struct MHD_Daemon *daemon = https ? server->https : server->plain;
    if (!admit(server, https, client)) {
        LOG_HOSTILE(&server->app->log, "rest_busy", LOG_ADDR("client", client));
        if (!https &&
            send(fd, BUSY_ANSWER, sizeof BUSY_ANSWER - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
            shutdown(fd, SHUT_WR);
            (void)recv(fd, unread, sizeof unread, MSG_DONTWAIT); /* or close would reset */
        }
        close(fd);
        return;
    }
    pbts_sockaddr_of(&addr, client);
    if (MHD_add_connection(daemon, fd, (struct sockaddr *)&addr.storage, addr.len) != MHD_YES)
        leave(server, https, client); /* it has closed the socket */
}

void http_server_take(struct http_server *server, int fd, const pbts_addr *client) {
    add(server, false, fd, client);
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

static struct MHD_Daemon *start_daemon(struct http_server *server, struct http_side *side,
                                       unsigned flags, const struct MHD_OptionItem *more) {
    flags |= MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
             MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, http_on_request, side, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
        MHD_OPTION_URI_LOG_CALLBACK, http_on_uri, side, MHD_OPTION_NOTIFY_COMPLETED,
        http_on_completed, side, MHD_OPTION_NOTIFY_CONNECTION, on_connection, side,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MEMORY_PER_CONNECTION,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_THREAD_POOL_SIZE,
        thread_count(&server->app->config), MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, more,
        MHD_OPTION_END);
}

static char *read_pem(struct app *app, const char *path) {
    FILE *file = fopen(path, "re");
    char *text = calloc(1, PEM_MAX);
    size_t len = file && text ? fread(text, 1, PEM_MAX - 1, file) : 0;
    if (file) fclose(file);
    if (len > 0) return text;
    LOG(&app->log, LOG_ERROR, "tls_file", LOG_TEXT("file", path),
        LOG_TEXT("reason", "cannot be read or is empty"));
    free(text);
    return NULL;
}

static struct MHD_Daemon *start_https(struct http_server *server) {
    struct app *app = server->app;
    struct MHD_Daemon *daemon = NULL;
    char *cert = read_pem(app, app->config.tls_cert), *key = read_pem(app, app->config.tls_key);
    if (cert != NULL && key != NULL) {
        char priorities[] = TLS_PRIORITIES;
        const struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, cert },
                                              { MHD_OPTION_HTTPS_MEM_KEY, 0, key },
                                              { MHD_OPTION_HTTPS_PRIORITIES, 0, priorities },
                                              { MHD_OPTION_END, 0, NULL } };
        daemon = start_daemon(server, &server->https_side, MHD_USE_TLS, tls);
        if (daemon == NULL)
            LOG(&app->log, LOG_ERROR, "tls_failed",
                LOG_TEXT("reason", "the certificate and the key do not go together"));
    }
    if (key != NULL) explicit_bzero(key, strlen(key));
    free(key);
    free(cert);
    return daemon;
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
    add(server, true, fd, &client);
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
            LOG_TEXT("reason", pbts_status_text(status)));
    return status;
}

static pbts_status begin_https(struct http_server *server) {
    server->https = start_https(server);
    if (server->https == NULL) return PBTS_MALFORMED;
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
    server->plain_side = (struct http_side){ server, false };
    server->https_side = (struct http_side){ server, true };
    pthread_mutex_init(&server->https_lock, NULL);
    http_guards_init(&server->guards);
    server->plain = start_daemon(server, &server->plain_side, 0, none);
    pbts_status status = server->plain != NULL ? PBTS_OK : PBTS_IO;
    if (status == PBTS_OK && app->config.https_port != 0) status = begin_https(server);
    if (status != PBTS_OK) {
        http_server_stop(server);
        return status;
    }
    *out = server;
    return PBTS_OK;
}

/* Stop daemons of older certificates that nobody uses any more; a free place, or NULL. */
static struct MHD_Daemon **reap_retired(struct http_server *server) {
    struct MHD_Daemon **place = NULL;
    for (size_t i = 0; i < sizeof server->retired / sizeof server->retired[0]; i++) {
        struct MHD_Daemon **daemon = &server->retired[i];
        if (*daemon != NULL &&
            MHD_get_daemon_info(*daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections ==
                0) {
            MHD_stop_daemon(*daemon);
            *daemon = NULL;
        }
        if (*daemon == NULL) place = daemon;
    }
    return place;
}

bool http_server_reload_tls(struct http_server *server) {
    if (server->https == NULL) return true;
    struct MHD_Daemon *fresh = start_https(server);
    if (fresh == NULL) return false;
    pthread_mutex_lock(&server->https_lock);
    struct MHD_Daemon **place = reap_retired(server);
    if (place != NULL) {
        *place = server->https;
        server->https = fresh;
    }
    pthread_mutex_unlock(&server->https_lock);
    if (place == NULL) MHD_stop_daemon(fresh); /* clients still hold four older ones */
    return place != NULL;
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
    if (server->plain != NULL) MHD_stop_daemon(server->plain);
    if (server->https != NULL) MHD_stop_daemon(server->https);
    for (size_t i = 0; i < sizeof server->retired / sizeof server->retired[0]; i++)
        if (server->retired[i] != NULL) MHD_stop_daemon(server->retired[i]);
    for (size_t i = 0; i < server->listener_count; i++) close(server->listeners[i]);
    if (server->wake >= 0) close(server->wake);
    pthread_mutex_destroy(&server->https_lock);
    http_guards_deinit(&server->guards);
    free(server);
}
