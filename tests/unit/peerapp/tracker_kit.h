/* tests/unit/peerapp/tracker_kit.h - a tracker on loopback that gives one answer after another, and
 * an engine with a key, a journal and a loop, as far as home.c and reporter.c need one. */
#ifndef PBTS_TEST_TRACKER_KIT_H
#define PBTS_TEST_TRACKER_KIT_H

#include <arpa/inet.h>
#include <pthread.h>
#include <unistd.h>

#include "base/secret_memory.h"
#include "codec/text.h"
#include "exit_codes.h"
#include "net/clock.h"
#include "pbts-peer/engine.h"
#include "pbts-peer/reporter.h"
#include "pbts/pbts_test.h"
#include "tracker_api.h"

enum { TRACKER_ANSWERS_MAX = 8 };

typedef struct {
    int listener;
    char base[40];
    pthread_t thread;
    size_t count, asked;
    struct {
        int status;
        const char *body;
    } answers[TRACKER_ANSWERS_MAX];
    char heard[TRACKER_ANSWERS_MAX][400]; /* the beginning of each request */
} tracker_kit;

/* Read a request to its end, answer, close. */
static inline void tracker_serve(tracker_kit *t, int fd, size_t n) {
    static char text[1 << 16];
    size_t len = 0, want = SIZE_MAX;
    while (len < want && len + 1 < sizeof text) {
        ssize_t got = read(fd, text + len, sizeof text - 1 - len);
        if (got <= 0) break;
        len += (size_t)got;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
        if (end == NULL) continue;
        want = (size_t)(end + 4 - text);
        if (length != NULL && length < end) want += strtoul(length + 15, NULL, 10);
    }
    (void)snprintf(t->heard[n], sizeof t->heard[n], "%.350s", text);
    const char *body = t->answers[n].body;
    bool elsewhere = t->answers[n].status / 100 == 3; /* the body says where */
    int out = snprintf(text, sizeof text,
                       "HTTP/1.1 %d X\r\n%s%s%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                       t->answers[n].status, elsewhere ? "Location: " : "", elsewhere ? body : "",
                       elsewhere ? "\r\n" : "", strlen(body), body);
    assert_true(write(fd, text, (size_t)out) == out);
    (void)close(fd);
}

static inline void *tracker_run(void *given) {
    tracker_kit *t = given;
    for (size_t n = 0; n < t->count; n++) {
        int fd = accept(t->listener, NULL, NULL);
        if (fd < 0) break;
        tracker_serve(t, fd, n);
        t->asked++;
    }
    return NULL;
}

/* Listening; it answers once answers were given and tracker_begin was called. */
static inline tracker_kit tracker_new(void) {
    tracker_kit t = { .listener = socket(AF_INET, SOCK_STREAM, 0) };
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    assert_int_equal(bind(t.listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(t.listener, 8), 0);
    assert_int_equal(getsockname(t.listener, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(t.base, sizeof t.base, "http://127.0.0.1:%d", ntohs(at.sin_port));
    return t;
}

static inline void tracker_answer(tracker_kit *t, int status, const char *body) {
    assert_true(t->count < TRACKER_ANSWERS_MAX);
    t->answers[t->count].status = status;
    t->answers[t->count++].body = body;
}

static inline void tracker_begin(tracker_kit *t) {
    assert_int_equal(pthread_create(&t->thread, NULL, tracker_run, t), 0);
}

/* All answers were given. */
static inline void tracker_end(tracker_kit *t) {
    assert_int_equal(pthread_join(t->thread, NULL), 0);
    assert_int_equal(t->asked, t->count);
    (void)close(t->listener);
}

/* ---- an engine ---- */

static inline void kit_key(keyfile *key, uint8_t n) {
    *key = (keyfile){ .has_iid = true, .uid_len = 5 };
    memcpy(key->uid, "alice", 5);
    key->secret.bytes[31] = n;
    memset(key->iid, 0x11, sizeof key->iid);
    pbts_bls_public_of(&key->key, &key->secret);
}

static inline void kit_engine(engine *e, const char *folder, const char *tracker) {
    const web_config net = { NULL, NULL };
    memset(e, 0, sizeof *e);
    e->key = pbts_secret_new(sizeof *e->key, NULL);
    assert_non_null(e->key);
    kit_key(e->key, 7);
    e->has_key = true;
    e->set.report_interval_ms = 600000;
    assert_int_equal(uv_loop_init(&e->loop), 0);
    e->net = web_new(&e->loop, &net);
    assert_non_null(e->net);
    e->ours = home_new(e->key, &e->terms, folder, tracker);
    assert_non_null(e->ours);
    assert_int_equal(journal_file_open(&e->journal, folder, &e->key->key), PBTS_EXIT_OK);
    engine_touch(e);
}

static inline void kit_engine_free(engine *e) {
    reporter_free(e->reports);
    home_free(e->ours);
    journal_file_close(e->journal);
    web_close(e->net);
    pbts_secret_free(e->key);
    while (uv_run(&e->loop, UV_RUN_DEFAULT) != 0) continue;
    assert_int_equal(uv_loop_close(&e->loop), 0);
}

#endif
