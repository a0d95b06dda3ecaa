/* bench_tracker_http.c - single requests to a tracker; see bench_tracker.h. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_tracker.h"

typedef struct {
    char *text; /* `len` bytes and a NUL; NULL before the first */
    size_t len;
} answer_text;

static size_t on_answer(char *bytes, size_t size, size_t count, void *host) {
    answer_text *answer = host;
    size_t len = size * count;
    if (len > PBTS_BENCH_ANSWER_MAX - answer->len) return 0; /* libcurl then fails the request */
    char *grown = realloc(answer->text, answer->len + len + 1);
    if (!grown) return 0;
    memcpy(grown + answer->len, bytes, len);
    answer->text = grown;
    answer->len += len;
    grown[answer->len] = 0;
    return len;
}

static CURLcode perform(CURL *curl, answer_text *answer, const char *url, struct curl_slist *header,
                        pbts_span body) {
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (body.data) {
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, header);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)body.data);
    }
    return curl_easy_perform(curl);
}

/* The path may hold a passkey: what is printed ends at its query. */
static void explain(const char *tracker, const char *path, const char *reason, const char *answer) {
    (void)fprintf(stderr, "pbts bench: %s%.*s: %s %.300s\n", tracker, (int)strcspn(path, "?"), path,
                  reason, answer ? answer : "");
}

char *pbts_bench_request(const char *tracker, const char *path, const char *content_type,
                         pbts_span body) {
    char url[640], line[128], reason[CURL_ERROR_SIZE];
    answer_text answer = { NULL, 0 };
    long status = 0;
    CURL *curl = curl_easy_init();
    if (!curl) return NULL;
    (void)snprintf(url, sizeof url, "%s%s", tracker, path);
    (void)snprintf(line, sizeof line, "Content-Type: %s", content_type ? content_type : "");
    struct curl_slist *header = curl_slist_append(NULL, line);
    CURLcode result = perform(curl, &answer, url, header, body);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(header);
    if (result == CURLE_OK && status / 100 == 2 && answer.text) return answer.text;
    (void)snprintf(reason, sizeof reason, "HTTP %ld", status);
    explain(tracker, path, result == CURLE_OK ? reason : curl_easy_strerror(result), answer.text);
    free(answer.text);
    return NULL;
}

json_t *pbts_bench_get_json(const char *tracker, const char *path) {
    char *text = pbts_bench_request(tracker, path, NULL, (pbts_span){ NULL, 0 });
    if (!text) return NULL;
    json_t *json = json_loads(text, 0, NULL);
    free(text);
    if (!json) explain(tracker, path, "the answer is no JSON", NULL);
    return json;
}

bool pbts_bench_fetch_iid(uint8_t iid[static PBTS_IID_LEN], const char *tracker) {
    json_t *params = pbts_bench_get_json(tracker, "/params");
    if (!params) return false;
    bool ok = pbts_bench_read_iid(iid, params);
    json_decref(params);
    if (!ok) explain(tracker, "/params", "it names no iid", NULL);
    return ok;
}
