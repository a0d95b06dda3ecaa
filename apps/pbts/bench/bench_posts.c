/* bench_posts.c - see bench_posts.h. */
#include "bench_posts.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    CURL *curl;
    const struct post_run *run;
    uint32_t job;
    char url[512];
    uint8_t *body, *answer; /* one piece of memory */
    size_t answer_len;
} post_lane;

typedef struct post_run {
    const pbts_posts *posts;
    CURLM *multi;
    struct curl_slist *headers;
    post_lane *lanes;
    uint32_t next_job, done;
    size_t body_max, answer_max;
} post_run;

static size_t on_answer(char *bytes, size_t size, size_t count, void *host) {
    post_lane *lane = host;
    size_t len = size * count;
    if (len > lane->run->answer_max - lane->answer_len)
        return 0; /* libcurl then fails the request */
    memcpy(lane->answer + lane->answer_len, bytes, len);
    lane->answer_len += len;
    return len;
}

static bool open_lane(post_run *run, post_lane *lane) {
    lane->run = run;
    lane->curl = curl_easy_init();
    lane->body = malloc(run->body_max + run->answer_max);
    if (!lane->curl || !lane->body) return false;
    lane->answer = lane->body + run->body_max;
    curl_easy_setopt(lane->curl, CURLOPT_HTTPHEADER, run->headers);
    curl_easy_setopt(lane->curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(lane->curl, CURLOPT_WRITEDATA, lane);
    curl_easy_setopt(lane->curl, CURLOPT_PRIVATE, lane);
    curl_easy_setopt(lane->curl, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(lane->curl, CURLOPT_NOSIGNAL, 1L);
    return true;
}

/* Put the next job, if there is one, on the lane. */
static bool start_job(post_run *run, post_lane *lane) {
    const pbts_posts *posts = run->posts;
    if (run->next_job == posts->jobs) return true;
    lane->job = run->next_job++;
    lane->answer_len = 0;
    pbts_writer url = pbts_writer_over((uint8_t *)lane->url, sizeof lane->url);
    pbts_writer body = pbts_writer_over(lane->body, run->body_max);
    pbts_write_text(&url, posts->tracker);
    if (!posts->fill(posts->host, &url, &body, lane->job)) return false;
    pbts_write_u8(&url, 0);
    if (url.failed || body.failed) return false;
    curl_easy_setopt(lane->curl, CURLOPT_URL, lane->url);
    curl_easy_setopt(lane->curl, CURLOPT_POSTFIELDSIZE, (long)body.len);
    curl_easy_setopt(lane->curl, CURLOPT_POSTFIELDS, (const char *)lane->body);
    return curl_multi_add_handle(run->multi, lane->curl) == CURLM_OK;
}

static bool finish_job(post_run *run, const CURLMsg *message) {
    post_lane *lane = NULL;
    long status = 0;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&lane);
    curl_easy_getinfo(lane->curl, CURLINFO_RESPONSE_CODE, &status);
    CURLcode result = message->data.result;
    curl_multi_remove_handle(run->multi, lane->curl);
    if (result != CURLE_OK) {
        fprintf(stderr, "%s: %s\n", run->posts->tracker, curl_easy_strerror(result));
        return false;
    }
    pbts_span answer = { lane->answer, lane->answer_len };
    if (!run->posts->take(run->posts->host, lane->job, status, answer)) return false;
    run->done++;
    if (run->done % 256 == 0 && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%u of %u %s ", run->done, run->posts->jobs, run->posts->what);
    return start_job(run, lane);
}

static bool turn(post_run *run) {
    int running, left;
    if (curl_multi_perform(run->multi, &running) != CURLM_OK) return false;
    for (CURLMsg *message = curl_multi_info_read(run->multi, &left); message;
         message = curl_multi_info_read(run->multi, &left))
        if (message->msg == CURLMSG_DONE && !finish_job(run, message)) return false;
    return curl_multi_poll(run->multi, NULL, 0, 100, NULL) == CURLM_OK;
}

static void close_all(post_run *run) {
    for (uint32_t i = 0; run->lanes && i < run->posts->lanes; i++) {
        if (run->lanes[i].curl) {
            curl_multi_remove_handle(run->multi, run->lanes[i].curl);
            curl_easy_cleanup(run->lanes[i].curl);
        }
        free(run->lanes[i].body);
    }
    free(run->lanes);
    curl_slist_free_all(run->headers);
    curl_multi_cleanup(run->multi);
}

bool pbts_posts_run(const pbts_posts *posts) {
    post_run run = { .posts = posts,
                     .multi = curl_multi_init(),
                     .body_max = posts->body_max ? posts->body_max : PBTS_POSTS_BODY_MAX,
                     .answer_max = posts->answer_max ? posts->answer_max : PBTS_POSTS_ANSWER_MAX };
    char header[128];
    snprintf(header, sizeof header, "Content-Type: %s", posts->content_type);
    run.headers = curl_slist_append(NULL, header);
    if (posts->header) run.headers = curl_slist_append(run.headers, posts->header);
    run.lanes = calloc(posts->lanes, sizeof *run.lanes);
    bool ok = run.multi && run.headers && run.lanes;
    for (uint32_t i = 0; ok && i < posts->lanes; i++)
        ok = open_lane(&run, &run.lanes[i]) && start_job(&run, &run.lanes[i]);
    while (ok && run.done < posts->jobs) ok = turn(&run);
    close_all(&run);
    if (isatty(STDERR_FILENO)) fputs("\n", stderr);
    if (!ok) fprintf(stderr, "pbts bench: stopped after %u %s\n", run.done, posts->what);
    return ok;
}
