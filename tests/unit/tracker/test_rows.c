/* The tracker's rows: what was put comes back, and what no row can be is damage, at every length.
 */
#include "tracker/rows.h"
#include "tracker/state.h"
#include "world.h"

static pbts_txn *writing(world *w) {
    pbts_txn *txn;
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    return txn;
}

static void put(pbts_txn *txn, pbts_table table, uint32_t number, pbts_span value) {
    uint8_t key[4];
    pbts_key_u32(key, number);
    assert_int_equal(pbts_txn_put(txn, table, PBTS_SPAN_OF(key), value), PBTS_OK);
}

/* A copy of a row as it lies in the store. */
static uint8_t *take(pbts_txn *txn, size_t *len, pbts_table table, uint32_t number) {
    uint8_t key[4];
    pbts_span value;
    pbts_key_u32(key, number);
    assert_int_equal(pbts_txn_get(txn, &value, table, PBTS_SPAN_OF(key)), PBTS_OK);
    uint8_t *copy = malloc(value.len + 1);
    assert_non_null(copy);
    memcpy(copy, value.data, value.len);
    copy[value.len] = 0;
    *len = value.len;
    return copy;
}

static void a_user_row_comes_back(void **state) {
    (void)state;
    world *w = world_new(NULL, 0, 0);
    pbts_user_row row = { .has_key = true,
                          .uid = "somebody.with-a_name-of-32-bytes",
                          .uid_len = 32,
                          .granted = INT64_MIN,
                          .registered_unix_s = UINT64_MAX - 1,
                          .uploads = 77 },
                  back;
    for (size_t i = 0; i < sizeof row.key.bytes; i++) row.key.bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof row.key_raw; i++) row.key_raw[i] = (uint8_t)(255 - i);
    pbts_txn *txn = writing(w);
    assert_int_equal(pbts_user_row_put(txn, 9, &row), PBTS_OK);
    assert_int_equal(pbts_user_row_get(txn, &back, 9), PBTS_OK);
    assert_true(back.has_key);
    assert_int_equal(back.uid_len, 32);
    assert_memory_equal(back.uid, row.uid, 32);
    assert_memory_equal(back.key.bytes, row.key.bytes, sizeof row.key.bytes);
    assert_memory_equal(back.key_raw, row.key_raw, sizeof row.key_raw);
    assert_int_equal(back.granted, INT64_MIN);
    assert_int_equal(back.registered_unix_s, UINT64_MAX - 1);
    assert_int_equal(back.uploads, 77);
    assert_int_equal(pbts_user_row_get(txn, &back, 10), PBTS_NOT_FOUND);
    pbts_txn_abort(txn);
    world_free(w);
}

static void a_cut_or_foreign_user_row_is_damage(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 0);
    pbts_txn *txn = writing(w);
    pbts_user_row row;
    size_t len;
    uint8_t *good = take(txn, &len, PBTS_TABLE_USERS, 1);
    assert_int_equal(len, PBTS_USER_ROW_LEN);
    for (size_t cut = 0; cut < len; cut++) {
        put(txn, PBTS_TABLE_USERS, 1, (pbts_span){ good, cut });
        assert_int_equal(pbts_user_row_get(txn, &row, 1), PBTS_CORRUPT);
    }
    put(txn, PBTS_TABLE_USERS, 1, (pbts_span){ good, len + 1 });
    assert_int_equal(pbts_user_row_get(txn, &row, 1), PBTS_CORRUPT);
    good[0] = 2; /* a later version */
    put(txn, PBTS_TABLE_USERS, 1, (pbts_span){ good, len });
    assert_int_equal(pbts_user_row_get(txn, &row, 1), PBTS_CORRUPT);
    good[0] = 1;
    good[2] = 33; /* a name longer than its field */
    put(txn, PBTS_TABLE_USERS, 1, (pbts_span){ good, len });
    assert_int_equal(pbts_user_row_get(txn, &row, 1), PBTS_CORRUPT);
    free(good);
    pbts_txn_abort(txn);
    world_free(w);
}

static void a_torrent_row_with_the_longest_name_comes_back(void **state) {
    (void)state;
    world *w = world_new(NULL, 0, 0);
    pbts_txn *txn = writing(w);
    pbts_torrent torrent = { .torrent_no = 5,
                             .has_v2 = true,
                             .name_len = 255,
                             .total_bytes = UINT64_MAX,
                             .added_unix_s = 1,
                             .piece_length = 2,
                             .piece_count = 3,
                             .uploader_no = 4 },
                 back;
    memset(torrent.name, 'n', 255);
    memset(torrent.infohash_v1, 1, 20);
    memset(torrent.infohash_v2, 2, 32);
    assert_int_equal(pbts_torrent_row_put(txn, &torrent), PBTS_OK);
    assert_int_equal(pbts_torrent_row_get(txn, &back, 5), PBTS_OK);
    assert_memory_equal(&back, &torrent, sizeof back);
    pbts_txn_abort(txn);
    world_free(w);
}

static void a_cut_or_foreign_torrent_row_is_damage(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    pbts_txn *txn = writing(w);
    pbts_torrent torrent;
    pbts_pieces pieces;
    size_t len;
    uint8_t *good = take(txn, &len, PBTS_TABLE_TORRENTS, 1);
    for (size_t cut = 0; cut <= len + 1; cut++) {
        if (cut == len) continue;
        put(txn, PBTS_TABLE_TORRENTS, 1, (pbts_span){ good, cut });
        assert_int_equal(pbts_torrent_row_get(txn, &torrent, 1), PBTS_CORRUPT);
    }
    good[0] = 9;
    put(txn, PBTS_TABLE_TORRENTS, 1, (pbts_span){ good, len });
    assert_int_equal(pbts_torrent_row_get(txn, &torrent, 1), PBTS_CORRUPT);
    free(good);
    good = take(txn, &len, PBTS_TABLE_PIECES, 1);
    for (size_t cut = 0; cut <= len + 1; cut++) {
        if (cut == len) continue;
        put(txn, PBTS_TABLE_PIECES, 1, (pbts_span){ good, cut });
        assert_int_equal(pbts_pieces_get(txn, &pieces, 1), PBTS_CORRUPT);
    }
    memset(good + 5, 0xFF, 4); /* more pieces than bytes */
    put(txn, PBTS_TABLE_PIECES, 1, (pbts_span){ good, len });
    assert_int_equal(pbts_pieces_get(txn, &pieces, 1), PBTS_CORRUPT);
    memset(good + 9, 0xFF, 4); /* and more irregular ones */
    put(txn, PBTS_TABLE_PIECES, 1, (pbts_span){ good, len });
    assert_int_equal(pbts_pieces_get(txn, &pieces, 1), PBTS_CORRUPT);
    free(good);
    pbts_txn_abort(txn);
    world_free(w);
}

static void a_damaged_number_of_an_infohash_is_damage(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    pbts_txn *txn = writing(w);
    uint32_t number = 0;
    bool v2 = true;
    const uint8_t *infohash = pbts_metainfo_infohash(w->torrents[0]);
    assert_int_equal(pbts_torrent_no_get(txn, &number, &v2, infohash), PBTS_OK);
    assert_int_equal(number, 1);
    assert_false(v2);
    for (size_t len = 0; len < 12; len++) {
        if (len == 9) continue;
        assert_int_equal(
            pbts_txn_put(txn, PBTS_TABLE_INFOHASHES, (pbts_span){ infohash, 20 },
                         (pbts_span){ (const uint8_t *)"\0\0\0\1\1\0\0\0\2\0\0", len }),
            PBTS_OK);
        assert_int_equal(pbts_torrent_no_get(txn, &number, &v2, infohash), PBTS_CORRUPT);
    }
    for (uint8_t version = 0; version < 5; version++) {
        const uint8_t value[9] = { 0, 0, 0, 1, version, 0, 0, 0, 2 };
        assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_INFOHASHES, (pbts_span){ infohash, 20 },
                                      PBTS_SPAN_OF(value)),
                         PBTS_OK);
        assert_int_equal(pbts_torrent_no_get(txn, &number, &v2, infohash),
                         version == 1 || version == 2 ? PBTS_OK : PBTS_CORRUPT);
        assert_int_equal(v2, version >= 2); /* of the last that was good */
    }
    pbts_txn_abort(txn);
    world_free(w);
}

static pbts_status reopen(world *w) {
    pbts_tracker *tracker = NULL;
    pbts_status status = pbts_tracker_open(&tracker, &w->config, w->now);
    pbts_tracker_free(tracker);
    return status;
}

static void an_instance_with_damaged_rows_does_not_open(void **state) {
    (void)state;
    const struct {
        pbts_table table;
        const char *key;
        size_t key_len;
        const char *value;
        size_t value_len;
    } damages[] = {
        { PBTS_TABLE_TORRENTS, "\0\0\0\7", 4, "short", 5 },
        { PBTS_TABLE_INFOHASHES, "\0\0\0\7", 4, "\0\0\0\1\1\0\0\0\2", 9 },
        { PBTS_TABLE_INFOHASHES, "12345678901234567890", 20, "\0\0\0\1\1", 5 },
        { PBTS_TABLE_ACCOUNTS, "short", 5, "x", 1 },
        { PBTS_TABLE_USERS, "\0\0\0\1", 4, "x", 1 },
        { PBTS_TABLE_HELD, "\0\0\0\1\0\0\0\0\0\0\0\1", 12, "\0\0\0\1", 4 },
        { PBTS_TABLE_HELD, "\0\0\0\1\0\0\0\0\0\0\0\1", 12, "\0\0\0\7\0\0\0\0\0\0\0\1", 12 },
        { PBTS_TABLE_HELD, "\0\0\0\7\0\0\0\0\0\0\0\1", 12, "\0\0\0\1\0\0\0\0\0\0\0\1", 12 },
        { PBTS_TABLE_META, PBTS_META_FLOOR, sizeof PBTS_META_FLOOR - 1, "x", 1 },
        { PBTS_TABLE_META, PBTS_META_CLAIMS_FROM, sizeof PBTS_META_CLAIMS_FROM - 1, "x", 1 },
        { PBTS_TABLE_META, PBTS_META_PREDECESSOR, sizeof PBTS_META_PREDECESSOR - 1, "x", 1 },
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        world *w = world_new(NULL, 1, 1);
        assert_int_equal(reopen(w), PBTS_OK);
        pbts_txn *txn = writing(w);
        assert_int_equal(
            pbts_txn_put(txn, damages[i].table,
                         (pbts_span){ (const uint8_t *)damages[i].key, damages[i].key_len },
                         (pbts_span){ (const uint8_t *)damages[i].value, damages[i].value_len }),
            PBTS_OK);
        assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
        assert_int_equal(reopen(w), PBTS_CORRUPT);
        world_free(w);
    }
}

/* A HELD row that says more, or a row that is gone: the release stops before any total moves. */
static void held_rows_that_do_not_fit_the_accounts_pay_nobody(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.min_ratio_milli = 1000;
    policy.init_credit_bytes = policy.overdraft_bytes = 0;
    for (int gone = 0; gone < 2; gone++) {
        world *w = world_new(&policy, 2, 1);
        assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 0)).held_bytes,
                         WORLD_PIECE);
        uint8_t prefix[4], copy[12];
        pbts_rows *rows;
        pbts_span key, value;
        pbts_txn *txn = writing(w);
        pbts_key_u32(prefix, w->users[1].number);
        assert_int_equal(
            pbts_rows_open(&rows, txn, PBTS_TABLE_HELD, PBTS_SPAN_OF(prefix), PBTS_SPAN_OF(prefix)),
            PBTS_OK);
        assert_true(pbts_rows_next(rows, &key, &value));
        assert_int_equal(key.len, sizeof copy);
        memcpy(copy, key.data, sizeof copy);
        pbts_rows_close(rows);
        const uint8_t more[12] = { 0, 0, 0, 1, 0, 0, 0, 1 };
        assert_int_equal(
            gone ? pbts_txn_delete(txn, PBTS_TABLE_HELD, PBTS_SPAN_OF(copy))
                 : pbts_txn_put(txn, PBTS_TABLE_HELD, PBTS_SPAN_OF(copy), PBTS_SPAN_OF(more)),
            PBTS_OK);
        assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
        pbts_commit *commit = world_begin(w);
        assert_int_equal(
            world_end(commit, pbts_commit_set_totals(commit, w->users[1].number, UINT64_C(1) << 50,
                                                     UINT64_C(1) << 40)),
            PBTS_REFUSAL_INTERNAL);
        assert_int_equal(world_user(w, 0).up_bytes, 0);
        assert_int_equal(world_user(w, 0).held_bytes, WORLD_PIECE);
        world_assert_balanced(w);
        world_free(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_row_comes_back),
        cmocka_unit_test(a_cut_or_foreign_user_row_is_damage),
        cmocka_unit_test(a_torrent_row_with_the_longest_name_comes_back),
        cmocka_unit_test(a_cut_or_foreign_torrent_row_is_damage),
        cmocka_unit_test(a_damaged_number_of_an_infohash_is_damage),
        cmocka_unit_test(an_instance_with_damaged_rows_does_not_open),
        cmocka_unit_test(held_rows_that_do_not_fit_the_accounts_pay_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
