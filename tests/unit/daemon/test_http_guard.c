/* Deadlines of connections, with sockets and a clock by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_guard.h"

enum { COUNT = 5, SECOND_US = 1000 * 1000, START_US = 77 };

struct fixture {
    struct http_guards guards;
    struct http_guard *guard[COUNT];
    int here[COUNT], there[COUNT];
};

static int make(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    http_guards_init(&f->guards);
    for (size_t i = 0; i < COUNT; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) return -1;
        f->here[i] = pair[0];
        f->there[i] = pair[1];
        f->guard[i] = http_guard_new(&f->guards, pair[0], START_US);
    }
    *state = f;
    return 0;
}

static int unmake(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT; i++) {
        http_guard_release(&f->guards, f->guard[i]);
        close(f->here[i]);
        close(f->there[i]);
    }
    assert_null(f->guards.first);
    http_guards_deinit(&f->guards);
    free(f);
    return 0;
}

static bool is_shut(const struct fixture *f, size_t i) {
    char byte;
    return recv(f->there[i], &byte, 1, 0) == 0;
}

static uint64_t at_s(unsigned seconds) {
    return START_US + (uint64_t)seconds * SECOND_US;
}

static void who_is_late_is_shut_down_once_and_at_the_second(void **state) {
    struct fixture *f = *state;
    assert_int_equal(http_guards_sweep(&f->guards, at_s(HTTP_HEAD_DEADLINE_S) - 1), 0);
    assert_false(is_shut(f, 0));
    assert_int_equal(http_guards_sweep(&f->guards, at_s(HTTP_HEAD_DEADLINE_S)), COUNT);
    for (size_t i = 0; i < COUNT; i++) assert_true(is_shut(f, i));
    assert_int_equal(http_guards_sweep(&f->guards, at_s(10 * HTTP_HEAD_DEADLINE_S)), 0);
}

static void each_has_its_own_deadline_and_who_waits_for_us_has_none(void **state) {
    struct fixture *f = *state;
    http_guard_expect(f->guard[0], HTTP_BODY_DEADLINE_S, at_s(1));
    http_guard_expect(f->guard[1], 0, at_s(1));
    http_guard_expect(f->guard[2], 5, at_s(10));
    http_guard_expect(NULL, 5, at_s(10));
    assert_int_equal(http_guards_sweep(&f->guards, at_s(15)), 1);
    assert_true(is_shut(f, 2));
    assert_int_equal(http_guards_sweep(&f->guards, at_s(HTTP_BODY_DEADLINE_S)), 2);
    assert_true(is_shut(f, 3) && is_shut(f, 4));
    assert_int_equal(http_guards_sweep(&f->guards, at_s(HTTP_BODY_DEADLINE_S + 1)), 1);
    assert_true(is_shut(f, 0));
    assert_int_equal(http_guards_sweep(&f->guards, UINT64_MAX - 1), 0);
    assert_false(is_shut(f, 1));
}

static void who_was_released_is_left_alone_wherever_it_stood_in_the_list(void **state) {
    static const size_t order[COUNT] = { 2, 0, 4, 1, 3 }; /* middle, last, first, the others */
    struct fixture *f = *state;
    for (size_t k = 0; k < COUNT; k++) {
        size_t i = order[k];
        http_guard_release(&f->guards, f->guard[i]);
        f->guard[i] = NULL;
        unsigned left = 0;
        for (const struct http_guard *g = f->guards.first; g != NULL; g = g->next) left++;
        assert_int_equal(left, COUNT - 1 - k);
    }
    assert_int_equal(http_guards_sweep(&f->guards, at_s(1000)), 0);
    for (size_t i = 0; i < COUNT; i++) assert_false(is_shut(f, i));
}

#define GUARD_TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void) {
    const struct CMUnitTest tests[] = {
        GUARD_TEST(who_is_late_is_shut_down_once_and_at_the_second),
        GUARD_TEST(each_has_its_own_deadline_and_who_waits_for_us_has_none),
        GUARD_TEST(who_was_released_is_left_alone_wherever_it_stood_in_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
