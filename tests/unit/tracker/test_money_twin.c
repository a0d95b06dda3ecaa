/* The commit against a naive twin: random transfers, rotations, totals set by hand, restarts and
 * aborted commits. The twin keeps every claimed piece in a table and every held byte in a list, and
 * recomputes everything the slow way. Signatures are left out here (test_money.c has them): checked
 * reports are filled in directly, so that thousands of operations fit a second. */
#include "tracker/checked_report.h"
#include "world.h"

enum { USERS = 6, TORRENTS = 2, OPERATIONS = 3000, HELD_MAX = 20000 };

/* ---- the twin ---- */

typedef struct {
    uint64_t up, down;
    int64_t granted;
} twin_user;

typedef struct {
    size_t receiver, sender;
    uint64_t bytes;
} twin_held;

typedef struct {
    pbts_policy policy;
    twin_user users[USERS];
    bool claimed[USERS][USERS][TORRENTS][WORLD_PIECES];
    twin_held held[HELD_MAX]; /* in order of arrival; 0 bytes: gone */
    size_t held_count;
} twin;

static uint64_t twin_owed(const twin *t, size_t receiver) {
    uint64_t sum = 0;
    for (size_t i = 0; i < t->held_count; i++) {
        if (t->held[i].receiver == receiver) sum += t->held[i].bytes;
    }
    return sum;
}

static uint64_t twin_due(const twin *t, size_t sender) {
    uint64_t sum = 0;
    for (size_t i = 0; i < t->held_count; i++) {
        if (t->held[i].sender == sender) sum += t->held[i].bytes;
    }
    return sum;
}

/* Whether one more byte of this receiver's debits may become somebody's credit (rule 6), by the
 * definition: its ratio with the overdraft, and the deficit. */
static bool twin_covers(const twin *t, size_t receiver, uint64_t credited) {
    const twin_user *user = &t->users[receiver];
    long double up = (long double)user->up, down = (long double)credited;
    if (up + (long double)t->policy.overdraft_bytes <
        down * (long double)t->policy.min_ratio_milli / 1000) {
        return false;
    }
    return t->policy.deficit_max_bytes == 0 || credited <= user->up + t->policy.deficit_max_bytes;
}

/* The largest part of `bytes` that is covered, by bisection over the definition. */
static uint64_t twin_covered(const twin *t, size_t receiver, uint64_t bytes) {
    uint64_t base = t->users[receiver].down - twin_owed(t, receiver), low = 0, high = bytes;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        if (twin_covers(t, receiver, base + middle)) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* Release whatever can be released, until nothing moves. */
static void twin_settle(twin *t) {
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < t->held_count; i++) {
            bool oldest = t->held[i].bytes > 0;
            for (size_t k = 0; oldest && k < i; k++) {
                if (t->held[k].receiver == t->held[i].receiver && t->held[k].bytes > 0) {
                    oldest = false;
                }
            }
            if (!oldest) continue;
            uint64_t bytes = twin_covered(t, t->held[i].receiver, t->held[i].bytes);
            if (bytes == 0) continue;
            t->held[i].bytes -= bytes;
            t->users[t->held[i].sender].up += bytes;
            moved = true;
        }
    }
}

static uint64_t twin_transfer(twin *t, size_t receiver, size_t sender, size_t torrent,
                              const uint8_t *bits) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < WORLD_PIECES; i++) {
        if (!pbts_piece_set_has(bits, i) || t->claimed[receiver][sender][torrent][i]) continue;
        t->claimed[receiver][sender][torrent][i] = true;
        bytes += i + 1 < WORLD_PIECES ? WORLD_PIECE : WORLD_LAST;
    }
    if (bytes == 0) return 0;
    uint64_t now = twin_owed(t, receiver) > 0 ? 0 : twin_covered(t, receiver, bytes);
    t->users[receiver].down += bytes;
    t->users[sender].up += now;
    if (bytes > now) {
        assert_true(t->held_count < HELD_MAX);
        t->held[t->held_count++] = (twin_held){ receiver, sender, bytes - now };
    }
    twin_settle(t);
    return bytes;
}

/* ---- the same through the commit ---- */

static uint64_t transfer(world *w, size_t receiver, size_t sender, size_t torrent, uint8_t *bits,
                         bool abort_it) {
    pbts_checked_statement statement = {
        .receiver_no = w->users[receiver].number,
        .sender_no = w->users[sender].number,
        .torrent_no = (uint32_t)torrent + 1,
        .epoch = world_epoch(w),
        .period = (uint32_t)pbts_claim_period(world_epoch(w)),
        /* a set is a set, whatever signed for it */
        .form = (pbts_receipt_form)(PBTS_FORM_CUMULATIVE + (receiver + sender + torrent) % 3),
        .bitmap_len = WORLD_SET_LEN,
    };
    pbts_checked_report report = {
        .mem = pbts_mem_system(), .count = 1, .statements = &statement, .blob = bits
    };
    pbts_commit *commit = world_begin(w);
    assert_int_equal(pbts_commit_report(commit, &report), PBTS_REFUSAL_NONE);
    assert_int_equal(statement.verdict.refusal, PBTS_REFUSAL_NONE);
    if (abort_it) {
        pbts_commit_abort(commit);
        return 0;
    }
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    return statement.verdict.credited_bytes + statement.verdict.held_bytes;
}

static void set_totals(world *w, twin *t, size_t user, uint64_t up, uint64_t down) {
    pbts_commit *commit = world_begin(w);
    pbts_refusal refusal = pbts_commit_set_totals(commit, w->users[user].number, up, down);
    assert_int_equal(world_end(commit, refusal), refusal);
    if (down < twin_owed(t, user)) {
        assert_int_equal(refusal, PBTS_REFUSAL_MALFORMED);
        return;
    }
    assert_int_equal(refusal, PBTS_REFUSAL_NONE);
    twin_user *u = &t->users[user];
    u->granted += (int64_t)up - (int64_t)u->up - ((int64_t)down - (int64_t)u->down);
    u->up = up;
    u->down = down;
    twin_settle(t);
}

static void assert_same(world *w, const twin *t) {
    for (size_t i = 0; i < USERS; i++) {
        pbts_user u = world_user(w, i);
        assert_int_equal(u.up_bytes, t->users[i].up);
        assert_int_equal(u.down_bytes, t->users[i].down);
        assert_int_equal(u.granted_bytes, t->users[i].granted);
        assert_int_equal(u.owed_bytes, twin_owed(t, i));
        assert_int_equal(u.held_bytes, twin_due(t, i));
    }
    world_assert_balanced(w);
}

static void run_twins(uint64_t seed, uint32_t ratio_milli, uint64_t deficit_max) {
    pbts_prng prng = pbts_prng_seeded(seed);
    pbts_policy policy = pbts_policy_default();
    policy.min_ratio_milli = ratio_milli;
    policy.init_credit_bytes = 5 * WORLD_PIECE + 77;
    policy.overdraft_bytes = WORLD_PIECE + 3;
    policy.deficit_max_bytes = deficit_max;
    world *w = world_new(&policy, USERS, TORRENTS);
    w->no_sync = true;
    world_restart(w);
    twin *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->policy = policy;
    for (size_t i = 0; i < USERS; i++) {
        t->users[i].up = policy.init_credit_bytes;
        t->users[i].granted = (int64_t)policy.init_credit_bytes;
    }
    uint64_t period_s = (uint64_t)PBTS_CLAIM_PERIOD_EPOCHS * PBTS_EPOCH_SECONDS;
    for (size_t n = 0; n < OPERATIONS; n++) {
        uint32_t what = pbts_prng_below(&prng, 200);
        size_t a = pbts_prng_below(&prng, USERS), b = pbts_prng_below(&prng, USERS - 1);
        if (b >= a) b++;
        if (what == 0) {
            world_restart(w);
        } else if (what == 1) {
            set_totals(w, t, a, pbts_prng_below(&prng, 40 * WORLD_PIECE),
                       pbts_prng_below(&prng, 40 * WORLD_PIECE));
        } else if (what == 2) { /* the next claim period: every piece counts once more */
            w->now.unix_s += period_s;
            memset(t->claimed, 0, sizeof t->claimed);
        } else {
            uint8_t bits[WORLD_SET_LEN] = { 0 };
            uint32_t pieces = 1 + pbts_prng_below(&prng, 6);
            for (uint32_t i = 0; i < pieces; i++) {
                pbts_piece_set_add(bits, pbts_prng_below(&prng, WORLD_PIECES));
            }
            size_t torrent = pbts_prng_below(&prng, TORRENTS);
            if (what == 3) {
                transfer(w, a, b, torrent, bits, true);
            } else {
                assert_int_equal(transfer(w, a, b, torrent, bits, false),
                                 twin_transfer(t, a, b, torrent, bits));
            }
        }
        if (n % 16 == 0) assert_same(w, t);
    }
    assert_same(w, t);
    free(t);
    world_free(w);
}

static void at_half_ratio_the_commit_and_the_naive_twin_agree(void **state) {
    (void)state;
    run_twins(1, 500, 0);
}

static void at_ratio_one_the_commit_and_the_naive_twin_agree(void **state) {
    (void)state;
    run_twins(2, 1000, 0);
}

static void above_ratio_one_the_commit_and_the_naive_twin_agree(void **state) {
    (void)state;
    run_twins(5, 1500, 0);
}

static void with_a_capped_deficit_the_commit_and_the_naive_twin_agree(void **state) {
    (void)state;
    run_twins(3, 333, 9 * WORLD_PIECE);
}

static void without_a_ratio_rule_nothing_is_ever_held(void **state) {
    (void)state;
    run_twins(4, 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_half_ratio_the_commit_and_the_naive_twin_agree),
        cmocka_unit_test(at_ratio_one_the_commit_and_the_naive_twin_agree),
        cmocka_unit_test(above_ratio_one_the_commit_and_the_naive_twin_agree),
        cmocka_unit_test(with_a_capped_deficit_the_commit_and_the_naive_twin_agree),
        cmocka_unit_test(without_a_ratio_rule_nothing_is_ever_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
