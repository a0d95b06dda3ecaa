/* Counts of completed downloads: in memory at once, in the store when a commit puts them there. */
#include "announcing.h"
#include "counting_mem.h"
#include "tracker/commit_state.h"

static pbts_refusal store_downloads(world *w) {
    pbts_commit *commit = world_begin(w);
    return world_end(commit, pbts_commit_downloads(commit));
}

static uint64_t unstored(world *w) {
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(w->tracker, &stats);
    for (size_t i = 0; i < PBTS_TRACKER_SHARDS; i++) pbts_swarms_check(w->tracker->shards[i]);
    return stats.unstored_downloads;
}

/* One more peer that finishes the torrent. */
static void complete(world *w, size_t torrent, const uint8_t *infohash, uint8_t id) {
    client *c = client_new(w, 0, torrent, id);
    if (infohash != NULL) memcpy(c->announce.infohash, infohash, 20);
    assert_int_equal(client_says(w, c, PBTS_EVENT_STARTED, 1000), PBTS_REFUSAL_NONE);
    assert_int_equal(client_says(w, c, PBTS_EVENT_COMPLETED, 0), PBTS_REFUSAL_NONE);
    free(c);
}

static uint32_t scraped(world *w, const uint8_t *infohash) {
    char passkey[PBTS_PASSKEY_LEN + 1];
    pbts_scrape_entry entry = { .downloaded = UINT32_MAX };
    size_t found = 0;
    memcpy(entry.infohash, infohash, 20);
    pbts_tracker_passkey(w->tracker, passkey, w->users[0].number);
    assert_int_equal(
        pbts_tracker_scrape(w->tracker, &found, &entry, 1, pbts_span_text(passkey), w->now),
        PBTS_REFUSAL_NONE);
    assert_int_equal(found, 1);
    return entry.downloaded;
}

static const uint8_t *hash_of(const world *w, size_t torrent) {
    return pbts_metainfo_infohash(w->torrents[torrent]);
}

static void counts_that_were_stored_are_there_after_a_restart(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 3);
    for (uint8_t i = 0; i < 5; i++) complete(w, i % 2, NULL, i);
    assert_int_equal(unstored(w), 2);
    assert_int_equal(store_downloads(w), PBTS_REFUSAL_NONE);
    assert_int_equal(unstored(w), 0);
    complete(w, 0, NULL, 77); /* comes too late for the store */
    assert_int_equal(scraped(w, hash_of(w, 0)), 4);
    assert_int_equal(unstored(w), 1);
    world_restart(w);
    assert_int_equal(scraped(w, hash_of(w, 0)), 3);
    assert_int_equal(scraped(w, hash_of(w, 1)), 2);
    assert_int_equal(scraped(w, hash_of(w, 2)), 0);
    assert_int_equal(unstored(w), 0);
    complete(w, 0, NULL, 78);
    assert_int_equal(store_downloads(w), PBTS_REFUSAL_NONE);
    world_restart(w);
    assert_int_equal(scraped(w, hash_of(w, 0)), 4);
    world_free(w);
}

static void both_swarms_of_a_hybrid_keep_their_own(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 0);
    assert_int_equal(world_add_torrent(w, PBTS_TORRENT_HYBRID), 0);
    const uint8_t *v1 = pbts_metainfo_infohash_v1(w->torrents[0]);
    const uint8_t *v2 = pbts_metainfo_infohash_v2_full(w->torrents[0]);
    complete(w, 0, v1, 1);
    complete(w, 0, v2, 2);
    complete(w, 0, v2, 3);
    assert_int_equal(store_downloads(w), PBTS_REFUSAL_NONE);
    world_restart(w);
    assert_int_equal(scraped(w, v1), 1);
    assert_int_equal(scraped(w, v2), 2);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 0, 0, 0, 1)).refusal,
                     PBTS_REFUSAL_SELF_TRANSFER); /* the row still names the torrent */
    world_free(w);
}

static void an_aborted_commit_leaves_them_for_the_next(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    complete(w, 0, NULL, 1);
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_downloads(commit), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_downloads(commit), PBTS_REFUSAL_NONE); /* twice is once */
    pbts_commit_abort(commit);
    assert_int_equal(unstored(w), 1);
    assert_int_equal(store_downloads(w), PBTS_REFUSAL_NONE);
    assert_int_equal(unstored(w), 0);
    world_restart(w);
    assert_int_equal(scraped(w, hash_of(w, 0)), 1);
    world_free(w);
}

static void what_is_counted_during_a_commit_waits_for_the_next(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    complete(w, 0, NULL, 1);
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_downloads(commit), PBTS_REFUSAL_NONE);
    complete(w, 0, NULL, 2);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    assert_int_equal(unstored(w), 1);
    world_restart(w);
    assert_int_equal(scraped(w, hash_of(w, 0)), 1);
    world_free(w);
}

/* As many swarms as one commit takes, and one more; the registered one is among them. */
static void a_commit_takes_a_limited_number_and_skips_what_the_store_does_not_know(void **state) {
    (void)state;
    enum { STRANGERS = PBTS_COMMIT_DOWNLOADS_MAX };
    world *w = world_new(NULL, 1, 1);
    for (uint32_t i = 0; i < STRANGERS; i++) {
        uint8_t infohash[20] = { 0xAA, (uint8_t)(i >> 8), (uint8_t)i };
        pbts_swarms *shard = w->tracker->shards[pbts_tracker_shard(w->tracker, infohash)];
        assert_int_equal(pbts_swarms_add(shard, infohash, 1000 + i, 0), PBTS_OK);
        complete(w, 0, infohash, 1);
    }
    complete(w, 0, NULL, 1);
    assert_int_equal(unstored(w), STRANGERS + 1);
    assert_int_equal(store_downloads(w), PBTS_REFUSAL_NONE);
    assert_int_equal(unstored(w), 1);
    assert_int_equal(store_downloads(w), PBTS_REFUSAL_NONE);
    assert_int_equal(unstored(w), 0);
    world_restart(w);
    assert_int_equal(scraped(w, hash_of(w, 0)), 1);
    world_free(w);
}

static void want_of_memory_fails_the_commit_and_loses_no_count(void **state) {
    (void)state;
    counting_mem mem = counting_mem_failing_at(SIZE_MAX);
    world *w = world_prepare(NULL);
    w->config.mem = &mem.mem;
    world_open_tracker(w);
    world_add_user(w);
    world_add_torrent(w, PBTS_TORRENT_V1);
    complete(w, 0, NULL, 1);
    for (unsigned failures = 0;; failures++) {
        pbts_commit *commit = NULL;
        mem.fail_at = mem.asked + failures;
        pbts_status status = pbts_commit_begin(&commit, w->tracker, w->now);
        pbts_refusal refusal = PBTS_REFUSAL_INTERNAL;
        if (status == PBTS_OK) refusal = pbts_commit_downloads(commit);
        if (status == PBTS_OK && refusal == PBTS_REFUSAL_NONE) {
            assert_true(failures >= 2);
            mem.fail_at = SIZE_MAX;
            assert_int_equal(pbts_commit_end(commit), PBTS_OK);
            break;
        }
        assert_int_equal(refusal, PBTS_REFUSAL_INTERNAL);
        mem.fail_at = SIZE_MAX;
        pbts_commit_abort(commit);
        assert_int_equal(unstored(w), 1);
    }
    assert_int_equal(unstored(w), 0);
    world_restart(w);
    assert_int_equal(scraped(w, hash_of(w, 0)), 1);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_that_were_stored_are_there_after_a_restart),
        cmocka_unit_test(both_swarms_of_a_hybrid_keep_their_own),
        cmocka_unit_test(an_aborted_commit_leaves_them_for_the_next),
        cmocka_unit_test(what_is_counted_during_a_commit_waits_for_the_next),
        cmocka_unit_test(a_commit_takes_a_limited_number_and_skips_what_the_store_does_not_know),
        cmocka_unit_test(want_of_memory_fails_the_commit_and_loses_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
