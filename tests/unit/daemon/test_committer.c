#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ftw.h>
#include <unistd.h>

#include "app.h"
#include "committer.h"
#include "data_dir.h"

struct job {
    struct commit_op op;
    pbts_checked_registration registration;
    atomic_uint *done;
};

struct fixture {
    struct app app;
    char directory[64];
};

static int remove_one(const char *path, const struct stat *stat, int flag, struct FTW *ftw) {
    return remove(path);
}

static struct fixture *begin(uint64_t store_max_bytes) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct config *config = calloc(1, sizeof *config);
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/pbts-committer-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    config_defaults(config);
    snprintf(config->data, sizeof config->data, "%s/d", fixture->directory);
    config->store_max_bytes = store_max_bytes;
    config->live.log_level = LOG_ERROR;
    app_init(&fixture->app, config);
    free(config);
    assert_int_equal(data_dir_open(&fixture->app), PBTS_OK);
    assert_int_equal(committer_start(&fixture->app.committer, &fixture->app), PBTS_OK);
    return fixture;
}

static void end(struct fixture *fixture) {
    committer_stop(fixture->app.committer, 5);
    data_dir_close(&fixture->app);
    nftw(fixture->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(fixture);
}

static void on_done(void *host, struct commit_op *op) {
    struct job *job = host;
    atomic_fetch_add(job->done, 1);
}

static void prepare(struct job *job, atomic_uint *done, unsigned number) {
    memset(job, 0, sizeof *job);
    char uid[PBTS_UID_LEN_MAX + 1];
    int len = snprintf(uid, sizeof uid, "user%u", number);
    job->registration.uid_len = (uint8_t)len;
    memcpy(job->registration.uid, uid, (size_t)len);
    job->done = done;
    job->op = (struct commit_op){ .kind = COMMIT_REGISTRATION,
                                  .registration = &job->registration,
                                  .admin = true,
                                  .done = on_done,
                                  .host = job };
}

static void wait_for(atomic_uint *done, unsigned count) {
    for (unsigned i = 0; i < 4000 && atomic_load(done) < count; i++) usleep(5000);
    assert_int_equal(atomic_load(done), count);
}

static void operations_are_grouped_and_each_gets_its_own_outcome(void **state) {
    enum { COUNT = 1000 };
    struct fixture *fixture = begin(64 << 20);
    struct job *jobs = calloc(COUNT, sizeof *jobs);
    atomic_uint done = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        prepare(&jobs[i], &done, i % (COUNT / 2)); /* each name twice */
        assert_int_equal(committer_submit(fixture->app.committer, &jobs[i].op), PBTS_REFUSAL_NONE);
    }
    wait_for(&done, COUNT);
    assert_int_equal(committer_waiting(fixture->app.committer), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        bool first = i < COUNT / 2;
        assert_int_equal(jobs[i].op.refusal, first ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_UID_TAKEN);
        if (first) assert_in_range(jobs[i].op.number, 1, COUNT / 2);
    }
    uint64_t commits = metric_read(&fixture->app.metrics.commits);
    assert_int_equal(metric_read(&fixture->app.metrics.commit_ops), COUNT);
    assert_in_range(commits, COUNT / COMMIT_BATCH_MAX, COUNT / 2);
    free(jobs);
    end(fixture);
}

static void a_full_queue_says_so_at_once_and_a_stop_finishes_what_waits(void **state) {
    enum { COUNT = 2 * COMMIT_QUEUE_MAX };
    struct fixture *fixture = begin(64 << 20);
    struct job *jobs = calloc(COUNT, sizeof *jobs);
    atomic_uint done = 0;
    unsigned taken = 0, refused = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        prepare(&jobs[i], &done, i);
        pbts_refusal refusal = committer_submit(fixture->app.committer, &jobs[i].op);
        if (refusal == PBTS_REFUSAL_NONE) {
            taken++;
        } else {
            assert_int_equal(refusal, PBTS_REFUSAL_OVERLOADED);
            refused++;
        }
    }
    assert_true(taken >= COMMIT_QUEUE_MAX);
    assert_true(refused > 0);
    committer_stop(fixture->app.committer, 60);
    fixture->app.committer = NULL;
    assert_int_equal(atomic_load(&done), taken);
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(fixture->app.tracker, &stats);
    assert_int_equal(stats.users, taken);
    free(jobs);
    end(fixture);
}

static void a_stop_without_time_refuses_what_waits_and_changes_nothing_more(void **state) {
    enum { COUNT = 2000 };
    struct fixture *fixture = begin(64 << 20);
    struct job *jobs = calloc(COUNT, sizeof *jobs);
    atomic_uint done = 0;
    unsigned kept = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        prepare(&jobs[i], &done, i);
        assert_int_equal(committer_submit(fixture->app.committer, &jobs[i].op), PBTS_REFUSAL_NONE);
    }
    committer_stop(fixture->app.committer, 0);
    fixture->app.committer = NULL;
    assert_int_equal(atomic_load(&done), COUNT);
    for (unsigned i = 0; i < COUNT; i++) kept += jobs[i].op.refusal == PBTS_REFUSAL_NONE;
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(fixture->app.tracker, &stats);
    assert_int_equal(stats.users, kept);
    assert_true(kept < COUNT);
    free(jobs);
    end(fixture);
}

static void a_full_store_refuses_the_whole_batch_and_keeps_what_was_there(void **state) {
    enum { ROUNDS = 400, EACH = 200 };
    struct fixture *fixture = begin(1 << 20);
    struct job *jobs = calloc(EACH, sizeof *jobs);
    pbts_tracker_stats stats;
    uint64_t good = 0;
    bool full = false;
    for (unsigned round = 0; round < ROUNDS && !full; round++) {
        atomic_uint done = 0;
        for (unsigned i = 0; i < EACH; i++) {
            prepare(&jobs[i], &done, round * EACH + i);
            assert_int_equal(committer_submit(fixture->app.committer, &jobs[i].op),
                             PBTS_REFUSAL_NONE);
        }
        wait_for(&done, EACH);
        for (unsigned i = 0; i < EACH; i++) {
            pbts_refusal refusal = jobs[i].op.refusal;
            assert_true(refusal == PBTS_REFUSAL_NONE || refusal == PBTS_REFUSAL_STORE_FULL);
            good += refusal == PBTS_REFUSAL_NONE;
            full = full || refusal == PBTS_REFUSAL_STORE_FULL;
        }
    }
    assert_true(full);
    pbts_tracker_stats_read(fixture->app.tracker, &stats);
    assert_int_equal(stats.users, good);
    free(jobs);
    end(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_are_grouped_and_each_gets_its_own_outcome),
        cmocka_unit_test(a_full_queue_says_so_at_once_and_a_stop_finishes_what_waits),
        cmocka_unit_test(a_stop_without_time_refuses_what_waits_and_changes_nothing_more),
        cmocka_unit_test(a_full_store_refuses_the_whole_batch_and_keeps_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
