/* web.c - libcurl's multi interface on libuv: curl says which sockets and which time it waits for,
 * the loop tells it what happened. */
#include "web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"

struct web {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    web_config config;
    char bound[sizeof "host!" + PBTS_ADDR_TEXT_MAX];
    web_request *first;
    unsigned count, handles; /* handles: not closed yet; the last one frees */
    bool closing;
};

struct web_request {
    web *owner;
    web_request *next, *before;
    CURL *easy;
    struct curl_slist *headers;
    web_done done;
    void *host;
    uint8_t *body;
    size_t body_len, answer_max;
    bool too_long;
    char error[CURL_ERROR_SIZE];
};

/* One for each socket that curl waits for. */
typedef struct {
    uv_poll_t poll;
    web *owner;
    curl_socket_t fd;
} web_socket;

/* ---- ends ---- */

static void forget(web_request *request) {
    web *w = request->owner;
    if (request->before != NULL) request->before->next = request->next;
    if (request->next != NULL) request->next->before = request->before;
    if (w->first == request) w->first = request->next;
    w->count--;
    (void)curl_multi_remove_handle(w->multi, request->easy);
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->headers);
    free(request->body);
    free(request);
}

void web_cancel(web_request *request) {
    if (request != NULL) forget(request);
}

static const char *error_of(const web_request *request, CURLcode code) {
    if (code == CURLE_OK) return NULL;
    if (request->too_long) return "the answer is too long";
    return request->error[0] != '\0' ? request->error : curl_easy_strerror(code);
}

/* The request is gone before its owner hears of it: the owner may start and cancel what it likes.
 */
static void end_one(web_request *request, CURLcode code) {
    static const char HINT[] = " (--ca names certificates to trust)";
    char error[CURL_ERROR_SIZE + sizeof HINT] = "";
    web_done done = request->done;
    void *host = request->host;
    uint8_t *body = request->body;
    web_answer answer = { .body = { body, request->body_len } };
    const char *text = error_of(request, code);
    bool untrusted = code == CURLE_PEER_FAILED_VERIFICATION;
    if (text != NULL) (void)snprintf(error, sizeof error, "%s%s", text, untrusted ? HINT : "");
    if (text != NULL) answer.error = error;
    (void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    request->body = NULL;
    forget(request);
    done(host, &answer);
    free(body);
}

static void take_ended(web *w) {
    CURLMsg *message;
    int left;
    while (!w->closing && (message = curl_multi_info_read(w->multi, &left)) != NULL) {
        web_request *request;
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        end_one(request, code);
    }
}

/* ---- sockets and time ---- */

static void on_socket_closed(uv_handle_t *handle) {
    web_socket *socket = handle->data;
    web *w = socket->owner;
    free(socket);
    if (--w->handles == 0) free(w);
}

static void on_socket(uv_poll_t *handle, int status, int events) {
    web_socket *socket = handle->data;
    web *w = socket->owner;
    int flags = 0, running;
    if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
    if (status < 0) flags = CURL_CSELECT_ERR;
    (void)curl_multi_socket_action(w->multi, socket->fd, flags, &running);
    take_ended(w);
}

static web_socket *watch(web *w, curl_socket_t fd) {
    web_socket *socket = calloc(1, sizeof *socket);
    if (socket == NULL) return NULL;
    if (uv_poll_init_socket(w->loop, &socket->poll, fd) != 0) {
        free(socket);
        return NULL;
    }
    socket->poll.data = socket;
    socket->owner = w;
    socket->fd = fd;
    w->handles++;
    (void)curl_multi_assign(w->multi, fd, socket);
    return socket;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *host, void *of_socket) {
    web *w = host;
    web_socket *socket = of_socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket == NULL) return 0;
        (void)uv_poll_stop(&socket->poll);
        uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
        (void)curl_multi_assign(w->multi, fd, NULL);
        return 0;
    }
    if (socket == NULL) socket = watch(w, fd);
    if (socket == NULL) return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&socket->poll, events, on_socket) == 0 ? 0 : -1;
}

static void on_timer(uv_timer_t *timer) {
    web *w = timer->data;
    int running;
    (void)curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ended(w);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *host) {
    web *w = host;
    (void)multi;
    if (w->closing || timeout_ms < 0) return uv_timer_stop(&w->timer);
    return uv_timer_start(&w->timer, on_timer, (uint64_t)timeout_ms, 0);
}

/* ---- life ---- */

static bool has_certificate(FILE *file) {
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        bool begins = strncmp(line, "-----BEGIN ", 11) == 0;
        if (begins && strstr(line, "CERTIFICATE-----") != NULL) return true;
    }
    return false;
}

const char *web_ca_problem(const char *path) {
    struct stat info;
    FILE *file = fopen(path, "re");
    if (file == NULL) return strerror(errno);
    bool is_file = fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode);
    bool good = is_file && has_certificate(file);
    (void)fclose(file);
    return good ? NULL : "holds no certificate (PEM)";
}

web *web_new(uv_loop_t *loop, const web_config *config) {
    web *w = calloc(1, sizeof *w);
    if (w == NULL) return NULL;
    w->loop = loop;
    w->config = *config;
    w->multi = curl_multi_init();
    if (w->multi == NULL || uv_timer_init(loop, &w->timer) != 0) {
        (void)curl_multi_cleanup(w->multi);
        free(w);
        return NULL;
    }
    w->timer.data = w;
    w->handles = 1;
    if (config->bound != NULL) {
        memcpy(w->bound, "host!", 5);
        (void)pbts_addr_format(w->bound + 5, config->bound);
    }
    (void)curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    (void)curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
    (void)curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    (void)curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
    (void)curl_multi_setopt(w->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 4L);
    return w;
}

static void on_timer_closed(uv_handle_t *handle) {
    web *w = handle->data;
    if (--w->handles == 0) free(w);
}

void web_close(web *w) {
    w->closing = true;
    for (web_request *request = w->first, *next; request != NULL; request = next) {
        next = request->next;
        forget(request);
    }
    (void)curl_multi_cleanup(w->multi);
    (void)uv_timer_stop(&w->timer);
    uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}

/* ---- requests ---- */

static size_t on_bytes(char *bytes, size_t size, size_t count, void *host) {
    web_request *request = host;
    size_t len = size * count;
    if (len > request->answer_max - request->body_len) {
        request->too_long = true;
        return 0;
    }
    uint8_t *bigger = realloc(request->body, request->body_len + len + 1);
    if (bigger == NULL) return 0;
    memcpy(bigger + request->body_len, bytes, len);
    request->body = bigger;
    request->body_len += len;
    return len;
}

static void set_from(CURL *easy, const web *w) {
    if (w->config.bound == NULL) return;
    (void)curl_easy_setopt(easy, CURLOPT_INTERFACE, w->bound);
    (void)curl_easy_setopt(easy, CURLOPT_IPRESOLVE,
                           w->config.bound->family == PBTS_IPV4 ? (long)CURL_IPRESOLVE_V4
                                                                : (long)CURL_IPRESOLVE_V6);
}

static bool set_post(web_request *request, const web_query *query) {
    char header[128];
    if (query->content_type == NULL) return true;
    (void)snprintf(header, sizeof header, "Content-Type: %s", query->content_type);
    request->headers = curl_slist_append(NULL, header);
    if (request->headers == NULL) return false;
    struct curl_slist *longer = curl_slist_append(request->headers, "Expect:");
    if (longer == NULL) return false;
    (void)curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
    (void)curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)query->body.len);
    return curl_easy_setopt(request->easy, CURLOPT_COPYPOSTFIELDS,
                            query->body.len > 0 ? (const char *)query->body.data : "") == CURLE_OK;
}

static bool set_options(web_request *request, const web_query *query) {
    CURL *easy = request->easy;
    const web *w = request->owner;
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 3L);
    /* A front that sends all to https would have a report arrive as a GET, and never be counted. */
    (void)curl_easy_setopt(easy, CURLOPT_POSTREDIR,
                           (long)(CURL_REDIR_POST_301 | CURL_REDIR_POST_302));
    (void)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, query->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "pbts-peer/" PBTS_VERSION);
    if (w->config.ca != NULL) (void)curl_easy_setopt(easy, CURLOPT_CAINFO, w->config.ca);
    set_from(easy, w);
    return curl_easy_setopt(easy, CURLOPT_URL, query->url) == CURLE_OK && set_post(request, query);
}

static web_request *request_new(web *w, const web_query *query) {
    web_request *request = calloc(1, sizeof *request);
    if (request == NULL) return NULL;
    request->owner = w;
    request->done = query->done;
    request->host = query->host;
    request->answer_max = query->answer_max;
    request->easy = curl_easy_init();
    if (request->easy != NULL && set_options(request, query)) return request;
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->headers);
    free(request);
    return NULL;
}

web_request *web_start(web *w, const web_query *query) {
    if (w->closing || w->count >= WEB_REQUESTS_MAX) return NULL;
    web_request *request = request_new(w, query);
    if (request == NULL) return NULL;
    request->next = w->first;
    if (w->first != NULL) w->first->before = request;
    w->first = request;
    w->count++;
    if (curl_multi_add_handle(w->multi, request->easy) == CURLM_OK) return request;
    forget(request);
    return NULL;
}
