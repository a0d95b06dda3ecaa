#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ftw.h>
#include <pthread.h>
#include <unistd.h>

#include "app.h"
#include "committer.h"
#include "data_dir.h"

struct job {
    struct commit_op op;
    pbts_checked_registration registration;
    atomic_uint *done;
};

/* An operation whose end keeps the committer until it is let go. */
struct gate {
    struct job job;
    atomic_uint done;
    atomic_bool reached, open;
};

struct fixture {
    struct app app;
    char directory[64];
    struct gate gate;
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

static void on_gate(void *host, struct commit_op *op) {
    struct gate *gate = host;
    atomic_store(&gate->reached, true);
    while (!atomic_load(&gate->open)) usleep(1000);
}

/* What is submitted from now on waits until the gate opens. */
static void close_gate(struct fixture *fixture) {
    struct gate *gate = &fixture->gate;
    prepare(&gate->job, &gate->done, 1000000);
    gate->job.op.done = on_gate;
    gate->job.op.host = gate;
    assert_int_equal(committer_submit(fixture->app.committer, &gate->job.op), PBTS_REFUSAL_NONE);
    while (!atomic_load(&gate->reached)) usleep(1000);
}

static void open_gate(struct fixture *fixture) {
    atomic_store(&fixture->gate.open, true);
}

static void wait_for(atomic_uint *done, unsigned count) {
    for (unsigned i = 0; i < 4000 && atomic_load(done) < count; i++) usleep(5000);
    assert_int_equal(atomic_load(done), count);
}

static uint64_t users_of(struct fixture *fixture) {
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(fixture->app.tracker, &stats);
    return stats.users;
}

static void operations_are_grouped_and_each_gets_its_own_outcome(void **state) {
    enum { COUNT = 1000 };
    struct fixture *fixture = begin(64 << 20);
    struct job *jobs = calloc(COUNT, sizeof *jobs);
    atomic_uint done = 0;
    close_gate(fixture);
    for (unsigned i = 0; i < COUNT; i++) {
        prepare(&jobs[i], &done, i % (COUNT / 2)); /* each name twice */
        assert_int_equal(committer_submit(fixture->app.committer, &jobs[i].op), PBTS_REFUSAL_NONE);
    }
    open_gate(fixture);
    wait_for(&done, COUNT);
    assert_int_equal(committer_waiting(fixture->app.committer), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        bool first = i < COUNT / 2;
        assert_int_equal(jobs[i].op.refusal, first ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_UID_TAKEN);
        if (first) assert_int_equal(jobs[i].op.number, 2 + i); /* the gate's is 1 */
    }
    uint64_t commits = metric_read(&fixture->app.metrics.commits);
    assert_int_equal(metric_read(&fixture->app.metrics.commit_ops), 1 + COUNT);
    assert_int_equal(commits, 1 + (COUNT + COMMIT_BATCH_MAX - 1) / COMMIT_BATCH_MAX);
    free(jobs);
    end(fixture);
}

static void a_full_queue_says_so_at_once_and_a_stop_finishes_what_waits(void **state) {
    enum { COUNT = 2 * COMMIT_QUEUE_MAX };
    struct fixture *fixture = begin(64 << 20);
    struct job *jobs = calloc(COUNT, sizeof *jobs);
    atomic_uint done = 0;
    close_gate(fixture);
    for (unsigned i = 0; i < COUNT; i++) {
        prepare(&jobs[i], &done, i);
        assert_int_equal(committer_submit(fixture->app.committer, &jobs[i].op),
                         i < COMMIT_QUEUE_MAX ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_OVERLOADED);
    }
    open_gate(fixture);
    committer_stop(fixture->app.committer, 60);
    fixture->app.committer = NULL;
    assert_int_equal(atomic_load(&done), COMMIT_QUEUE_MAX);
    assert_int_equal(users_of(fixture), 1 + COMMIT_QUEUE_MAX);
    free(jobs);
    end(fixture);
}

static void *stop_without_time(void *committer) {
    committer_stop(committer, 0);
    return NULL;
}

static void a_stop_without_time_refuses_what_waits_and_changes_nothing_more(void **state) {
    enum { EARLY = 100, COUNT = 2000, PROBES = 2000 };
    struct fixture *fixture = begin(64 << 20);
    struct job *jobs = calloc(COUNT + PROBES, sizeof *jobs);
    atomic_uint done = 0;
    unsigned taken = 0;
    pthread_t stopper;
    for (; taken < COUNT; taken++) {
        if (taken == EARLY) {
            wait_for(&done, EARLY);
            close_gate(fixture);
        }
        prepare(&jobs[taken], &done, taken);
        assert_int_equal(committer_submit(fixture->app.committer, &jobs[taken].op),
                         PBTS_REFUSAL_NONE);
    }
    assert_int_equal(pthread_create(&stopper, NULL, stop_without_time, fixture->app.committer), 0);
    for (bool is_stopping = false; !is_stopping; usleep(5000)) { /* until it takes none more */
        assert_true(taken < COUNT + PROBES);
        prepare(&jobs[taken], &done, taken);
        pbts_refusal refusal = committer_submit(fixture->app.committer, &jobs[taken].op);
        is_stopping = refusal == PBTS_REFUSAL_OVERLOADED;
        taken += is_stopping ? 0 : 1;
    }
    open_gate(fixture);
    pthread_join(stopper, NULL);
    fixture->app.committer = NULL;
    assert_int_equal(atomic_load(&done), taken);
    for (unsigned i = 0; i < taken; i++)
        assert_int_equal(jobs[i].op.refusal,
                         i < EARLY ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_OVERLOADED);
    assert_int_equal(users_of(fixture), EARLY + 1);
    free(jobs);
    end(fixture);
}

static void a_full_store_refuses_the_whole_batch_and_keeps_what_was_there(void **state) {
    enum { ROUNDS = 400, EACH = 200 };
    struct fixture *fixture = begin(1 << 20);
    struct job *jobs = calloc(EACH, sizeof *jobs);
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
    assert_int_equal(users_of(fixture), good);
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
