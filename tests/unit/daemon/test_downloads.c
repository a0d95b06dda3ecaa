/* When counts of completed downloads go to the store, with a real committer and a clock by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ftw.h>
#include <unistd.h>

#include "app.h"
#include "data_dir.h"
#include "net/clock.h"

enum { START_S = 5000 };

static const char TORRENT[] = "d4:infod6:lengthi5e4:name1:n12:piece lengthi16384e6:pieces20:"
                              "abcdefghijklmnopqrst7:privatei1eee";

struct fixture {
    struct app app;
    struct config config;
    char directory[64];
    pbts_metainfo *meta;
};

static int remove_one(const char *path, const struct stat *stat, int flag, struct FTW *ftw) {
    return remove(path);
}

static void open_app(struct fixture *fixture) {
    app_init(&fixture->app, &fixture->config);
    assert_int_equal(data_dir_open(&fixture->app), PBTS_OK);
    assert_int_equal(committer_start(&fixture->app.committer, &fixture->app), PBTS_OK);
}

static void close_app(struct fixture *fixture) {
    committer_stop(fixture->app.committer, 5);
    fixture->app.committer = NULL;
    data_dir_close(&fixture->app);
}

static void say_done(void *host, struct commit_op *op) {
    atomic_store((atomic_bool *)host, true);
}

static void add_torrent(struct fixture *fixture) {
    atomic_bool done = false;
    struct commit_op op = {
        .kind = COMMIT_TORRENT, .meta = fixture->meta, .done = say_done, .host = &done
    };
    assert_int_equal(committer_submit(fixture->app.committer, &op), PBTS_REFUSAL_NONE);
    while (!atomic_load(&done)) usleep(1000);
    assert_int_equal(op.refusal, PBTS_REFUSAL_NONE);
}

static struct fixture *begin(void) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/pbts-downloads-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    config_defaults(&fixture->config);
    snprintf(fixture->config.data, sizeof fixture->config.data, "%s/d", fixture->directory);
    fixture->config.live.log_level = LOG_ERROR;
    fixture->config.live.policy.open_access = true;
    assert_int_equal(
        pbts_metainfo_parse(&fixture->meta, NULL, pbts_mem_system(), pbts_span_text(TORRENT)),
        PBTS_OK);
    open_app(fixture);
    add_torrent(fixture);
    return fixture;
}

static void end(struct fixture *fixture) {
    close_app(fixture);
    pbts_metainfo_free(fixture->meta);
    nftw(fixture->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(fixture);
}

static void complete(struct fixture *fixture, uint8_t id) {
    pbts_announce announce = { .port = 6881, .event = PBTS_EVENT_COMPLETED, .numwant = -1 };
    pbts_addr from = { .family = PBTS_IPV4, .ip = { 10, 0, 0, id } };
    pbts_announce_reply reply;
    pbts_announce_room room;
    memcpy(announce.infohash, pbts_metainfo_infohash(fixture->meta), 20);
    announce.peer_id[0] = id;
    assert_int_equal(pbts_tracker_announce(fixture->app.tracker, &reply, &room, &announce, &from,
                                           PBTS_FAMILIES_BOTH, app_now()),
                     PBTS_REFUSAL_NONE);
}

static uint64_t unstored(struct fixture *fixture) {
    pbts_tracker_stats stats;
    while (atomic_load(&fixture->app.downloads.busy)) usleep(1000);
    pbts_tracker_stats_read(fixture->app.tracker, &stats);
    return stats.unstored_downloads;
}

static uint32_t downloaded(struct fixture *fixture) {
    pbts_torrent torrent;
    const uint8_t *infohash = pbts_metainfo_infohash(fixture->meta);
    assert_int_equal(pbts_tracker_torrent(fixture->app.tracker, &torrent, infohash), PBTS_OK);
    return torrent.downloaded;
}

static void counts_are_stored_once_a_minute_and_only_when_there_are_new_ones(void **state) {
    struct fixture *fixture = begin();
    struct app *app = &fixture->app;
    uint64_t commits = metric_read(&app->metrics.commits);
    downloads_tick(app, START_S);
    assert_int_equal(unstored(fixture), 0);
    assert_int_equal(metric_read(&app->metrics.commits), commits);
    complete(fixture, 1);
    downloads_tick(app, START_S + DOWNLOADS_EVERY_S - 1);
    assert_int_equal(unstored(fixture), 1);
    downloads_tick(app, START_S + DOWNLOADS_EVERY_S);
    assert_int_equal(unstored(fixture), 0);
    assert_int_equal(metric_read(&app->metrics.commits), commits + 1);
    complete(fixture, 2);
    downloads_tick(app, START_S + 2 * DOWNLOADS_EVERY_S - 1);
    assert_int_equal(unstored(fixture), 1);
    downloads_tick(app, START_S + 2 * DOWNLOADS_EVERY_S);
    assert_int_equal(unstored(fixture), 0);
    close_app(fixture);
    open_app(fixture);
    assert_int_equal(downloaded(fixture), 2);
    end(fixture);
}

static void a_flush_stores_what_there_is_and_can_be_followed_by_a_stop(void **state) {
    struct fixture *fixture = begin();
    downloads_flush(&fixture->app, pbts_clock_mono_us() + 5000000); /* nothing to do */
    complete(fixture, 1);
    downloads_flush(&fixture->app, pbts_clock_mono_us() + 5000000);
    assert_int_equal(unstored(fixture), 0);
    complete(fixture, 2); /* comes after the flush */
    close_app(fixture);
    open_app(fixture);
    assert_int_equal(downloaded(fixture), 1);
    end(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_stored_once_a_minute_and_only_when_there_are_new_ones),
        cmocka_unit_test(a_flush_stores_what_there_is_and_can_be_followed_by_a_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
