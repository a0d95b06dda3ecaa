/* Claims against a plain table of pieces, over a torrent of several parts; and what they cost. */
#include "tracker/checked_report.h"
#include "tracker/commit_state.h"
#include "world.h"

enum {
    PART = PBTS_CLAIMS_PART_PIECES,
    PIECES = 2 * PART + 3617, /* the last part is shorter and ends within a byte */
    SET_LEN = (PIECES + 7) / 8,
    LAST = 77, /* bytes of the last piece */
    USERS = 3,
    ROUNDS = 300,
};

/* A torrent whose pieces nobody has: the tracker asks for their hashes only. */
static void add_big_torrent(world *w) {
    static uint8_t bytes[20 * PIECES + 512];
    static const uint64_t total = (uint64_t)(PIECES - 1) * WORLD_PIECE + LAST;
    pbts_metainfo *meta;
    uint32_t number;
    int head = snprintf((char *)bytes, 256,
                        "d4:infod6:lengthi%llue4:name3:big12:piece lengthi%de6:pieces%d:",
                        (unsigned long long)total, WORLD_PIECE, 20 * PIECES);
    assert_true(head > 0);
    pbts_prng prng = pbts_prng_seeded(1);
    for (size_t i = 0; i < 20 * PIECES; i++)
        bytes[(size_t)head + i] = (uint8_t)pbts_prng_next(&prng);
    memcpy(bytes + head + 20 * PIECES, "7:privatei1eee", 14);
    pbts_span file = { bytes, (size_t)head + 20 * PIECES + 14 };
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), file), PBTS_OK);
    w->torrents[w->torrent_count++] = meta;
    pbts_commit *commit = world_begin(w);
    assert_int_equal(
        world_end(commit, pbts_commit_torrent(commit, &number, w->users[0].number, meta)),
        PBTS_REFUSAL_NONE);
    assert_int_equal(number, 1);
}

static world *big_world(void) {
    pbts_policy policy = pbts_policy_default();
    policy.overdraft_bytes = policy.init_credit_bytes = UINT64_C(1) << 50;
    policy.deficit_max_bytes = 0;
    world *w = world_new(&policy, USERS, 0);
    w->no_sync = true;
    add_big_torrent(w);
    return w;
}

/* One statement through a commit of its own. */
static pbts_verdict claim(world *w, pbts_checked_statement statement, uint8_t *bits) {
    pbts_checked_report report = {
        .mem = pbts_mem_system(), .count = 1, .statements = &statement, .blob = bits
    };
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_report(commit, &report), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    return statement.verdict;
}

static pbts_checked_statement statement_of(const world *w, size_t receiver, size_t sender) {
    return (pbts_checked_statement){ .receiver_no = w->users[receiver].number,
                                     .sender_no = w->users[sender].number,
                                     .torrent_no = 1,
                                     .epoch = world_epoch(w),
                                     .period = (uint32_t)pbts_claim_period(world_epoch(w)) };
}

static pbts_verdict claim_piece(world *w, size_t receiver, size_t sender, uint32_t index) {
    static uint8_t none[1];
    pbts_checked_statement statement = statement_of(w, receiver, sender);
    statement.form = PBTS_FORM_PIECE;
    statement.piece_index = index;
    return claim(w, statement, none);
}

static pbts_verdict claim_set(world *w, size_t receiver, size_t sender, uint8_t *bits) {
    pbts_checked_statement statement = statement_of(w, receiver, sender);
    statement.form = PBTS_FORM_CUMULATIVE;
    statement.bitmap_len = SET_LEN;
    return claim(w, statement, bits);
}

/* ---- the twin ---- */

static bool known[USERS][USERS][PIECES];

static pbts_verdict twin_claim(size_t receiver, size_t sender, const uint8_t *bits) {
    pbts_verdict verdict = { 0 };
    for (uint32_t i = 0; i < PIECES; i++) {
        if ((bits[i / 8] >> (7 - i % 8) & 1) == 0) continue;
        bool *piece = &known[receiver][sender][i];
        verdict.duplicate_pieces += *piece;
        verdict.credited_pieces += !*piece;
        if (!*piece) verdict.credited_bytes += i + 1 < PIECES ? WORLD_PIECE : LAST;
        *piece = true;
    }
    return verdict;
}

static void assert_verdict(const pbts_verdict *got, const pbts_verdict *want) {
    assert_int_equal(got->refusal, PBTS_REFUSAL_NONE);
    assert_int_equal(got->credited_pieces, want->credited_pieces);
    assert_int_equal(got->duplicate_pieces, want->duplicate_pieces);
    assert_int_equal(got->credited_bytes, want->credited_bytes);
    assert_int_equal(got->held_bytes, 0);
}

/* A run of pieces anywhere, or some scattered ones. */
static void random_set(pbts_prng *prng, uint8_t *bits) {
    memset(bits, 0, SET_LEN);
    uint32_t at = pbts_prng_below(prng, PIECES), len = 1 + pbts_prng_below(prng, PIECES / 2);
    if (pbts_prng_below(prng, 2) == 0) {
        for (uint32_t i = at; i < at + len && i < PIECES; i++) pbts_piece_set_add(bits, i);
        return;
    }
    for (unsigned i = 0; i < 40; i++) pbts_piece_set_add(bits, pbts_prng_below(prng, PIECES));
}

static void random_claims_count_as_in_a_plain_table(void **state) {
    (void)state;
    static uint8_t bits[SET_LEN];
    world *w = big_world();
    pbts_prng prng = pbts_prng_seeded(3);
    memset(known, 0, sizeof known);
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t receiver = pbts_prng_below(&prng, USERS);
        size_t sender = (receiver + 1 + pbts_prng_below(&prng, USERS - 1)) % USERS;
        uint32_t index = pbts_prng_below(&prng, PIECES);
        bool one = pbts_prng_below(&prng, 3) == 0;
        if (one) {
            memset(bits, 0, SET_LEN);
            pbts_piece_set_add(bits, index);
        } else {
            random_set(&prng, bits);
        }
        pbts_verdict want = twin_claim(receiver, sender, bits);
        pbts_verdict got =
            one ? claim_piece(w, receiver, sender, index) : claim_set(w, receiver, sender, bits);
        assert_verdict(&got, &want);
        if (round % 100 == 99) world_restart(w);
    }
    world_free(w);
}

/* ---- what lies in the store ---- */

typedef struct {
    size_t count, bytes;
    struct {
        unsigned part;
        size_t len;
    } row[8];
} rows;

static rows rows_of(world *w) {
    rows found = { 0 };
    pbts_txn *txn;
    pbts_rows *walk;
    pbts_span key, value;
    assert_int_equal(pbts_txn_begin(&txn, w->store, false), PBTS_OK);
    assert_int_equal(
        pbts_rows_open(&walk, txn, PBTS_TABLE_CLAIMS, (pbts_span){ 0 }, (pbts_span){ 0 }), PBTS_OK);
    while (pbts_rows_next(walk, &key, &value)) {
        assert_int_equal(key.len, 18);
        assert_true(found.count < 8);
        found.row[found.count].part = (unsigned)(key.data[16] << 8 | key.data[17]);
        found.row[found.count++].len = value.len;
        found.bytes += value.len;
    }
    assert_int_equal(pbts_rows_status(walk), PBTS_OK);
    pbts_rows_close(walk);
    pbts_txn_abort(txn);
    return found;
}

static void a_piece_of_a_large_torrent_is_a_small_row(void **state) {
    (void)state;
    world *w = big_world();
    assert_int_equal(claim_piece(w, 1, 0, PART + 5).credited_pieces, 1);
    rows found = rows_of(w);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.row[0].part, 1);
    assert_int_equal(found.bytes, 1024);
    world_free(w);
}

static void pieces_at_the_edges_of_parts_lie_in_their_own(void **state) {
    (void)state;
    static const uint32_t edges[] = { 0, PART - 1, PART, 2 * PART - 1, 2 * PART, PIECES - 1 };
    static const size_t parts[] = { 1, 1, 2, 2, 3, 3 };
    world *w = big_world();
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(claim_piece(w, 1, 0, edges[i]).credited_bytes,
                         edges[i] + 1 < PIECES ? WORLD_PIECE : LAST);
        assert_int_equal(rows_of(w).count, parts[i]);
    }
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(claim_piece(w, 1, 0, edges[i]).duplicate_pieces, 1);
    rows found = rows_of(w);
    assert_int_equal(found.row[2].part, 2);
    assert_int_equal(found.row[2].len, SET_LEN - 2 * PART / 8);
    world_free(w);
}

static void a_set_writes_the_parts_in_which_something_is_new(void **state) {
    (void)state;
    static uint8_t bits[SET_LEN];
    world *w = big_world();
    pbts_piece_set_add(bits, 3);
    pbts_piece_set_add(bits, 2 * PART + 3);
    assert_int_equal(claim_set(w, 1, 0, bits).credited_pieces, 2);
    rows found = rows_of(w);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.row[1].part, 2);
    assert_int_equal(claim_set(w, 1, 0, bits).duplicate_pieces, 2);
    memset(bits, 0xFF, SET_LEN);
    bits[SET_LEN - 1] = 0x80; /* 3617 = 8 * 452 + 1 */
    assert_int_equal(claim_set(w, 1, 0, bits).credited_pieces, PIECES - 2);
    assert_int_equal(rows_of(w).bytes, SET_LEN);
    world_free(w);
}

/* What is looked at and has nothing new is not written again. */
static void a_claim_keeps_only_the_parts_with_something_new(void **state) {
    (void)state;
    static uint8_t bits[SET_LEN];
    world *w = big_world();
    pbts_pieces pieces;
    pbts_claim made;
    for (size_t i = 0; i < 3; i++) pbts_piece_set_add(bits, (uint32_t)i * PART + 1);
    assert_int_equal(claim_piece(w, 1, 0, 1).credited_pieces, 1);
    assert_int_equal(claim_piece(w, 1, 0, 2 * PART + 1).credited_pieces, 1);
    pbts_checked_statement statement = statement_of(w, 1, 0);
    statement.form = PBTS_FORM_CUMULATIVE;
    statement.bitmap_len = SET_LEN;
    pbts_checked_report report = { .count = 1, .statements = &statement, .blob = bits };
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_pieces_get(commit->txn, &pieces, 1), PBTS_OK);
    assert_int_equal(pbts_commit_claim(commit, &made, &report, &statement, &pieces), PBTS_OK);
    assert_int_equal(made.part_count, 1);
    assert_int_equal(made.parts[0].number, 1);
    assert_int_equal(made.duplicate_count, 2);
    pbts_claim_deinit(commit, &made);
    pbts_commit_abort(commit);
    world_free(w);
}

static size_t row_count(world *w, pbts_table table) {
    size_t count = 0;
    pbts_txn *txn;
    pbts_rows *walk;
    pbts_span key, value;
    assert_int_equal(pbts_txn_begin(&txn, w->store, false), PBTS_OK);
    assert_int_equal(pbts_rows_open(&walk, txn, table, (pbts_span){ 0 }, (pbts_span){ 0 }),
                     PBTS_OK);
    while (pbts_rows_next(walk, &key, &value)) count++;
    pbts_rows_close(walk);
    pbts_txn_abort(txn);
    return count;
}

static void claims_of_past_periods_are_forgotten_whichever_table_has_them(void **state) {
    (void)state;
    static const uint8_t bits[1] = { 0x80 };
    world *w = big_world();
    pbts_claims_record record = { .period = (uint32_t)pbts_claim_period(world_epoch(w)),
                                  .sender = { 1 },
                                  .bitmap = PBTS_SPAN_OF(bits) };
    pbts_txn *txn;
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    assert_int_equal(pbts_tracker_old_claim_put(txn, &record), PBTS_OK);
    record.part = 127;
    assert_int_equal(pbts_tracker_old_claim_put(txn, &record), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    assert_int_equal(claim_piece(w, 1, 0, 5).credited_pieces, 1);
    assert_int_equal(row_count(w, PBTS_TABLE_CLAIMS), 1);
    assert_int_equal(row_count(w, PBTS_TABLE_OLD_CLAIMS), 2);
    w->now.unix_s += 70 * 24 * 3600;
    assert_int_equal(claim_piece(w, 1, 0, 5).credited_pieces, 1);
    assert_int_equal(row_count(w, PBTS_TABLE_CLAIMS), 2); /* it is of this time that was counted */
    assert_int_equal(pbts_commit_end(world_begin(w)), PBTS_OK);
    assert_int_equal(row_count(w, PBTS_TABLE_CLAIMS), 1);
    assert_int_equal(row_count(w, PBTS_TABLE_OLD_CLAIMS), 0);
    world_free(w);
}

static void a_clock_that_was_far_ahead_ends_no_period(void **state) {
    (void)state;
    world *w = big_world();
    const uint64_t year_s = 365 * 24 * 3600;
    assert_int_equal(claim_piece(w, 1, 0, 5).credited_pieces, 1);
    w->now.unix_s += year_s;
    world_rotate(w, 0);
    assert_int_equal(pbts_commit_end(world_begin(w)), PBTS_OK);
    w->now.unix_s -= year_s;
    for (int restarts = 0; restarts < 2; restarts++) {
        assert_int_equal(claim_piece(w, 1, 0, 5).duplicate_pieces, 1);
        assert_int_equal(claim_piece(w, 1, 0, 6 + (uint32_t)restarts).credited_pieces, 1);
        world_restart(w);
    }
    world_free(w);
}

static void old_claims_are_known_part_by_part(void **state) {
    (void)state;
    static uint8_t bits[PBTS_CLAIMS_BITMAP_MAX];
    world *w = big_world();
    pbts_claims_record record = { .period = (uint32_t)pbts_claim_period(world_epoch(w)),
                                  .part = 1,
                                  .bitmap = PBTS_SPAN_OF(bits) };
    static const uint8_t yes[1] = { 1 };
    pbts_txn *txn;
    pbts_uid_hash(record.receiver, pbts_span_text(w->users[1].uid));
    pbts_uid_hash(record.sender, pbts_span_text(w->users[0].uid));
    memcpy(record.infohash, pbts_metainfo_infohash(w->torrents[0]), sizeof record.infohash);
    pbts_piece_set_add(bits, 9);
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    assert_int_equal(pbts_tracker_old_claim_put(txn, &record), PBTS_OK);
    bits[1] = 0;
    pbts_piece_set_add(bits, 11);
    assert_int_equal(pbts_tracker_old_claim_put(txn, &record), PBTS_OK); /* the union of both */
    record.bitmap.len--;
    assert_int_equal(pbts_tracker_old_claim_put(txn, &record), PBTS_MALFORMED);
    assert_int_equal(
        pbts_txn_put(txn, PBTS_TABLE_META, pbts_span_text(PBTS_META_OLD_CLAIMS), PBTS_SPAN_OF(yes)),
        PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    world_restart(w);
    assert_int_equal(claim_piece(w, 1, 0, 9).credited_pieces, 1); /* part 0 knows nothing */
    assert_int_equal(claim_piece(w, 1, 0, PART + 9).duplicate_pieces, 1);
    assert_int_equal(claim_piece(w, 1, 0, PART + 10).credited_pieces, 1);
    assert_int_equal(claim_piece(w, 1, 0, PART + 11).duplicate_pieces, 1);
    assert_int_equal(claim_piece(w, 0, 1, PART + 9).credited_pieces, 1);
    world_free(w);
}

/* What the store says was lost; UINT64_MAX: nothing. */
static uint64_t lost_up_to(world *w) {
    pbts_txn *txn;
    uint64_t epoch = 0;
    assert_int_equal(pbts_txn_begin(&txn, w->store, false), PBTS_OK);
    pbts_status status = pbts_tracker_claims_lost(txn, &epoch);
    pbts_txn_abort(txn);
    assert_true(status == PBTS_OK || status == PBTS_NOT_FOUND);
    return status == PBTS_OK ? epoch : UINT64_MAX;
}

static void put_lost(world *w, uint64_t epoch) {
    uint8_t room[PBTS_CLAIMS_LOST_LEN];
    pbts_claims_record record = pbts_claims_lost_record(room, epoch);
    pbts_txn *txn;
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    assert_int_equal(pbts_tracker_old_claim_put(txn, &record), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static void what_was_lost_is_refused_wherever_the_claims_go(void **state) {
    (void)state;
    world *w = big_world();
    uint64_t now = world_epoch(w);
    assert_int_equal(lost_up_to(w), UINT64_MAX);
    put_lost(w, now - 1);
    put_lost(w, now - 5); /* the later one holds */
    assert_int_equal(lost_up_to(w), now - 1);
    assert_int_equal(row_count(w, PBTS_TABLE_OLD_CLAIMS), 0);
    world_restart(w);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 3)).credited_pieces, 1);
    put_lost(w, now);
    assert_int_equal(lost_up_to(w), now);
    world_restart(w);
    assert_int_equal(world_report_one(w, 0, world_piece(w, 1, 0, 0, 4)).refusal,
                     PBTS_REFUSAL_EPOCH_UNKNOWN_CLAIMS);
    world_free(w);
}

static void what_was_forgotten_before_its_time_counts_as_lost(void **state) {
    (void)state;
    /* A receipt of a time far ahead has counted, when the clock was there: the claims of now are
     * gone, and their periods refused. */
    world *w = big_world();
    const uint64_t year_s = 365 * 24 * 3600;
    w->now.unix_s += year_s;
    assert_int_equal(claim_piece(w, 1, 0, 5).credited_pieces, 1);
    assert_int_equal(pbts_commit_end(world_begin(w)), PBTS_OK);
    uint64_t from = pbts_claim_period(world_epoch(w) - PBTS_WINDOW_EPOCHS);
    w->now.unix_s -= year_s;
    assert_int_equal(lost_up_to(w), from * PBTS_CLAIM_PERIOD_EPOCHS - 1);
    assert_true(world_epoch(w) <= lost_up_to(w));
    put_lost(w, lost_up_to(w) + 1); /* and what was lost otherwise, if that is later */
    assert_int_equal(lost_up_to(w), from * PBTS_CLAIM_PERIOD_EPOCHS);
    world_free(w);
}

static void a_row_of_another_length_fails_the_commit(void **state) {
    (void)state;
    static const uint8_t shorter[3] = { 0 };
    world *w = big_world();
    uint8_t key[18] = { 0 };
    pbts_txn *txn;
    pbts_checked_statement statement = statement_of(w, 1, 0);
    statement.form = PBTS_FORM_PIECE;
    pbts_checked_report report = { .mem = pbts_mem_system(), .count = 1, .statements = &statement };
    pbts_writer writer = pbts_writer_over(key, sizeof key);
    pbts_write_u32(&writer, statement.period);
    pbts_write_u32(&writer, statement.receiver_no);
    pbts_write_u32(&writer, statement.sender_no);
    pbts_write_u32(&writer, 1);
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_CLAIMS, PBTS_SPAN_OF(key), PBTS_SPAN_OF(shorter)),
                     PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_report(commit, &report), PBTS_REFUSAL_INTERNAL);
    pbts_commit_abort(commit);
    world_free(w);
}

/* ---- what pieces weigh, where many are short ---- */

static void bytes_of_a_range_are_the_sum_of_its_pieces(void **state) {
    (void)state;
    enum { COUNT = 1000, LENGTH = 16384, ROOM = COUNT * 8 };
    static uint8_t irregular[ROOM], bits[COUNT / 8];
    static uint32_t real[COUNT];
    pbts_prng prng = pbts_prng_seeded(9);
    pbts_writer writer = pbts_writer_over(irregular, ROOM);
    pbts_pieces pieces = { .piece_length = LENGTH, .piece_count = COUNT };
    for (uint32_t i = 0; i < COUNT; i++) {
        real[i] = LENGTH;
        if (pbts_prng_below(&prng, 3) > 0) continue;
        real[i] = 1 + pbts_prng_below(&prng, LENGTH - 1);
        pbts_write_u32(&writer, i);
        pbts_write_u32(&writer, real[i]);
        pieces.irregular_count++;
    }
    pieces.irregular = pbts_writer_span(&writer);
    for (unsigned round = 0; round < 3000; round++) {
        uint32_t first = 8 * pbts_prng_below(&prng, COUNT / 8);
        size_t len = 1 + pbts_prng_below(&prng, (COUNT - first) / 8);
        uint32_t density = 1 + pbts_prng_below(&prng, 200);
        uint64_t want = 0;
        memset(bits, 0, sizeof bits);
        for (uint32_t i = 0; i < len * 8; i++) {
            if (pbts_prng_below(&prng, density) > 0) continue;
            pbts_piece_set_add(bits, i);
            want += real[first + i];
        }
        uint8_t *exact = malloc(len); /* so that one byte too far is seen */
        assert_non_null(exact);
        memcpy(exact, bits, len);
        assert_int_equal(pbts_pieces_bytes(&pieces, first, (pbts_span){ exact, len }), want);
        free(exact);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_claims_count_as_in_a_plain_table),
        cmocka_unit_test(a_piece_of_a_large_torrent_is_a_small_row),
        cmocka_unit_test(pieces_at_the_edges_of_parts_lie_in_their_own),
        cmocka_unit_test(a_set_writes_the_parts_in_which_something_is_new),
        cmocka_unit_test(a_claim_keeps_only_the_parts_with_something_new),
        cmocka_unit_test(claims_of_past_periods_are_forgotten_whichever_table_has_them),
        cmocka_unit_test(a_clock_that_was_far_ahead_ends_no_period),
        cmocka_unit_test(old_claims_are_known_part_by_part),
        cmocka_unit_test(a_row_of_another_length_fails_the_commit),
        cmocka_unit_test(bytes_of_a_range_are_the_sum_of_its_pieces),
        cmocka_unit_test(what_was_lost_is_refused_wherever_the_claims_go),
        cmocka_unit_test(what_was_forgotten_before_its_time_counts_as_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
