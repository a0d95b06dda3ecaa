/* Unit tests of key_source.c: a source that is late, one that never comes, one that is broken. */
#include "pbts-tracker/key_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/clock.h"

static unsigned asked, late_by;

static pbts_status fetch_late(struct app *app, pbts_key_trk *out,
                              char problem[static KEY_SOURCE_PROBLEM_MAX]) {
    (void)app;
    if (asked++ < late_by) {
        (void)snprintf(problem, KEY_SOURCE_PROBLEM_MAX, "not yet");
        return PBTS_BUSY;
    }
    *out = (pbts_key_trk){ .version = PBTS_KEYS_V2, .bytes = { 42 } };
    return PBTS_OK;
}

static pbts_status fetch_broken(struct app *app, pbts_key_trk *out,
                                char problem[static KEY_SOURCE_PROBLEM_MAX]) {
    (void)app, (void)out, (void)problem;
    asked++;
    return PBTS_CORRUPT;
}

static const struct key_source LATE = { "late", fetch_late, false };
static const struct key_source BROKEN = { "broken", fetch_broken, false };

static struct app *new_app(uint32_t wait_s) {
    static struct config config;
    struct app *app = calloc(1, sizeof *app);
    assert_non_null(app);
    config_defaults(&config);
    config.key_wait_s = wait_s;
    app_init(app, &config);
    asked = 0;
    return app;
}

static void a_source_that_is_late_is_asked_again(void **state) {
    struct app *app = new_app(30);
    pbts_key_trk key = { 0 };
    (void)state;
    late_by = 2;
    assert_int_equal(key_source_read(app, &LATE, &key), PBTS_OK);
    assert_int_equal(asked, 3);
    assert_int_equal(key.version, PBTS_KEYS_V2);
    assert_int_equal(key.bytes[0], 42);
    free(app);
}

static void one_that_never_comes_ends_the_start(void **state) {
    struct app *app = new_app(1);
    pbts_key_trk key = { 0 };
    (void)state;
    late_by = UINT32_MAX;
    uint64_t began_ms = pbts_clock_mono_ms();
    assert_int_equal(key_source_read(app, &LATE, &key), PBTS_IO);
    uint64_t took_ms = pbts_clock_mono_ms() - began_ms;
    assert_true(took_ms >= 1000 && took_ms < 10 * 1000);
    assert_true(asked >= 2 && asked <= 4); /* it is not asked as fast as it refuses */
    free(app);
}

static void without_patience_it_is_asked_once(void **state) {
    struct app *app = new_app(0);
    pbts_key_trk key = { 0 };
    (void)state;
    late_by = UINT32_MAX;
    assert_int_equal(key_source_read(app, &LATE, &key), PBTS_IO);
    assert_int_equal(asked, 1);
    free(app);
}

static void what_waiting_does_not_mend_is_not_waited_for(void **state) {
    struct app *app = new_app(60);
    pbts_key_trk key = { 0 };
    (void)state;
    assert_int_equal(key_source_read(app, &BROKEN, &key), PBTS_CORRUPT);
    assert_int_equal(asked, 1);
    free(app);
}

static void a_daemon_that_is_told_to_stop_waits_no_longer(void **state) {
    struct app *app = new_app(60);
    pbts_key_trk key = { 0 };
    sigset_t set, old;
    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
    assert_int_equal(raise(SIGTERM), 0);
    late_by = UINT32_MAX;
    uint64_t began_ms = pbts_clock_mono_ms();
    assert_int_equal(key_source_read(app, &LATE, &key), PBTS_IO);
    assert_true(pbts_clock_mono_ms() - began_ms < 10 * 1000);
    int got = 0;
    assert_int_equal(sigwait(&set, &got), 0); /* it is still there for main */
    assert_int_equal(got, SIGTERM);
    assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
    free(app);
}

static void only_known_sources_are_found(void **state) {
    (void)state;
    assert_non_null(key_source_find("file"));
    assert_true(key_source_find("file")->is_local);
    assert_non_null(key_source_find("dstack"));
    assert_false(key_source_find("dstack")->is_local);
    assert_non_null(key_source_find("kms"));
    assert_false(key_source_find("kms")->is_local);
    assert_null(key_source_find("files"));
    assert_null(key_source_find(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_that_is_late_is_asked_again),
        cmocka_unit_test(one_that_never_comes_ends_the_start),
        cmocka_unit_test(without_patience_it_is_asked_once),
        cmocka_unit_test(what_waiting_does_not_mend_is_not_waited_for),
        cmocka_unit_test(a_daemon_that_is_told_to_stop_waits_no_longer),
        cmocka_unit_test(only_known_sources_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
