#include "http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exit_codes.h"
#include "say.h"

/* For so many bytes more and a NUL. Doubled, as a long answer comes in thousands of parts. */
static bool make_room(http_answer *answer, size_t len) {
    size_t needed = answer->len + len + 1;
    if (needed <= answer->capacity) return true;
    uint8_t *bigger = realloc(answer->body, 2 * needed);
    if (bigger == NULL) return false;
    answer->body = bigger;
    answer->capacity = 2 * needed;
    return true;
}

/* A short count ends the transfer, here with CURLE_WRITE_ERROR. */
static size_t take(char *bytes, size_t size, size_t count, void *host) {
    http_answer *answer = host;
    size_t len = size * count;
    if (len > HTTP_ANSWER_MAX - answer->len) return 0;
    if (!make_room(answer, len)) return 0;
    memcpy(answer->body + answer->len, bytes, len);
    answer->len += len;
    answer->body[answer->len] = '\0';
    return len;
}

static bool add_header(struct curl_slist **headers, const char *name, const char *value) {
    char line[1024];
    int len = snprintf(line, sizeof line, "%s: %s", name, value);
    if (len < 0 || (size_t)len >= sizeof line) return false;
    struct curl_slist *longer = curl_slist_append(*headers, line);
    explicit_bzero(line, sizeof line);
    if (longer == NULL) return false;
    *headers = longer;
    return true;
}

enum { URL_MAX = 2048 };

/* The tracker's address and the path; false when it is no address that a path can follow. */
static bool make_url(char out[static URL_MAX], const http_request *request) {
    size_t len = strlen(request->tracker);
    while (len > 0 && request->tracker[len - 1] == '/') len--;
    if (len == 0 || request->tracker[len - 1] == ':') return false;
    if (strpbrk(request->tracker, "?#") != NULL || len >= URL_MAX) return false;
    int written = snprintf(out, URL_MAX, "%.*s%s", (int)len, request->tracker, request->path);
    return written > 0 && written < URL_MAX;
}

static void set_options(CURL *curl, const http_request *request, const char *url,
                        http_answer *answer, struct curl_slist *headers) {
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* ".." may be a user's name */
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* what we send is for this tracker */
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L); /* bytes per second */
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)HTTP_SILENCE_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)HTTP_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "pbts/" PBTS_VERSION);
    if (request->ca != NULL) curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca);
    if (strcmp(request->method, "POST") != 0) return;
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                     request->body.len > 0 ? (const char *)request->body.data : "");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
}

static int bad_address(const char *tracker) {
    return say_fail(PBTS_EXIT_USAGE, "--tracker %s: should be like http://127.0.0.1:8000", tracker);
}

static int transfer_failed(const char *url, const char *tracker, CURLcode result) {
    switch (result) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return bad_address(tracker);
    case CURLE_COULDNT_RESOLVE_HOST:
        if (strstr(tracker, "://") == NULL) return bad_address(tracker);
        return say_fail(PBTS_EXIT_IO, "%s: %s", url, curl_easy_strerror(result));
    case CURLE_WRITE_ERROR:
        return say_fail(PBTS_EXIT_IO, "%s: the answer is longer than %d bytes", url,
                        HTTP_ANSWER_MAX);
    case CURLE_COULDNT_CONNECT:
        return say_fail(PBTS_EXIT_IO, "%s: %s; is the tracker running there?", url,
                        curl_easy_strerror(result));
    case CURLE_GOT_NOTHING:
        return say_fail(PBTS_EXIT_IO, "%s: %s; is it https there?", url,
                        curl_easy_strerror(result));
    case CURLE_SSL_CONNECT_ERROR:
        return say_fail(PBTS_EXIT_IO, "%s: %s; is that the tracker's https_port?", url,
                        curl_easy_strerror(result));
    case CURLE_PEER_FAILED_VERIFICATION:
        return say_fail(PBTS_EXIT_IO, "%s: %s; --ca FILE names certificates to trust", url,
                        curl_easy_strerror(result));
    default: return say_fail(PBTS_EXIT_IO, "%s: %s", url, curl_easy_strerror(result));
    }
}

static int send_by(CURL *curl, http_answer *answer, const http_request *request) {
    char url[URL_MAX];
    struct curl_slist *headers = NULL;
    if (!make_url(url, request)) return bad_address(request->tracker);
    if (request->ca != NULL && access(request->ca, R_OK) != 0) return say_errno(request->ca);
    /* An "Expect: 100-continue" would only cost a round trip. */
    bool ok = add_header(&headers, "Expect", "");
    if (request->content_type)
        ok = ok && add_header(&headers, "Content-Type", request->content_type);
    if (request->authorization) {
        ok = ok && add_header(&headers, "Authorization", request->authorization);
    }
    int code = ok ? PBTS_EXIT_OK : say_no_memory();
    if (code == PBTS_EXIT_OK) {
        set_options(curl, request, url, answer, headers);
        CURLcode result = curl_easy_perform(curl);
        if (result != CURLE_OK) code = transfer_failed(url, request->tracker, result);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    }
    curl_slist_free_all(headers);
    return code;
}

int http_send(http_answer *out, const http_request *request) {
    http_answer answer = { 0 };
    CURL *curl = curl_easy_init();
    if (curl == NULL) return say_no_memory();
    int code = send_by(curl, &answer, request);
    curl_easy_cleanup(curl);
    if (code == PBTS_EXIT_OK) {
        *out = answer;
    } else {
        http_answer_free(&answer);
    }
    return code;
}

void http_answer_free(http_answer *answer) {
    free(answer->body);
    answer->body = NULL;
    answer->len = answer->capacity = 0;
}

int http_refused(const http_answer *answer, const http_request *request) {
    json_t *json =
        answer->len > 0 ? json_loadb((const char *)answer->body, answer->len, 0, NULL) : NULL;
    const char *error = json_string_value(json_object_get(json, "error"));
    const char *word = json_string_value(json_object_get(json, "code"));
    int code = answer->status >= 500 ? PBTS_EXIT_IO : PBTS_EXIT_REFUSED;
    if (error != NULL) {
        (void)say_fail(code, "%s %s: %s (%s, HTTP %ld)", request->method, request->path, error,
                       word ? word : "no code", answer->status);
    } else {
        (void)say_fail(code, "%s %s: HTTP %ld from %s; is this a PBTS tracker?", request->method,
                       request->path, answer->status, request->tracker);
    }
    json_decref(json);
    return code;
}

int http_json(json_t **out, const http_request *request) {
    http_answer answer = { 0 };
    int code = http_send(&answer, request);
    if (code != PBTS_EXIT_OK) return code;
    if (answer.status / 100 != 2) {
        code = http_refused(&answer, request);
    } else {
        *out = json_loadb((const char *)answer.body, answer.len, JSON_REJECT_DUPLICATES, NULL);
        if (*out == NULL) {
            code = say_fail(PBTS_EXIT_IO, "%s%s: the answer is no JSON; is this a PBTS tracker?",
                            request->tracker, request->path);
        }
    }
    http_answer_free(&answer);
    return code;
}
