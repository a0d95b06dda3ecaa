/* Unit tests of apps/pbts/files.c: files appear whole or not at all, also when a signal comes. */
#include "pbts_test.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include "pbts/exit_codes.h"
#include "pbts/files.h"

enum { PATH_LEN = 300 };

typedef struct {
    char folder[256], path[PATH_LEN], other[PATH_LEN];
} site;

static void site_init(site *s) {
    temp_directory(s->folder);
    (void)snprintf(s->path, sizeof s->path, "%s/a", s->folder);
    (void)snprintf(s->other, sizeof s->other, "%s/b", s->folder);
}

static size_t entries_of(const char *folder) {
    size_t count = 0;
    DIR *all = opendir(folder);
    assert_non_null(all);
    while (readdir(all) != NULL) count++;
    assert_int_equal(closedir(all), 0);
    return count - 2; /* "." and ".." */
}

static unsigned mode_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 07777;
}

static void a_new_file_takes_no_name_that_is_taken(void **state) {
    site s;
    site_init(&s);
    assert_int_equal(file_create(s.path, pbts_span_text("one"), 0600), PBTS_EXIT_OK);
    assert_int_equal(file_create(s.path, pbts_span_text("two"), 0600), PBTS_EXIT_IO);
    assert_true(file_is(s.path, "one"));
    assert_int_equal(symlink("nowhere", s.other), 0);
    assert_int_equal(file_create(s.other, pbts_span_text("two"), 0600), PBTS_EXIT_IO);
    assert_int_equal(entries_of(s.folder), 2);
    folder_remove(s.folder);
}

static void modes_are_narrowed_by_the_umask(void **state) {
    site s;
    site_init(&s);
    mode_t before = umask(027);
    assert_int_equal(file_create(s.path, pbts_span_text("x"), 0666), PBTS_EXIT_OK);
    (void)umask(0);
    assert_int_equal(file_create(s.other, pbts_span_text("x"), 0600), PBTS_EXIT_OK);
    (void)umask(before);
    assert_int_equal(mode_of(s.path), 0640);
    assert_int_equal(mode_of(s.other), 0600);
    folder_remove(s.folder);
}

static void only_the_same_kind_is_replaced(void **state) {
    static const struct {
        const char *there;
        bool replaced;
    } CASES[] = { { "", true },      { "magic", true },  { "magic and more", true },
                  { "magi", false }, { "Magic", false }, { "something else", false } };
    site s;
    site_init(&s);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        file_put(s.path, pbts_span_text(CASES[i].there));
        int code = file_replace(s.path, pbts_span_text("magic!"), 0600, "magic", "test");
        assert_int_equal(code, CASES[i].replaced ? PBTS_EXIT_OK : PBTS_EXIT_IO);
        assert_true(file_is(s.path, CASES[i].replaced ? "magic!" : CASES[i].there));
    }
    assert_int_equal(file_replace(s.other, pbts_span_text("new"), 0600, "magic", "test"), 0);
    assert_true(file_is(s.other, "new"));
    assert_int_equal(file_replace(s.folder, pbts_span_text("x"), 0600, "magic", "test"),
                     PBTS_EXIT_IO);
    assert_int_equal(unlink(s.path), 0);
    assert_int_equal(mkfifo(s.path, 0600), 0); /* opened, it would wait */
    assert_int_equal(file_replace(s.path, pbts_span_text("x"), 0600, "magic", "test"),
                     PBTS_EXIT_IO);
    assert_int_equal(entries_of(s.folder), 2);
    folder_remove(s.folder);
}

static void a_link_stays_and_what_it_leads_to_changes(void **state) {
    site s;
    struct stat info;
    site_init(&s);
    file_put(s.path, pbts_span_text("magic"));
    assert_int_equal(symlink("a", s.other), 0);
    assert_int_equal(file_replace(s.other, pbts_span_text("magic 2"), 0600, "magic", "test"),
                     PBTS_EXIT_OK);
    assert_int_equal(lstat(s.other, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_true(file_is(s.path, "magic 2"));
    assert_int_equal(entries_of(s.folder), 2);
    folder_remove(s.folder);
}

static void reading_has_a_limit(void **state) {
    site s;
    uint8_t *bytes = NULL;
    size_t len;
    site_init(&s);
    file_put(s.path, pbts_span_text("12345"));
    assert_int_equal(file_read(&bytes, &len, s.path, 5), PBTS_EXIT_OK);
    assert_int_equal(len, 5);
    assert_memory_equal(bytes, "12345", 5);
    free(bytes);
    assert_int_equal(file_read(&bytes, &len, s.path, 4), PBTS_EXIT_IO);
    assert_int_equal(file_read(&bytes, &len, s.other, 5), PBTS_EXIT_IO);
    assert_int_equal(file_read(&bytes, &len, s.folder, 5), PBTS_EXIT_IO);
    assert_int_equal(mkfifo(s.other, 0600), 0);
    assert_int_equal(file_read(&bytes, &len, s.other, 5), PBTS_EXIT_IO);
    assert_int_equal(file_read(&bytes, &len, "/dev/zero", 5), PBTS_EXIT_IO);
    file_put(s.path, pbts_span_text(""));
    assert_int_equal(file_read(&bytes, &len, s.path, 0), PBTS_EXIT_OK);
    assert_int_equal(len, 0);
    free(bytes);
    folder_remove(s.folder);
}

static void nothing_is_left_where_nothing_can_be_written(void **state) {
    site s;
    char name[2 * PATH_LEN];
    site_init(&s);
    (void)snprintf(name, sizeof name, "%s/none/a", s.folder);
    assert_int_equal(file_create(name, pbts_span_text("x"), 0600), PBTS_EXIT_IO);
    (void)snprintf(name, sizeof name, "%s/%0256d", s.folder, 0); /* one past NAME_MAX */
    assert_int_equal(file_create(name, pbts_span_text("x"), 0600), PBTS_EXIT_IO);
    assert_int_equal(entries_of(s.folder), 0);
    folder_remove(s.folder);
}

static void a_part_is_placed_or_discarded(void **state) {
    site s;
    file_part part;
    site_init(&s);
    for (int over = 0; over < 2; over++) {
        assert_int_equal(file_part_open(&part, s.path, 0600), PBTS_EXIT_OK);
        assert_int_equal(write(part.fd, over ? "2" : "1", 1), 1);
        assert_int_equal(entries_of(s.folder), 1 + (size_t)over); /* beside */
        assert_int_equal(file_part_place(&part, over != 0), PBTS_EXIT_OK);
        file_part_discard(&part); /* nothing to discard any more */
        assert_int_equal(close(part.fd), 0);
        assert_true(file_is(s.path, over ? "2" : "1"));
    }
    assert_int_equal(file_part_open(&part, s.path, 0600), PBTS_EXIT_OK);
    assert_int_equal(file_part_place(&part, false), PBTS_EXIT_IO); /* it is taken */
    assert_int_equal(close(part.fd), 0);
    assert_int_equal(file_part_open(&part, s.path, 0600), PBTS_EXIT_OK);
    file_part_discard(&part);
    assert_int_equal(close(part.fd), 0);
    assert_true(file_is(s.path, "2"));
    assert_int_equal(entries_of(s.folder), 1);
    folder_remove(s.folder);
}

/* In a child: as many parts as may be, then the signal. Gives the child's status. */
static int end_by(const site *s, int signal_no, bool ignored) {
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        file_part parts[FILE_PARTS_MAX];
        /* A test that runs in the background may have inherited that it is ignored. */
        (void)signal(signal_no, ignored ? SIG_IGN : SIG_DFL);
        files_discard_on_signals();
        for (size_t i = 0; i < FILE_PARTS_MAX; i++) {
            if (file_part_open(&parts[i], s->path, 0600) != PBTS_EXIT_OK) _exit(9);
        }
        if (entries_of(s->folder) != FILE_PARTS_MAX) _exit(8);
        (void)raise(signal_no);
        if (file_part_place(&parts[0], false) != PBTS_EXIT_OK) _exit(7);
        for (size_t i = 1; i < FILE_PARTS_MAX; i++) file_part_discard(&parts[i]);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_signal_takes_the_unfinished_parts_along(void **state) {
    static const int SIGNALS[] = { SIGINT, SIGTERM, SIGHUP };
    site s;
    site_init(&s);
    for (size_t i = 0; i < sizeof SIGNALS / sizeof SIGNALS[0]; i++) {
        int status = end_by(&s, SIGNALS[i], false);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGNALS[i]);
        assert_int_equal(entries_of(s.folder), 0);
    }
    int status = end_by(&s, SIGHUP, true); /* as nohup starts a program */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(entries_of(s.folder), 1);
    folder_remove(s.folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_takes_no_name_that_is_taken),
        cmocka_unit_test(modes_are_narrowed_by_the_umask),
        cmocka_unit_test(only_the_same_kind_is_replaced),
        cmocka_unit_test(a_link_stays_and_what_it_leads_to_changes),
        cmocka_unit_test(reading_has_a_limit),
        cmocka_unit_test(nothing_is_left_where_nothing_can_be_written),
        cmocka_unit_test(a_part_is_placed_or_discarded),
        cmocka_unit_test(a_signal_takes_the_unfinished_parts_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
