/* Unit tests of lineages.c: the folder that is the allow-list. */
#include "pbts-kms/lineages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "exit_codes.h"
#include "pbts-kms/home.h"

enum { LINEAGES_MAX = 3 };

static const char SMALL[] =
    "abababababababababababababababababababababababababababababababab.policy";
static const char LARGE[] =
    "ABababababababababababababababababababababababababababababababab.policy";

typedef struct {
    char path[256];
    pbts_kms_lineage *list;
    size_t len;
} folder;

static folder folder_new(void) {
    const char *base = getenv("TMPDIR");
    folder f = { .list = NULL };
    (void)snprintf(f.path, sizeof f.path, "%s/pbts-test-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(f.path));
    return f;
}

static void folder_free(folder *f, const char *const *names, size_t len) {
    for (size_t i = 0; i < len; i++) assert_int_equal(home_remove(f->path, names[i]), PBTS_OK);
    assert_int_equal(rmdir(f->path), 0);
}

static void put(const folder *f, const char *name, const char *text) {
    assert_int_equal(home_write(f->path, name, pbts_span_text(text)), PBTS_OK);
}

static int load(folder *f) {
    free(f->list);
    f->list = NULL;
    f->len = 0;
    return lineages_load(&f->list, &f->len, f->path, LINEAGES_MAX);
}

static void a_file_is_a_lineage_and_others_are_passed_over(void **state) {
    (void)state;
    folder f = folder_new();
    put(&f, SMALL, "kms_generation_max = 4\n");
    put(&f, "README", "not = a policy\n");
    assert_int_equal(load(&f), PBTS_EXIT_OK);
    assert_int_equal(f.len, 1);
    assert_int_equal(f.list[0].generation_max, 4);
    assert_int_equal(f.list[0].id.bytes[31], 0xab);
    free(f.list);
    folder_free(&f, (const char *const[]){ SMALL, "README" }, 2);
}

/* Otherwise an operator who takes a measurement out of one file leaves it allowed by the other. */
static void a_lineage_has_one_file(void **state) {
    (void)state;
    folder f = folder_new();
    char name[LINEAGES_NAME_MAX];
    put(&f, SMALL, "kms_generation_max = 4\n");
    assert_int_equal(load(&f), PBTS_EXIT_OK);
    lineages_file_name(name, &f.list[0].id);
    assert_string_equal(name, SMALL);
    put(&f, LARGE, "kms_generation_max = 5\n");
    assert_int_not_equal(load(&f), PBTS_EXIT_OK);
    assert_null(f.list);
    folder_free(&f, (const char *const[]){ SMALL, LARGE }, 2);
}

static void one_that_is_wrong_makes_all_wrong(void **state) {
    (void)state;
    folder f = folder_new();
    put(&f, SMALL, "kms_mode = both\n");
    assert_int_not_equal(load(&f), PBTS_EXIT_OK);
    put(&f, SMALL, "");
    assert_int_equal(load(&f), PBTS_EXIT_OK);
    free(f.list);
    folder_free(&f, &(const char *){ SMALL }, 1);
}

static void there_is_a_limit(void **state) {
    (void)state;
    folder f = folder_new();
    char names[LINEAGES_MAX + 1][LINEAGES_NAME_MAX];
    const char *all[LINEAGES_MAX + 1];
    for (size_t i = 0; i <= LINEAGES_MAX; i++) {
        pbts_kms_lineage_id id = { .bytes = { (uint8_t)i } };
        lineages_file_name(names[i], &id);
        all[i] = names[i];
        put(&f, names[i], "");
        assert_int_equal(load(&f), i < LINEAGES_MAX ? PBTS_EXIT_OK : PBTS_EXIT_USAGE);
    }
    free(f.list);
    folder_free(&f, all, LINEAGES_MAX + 1);
}

static void a_change_is_seen(void **state) {
    (void)state;
    folder f = folder_new();
    uint64_t empty = lineages_stamp_ns(f.path);
    put(&f, SMALL, "a");
    uint64_t one = lineages_stamp_ns(f.path);
    assert_true(empty != one && one != 0);
    put(&f, SMALL, "b");
    assert_true(lineages_stamp_ns(f.path) != one);
    folder_free(&f, &(const char *){ SMALL }, 1);
    assert_int_equal(lineages_stamp_ns(f.path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_a_lineage_and_others_are_passed_over),
        cmocka_unit_test(a_lineage_has_one_file),
        cmocka_unit_test(one_that_is_wrong_makes_all_wrong),
        cmocka_unit_test(there_is_a_limit),
        cmocka_unit_test(a_change_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
