#include "net/http_client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    bool used;
    CURL *curl; /* kept from query to query */
    struct curl_slist *headers;
    uint64_t tag;
    uint32_t server;
    uint8_t *body;
    size_t len, capacity, len_max;
    bool too_long;
} slot;

struct pbts_http_client {
    CURLM *multi;
    const char *ca;
    const char *certificate, *key; /* ours, or NULL */
    slot slots[PBTS_HTTP_CLIENT_QUERIES_MAX];
    size_t under_way;
    slot *given; /* its body is borrowed by the caller */
};

/* ---- one query ---- */

/* A short count ends the transfer. */
static size_t take(char *bytes, size_t size, size_t count, void *host) {
    slot *s = host;
    size_t len = size * count;
    if (len > s->len_max - s->len) {
        s->too_long = true;
        return 0;
    }
    if (s->len + len > s->capacity) {
        size_t capacity = 2 * (s->len + len);
        uint8_t *bigger = realloc(s->body, capacity);
        if (bigger == NULL) return 0;
        s->body = bigger;
        s->capacity = capacity;
    }
    memcpy(s->body + s->len, bytes, len);
    s->len += len;
    return len;
}

static bool add_header(slot *s, const char *name, const char *value) {
    char line[256];
    size_t name_len = strlen(name), value_len = strlen(value);
    if (name_len + value_len + 3 > sizeof line) return false;
    memcpy(line, name, name_len);
    memcpy(line + name_len, ": ", 2);
    memcpy(line + name_len + 2, value, value_len + 1);
    struct curl_slist *longer = curl_slist_append(s->headers, line);
    if (longer == NULL) return false;
    s->headers = longer;
    return true;
}

/* A pin is of the very key, so the name and who signed for it do not matter. */
static bool set_trust(const pbts_http_client *client, CURL *curl, const pbts_http_query *query) {
    if (client->ca != NULL) curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca);
    if (client->certificate != NULL) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, client->certificate);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, client->key);
    }
    if (query->local != NULL) curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, query->local);
    if (query->pin == NULL) return true;
    if (curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, query->pin) != CURLE_OK) return false;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    return true;
}

static bool set_options(const pbts_http_client *client, slot *s, const pbts_http_query *query) {
    CURL *curl = s->curl;
    curl_easy_reset(curl);
    if (curl_easy_setopt(curl, CURLOPT_URL, query->url) != CURLE_OK) return false;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, s);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)query->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "pbts/" PBTS_VERSION);
    if (!set_trust(client, curl, query)) return false;
    /* An "Expect: 100-continue" would only cost a round trip. */
    if (!add_header(s, "Expect", "")) return false;
    if (query->accept != NULL && !add_header(s, "Accept", query->accept)) return false;
    if (query->content_type != NULL) {
        if (!add_header(s, "Content-Type", query->content_type)) return false;
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)query->body.len);
        if (curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS,
                             query->body.len > 0 ? (const char *)query->body.data : "") != CURLE_OK)
            return false;
    }
    return curl_easy_setopt(curl, CURLOPT_HTTPHEADER, s->headers) == CURLE_OK;
}

static void clear(slot *s) {
    curl_slist_free_all(s->headers);
    s->headers = NULL;
    s->used = false;
}

static slot *free_slot(pbts_http_client *client) {
    for (size_t i = 0; i < PBTS_HTTP_CLIENT_QUERIES_MAX; i++) {
        slot *s = &client->slots[i];
        if (!s->used && s != client->given) return s;
    }
    return NULL;
}

pbts_status pbts_http_client_start(pbts_http_client *client, const pbts_http_query *query) {
    slot *s = free_slot(client);
    if (s == NULL) return PBTS_BUSY;
    if (s->curl == NULL) s->curl = curl_easy_init();
    if (s->curl == NULL) return PBTS_NO_MEMORY;
    s->tag = query->tag;
    s->server = query->server;
    s->len = 0;
    s->len_max = query->answer_len_max;
    s->too_long = false;
    if (!set_options(client, s, query) ||
        curl_multi_add_handle(client->multi, s->curl) != CURLM_OK) {
        clear(s);
        return PBTS_NO_MEMORY;
    }
    s->used = true;
    client->under_way++;
    return PBTS_OK;
}

/* ---- waiting ---- */

static bool take_ended(pbts_http_client *client, pbts_http_answer *out) {
    int left;
    const CURLMsg *message = curl_multi_info_read(client->multi, &left);
    if (message == NULL || message->msg != CURLMSG_DONE) return false;
    slot *s = NULL;
    long status = 0;
    char *content_type = NULL;
    CURLcode result = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&s);
    curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
    *out = (pbts_http_answer){ .tag = s->tag,
                               .server = s->server,
                               .status = PBTS_HTTP_CLIENT_NO_ANSWER };
    if (result == CURLE_OK) {
        out->status = (int)status;
        out->body = (pbts_span){ s->body, s->len };
        curl_easy_getinfo(message->easy_handle, CURLINFO_CONTENT_TYPE, &content_type);
        out->content_type = content_type;
    } else {
        if (s->too_long) out->status = PBTS_HTTP_CLIENT_TOO_LONG;
        out->error = s->too_long ? "the answer is too long" : curl_easy_strerror(result);
    }
    curl_multi_remove_handle(client->multi, s->curl);
    clear(s);
    client->given = s;
    client->under_way--;
    return true;
}

bool pbts_http_client_wait(pbts_http_client *client, pbts_http_answer *out, uint32_t wait_ms) {
    int running, ready = 0;
    client->given = NULL;
    (void)curl_multi_perform(client->multi, &running);
    if (take_ended(client, out)) return true;
    if (wait_ms == 0) return false;
    (void)curl_multi_poll(client->multi, NULL, 0, (int)wait_ms, &ready);
    (void)curl_multi_perform(client->multi, &running);
    return take_ended(client, out);
}

size_t pbts_http_client_under_way(const pbts_http_client *client) {
    return client->under_way;
}

void pbts_http_client_cancel(pbts_http_client *client) {
    for (size_t i = 0; i < PBTS_HTTP_CLIENT_QUERIES_MAX; i++) {
        slot *s = &client->slots[i];
        if (s->used) curl_multi_remove_handle(client->multi, s->curl);
        clear(s);
    }
    client->under_way = 0;
    client->given = NULL;
}

void pbts_http_client_identify(pbts_http_client *client, const char *certificate, const char *key) {
    client->certificate = certificate;
    client->key = key;
}

void pbts_http_client_wake(pbts_http_client *client) {
    (void)curl_multi_wakeup(client->multi);
}

/* ---- life ---- */

pbts_status pbts_http_client_new(pbts_http_client **out, const char *ca) {
    pbts_http_client *client = calloc(1, sizeof *client);
    if (client == NULL) return PBTS_NO_MEMORY;
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
        free(client);
        return PBTS_NO_MEMORY;
    }
    client->ca = ca;
    *out = client;
    return PBTS_OK;
}

void pbts_http_client_free(pbts_http_client *client) {
    if (client == NULL) return;
    pbts_http_client_cancel(client);
    for (size_t i = 0; i < PBTS_HTTP_CLIENT_QUERIES_MAX; i++) {
        slot *s = &client->slots[i];
        if (s->curl != NULL) curl_easy_cleanup(s->curl);
        free(s->body);
    }
    curl_multi_cleanup(client->multi);
    free(client);
}
