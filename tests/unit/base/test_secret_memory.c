/* Unit tests of base/secret_memory.c. What the kernel was told is read from /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret_memory.h"

/* The line "VmFlags:" of the mapping that holds `at`. */
static void flags_of(char out[static 256], const void *at) {
    char line[512];
    bool inside = false;
    FILE *maps = fopen("/proc/self/smaps", "re");
    assert_non_null(maps);
    out[0] = '\0';
    while (out[0] == '\0' && fgets(line, sizeof line, maps) != NULL) {
        unsigned long long from, to;
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            inside = (uintptr_t)at >= from && (uintptr_t)at < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            (void)snprintf(out, 256, "%.255s", line);
    }
    (void)fclose(maps);
}

static void a_secret_is_locked_and_left_out_of_dumps(void **state) {
    char flags[256];
    bool locked = false;
    uint8_t *secret = pbts_secret_new(100, &locked);
    (void)state;
    assert_non_null(secret);
    for (size_t i = 0; i < 100; i++) assert_int_equal(secret[i], 0);
    assert_int_equal((uintptr_t)secret % 16, 0);
    assert_true(locked);
    flags_of(flags, secret);
    assert_non_null(strstr(flags, " lo")); /* VM_LOCKED */
    assert_non_null(strstr(flags, " dd")); /* VM_DONTDUMP */
    assert_non_null(strstr(flags, " wf")); /* VM_WIPEONFORK */
    pbts_secret_free(secret);
    pbts_secret_free(NULL);
}

static void a_child_finds_zeros(void **state) {
    uint8_t *secret = pbts_secret_new(1, NULL);
    int how = 0;
    (void)state;
    assert_non_null(secret);
    secret[0] = 0x5a;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(secret[0]);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
    assert_int_equal(secret[0], 0x5a);
    pbts_secret_free(secret);
}

static void lengths_around_a_page_are_whole(void **state) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    static const int AROUND[] = { -65, -64, -63, -1, 0, 1 };
    (void)state;
    for (size_t i = 0; i < sizeof AROUND / sizeof AROUND[0]; i++) {
        size_t len = (size_t)((long)page + AROUND[i]);
        uint8_t *secret = pbts_secret_new(len, NULL);
        assert_non_null(secret);
        memset(secret, 0xff, len);
        pbts_secret_free(secret);
    }
    assert_null(pbts_secret_new(SIZE_MAX, NULL));
    assert_null(pbts_secret_new(SIZE_MAX / 2 + 1, NULL));
}

/* In a child, because both cannot be taken back: 0 when all is as it should be. */
static int without_permission(void) {
    const struct rlimit none = { 0, 0 };
    bool locked = true;
    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0) return 1;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return 2;
    uint8_t *secret = pbts_secret_new(32, &locked);
    if (secret == NULL || locked) return 3;
    secret[31] = 1;
    pbts_secret_free(secret);
    return 0;
}

static int conceals(void) {
    struct rlimit core = { 1, 1 };
    if (!pbts_process_conceal()) return 1;
    if (prctl(PR_GET_DUMPABLE) != 0) return 2;
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0) return 3;
    return 0;
}

static int in_a_child(int (*work)(void)) {
    int how = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(work());
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}

static void where_nothing_may_be_locked_it_still_works_and_says_so(void **state) {
    (void)state;
    assert_int_equal(in_a_child(without_permission), 0);
}

static void a_concealed_process_leaves_no_core(void **state) {
    (void)state;
    assert_int_equal(in_a_child(conceals), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_locked_and_left_out_of_dumps),
        cmocka_unit_test(a_child_finds_zeros),
        cmocka_unit_test(lengths_around_a_page_are_whole),
        cmocka_unit_test(where_nothing_may_be_locked_it_still_works_and_says_so),
        cmocka_unit_test(a_concealed_process_leaves_no_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
