/* Unit tests of tee/: the simulator, keys and names of a guest agent on a real socket, and a stop
 * from another thread. The kernel's folder, and an agent's faults, are in
 * tests/e2e/tee_generate.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attest/binding.h"
#include "net/clock.h"
#include "tee/tee.h"

static const uint8_t REPORT_DATA[PBTS_REPORT_DATA_LEN] = { 9, 8, 7 };

static pbts_tee *open_tee(pbts_tee_kind kind, const char *path, uint32_t patience_ms) {
    pbts_tee *tee;
    pbts_tee_config config = { .kind = kind, .path = path, .patience_ms = patience_ms };
    assert_int_equal(pbts_tee_open(&tee, &config), PBTS_OK);
    return tee;
}

/* ---- an agent that gives one answer to each connection ---- */

typedef struct {
    char folder[64], path[96], request[1024];
    int listener;
    const char *answer; /* NULL: none, until the socket is closed */
    pthread_t thread;
} agent;

static void *serve(void *argument) {
    agent *a = argument;
    for (;;) {
        int fd = accept(a->listener, NULL, NULL);
        if (fd < 0) return NULL;
        ssize_t got = read(fd, a->request, sizeof a->request - 1);
        a->request[got > 0 ? got : 0] = '\0';
        if (a->answer != NULL) {
            ssize_t put = write(fd, a->answer, strlen(a->answer));
            assert_int_equal(put, strlen(a->answer));
        } else {
            (void)!read(fd, a->request, 1); /* until the other side goes away */
        }
        (void)close(fd);
    }
}

static void start_agent(agent *a, const char *answer) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(a->folder, sizeof a->folder, "/tmp/pbts-tee-XXXXXX");
    assert_non_null(mkdtemp(a->folder));
    (void)snprintf(a->path, sizeof a->path, "%s/agent.sock", a->folder);
    memcpy(address.sun_path, a->path, strlen(a->path) + 1);
    a->answer = answer;
    a->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(a->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(a->listener, 4), 0);
    assert_int_equal(pthread_create(&a->thread, NULL, serve, a), 0);
}

static void stop_agent(agent *a) {
    (void)shutdown(a->listener, SHUT_RDWR);
    (void)pthread_join(a->thread, NULL);
    (void)close(a->listener);
    (void)unlink(a->path);
    (void)rmdir(a->folder);
}

/* ---- tests ---- */

static void every_kind_has_a_word(void **state) {
    (void)state;
    static const char *const WORDS[] = { "none", "tdx", "sev", "dstack", "simulator" };
    for (int i = 0; i < PBTS_TEE_KINDS; i++)
        assert_string_equal(pbts_tee_kind_text((pbts_tee_kind)i), WORDS[i]);
}

static void a_path_has_a_limit(void **state) {
    (void)state;
    char path[PBTS_TEE_PATH_MAX + 1];
    pbts_tee *tee;
    pbts_tee_config config = { .kind = PBTS_TEE_TDX, .path = path };
    memset(path, 'x', sizeof path);
    path[PBTS_TEE_PATH_MAX] = '\0';
    assert_int_equal(pbts_tee_open(&tee, &config), PBTS_LIMIT);
    path[PBTS_TEE_PATH_MAX - 1] = '\0';
    assert_int_equal(pbts_tee_open(&tee, &config), PBTS_OK);
    pbts_tee_close(tee);
    pbts_tee_close(NULL);
}

static void the_simulator_makes_what_is_asked_for(void **state) {
    (void)state;
    uint8_t found[PBTS_REPORT_DATA_LEN];
    pbts_tee_evidence evidence;
    pbts_tee *tee = open_tee(PBTS_TEE_SIMULATOR, NULL, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pbts_tee_generate(tee, &evidence, REPORT_DATA), PBTS_OK);
        assert_string_equal(pbts_tee_problem(tee), "");
        pbts_span bytes = { evidence.bytes, evidence.len };
        assert_int_equal(pbts_evidence_report_data(found, bytes), PBTS_OK);
        assert_memory_equal(found, REPORT_DATA, sizeof found);
        assert_null(evidence.event_log);
        pbts_tee_evidence_free(&evidence);
    }
    pbts_tee_close(tee);
}

static void an_agent_gives_keys_by_path(void **state) {
    (void)state;
    uint8_t key[PBTS_DSTACK_KEY_LEN];
    agent a;
    start_agent(&a, "HTTP/1.1 200 OK\r\nContent-Length: 74\r\n\r\n{\"key\":\""
                    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20\"}");
    pbts_tee *tee = open_tee(PBTS_TEE_DSTACK, a.path, 5000);
    assert_int_equal(pbts_tee_dstack_key(tee, key, "pbts/tracker", "seal"), PBTS_OK);
    for (uint8_t i = 0; i < sizeof key; i++) assert_int_equal(key[i], i + 1);
    assert_non_null(strstr(a.request, "POST /GetKey HTTP/1.1\r\n"));
    assert_non_null(strstr(a.request, "{\"path\":\"pbts/tracker\",\"purpose\":\"seal\"}"));
    assert_int_equal(pbts_tee_dstack_key(tee, key, "no good", "seal"), PBTS_MALFORMED);
    pbts_tee_close(tee);
    stop_agent(&a);
}

static void an_agent_says_what_runs(void **state) {
    (void)state;
    pbts_dstack_info info;
    agent a;
    start_agent(&a, "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"app_id\":\"0102\"}");
    pbts_tee *tee = open_tee(PBTS_TEE_DSTACK, a.path, 5000);
    assert_int_equal(pbts_tee_dstack_info(tee, &info), PBTS_OK);
    assert_int_equal(info.app_id_len, 2);
    pbts_tee_evidence evidence;
    assert_int_equal(pbts_tee_generate(tee, &evidence, REPORT_DATA), PBTS_MALFORMED);
    assert_string_not_equal(pbts_tee_problem(tee), "");
    pbts_tee_close(tee);
    stop_agent(&a);
}

static void patience_ends(void **state) {
    (void)state;
    pbts_tee_evidence evidence;
    agent a;
    start_agent(&a, NULL);
    pbts_tee *tee = open_tee(PBTS_TEE_DSTACK, a.path, 200);
    uint64_t begun_ms = pbts_clock_mono_ms();
    assert_int_equal(pbts_tee_generate(tee, &evidence, REPORT_DATA), PBTS_BUSY);
    uint64_t took_ms = pbts_clock_mono_ms() - begun_ms;
    assert_true(took_ms >= 190 && took_ms < 5000);
    pbts_tee_close(tee);
    stop_agent(&a);
}

static void *stop_soon(void *tee) {
    (void)usleep(100 * 1000);
    pbts_tee_stop(tee);
    return NULL;
}

static void a_stop_ends_what_waits_and_what_follows(void **state) {
    (void)state;
    pbts_tee_evidence evidence;
    pthread_t stopper;
    agent a;
    start_agent(&a, NULL);
    pbts_tee *tee = open_tee(PBTS_TEE_DSTACK, a.path, 60000);
    uint64_t begun_ms = pbts_clock_mono_ms();
    assert_int_equal(pthread_create(&stopper, NULL, stop_soon, tee), 0);
    assert_int_equal(pbts_tee_generate(tee, &evidence, REPORT_DATA), PBTS_BUSY);
    (void)pthread_join(stopper, NULL);
    assert_int_equal(pbts_tee_generate(tee, &evidence, REPORT_DATA), PBTS_BUSY);
    assert_true(pbts_clock_mono_ms() - begun_ms < 10000);
    pbts_tee_close(tee);
    stop_agent(&a);
}

static void what_is_not_there_is_said(void **state) {
    (void)state;
    static const pbts_tee_kind KINDS[] = { PBTS_TEE_TDX, PBTS_TEE_SEV, PBTS_TEE_DSTACK };
    pbts_tee_evidence evidence;
    for (size_t i = 0; i < 3; i++) {
        pbts_tee *tee = open_tee(KINDS[i], "/nowhere/at/all", 1000);
        assert_int_equal(pbts_tee_generate(tee, &evidence, REPORT_DATA), PBTS_NOT_FOUND);
        assert_non_null(strstr(pbts_tee_problem(tee), "No such file or directory"));
        pbts_tee_close(tee);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_word),
        cmocka_unit_test(a_path_has_a_limit),
        cmocka_unit_test(the_simulator_makes_what_is_asked_for),
        cmocka_unit_test(an_agent_gives_keys_by_path),
        cmocka_unit_test(an_agent_says_what_runs),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(a_stop_ends_what_waits_and_what_follows),
        cmocka_unit_test(what_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
