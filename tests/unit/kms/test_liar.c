/* Unit tests of kms/: a node that is late, or says two things, so that an honest one loses its
 * share. With t - 1 such losses nobody could ever have the key again. */
#include "liar.h"

enum { VICTIM = 3 }; /* node 4 */

/* The liar's next word as an honest node would say it; empty: it has none. */
static pbts_span liar_next(liar *l, pbts_kms_message *message,
                           uint8_t buffer[static PBTS_KMS_MESSAGE_LEN_MAX]) {
    pbts_writer writer = pbts_writer_over(buffer, PBTS_KMS_MESSAGE_LEN_MAX);
    if (pbts_kms_ceremony_next(l->ceremony, &writer, l->w->now_ms) != PBTS_OK)
        return (pbts_span){ 0 };
    pbts_span bytes = pbts_writer_span(&writer);
    assert_int_equal(pbts_kms_message_decode(message, &l->w->group, bytes), PBTS_OK);
    assert_int_equal(pbts_kms_ceremony_receive(l->ceremony, message, bytes, l->w->now_ms), PBTS_OK);
    return bytes;
}

/* How many of the four have said it, as far as node `i` + 1 knows. */
static size_t said_to(const world *w, size_t i, pbts_kms_kind kind) {
    const pbts_kms_ceremony *c = pbts_kms_node_ceremony(w->node[i]);
    size_t count = 0;
    for (size_t number = 1; c != NULL && number <= 4; number++)
        count += pbts_kms_ceremony_said(c, kind, number).len > 0;
    return count;
}

static void spoil_the_share(const world *w, pbts_kms_message *deal) {
    (void)w;
    deal->sealed[VICTIM][0] ^= 1;
}

static void spoil_the_polynomial(const world *w, pbts_kms_message *deal) {
    deal->coefficients[1] = w->group.keys[0];
}

/* ---- late ---- */

/* Everybody has acknowledged, so nobody can complain of node 4's share any more. */
static void who_deals_after_all_have_spoken_takes_nobodys_share(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 31);
    liar l = liar_new(w, spoil_the_share);
    uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX], late[PBTS_KMS_MESSAGE_LEN_MAX];
    pbts_writer deal = pbts_writer_over(late, sizeof late);
    bool is_told = false;
    for (int step = 0; step < 400; step++) {
        pbts_kms_message message;
        world_step(w);
        liar_listen(&l);
        if (deal.len > 0 && !is_told && said_to(w, 0, PBTS_KMS_ACK) == 4) {
            liar_tell(&l, pbts_writer_span(&deal));
            is_told = true;
        }
        if (deal.len > 0 && !is_told) continue;
        pbts_span said = liar_next(&l, &message, bytes);
        if (said.len == 0) continue;
        if (message.kind != PBTS_KMS_DEAL) {
            liar_tell(&l, said);
            continue;
        }
        l.how(w, &message);
        liar_encode(&l, &deal, &message);
    }
    assert_true(is_told);
    for (size_t i = 0; i < 4; i++) assert_int_equal(world_epoch(w, i), 1);
    world_check(w);
    pbts_kms_ceremony_free(l.ceremony);
    world_free(w);
}

/* ---- in a refresh, to one that dies ---- */

static liar refresh_with_liar(world *w, lie how, const pbts_kms_key *base) {
    pbts_kms_ceremony_config config = { .group = &w->group,
                                        .number = 5,
                                        .identity = w->identities[4],
                                        .seed = { 5 },
                                        .epoch = 2,
                                        .attempt = 1,
                                        .base = base,
                                        .commit_ms = WORLD_COMMIT_MS,
                                        .phase_ms = WORLD_PHASE_MS };
    liar l = { .w = w, .how = how };
    assert_int_equal(pbts_kms_ceremony_new(&l.ceremony, pbts_mem_system(), &config, w->now_ms),
                     PBTS_OK);
    world_begin(w, 0);
    return l;
}

/* Node 4 dies before it could complain, and has only its old share when it comes back. */
static void who_deals_badly_to_the_dead_takes_no_share_in_a_refresh(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 39);
    world_begin(w, 0);
    assert_true(world_run(w, 1));
    pbts_kms_key base = *pbts_kms_node_key(w->node[4]);
    world_kill(w, 4);
    liar l = refresh_with_liar(w, spoil_the_share, &base);
    for (int step = 0; step < 400; step++) {
        uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX], other[PBTS_KMS_MESSAGE_LEN_MAX];
        pbts_writer lied = pbts_writer_over(other, sizeof other);
        pbts_kms_message message;
        const pbts_kms_ceremony *c = pbts_kms_node_ceremony(w->node[0]);
        if (c != NULL && pbts_kms_ceremony_said(c, PBTS_KMS_DEAL, VICTIM + 1).len > 0)
            world_kill(w, VICTIM);
        world_step(w);
        liar_listen(&l);
        bool holds_deal = pbts_kms_ceremony_said(l.ceremony, PBTS_KMS_COMMIT, 5).len > 0 &&
                          w->node[VICTIM] != NULL;
        pbts_span said = holds_deal ? (pbts_span){ 0 } : liar_next(&l, &message, bytes);
        if (said.len == 0) continue;
        if (message.kind == PBTS_KMS_DEAL) l.how(w, &message);
        liar_encode(&l, &lied, &message);
        liar_tell(&l, pbts_writer_span(&lied));
    }
    assert_null(w->node[VICTIM]);
    world_start(w, VICTIM);
    for (int step = 0; step < 100; step++) world_step(w);
    for (size_t i = 0; i < 4; i++) assert_int_equal(world_epoch(w, i), world_epoch(w, 0));
    world_check(w);
    world_start(w, 4);
    world_begin(w, 0);
    assert_true(world_run(w, 2));
    world_check(w);
    pbts_kms_ceremony_free(l.ceremony);
    world_free(w);
}

/* ---- two dealings ---- */

/* A step in which nobody asks node 4 while it is held apart; what it says is heard from the liar,
 * all but the liar's own dealing. */
static void step_apart(liar *l, bool is_apart) {
    world *w = l->w;
    w->now_ms += WORLD_STEP_MS;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pbts_kms_node_tick(w->node[i], w->now_ms), PBTS_OK);
        for (size_t j = 0; j < 4; j++) {
            if (i != j && !(is_apart && j == VICTIM)) world_gossip(w, i, j);
        }
    }
    const pbts_kms_ceremony *c = pbts_kms_node_ceremony(w->node[VICTIM]);
    for (int kind = 0; kind < PBTS_KMS_KINDS && is_apart; kind++) {
        pbts_kms_message message;
        uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
        c = pbts_kms_node_ceremony(w->node[VICTIM]);
        pbts_span said = c != NULL ? pbts_kms_ceremony_said(c, (pbts_kms_kind)kind, VICTIM + 1)
                                   : (pbts_span){ 0 };
        if (said.len == 0) continue;
        memcpy(bytes, said.data, said.len);
        said.data = bytes;
        assert_int_equal(pbts_kms_message_decode(&message, &w->group, said), PBTS_OK);
        (void)!pbts_kms_ceremony_receive(l->ceremony, &message, said, w->now_ms);
        for (size_t i = 0; i < VICTIM; i++) liar_tell_one(l, i, said);
    }
}

/* One dealing to node 4, before it the true one to all others. */
static void deal_two_ways(liar *l, pbts_kms_message *message, pbts_span said) {
    uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    l->how(l->w, message);
    liar_encode(l, &writer, message);
    liar_tell_one(l, VICTIM, pbts_writer_span(&writer));
    for (size_t i = 0; i < VICTIM; i++) liar_tell_one(l, i, said);
}

/* Node 4's words reach the others before the dealing that they are about, or, in a refresh, without
 * it. */
static void run_with_two_dealings(lie spoil, bool in_refresh) {
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 32);
    pbts_kms_key base;
    int since_deal = 0, apart_steps = in_refresh ? 100 : 20; /* two phases and more; half of one */
    if (in_refresh) {
        world_begin(w, 0);
        assert_true(world_run(w, 1));
        base = *pbts_kms_node_key(w->node[4]);
        world_kill(w, 4);
    }
    liar l = in_refresh ? refresh_with_liar(w, spoil, &base) : liar_new(w, spoil);
    for (int step = 0; step < 400; step++) {
        uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
        pbts_kms_message message;
        since_deal += since_deal > 0;
        step_apart(&l, since_deal < apart_steps);
        liar_listen(&l);
        pbts_span said = liar_next(&l, &message, bytes);
        if (said.len == 0) continue;
        if (message.kind == PBTS_KMS_DEAL) {
            since_deal = 1;
            deal_two_ways(&l, &message, said);
        } else {
            liar_tell(&l, said);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(world_epoch(w, i), 1);
        for (size_t other = 1; other <= 4; other++)
            assert_int_equal(pbts_kms_node_fault(w->node[i], other), PBTS_KMS_HONEST);
    }
    world_check(w);
    pbts_kms_ceremony_free(l.ceremony);
    world_free(w);
}

static void who_deals_badly_to_one_and_well_to_others_takes_nobodys_share(void **state) {
    (void)state;
    run_with_two_dealings(spoil_the_share, false);
}

static void nor_does_it_in_a_refresh_with_a_complaint_that_nobody_can_judge(void **state) {
    (void)state;
    run_with_two_dealings(spoil_the_share, true);
}

static void who_deals_rubbish_to_one_leaves_nobody_behind(void **state) {
    (void)state;
    run_with_two_dealings(spoil_the_polynomial, false);
}

/* ---- two commitments ---- */

/* The liar's COMMIT, and another one. */
static pbts_span commit_twice(liar *l, pbts_writer *other,
                              uint8_t buffer[static PBTS_KMS_MESSAGE_LEN_MAX]) {
    pbts_kms_message message;
    pbts_span commit = liar_next(l, &message, buffer);
    assert_int_equal(message.kind, PBTS_KMS_COMMIT);
    message.hash[0] ^= 1;
    liar_encode(l, other, &message);
    return commit;
}

static void wait_for_commits(world *w) {
    for (bool is_known = false; !is_known;) {
        world_step(w);
        is_known = true;
        for (size_t i = 0; i < 4; i++) is_known &= said_to(w, i, PBTS_KMS_COMMIT) == 4;
    }
}

/* Node 4 would go on with a transcript of its own, for ever. */
static void who_commits_in_two_ways_leaves_nobody_behind(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 33);
    liar l = liar_new(w, tell_the_truth);
    uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX], other[PBTS_KMS_MESSAGE_LEN_MAX];
    pbts_writer writer = pbts_writer_over(other, sizeof other);
    pbts_span commit = commit_twice(&l, &writer, bytes);
    wait_for_commits(w);
    liar_tell_one(&l, VICTIM, pbts_writer_span(&writer));
    for (size_t i = 0; i < VICTIM; i++) liar_tell_one(&l, i, commit);
    for (int step = 0; step < 400; step++) {
        pbts_kms_message message;
        world_step(w);
        liar_listen(&l);
        pbts_span said = liar_next(&l, &message, bytes);
        if (said.len > 0) liar_tell(&l, said);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(world_epoch(w, i), 0);
        assert_int_equal(pbts_kms_ceremony_outcome(pbts_kms_node_ceremony(w->node[i])),
                         PBTS_KMS_FAILED);
        assert_int_equal(pbts_kms_node_fault(w->node[i], 5), PBTS_KMS_TWO_WORDS);
    }
    world_start(w, 4);
    world_begin(w, 0);
    assert_true(world_run(w, 1));
    world_check(w);
    pbts_kms_ceremony_free(l.ceremony);
    world_free(w);
}

/* Only node 4 knows that the liar committed twice. It must not fall silent over that: it is dealt a
 * bad share. The liar votes well to node 1 and gives up to the others. */
static void who_knows_of_two_commitments_still_complains(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 34);
    liar l = liar_new(w, spoil_the_share);
    uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX], other[PBTS_KMS_MESSAGE_LEN_MAX];
    pbts_writer writer = pbts_writer_over(other, sizeof other);
    pbts_span commit = commit_twice(&l, &writer, bytes);
    while (said_to(w, VICTIM, PBTS_KMS_COMMIT) == 0) world_step(w);
    liar_tell_one(&l, VICTIM, commit);
    liar_tell_one(&l, VICTIM, pbts_writer_span(&writer));
    wait_for_commits(w);
    liar_tell(&l, commit);
    for (int step = 0; step < 400; step++) {
        pbts_kms_message message;
        world_step(w);
        liar_listen(&l);
        pbts_span said = liar_next(&l, &message, bytes);
        if (said.len == 0) continue;
        pbts_writer lied = pbts_writer_over(other, sizeof other);
        if (message.kind == PBTS_KMS_DEAL) l.how(w, &message);
        liar_encode(&l, &lied, &message);
        liar_tell(&l, pbts_writer_span(&lied));
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pbts_kms_node_fault(w->node[i], 5),
                         i == VICTIM ? PBTS_KMS_TWO_WORDS : PBTS_KMS_BAD_SHARE);
        assert_int_equal(world_epoch(w, i), 1);
    }
    world_check(w);
    pbts_kms_ceremony_free(l.ceremony);
    world_free(w);
}

/* ---- two votes ---- */

/* Vote with node 1, and give up to nodes 2 and 3. */
static void vote_both_ways(const liar *l, pbts_kms_message *vote) {
    uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
    liar copy = *l;
    for (size_t i = 0; i < VICTIM; i++) {
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        if (i == 1) vote->qualified = 0;
        if (i == 1) memset(vote->digest, 0, sizeof vote->digest);
        liar_encode(l, &writer, vote);
        liar_tell_one(&copy, i, pbts_writer_span(&writer));
    }
}

/* Node 4 dies before it votes, or gives up: what node 1 heard then is a quorum, and what nodes 2
 * and 3 heard is not. Node 1 has no old share any more. */
static bool run_with_two_votes(bool dies, uint64_t seed) {
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, seed);
    liar l = liar_new(w, tell_the_truth);
    uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX], other[PBTS_KMS_MESSAGE_LEN_MAX];
    pbts_writer writer = pbts_writer_over(other, sizeof other);
    pbts_span commit = commit_twice(&l, &writer, bytes);
    bool has_voted = false;
    liar_tell(&l, commit);
    if (!dies) liar_tell_one(&l, VICTIM, pbts_writer_span(&writer));
    for (int step = 0; step < 400; step++) {
        pbts_kms_message message;
        if (w->node[VICTIM] != NULL && dies && said_to(w, VICTIM, PBTS_KMS_ACK) > 0)
            world_kill(w, VICTIM);
        world_step(w);
        if (world_epoch(w, 0) == 0) liar_listen(&l);
        pbts_span said = liar_next(&l, &message, bytes);
        if (said.len > 0 && message.kind != PBTS_KMS_VOTE) liar_tell(&l, said);
        if (said.len > 0 && message.kind == PBTS_KMS_VOTE) {
            vote_both_ways(&l, &message);
            has_voted = true;
        }
    }
    assert_true(has_voted);
    if (dies) {
        world_start(w, VICTIM);
        world_gossip(w, VICTIM, 0);
        for (int step = 0; step < 100; step++) world_step(w);
    }
    bool has_key = world_epoch(w, 0) == 1;
    for (size_t i = 0; i < 4; i++) assert_int_equal(world_epoch(w, i), has_key);
    if (has_key) world_check(w);
    pbts_kms_ceremony_free(l.ceremony);
    world_free(w);
    return has_key;
}

static void who_votes_both_ways_leaves_nobody_behind(void **state) {
    (void)state;
    size_t with_death = 0, without = 0;
    for (uint64_t seed = 35; seed < 39; seed++) {
        with_death += run_with_two_votes(true, seed);
        without += run_with_two_votes(false, seed);
    }
    assert_true(with_death > 0 && without > 0); /* or the votes came too early to do harm */
}

/* ---- attempts ---- */

/* What the liar begins an attempt with. */
static pbts_span commit_of(const world *w, uint64_t attempt,
                           uint8_t buffer[static PBTS_KMS_MESSAGE_LEN_MAX]) {
    pbts_kms_ceremony_config config = { .group = &w->group,
                                        .number = 5,
                                        .identity = w->identities[4],
                                        .seed = { 5 },
                                        .epoch = 1,
                                        .attempt = attempt,
                                        .commit_ms = WORLD_COMMIT_MS,
                                        .phase_ms = WORLD_PHASE_MS };
    pbts_kms_ceremony *ceremony;
    pbts_writer writer = pbts_writer_over(buffer, PBTS_KMS_MESSAGE_LEN_MAX);
    assert_int_equal(pbts_kms_ceremony_new(&ceremony, pbts_mem_system(), &config, w->now_ms),
                     PBTS_OK);
    assert_int_equal(pbts_kms_ceremony_next(ceremony, &writer, w->now_ms), PBTS_OK);
    pbts_kms_ceremony_free(ceremony);
    return pbts_writer_span(&writer);
}

static uint64_t attempt_of(const world *w, size_t i) {
    const pbts_kms_ceremony *ceremony = pbts_kms_node_ceremony(w->node[i]);
    return ceremony != NULL ? pbts_kms_ceremony_attempt(ceremony) : 0;
}

static void steps(world *w, uint64_t ms) {
    for (uint64_t end = w->now_ms + ms; w->now_ms < end;) world_step(w);
}

/* As far ahead as a node follows anybody, and again, while node 4 is off. Then the liar's machine
 * has its honest program again; it and node 4 know of none of these attempts. */
static void attempts_that_a_liar_used_up_lock_nobody_out(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 41);
    liar l = { .w = w };
    uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
    world_kill(w, 4);
    world_kill(w, VICTIM);
    for (uint64_t attempt = 1; attempt < 4 * PBTS_KMS_ATTEMPT_STEP_MAX;
         attempt += PBTS_KMS_ATTEMPT_STEP_MAX) {
        liar_tell(&l, commit_of(w, attempt, bytes));
        steps(w, 2 * WORLD_COMMIT_MS);
        assert_true(attempt_of(w, 0) == attempt && attempt_of(w, 2) == attempt);
    }
    world_start(w, 4);
    world_start(w, VICTIM);
    steps(w, 2 * WORLD_COMMIT_MS);
    world_begin(w, 0);
    assert_true(world_run(w, 1));
    world_check(w);
    world_free(w);
}

/* Node 4 alone was in an attempt of its own, which can neither succeed nor fail. */
static void who_boasts_of_an_attempt_far_ahead_hides_none_from_others(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 42);
    liar l = { .w = w };
    uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
    pbts_span boast = commit_of(w, PBTS_KMS_ATTEMPT_STEP_MAX, bytes);
    world_kill(w, 4);
    for (size_t i = 0; i < VICTIM; i++) world_kill(w, i);
    world_begin(w, VICTIM);
    steps(w, 2 * WORLD_COMMIT_MS);
    for (size_t i = 0; i < VICTIM; i++) world_start(w, i);
    world_kill(w, VICTIM);
    world_begin(w, 0);
    steps(w, 2 * WORLD_COMMIT_MS); /* without node 4 it fails */
    world_begin(w, 0);
    world_start(w, VICTIM);
    for (uint64_t end = w->now_ms + WORLD_COMMIT_MS / 2; w->now_ms < end;) {
        liar_tell_one(&l, VICTIM, boast);
        world_step(w);
    }
    assert_true(attempt_of(w, 0) == 2 && attempt_of(w, VICTIM) == 2);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_deals_after_all_have_spoken_takes_nobodys_share),
        cmocka_unit_test(who_deals_badly_to_the_dead_takes_no_share_in_a_refresh),
        cmocka_unit_test(who_deals_badly_to_one_and_well_to_others_takes_nobodys_share),
        cmocka_unit_test(nor_does_it_in_a_refresh_with_a_complaint_that_nobody_can_judge),
        cmocka_unit_test(who_deals_rubbish_to_one_leaves_nobody_behind),
        cmocka_unit_test(who_commits_in_two_ways_leaves_nobody_behind),
        cmocka_unit_test(who_knows_of_two_commitments_still_complains),
        cmocka_unit_test(who_votes_both_ways_leaves_nobody_behind),
        cmocka_unit_test(attempts_that_a_liar_used_up_lock_nobody_out),
        cmocka_unit_test(who_boasts_of_an_attempt_far_ahead_hides_none_from_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
