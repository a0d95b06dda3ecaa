/* Unit tests of kms/: key generation and refresh among nodes that crash, forget nothing and lose
 * messages, and with one that lies. */
#include "codec/bencode.h"
#include "liar.h"
#include "tracker/counting_mem.h"

/* ---- all honest ---- */

static void five_nodes_make_a_key_that_any_three_hold(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 1);
    world_begin(w, 2);
    assert_true(world_run(w, 1));
    world_check(w);
    assert_int_equal(w->refused, 0);
    const pbts_kms_public *public = &pbts_kms_node_key(w->node[0])->public;
    for (unsigned set = 1; set < 1U << WORLD_NODES; set++) {
        pbts_bls_g1_point hashed, shares[WORLD_NODES], sum;
        uint8_t xs[WORLD_NODES];
        size_t len = 0;
        pbts_bls_hash(&hashed, PBTS_BLS_KMS_KEY, pbts_span_text("m"));
        for (size_t i = 0; i < WORLD_NODES; i++) {
            if ((set >> i & 1) == 0) continue;
            pbts_bls_g1_times(&shares[len], &hashed, &pbts_kms_node_key(w->node[i])->share);
            xs[len++] = (uint8_t)(i + 1);
        }
        pbts_bls_g1_interpolate(&sum, shares, xs, len);
        bool good = pbts_bls_verify_sums(&public->group, &hashed, 1, &sum) == PBTS_OK;
        assert_int_equal(good, len >= WORLD_THRESHOLD);
    }
    world_free(w);
}

static void two_groups_have_two_keys(void **state) {
    (void)state;
    world *a = world_new(3, 2, 1), *b = world_new(3, 2, 2);
    world_begin(a, 0);
    world_begin(b, 0);
    assert_true(world_run(a, 1) && world_run(b, 1));
    assert_false(pbts_bls_public_equal(&pbts_kms_node_key(a->node[0])->public.group,
                                       &pbts_kms_node_key(b->node[0])->public.group));
    world_free(a);
    world_free(b);
}

static void a_node_alone_is_a_group_with_nothing_to_refresh(void **state) {
    (void)state;
    world *w = world_new(1, 1, 1);
    world_begin(w, 0);
    assert_true(world_run(w, 1));
    world_check(w);
    assert_int_equal(pbts_kms_node_begin(w->node[0], w->now_ms), PBTS_DENIED);
    world_free(w);
}

static void a_refresh_keeps_the_key_and_changes_every_share(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 3);
    pbts_kms_key before[WORLD_NODES];
    world_begin(w, 0);
    assert_true(world_run(w, 1));
    for (size_t i = 0; i < WORLD_NODES; i++) before[i] = *pbts_kms_node_key(w->node[i]);
    world_begin(w, 4);
    assert_true(world_run(w, 2));
    world_check(w);
    pbts_bls_public_point mixed[WORLD_THRESHOLD], found;
    const uint8_t xs[] = { 1, 2, 3 };
    for (size_t i = 0; i < WORLD_NODES; i++) {
        const pbts_kms_key *key = pbts_kms_node_key(w->node[i]);
        assert_true(pbts_bls_public_equal(&key->public.group, &before[i].public.group));
        assert_memory_not_equal(&key->share, &before[i].share, sizeof key->share);
        if (i < WORLD_THRESHOLD) mixed[i] = (i == 0 ? before : key)[0].public.shares[i];
    }
    assert_int_equal(pbts_bls_public_interpolate(&found, mixed, xs, WORLD_THRESHOLD), PBTS_OK);
    assert_false(pbts_bls_public_equal(&found, &before[0].public.group));
    world_free(w);
}

static void two_may_begin_at_once(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 4);
    world_begin(w, 0);
    world_begin(w, 3);
    assert_int_equal(pbts_kms_node_begin(w->node[0], w->now_ms), PBTS_BUSY);
    assert_true(world_run(w, 1));
    world_check(w);
    world_free(w);
}

/* ---- crashes and losses ---- */

static void nothing_begins_while_a_node_is_dead_and_then_it_does(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 5);
    world_kill(w, 4);
    world_begin(w, 0);
    assert_false(world_run(w, 1));
    assert_int_equal(pbts_kms_ceremony_outcome(pbts_kms_node_ceremony(w->node[0])),
                     PBTS_KMS_FAILED);
    world_start(w, 4);
    world_begin(w, 0);
    assert_int_equal(pbts_kms_ceremony_attempt(pbts_kms_node_ceremony(w->node[0])), 2);
    assert_true(world_run(w, 1));
    world_check(w);
    world_free(w);
}

static uint64_t attempt_of(const world *w, size_t i) {
    const pbts_kms_ceremony *ceremony = pbts_kms_node_ceremony(w->node[i]);
    return ceremony != NULL ? pbts_kms_ceremony_attempt(ceremony) : 0;
}

static void others_cannot_begin_one_after_the_other(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 16);
    w->pause_ms = 6000;
    for (size_t i = 0; i < WORLD_NODES; i++) {
        world_kill(w, i);
        if (i < 4) world_start(w, i);
    }
    world_begin(w, 0);
    while (w->now_ms < 5000) world_step(w);
    assert_int_equal(attempt_of(w, 1), 1);
    world_begin(w, 0);
    while (w->now_ms < 6000) world_step(w);
    assert_int_equal(attempt_of(w, 0), 2);
    assert_int_equal(attempt_of(w, 1), 1);
    while (w->now_ms < 8000) world_step(w);
    assert_int_equal(attempt_of(w, 1), 2);
    world_free(w);
}

/* Until the nodes have dealt; then one dies, and misses the end. */
static void who_misses_the_end_gets_its_share_later(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 6);
    world_begin(w, 0);
    for (;;) {
        const pbts_kms_ceremony *c = pbts_kms_node_ceremony(w->node[3]);
        if (c != NULL && pbts_kms_ceremony_said(c, PBTS_KMS_DEAL, 4).len > 0) break;
        world_step(w);
    }
    for (size_t i = 0; i < 3; i++) {
        if (w->node[i] != NULL && i != 3) world_gossip(w, i, 3);
    }
    world_kill(w, 3);
    assert_true(world_run(w, 1));
    world_begin(w, 0); /* the refresh cannot begin without node 4, */
    for (int i = 0; i < 20; i++) world_step(w);
    world_start(w, 3);
    assert_true(world_run(w, 2)); /* which first gets what it missed */
    world_check(w);
    world_free(w);
}

/* Kill and restart at random through three epochs with a third of all gossip lost. */
static void crashes_and_losses_delay_but_change_nothing(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, seed);
        pbts_bls_public_point group;
        w->loss_percent = 33;
        for (uint64_t epoch = 1; epoch <= 3; epoch++) {
            bool is_done = false;
            world_begin(w, 0);
            for (int step = 0; step < 200; step++) {
                size_t i = pbts_prng_below(&w->random.prng, WORLD_NODES);
                world_step(w);
                if (step % 8 != 0) continue;
                world_kill(w, i);
                world_start(w, i);
            }
            for (int round = 0; round < 20 && !is_done; round++) {
                is_done = world_run(w, epoch);
                if (!is_done) (void)!pbts_kms_node_begin(w->node[0], w->now_ms);
            }
            assert_true(is_done);
            world_check(w);
            const pbts_kms_public *public = &pbts_kms_node_key(w->node[0])->public;
            if (epoch > 1) assert_true(pbts_bls_public_equal(&group, &public->group));
            group = public->group;
        }
        world_free(w);
    }
}

static void a_node_that_cannot_write_says_nothing_more(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 7);
    uint8_t question[PBTS_KMS_QUESTION_LEN_MAX], answer[4096];
    world_begin(w, 0);
    world_step(w);
    while (pbts_kms_node_ceremony(w->node[1]) == NULL) world_step(w);
    w->disks[1].is_full = true;
    for (int i = 0; i < 100; i++) world_step(w);
    pbts_writer asked = pbts_writer_over(question, sizeof question);
    pbts_writer said = pbts_writer_over(answer, sizeof answer);
    pbts_kms_node_ask(w->node[0], &asked);
    assert_int_equal(pbts_kms_node_answer(w->node[1], &said, pbts_writer_span(&asked)), PBTS_IO);
    assert_int_equal(pbts_kms_node_tick(w->node[1], w->now_ms), PBTS_IO);
    w->disks[1].is_full = false;
    world_kill(w, 1);
    world_start(w, 1);
    if (!world_run(w, 1)) {
        world_begin(w, 0);
        assert_true(world_run(w, 1));
    }
    world_check(w);
    world_free(w);
}

/* Each allocation fails once, and then it goes on. */
static void without_memory_a_node_waits(void **state) {
    (void)state;
    size_t asked = SIZE_MAX;
    for (size_t at = 0; at < asked; at++) {
        world *w = world_new(1, 1, 17);
        counting_mem mem = counting_mem_failing_at(at);
        world_disk *disk = &w->disks[0];
        const pbts_kms_node_config config = { .group = &w->group,
                                              .number = 1,
                                              .identity = w->identities[0],
                                              .commit_ms = WORLD_COMMIT_MS,
                                              .phase_ms = WORLD_PHASE_MS,
                                              .random = &w->random.random,
                                              .journal = { disk, disk_begin, disk_append,
                                                           disk_end } };
        pbts_kms_node *node = NULL;
        pbts_status status = PBTS_NO_MEMORY;
        size_t failed = 0;
        for (; status != PBTS_OK; failed += status != PBTS_OK)
            status = pbts_kms_node_new(&node, &mem.mem, &config, NULL, (pbts_span){ 0 });
        for (status = PBTS_NO_MEMORY; status != PBTS_OK; failed += status != PBTS_OK)
            status = pbts_kms_node_begin(node, 0);
        for (int i = 0; i < 20 && pbts_kms_node_key(node) == NULL; i++)
            failed += pbts_kms_node_tick(node, 0) != PBTS_OK;
        assert_non_null(pbts_kms_node_key(node));
        assert_true(pbts_kms_node_key(node)->has_share);
        asked = mem.asked;
        assert_int_equal(failed, at < asked ? 1 : 0);
        pbts_kms_node_free(node);
        assert_int_equal(mem.live_blocks, 0);
        world_free(w);
    }
    assert_true(asked > 3);
}

/* ---- one that lies ---- */

/* A whole key generation with the liar; what node 1 to 4 call it. Their key, where there is one,
 * is without the liar's part when it is named. */
static pbts_kms_fault run_with_liar(lie how, bool *has_key, uint64_t seed) {
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, seed);
    liar l = liar_new(w, how);
    pbts_kms_fault fault = PBTS_KMS_HONEST;
    *has_key = false;
    for (int step = 0; step < 400; step++) {
        world_step(w);
        liar_listen(&l);
        liar_speak(&l);
    }
    *has_key = world_epoch(w, 0) == 1;
    if (*has_key) world_check(w);
    for (size_t i = 0; i < 4; i++) {
        pbts_kms_fault found = pbts_kms_node_fault(w->node[i], 5);
        assert_int_equal(world_epoch(w, i), *has_key);
        if (found != PBTS_KMS_HONEST) fault = found;
        for (size_t other = 1; other <= 4; other++) {
            assert_int_equal(pbts_kms_node_fault(w->node[i], other), PBTS_KMS_HONEST);
        }
    }
    pbts_kms_ceremony_free(l.ceremony);
    world_free(w);
    return fault;
}

static void seal_rubbish_for_two(const world *w, pbts_kms_message *message) {
    (void)w;
    if (message->kind == PBTS_KMS_DEAL) message->sealed[1][3] ^= 1;
}

static void deal_another_polynomial(const world *w, pbts_kms_message *message) {
    if (message->kind == PBTS_KMS_DEAL) message->coefficients[1] = w->group.keys[0];
}

static void deal_no_points(const world *w, pbts_kms_message *message) {
    (void)w;
    if (message->kind == PBTS_KMS_DEAL) memset(&message->ephemeral, 0, sizeof message->ephemeral);
}

static void show_two_reader_keys(const world *w, pbts_kms_message *message) {
    if (message->kind == PBTS_KMS_COMMIT) message->reader2 = w->group.keys[1];
}

/* A complaint about node 1 with a key that is not the one, or with the true one. */
static void complain_with_a_wrong_key(const world *w, pbts_kms_message *message) {
    (void)w;
    pbts_bls_g1_point point;
    if (message->kind != PBTS_KMS_ACK) return;
    pbts_bls_g1_generator(&point);
    message->verdicts[0] = PBTS_KMS_COMPLAINT;
    pbts_bls_signature_encode(&message->opened[0], &point);
}

static void complain_about_a_good_share(const world *w, pbts_kms_message *message) {
    pbts_kms_secrets secrets;
    pbts_kms_message deal;
    pbts_bls_g1_point point;
    if (message->kind != PBTS_KMS_ACK) return;
    pbts_span said = pbts_kms_ceremony_said(pbts_kms_node_ceremony(w->node[0]), PBTS_KMS_DEAL, 1);
    assert_int_equal(pbts_kms_message_decode(&deal, &w->group, said), PBTS_OK);
    assert_int_equal(
        pbts_kms_secrets_of(&secrets, (const uint8_t[PBTS_KMS_SEED_LEN]){ 5 }, &w->group, 1),
        PBTS_OK);
    assert_int_equal(pbts_bls_signature_decode(&point, &deal.ephemeral), PBTS_OK);
    pbts_bls_g1_times(&point, &point, &secrets.reader);
    message->verdicts[0] = PBTS_KMS_COMPLAINT;
    pbts_bls_signature_encode(&message->opened[0], &point);
    pbts_sha256(message->about[0], said);
}

static void vote_for_something_else(const world *w, pbts_kms_message *message) {
    (void)w;
    if (message->kind == PBTS_KMS_VOTE) message->digest[0] ^= 1;
}

#define LIE(how, fault, key)                                       \
    do {                                                           \
        bool has_key;                                              \
        assert_int_equal(run_with_liar(how, &has_key, 11), fault); \
        assert_int_equal(has_key, key);                            \
    } while (0)

static void a_liar_is_named_and_the_others_have_a_key(void **state) {
    (void)state;
    LIE(tell_the_truth, PBTS_KMS_HONEST, true);
    LIE(seal_rubbish_for_two, PBTS_KMS_BAD_SHARE, true);
    LIE(deal_another_polynomial, PBTS_KMS_BAD_DEALING, true);
    LIE(deal_no_points, PBTS_KMS_BAD_DEALING, true);
    LIE(complain_with_a_wrong_key, PBTS_KMS_FALSE_COMPLAINT, true);
    LIE(complain_about_a_good_share, PBTS_KMS_FALSE_COMPLAINT, true);
    LIE(vote_for_something_else, PBTS_KMS_HONEST, true);
    LIE(show_two_reader_keys, PBTS_KMS_BAD_READER, false);
}

static void who_says_two_things_is_named(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 12);
    liar l = liar_new(w, tell_the_truth);
    for (int kind = 0; kind < PBTS_KMS_KINDS; kind++) {
        uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
        pbts_kms_message message;
        while (pbts_kms_ceremony_said(l.ceremony, (pbts_kms_kind)kind, 5).len == 0) {
            world_step(w);
            liar_listen(&l);
            liar_speak(&l);
        }
        if (kind == PBTS_KMS_DEAL) {
            pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
            pbts_span said = pbts_kms_ceremony_said(l.ceremony, PBTS_KMS_DEAL, 5);
            assert_int_equal(pbts_kms_message_decode(&message, &w->group, said), PBTS_OK);
            message.sealed[0][0] ^= 1;
            liar_encode(&l, &writer, &message);
            liar_tell(&l, pbts_writer_span(&writer));
            break;
        }
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pbts_kms_node_fault(w->node[i], 5), PBTS_KMS_TWO_WORDS);
    }
    pbts_kms_ceremony_free(l.ceremony);
    world_free(w);
}

/* Well to three, and before that badly to node 4, which then complains. */
static void deal_badly_to_node_4(liar *l) {
    uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
    pbts_kms_message message;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_span said = pbts_kms_ceremony_said(l->ceremony, PBTS_KMS_DEAL, 5);
    assert_int_equal(pbts_kms_message_decode(&message, &l->w->group, said), PBTS_OK);
    message.sealed[3][0] ^= 1;
    liar_encode(l, &writer, &message);
    liar_tell_one(l, 3, pbts_writer_span(&writer));
    for (size_t i = 0; i < 3; i++) liar_tell_one(l, i, said);
}

static void who_complains_of_another_dealing_is_not_a_liar(void **state) {
    (void)state;
    for (uint64_t seed = 17; seed < 21; seed++) {
        world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, seed);
        liar l = liar_new(w, tell_the_truth);
        size_t named = 0;
        for (int step = 0; step < 400; step++) {
            uint8_t bytes[PBTS_KMS_MESSAGE_LEN_MAX];
            pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
            pbts_kms_message message;
            world_step(w);
            liar_listen(&l);
            if (pbts_kms_ceremony_next(l.ceremony, &writer, w->now_ms) != PBTS_OK) continue;
            pbts_span said = pbts_writer_span(&writer);
            assert_int_equal(pbts_kms_message_decode(&message, &w->group, said), PBTS_OK);
            assert_int_equal(pbts_kms_ceremony_receive(l.ceremony, &message, said, w->now_ms),
                             PBTS_OK);
            if (message.kind == PBTS_KMS_DEAL)
                deal_badly_to_node_4(&l);
            else
                liar_tell(&l, said);
        }
        for (size_t i = 0; i < 4; i++) {
            named += pbts_kms_node_fault(w->node[i], 5) != PBTS_KMS_HONEST;
            for (size_t other = 1; other <= 4; other++) {
                assert_int_equal(pbts_kms_node_fault(w->node[i], other), PBTS_KMS_HONEST);
            }
        }
        assert_true(named > 0);
        pbts_kms_ceremony_free(l.ceremony);
        world_free(w);
    }
}

/* Node 5 takes node 1's R and seals rubbish to all, so that all complain, aloud. */
static void take_the_key_of_node_1(const world *w, pbts_kms_message *message) {
    pbts_kms_message theirs;
    if (message->kind != PBTS_KMS_DEAL) return;
    pbts_span said = pbts_kms_ceremony_said(pbts_kms_node_ceremony(w->node[0]), PBTS_KMS_DEAL, 1);
    assert_int_equal(pbts_kms_message_decode(&theirs, &w->group, said), PBTS_OK);
    message->ephemeral = theirs.ephemeral;
    for (size_t i = 0; i < WORLD_NODES; i++) message->sealed[i][0] ^= 1;
}

/* How many of node 1's shares are opened by what others say aloud in complaints. */
static size_t shares_laid_open(const world *w) {
    pbts_kms_message messages[WORLD_SAID_MAX];
    pbts_kms_dealing dealing;
    pbts_bvalue list, item;
    size_t len = 0, count = 0;
    pbts_span said = { w->disks[0].said, w->disks[0].said_len };
    assert_int_equal(pbts_bencode_parse(&list, said), PBTS_OK);
    for (pbts_biter items = pbts_bvalue_items(&list); pbts_biter_next(&items, &item); len++) {
        assert_int_equal(pbts_kms_message_decode(&messages[len], &w->group, item.string), PBTS_OK);
        if (messages[len].kind == PBTS_KMS_DEAL && messages[len].sender == 1)
            assert_int_equal(pbts_kms_dealing_read(&dealing, &messages[len]), PBTS_OK);
    }
    for (size_t i = 0; i < len; i++) {
        const pbts_kms_message *ack = &messages[i];
        pbts_bls_g1_point opened;
        pbts_bls_secret share;
        if (ack->kind != PBTS_KMS_ACK || ack->verdicts[4] != PBTS_KMS_COMPLAINT) continue;
        assert_int_equal(pbts_bls_signature_decode(&opened, &ack->opened[4]), PBTS_OK);
        count += pbts_kms_dealing_open(&share, &dealing, ack->sender, &opened, ack->transcript) ==
                 PBTS_OK;
    }
    return count;
}

static void nobody_has_others_open_a_third_ones_shares(void **state) {
    (void)state;
    world *w = world_new(WORLD_NODES, WORLD_THRESHOLD, 16);
    liar l = liar_new(w, take_the_key_of_node_1);
    for (int step = 0; step < 400; step++) {
        world_step(w);
        liar_listen(&l);
        const pbts_kms_ceremony *c = pbts_kms_node_ceremony(w->node[0]);
        bool is_early = pbts_kms_ceremony_said(l.ceremony, PBTS_KMS_COMMIT, 5).len > 0 &&
                        (c == NULL || pbts_kms_ceremony_said(c, PBTS_KMS_DEAL, 1).len == 0);
        if (!is_early) liar_speak(&l);
    }
    assert_int_equal(world_epoch(w, 0), 1);
    world_check(w);
    assert_int_equal(shares_laid_open(w), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pbts_kms_node_fault(w->node[i], 5), PBTS_KMS_BAD_DEALING);
    }
    pbts_kms_ceremony_free(l.ceremony);
    world_free(w);
}

/* ---- messages ---- */

static void every_message_is_strict(void **state) {
    (void)state;
    world *w = world_new(3, 2, 13);
    world_begin(w, 0);
    uint8_t kinds_seen = 0;
    while (world_epoch(w, 0) == 0) {
        world_step(w);
        const pbts_kms_ceremony *c = pbts_kms_node_ceremony(w->node[0]);
        for (int kind = 0; c != NULL && kind < PBTS_KMS_KINDS; kind++) {
            pbts_span said = pbts_kms_ceremony_said(c, (pbts_kms_kind)kind, 1);
            if (said.len == 0 || (kinds_seen >> kind & 1) != 0) continue;
            kinds_seen |= (uint8_t)(1U << kind);
            pbts_kms_message message;
            for (size_t cut = 0; cut < said.len; cut += 7) {
                uint8_t *copy = malloc(cut + 1);
                memcpy(copy, said.data, cut);
                assert_int_not_equal(
                    pbts_kms_message_decode(&message, &w->group, (pbts_span){ copy, cut }),
                    PBTS_OK);
                free(copy);
            }
            uint8_t *copy = malloc(said.len);
            memcpy(copy, said.data, said.len);
            for (size_t at = 0; at < said.len; at += 3) {
                copy[at] ^= 1;
                assert_int_not_equal(
                    pbts_kms_message_decode(&message, &w->group, (pbts_span){ copy, said.len }),
                    PBTS_OK);
                copy[at] ^= 1;
            }
            free(copy);
        }
    }
    assert_true(kinds_seen >= 7); /* the vote may end it at once */
    world_free(w);
}

static void groups_have_limits(void **state) {
    (void)state;
    pbts_bls_public keys[PBTS_KMS_NODES_MAX + 1];
    world *w = world_new(1, 1, 14);
    pbts_kms_group group;
    for (size_t i = 0; i <= PBTS_KMS_NODES_MAX; i++) {
        pbts_bls_secret secret;
        assert_int_equal(pbts_bls_generate(&secret, &w->random.random), PBTS_OK);
        pbts_bls_public_of(&keys[i], &secret);
    }
    assert_int_equal(pbts_kms_group_init(&group, 8, keys, PBTS_KMS_NODES_MAX), PBTS_OK);
    assert_int_equal(pbts_kms_group_init(&group, 8, keys, PBTS_KMS_NODES_MAX + 1), PBTS_LIMIT);
    assert_int_equal(pbts_kms_group_init(&group, 0, keys, 3), PBTS_LIMIT);
    assert_int_equal(pbts_kms_group_init(&group, 3, keys, 5), PBTS_OK);
    assert_int_equal(pbts_kms_group_quorum(&group), 4);
    assert_int_equal(pbts_kms_group_number(&group, &keys[4]), 5);
    assert_int_equal(pbts_kms_group_number(&group, &keys[5]), 0);
    assert_int_equal(pbts_kms_group_init(&group, 3, keys, 4), PBTS_LIMIT);
    keys[3] = keys[1];
    assert_int_equal(pbts_kms_group_init(&group, 3, keys, 5), PBTS_EXISTS);
    memset(&keys[3], 0, sizeof keys[3]);
    assert_int_equal(pbts_kms_group_init(&group, 3, keys, 5), PBTS_MALFORMED);
    world_free(w);
}

static void a_kept_key_is_checked_whole(void **state) {
    (void)state;
    world *w = world_new(3, 2, 15);
    world_begin(w, 0);
    assert_true(world_run(w, 1));
    pbts_kms_key key;
    pbts_span bytes = { w->disks[0].key, w->disks[0].key_len };
    assert_int_equal(pbts_kms_key_decode(&key, &w->group, 1, bytes), PBTS_OK);
    assert_int_equal(pbts_kms_key_decode(&key, &w->group, 2, bytes), PBTS_CORRUPT);
    for (size_t at = 0; at < bytes.len; at += 5) {
        w->disks[0].key[at] ^= 1;
        pbts_status status = pbts_kms_key_decode(&key, &w->group, 1, bytes);
        bool is_epoch = at >= 3 && bytes.data[at - 1] == 'i';
        if (!is_epoch) assert_int_equal(status, PBTS_CORRUPT);
        w->disks[0].key[at] ^= 1;
    }
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_nodes_make_a_key_that_any_three_hold),
        cmocka_unit_test(two_groups_have_two_keys),
        cmocka_unit_test(a_node_alone_is_a_group_with_nothing_to_refresh),
        cmocka_unit_test(a_refresh_keeps_the_key_and_changes_every_share),
        cmocka_unit_test(two_may_begin_at_once),
        cmocka_unit_test(nothing_begins_while_a_node_is_dead_and_then_it_does),
        cmocka_unit_test(others_cannot_begin_one_after_the_other),
        cmocka_unit_test(who_misses_the_end_gets_its_share_later),
        cmocka_unit_test(crashes_and_losses_delay_but_change_nothing),
        cmocka_unit_test(a_node_that_cannot_write_says_nothing_more),
        cmocka_unit_test(without_memory_a_node_waits),
        cmocka_unit_test(a_liar_is_named_and_the_others_have_a_key),
        cmocka_unit_test(who_says_two_things_is_named),
        cmocka_unit_test(who_complains_of_another_dealing_is_not_a_liar),
        cmocka_unit_test(nobody_has_others_open_a_third_ones_shares),
        cmocka_unit_test(every_message_is_strict),
        cmocka_unit_test(groups_have_limits),
        cmocka_unit_test(a_kept_key_is_checked_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
