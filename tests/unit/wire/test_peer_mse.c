/* Unit tests of wire/peer_mse.c.
 *
 * Method: two objects talk to each other over streams cut anywhere; and each talks to a naive twin,
 * which lays its bytes out by hand from the specification with whatever padding, methods and damage
 * a case wants. */
#include "wire/peer_mse.h"

#include "hash/dh.h"
#include "hash/sha.h"
#include "wire_test.h"

enum { VC_LEN = 8, BUFFER_LEN = 16384 };

static const uint8_t INFOHASH[20] = "the torrent's name.";
static const char HANDSHAKE[] = "\x13"
                                "BitTorrent protocol, and 48 bytes more, as they are sent in IA...";

/* -- seams --------------------------------------------------------------------------------- */

typedef struct {
    pbts_random random;
    pbts_prng prng;
    size_t calls, fail_at; /* the fail_at-th call fails; 0: none */
    int pad_len;           /* what a draw of 4 bytes says, or -1: random */
} test_random;

static pbts_status test_fill(pbts_random *random, uint8_t *out, size_t len) {
    test_random *r = (test_random *)random;
    if (++r->calls == r->fail_at) return PBTS_IO;
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)pbts_prng_next(&r->prng);
    if (len == 4 && r->pad_len >= 0) {
        memset(out, 0, 4);
        out[2] = (uint8_t)(r->pad_len >> 8), out[3] = (uint8_t)r->pad_len;
    }
    return PBTS_OK;
}

static test_random random_of(uint64_t seed) {
    return (test_random){ .random = { test_fill }, .prng = pbts_prng_seeded(seed), .pad_len = -1 };
}

static pbts_mse_config config_of(test_random *random) {
    return (pbts_mse_config){ .mem = pbts_mem_system(),
                              .random = &random->random,
                              .methods = PBTS_MSE_PLAINTEXT | PBTS_MSE_RC4,
                              .preferred = PBTS_MSE_RC4,
                              .takes_legacy = true };
}

/* Bytes on their way, and what a test puts behind them. */
typedef struct {
    uint8_t bytes[BUFFER_LEN];
    size_t len;
} stream;

static void append(stream *s, const void *bytes, size_t len) {
    assert_true(len <= BUFFER_LEN - s->len);
    memcpy(s->bytes + s->len, bytes, len);
    s->len += len;
}

static void append_output(stream *s, pbts_mse *mse) {
    pbts_span out;
    while (pbts_mse_next_send(mse, &out)) append(s, out.data, out.len);
}

static size_t receive(pbts_mse *mse, const uint8_t *bytes, size_t len) {
    size_t used_len = 0;
    uint8_t *copy = exact_copy((pbts_span){ bytes, len });
    assert_int_equal(pbts_mse_receive(mse, &used_len, (pbts_span){ copy, len }), PBTS_OK);
    free(copy);
    return used_len;
}

static pbts_status failure(pbts_mse *mse, const uint8_t *bytes, size_t len) {
    size_t used_len = 4711;
    pbts_status status = pbts_mse_receive(mse, &used_len, (pbts_span){ bytes, len });
    if (status == PBTS_OK) return PBTS_OK;
    pbts_span out;
    assert_int_equal(used_len, 4711);
    assert_int_equal(pbts_mse_state_of(mse), PBTS_MSE_FAILED);
    assert_false(pbts_mse_next_send(mse, &out));
    assert_int_equal(pbts_mse_receive(mse, &used_len, (pbts_span){ NULL, 0 }), status);
    return status;
}

/* -- two of us ----------------------------------------------------------------------------- */

typedef struct {
    test_random random_a, random_b;
    pbts_mse_config config_a, config_b;
    pbts_mse_torrent torrents[3]; /* the middle one is meant */
    pbts_mse *a, *b;              /* initiator, responder */
} pair;

static void pair_init(pair *p, uint64_t seed) {
    static const uint8_t OTHERS[2][20] = { "another torrent", "a third" };
    p->random_a = random_of(seed);
    p->random_b = random_of(seed + 1000000);
    p->config_a = config_of(&p->random_a);
    p->config_b = config_of(&p->random_b);
    p->torrents[0] = pbts_mse_torrent_of(OTHERS[0]);
    p->torrents[1] = pbts_mse_torrent_of(INFOHASH);
    p->torrents[2] = pbts_mse_torrent_of(OTHERS[1]);
}

static void pair_start(pair *p) {
    assert_int_equal(
        pbts_mse_new_initiator(&p->a, &p->config_a, &p->torrents[1], pbts_span_text(HANDSHAKE)),
        PBTS_OK);
    assert_int_equal(pbts_mse_new_responder(&p->b, &p->config_b, p->torrents, 3), PBTS_OK);
}

static void pair_deinit(pair *p) {
    pbts_mse_free(p->a);
    pbts_mse_free(p->b);
}

static void crypt(const pbts_mse_result *result, pbts_rc4 *cipher, uint8_t *bytes, size_t len) {
    if (result->method == PBTS_MSE_RC4) pbts_rc4_crypt(cipher, bytes, bytes, len);
}

/* Both are done: they agree, and what one encrypts the other reads. */
static void assert_they_understand_each_other(pair *p, unsigned method) {
    pbts_mse_result a, b;
    assert_int_equal(pbts_mse_state_of(p->a), PBTS_MSE_DONE);
    assert_int_equal(pbts_mse_state_of(p->b), PBTS_MSE_DONE);
    pbts_mse_finish(p->a, &a);
    pbts_mse_finish(p->b, &b);
    assert_int_equal(a.method, method);
    assert_int_equal(b.method, method);
    assert_memory_equal(a.infohash, INFOHASH, 20);
    assert_memory_equal(b.infohash, INFOHASH, 20);
    assert_span_is(pbts_mse_initial(p->b), HANDSHAKE);
    assert_int_equal(pbts_mse_initial(p->a).len, 0);
    uint8_t there[] = "from a to b", back[] = "from b to a";
    crypt(&a, &a.outgoing, there, sizeof there);
    crypt(&b, &b.outgoing, back, sizeof back);
    assert_int_equal(memcmp(there, "from a to b", sizeof there) != 0, method == PBTS_MSE_RC4);
    crypt(&b, &b.incoming, there, sizeof there);
    crypt(&a, &a.incoming, back, sizeof back);
    assert_string_equal((char *)there, "from a to b");
    assert_string_equal((char *)back, "from b to a");
}

/* Let the two talk, each time at most `part` bytes. */
static void talk(pair *p, size_t part) {
    stream to_b = { .len = 0 }, to_a = { .len = 0 };
    size_t at_b = 0, at_a = 0;
    for (size_t idle = 0; idle < 2;) {
        append_output(&to_b, p->a);
        append_output(&to_a, p->b);
        size_t len_b = to_b.len - at_b < part ? to_b.len - at_b : part;
        size_t len_a = to_a.len - at_a < part ? to_a.len - at_a : part;
        assert_int_equal(receive(p->b, to_b.bytes + at_b, len_b), len_b);
        assert_int_equal(receive(p->a, to_a.bytes + at_a, len_a), len_a);
        at_b += len_b, at_a += len_a;
        idle = len_a + len_b == 0 ? idle + 1 : 0;
    }
}

static void two_ends_agree_whatever_arrives_at_a_time(void **state) {
    static const size_t PARTS[] = { 1, 2, 3, 7, 96, 97, 500, BUFFER_LEN };
    for (uint64_t seed = 0; seed < 10; seed++) {
        for (size_t i = 0; i < COUNT_OF(PARTS); i++) {
            pair p;
            pair_init(&p, seed * 100 + i);
            pair_start(&p);
            talk(&p, PARTS[i]);
            assert_they_understand_each_other(&p, PBTS_MSE_RC4);
            pair_deinit(&p);
        }
    }
}

static void the_method_is_one_that_both_take(void **state) {
    enum { PLAIN = PBTS_MSE_PLAINTEXT, RC4 = PBTS_MSE_RC4, BOTH = PLAIN | RC4 };
    static const struct {
        unsigned offered, taken, preferred, want;
    } CASES[] = {
        { BOTH, BOTH, RC4, RC4 },      { BOTH, BOTH, PLAIN, PLAIN },   { BOTH, RC4, RC4, RC4 },
        { BOTH, PLAIN, PLAIN, PLAIN }, { RC4, BOTH, PLAIN, RC4 },      { PLAIN, BOTH, RC4, PLAIN },
        { RC4, RC4, RC4, RC4 },        { PLAIN, PLAIN, PLAIN, PLAIN },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pair p;
        pair_init(&p, i);
        p.config_a.methods = CASES[i].offered;
        p.config_b.methods = CASES[i].taken;
        p.config_b.preferred = CASES[i].preferred;
        pair_start(&p);
        talk(&p, BUFFER_LEN);
        assert_they_understand_each_other(&p, CASES[i].want);
        pair_deinit(&p);
    }
}

/* The whole talk of one seed: the same bytes come out every time, so that one end can be given the
 * other's recorded ones. */
typedef struct {
    stream to_b, to_a;
    size_t key_b_len; /* the part of to_a that is sent before the third message can be */
} record;

static void record_talk(record *r, uint64_t seed) {
    pair p;
    pair_init(&p, seed);
    pair_start(&p);
    r->to_a.len = r->to_b.len = 0;
    append_output(&r->to_b, p.a);
    (void)receive(p.b, r->to_b.bytes, r->to_b.len);
    append_output(&r->to_a, p.b);
    r->key_b_len = r->to_a.len;
    size_t first_len = r->to_b.len;
    (void)receive(p.a, r->to_a.bytes, r->to_a.len);
    append_output(&r->to_b, p.a);
    (void)receive(p.b, r->to_b.bytes + first_len, r->to_b.len - first_len);
    append_output(&r->to_a, p.b);
    (void)receive(p.a, r->to_a.bytes + r->key_b_len, r->to_a.len - r->key_b_len);
    assert_they_understand_each_other(&p, PBTS_MSE_RC4);
    pair_deinit(&p);
}

/* Feed one end two parts, cut at every byte, payload behind them: it takes its own and no more. */
static void each_end_takes_its_bytes_and_no_more_at_every_cut(void **state) {
    static record r;
    record_talk(&r, 42);
    for (unsigned initiator = 0; initiator <= 1; initiator++) {
        stream *s = initiator ? &r.to_a : &r.to_b;
        size_t own_len = s->len;
        append(s, "payload", 7);
        for (size_t cut = 0; cut <= s->len; cut++) {
            pair p;
            pair_init(&p, 42);
            pair_start(&p);
            pbts_mse *end = initiator ? p.a : p.b;
            size_t used_len = receive(end, s->bytes, cut);
            assert_int_equal(used_len, cut < own_len ? cut : own_len);
            assert_int_equal(pbts_mse_state_of(end),
                             cut < own_len ? PBTS_MSE_WAITING : PBTS_MSE_DONE);
            used_len += receive(end, s->bytes + used_len, s->len - used_len);
            assert_int_equal(used_len, own_len);
            assert_int_equal(pbts_mse_state_of(end), PBTS_MSE_DONE);
            assert_int_equal(receive(end, s->bytes + used_len, s->len - used_len), 0);
            pair_deinit(&p);
        }
    }
}

/* Nothing is lost when an owner fetches what is to be sent only at the end. */
static void output_may_be_fetched_late(void **state) {
    static record r;
    record_talk(&r, 7);
    stream out = { .len = 0 };
    pair p;
    pair_init(&p, 7);
    pair_start(&p);
    (void)receive(p.a, r.to_a.bytes, r.to_a.len);
    append_output(&out, p.a);
    assert_int_equal(out.len, r.to_b.len);
    assert_memory_equal(out.bytes, r.to_b.bytes, out.len);
    out.len = 0;
    (void)receive(p.b, r.to_b.bytes, r.to_b.len);
    append_output(&out, p.b);
    assert_int_equal(out.len, r.to_a.len);
    assert_memory_equal(out.bytes, r.to_a.bytes, out.len);
    pair_deinit(&p);
}

/* -- a naive twin -------------------------------------------------------------------------- */

typedef struct {
    pbts_dh_secret secret;
    uint8_t public_key[96], shared[96];
    pbts_rc4 out, in;
} twin;

static void twin_init(twin *t, uint8_t fill) {
    memset(t->secret.bytes, fill, sizeof t->secret.bytes);
    assert_int_equal(pbts_dh_public(t->public_key, &t->secret), PBTS_OK);
}

static void twin_hash(uint8_t out[static 20], const char *tag, const void *a, size_t a_len,
                      const void *b, size_t b_len) {
    uint8_t bytes[4 + 96 + 20];
    memcpy(bytes, tag, 4);
    memcpy(bytes + 4, a, a_len);
    if (b_len > 0) memcpy(bytes + 4 + a_len, b, b_len);
    pbts_sha1(out, (pbts_span){ bytes, 4 + a_len + b_len });
}

static void twin_ciphers(twin *t, bool initiator, const uint8_t *infohash) {
    uint8_t key_a[20], key_b[20], dropped[1024];
    twin_hash(key_a, "keyA", t->shared, 96, infohash, 20);
    twin_hash(key_b, "keyB", t->shared, 96, infohash, 20);
    pbts_rc4_init(&t->out, (pbts_span){ initiator ? key_a : key_b, 20 });
    pbts_rc4_init(&t->in, (pbts_span){ initiator ? key_b : key_a, 20 });
    pbts_rc4_crypt(&t->out, dropped, dropped, sizeof dropped);
    pbts_rc4_crypt(&t->in, dropped, dropped, sizeof dropped);
}

/* What a twin as initiator says after the keys; what is in it is up to the case. */
typedef struct {
    size_t pad_a_len, pad_c_len, initial_len;
    uint32_t methods;
    uint16_t pad_c_said, initial_said; /* when they are not 0: a length that is not the true one */
    uint8_t vc_damage;
    const uint8_t *infohash;
} third_case;
static const third_case GOOD_THIRD = { .methods = 3, .infohash = INFOHASH };

static void append_encrypted(stream *s, twin *t, const void *bytes, size_t len) {
    uint8_t encrypted[BUFFER_LEN];
    memcpy(encrypted, bytes, len);
    pbts_rc4_crypt(&t->out, encrypted, encrypted, len);
    append(s, encrypted, len);
}

static void append_third(stream *s, twin *t, const third_case *c) {
    uint8_t hash[20], req3[20], fill[BUFFER_LEN] = { 0 };
    twin_hash(hash, "req1", t->shared, 96, NULL, 0);
    append(s, hash, 20);
    twin_hash(hash, "req2", c->infohash, 20, NULL, 0);
    twin_hash(req3, "req3", t->shared, 96, NULL, 0);
    for (size_t i = 0; i < 20; i++) hash[i] ^= req3[i];
    append(s, hash, 20);
    twin_ciphers(t, true, c->infohash);
    uint16_t pad_len = c->pad_c_said ? c->pad_c_said : (uint16_t)c->pad_c_len;
    uint16_t initial_len = c->initial_said ? c->initial_said : (uint16_t)c->initial_len;
    uint8_t head[14] = { [7] = c->vc_damage,
                         [8] = (uint8_t)(c->methods >> 24),
                         [11] = (uint8_t)c->methods,
                         [12] = (uint8_t)(pad_len >> 8),
                         [13] = (uint8_t)pad_len };
    append_encrypted(s, t, head, sizeof head);
    append_encrypted(s, t, fill, c->pad_c_len);
    uint8_t length[2] = { (uint8_t)(initial_len >> 8), (uint8_t)initial_len };
    append_encrypted(s, t, length, 2);
    memset(fill, 'I', c->initial_len);
    append_encrypted(s, t, fill, c->initial_len);
}

/* A responder talks to the twin; returns what becomes of it, and the object when `out` is wanted.
 */
static pbts_status respond_to(const third_case *c, pair *p) {
    twin t;
    stream s = { .len = 0 }, answer = { .len = 0 };
    uint8_t pad[600];
    pair_init(p, 5);
    assert_int_equal(pbts_mse_new_responder(&p->b, &p->config_b, p->torrents, 3), PBTS_OK);
    p->a = NULL;
    memset(pad, 0xEE, sizeof pad);
    twin_init(&t, 0x77);
    append(&s, t.public_key, 96);
    append(&s, pad, c->pad_a_len);
    pbts_status status = failure(p->b, s.bytes, s.len);
    if (status != PBTS_OK) return status;
    append_output(&answer, p->b);
    assert_int_equal(pbts_dh_shared(t.shared, &t.secret, answer.bytes), PBTS_OK);
    s.len = 0;
    append_third(&s, &t, c);
    return failure(p->b, s.bytes, s.len);
}

static void check_responder(third_case c, pbts_status want) {
    pair p;
    assert_int_equal(respond_to(&c, &p), want);
    if (want == PBTS_OK) {
        assert_int_equal(pbts_mse_state_of(p.b), PBTS_MSE_DONE);
        pbts_span initial = pbts_mse_initial(p.b);
        assert_int_equal(initial.len, c.initial_len);
        for (size_t i = 0; i < initial.len; i++) assert_int_equal(initial.data[i], 'I');
    }
    pair_deinit(&p);
}
#define CHECK_RESPONDER(want, ...)   \
    do {                             \
        third_case c_ = GOOD_THIRD;  \
        third_case *c = &c_;         \
        __VA_ARGS__;                 \
        check_responder(c_, (want)); \
    } while (0)

static void a_responder_takes_all_that_the_specification_allows(void **state) {
    CHECK_RESPONDER(PBTS_OK, c->pad_a_len = 0);
    CHECK_RESPONDER(PBTS_OK, c->pad_a_len = 512);
    CHECK_RESPONDER(PBTS_OK, c->pad_c_len = 512);
    CHECK_RESPONDER(PBTS_OK, c->initial_len = 68);
    CHECK_RESPONDER(PBTS_OK, c->initial_len = PBTS_MSE_INITIAL_LEN_MAX);
    CHECK_RESPONDER(PBTS_OK, c->methods = 0xFF000003); /* bits that nobody knows */
    CHECK_RESPONDER(PBTS_OK, c->methods = 1);
    CHECK_RESPONDER(PBTS_OK, c->methods = 2; c->pad_a_len = 512; c->pad_c_len = 512;
                    c->initial_len = 68);
}

static void a_responder_refuses_everything_else(void **state) {
    CHECK_RESPONDER(PBTS_LIMIT, c->pad_a_len = 513);
    CHECK_RESPONDER(PBTS_LIMIT, c->pad_c_len = 513);
    CHECK_RESPONDER(PBTS_LIMIT, c->pad_c_said = 65535);
    CHECK_RESPONDER(PBTS_LIMIT, c->initial_said = PBTS_MSE_INITIAL_LEN_MAX + 1);
    CHECK_RESPONDER(PBTS_LIMIT, c->initial_said = 65535);
    CHECK_RESPONDER(PBTS_MALFORMED, c->vc_damage = 1);
    CHECK_RESPONDER(PBTS_DENIED, c->methods = 0);
    CHECK_RESPONDER(PBTS_DENIED, c->methods = 4);
    CHECK_RESPONDER(PBTS_DENIED, c->methods = 0xFF000000);
    CHECK_RESPONDER(PBTS_NOT_FOUND, c->infohash = (const uint8_t *)"a torrent we haven't");
}

static void any_of_our_torrents_may_be_meant(void **state) {
    for (size_t i = 0; i < 3; i++) {
        pair p;
        third_case c = GOOD_THIRD;
        pbts_mse_result result;
        pair_init(&p, 5);
        uint8_t meant[20];
        memcpy(meant, p.torrents[i].infohash, sizeof meant);
        c.infohash = meant;
        assert_int_equal(respond_to(&c, &p), PBTS_OK);
        pbts_mse_finish(p.b, &result);
        assert_ptr_equal(result.infohash, p.torrents[i].infohash);
        pair_deinit(&p);
    }
}

static void a_method_that_is_not_taken_is_refused(void **state) {
    pair p;
    third_case c = GOOD_THIRD;
    for (unsigned method = 1; method <= 2; method++) {
        twin t;
        stream s = { .len = 0 }, answer = { .len = 0 };
        pair_init(&p, 6);
        p.config_b.methods = p.config_b.preferred = method;
        p.a = NULL;
        assert_int_equal(pbts_mse_new_responder(&p.b, &p.config_b, p.torrents, 3), PBTS_OK);
        twin_init(&t, 0x78);
        assert_int_equal(failure(p.b, t.public_key, 96), PBTS_OK);
        append_output(&answer, p.b);
        assert_int_equal(pbts_dh_shared(t.shared, &t.secret, answer.bytes), PBTS_OK);
        c.methods = 3 - method;
        append_third(&s, &t, &c);
        assert_int_equal(failure(p.b, s.bytes, s.len), PBTS_DENIED);
        pair_deinit(&p);
    }
}

static void no_torrents_are_none_that_match(void **state) {
    test_random random = random_of(3);
    pbts_mse_config config = config_of(&random);
    pbts_mse *mse;
    twin t;
    stream s = { .len = 0 }, answer = { .len = 0 };
    assert_int_equal(pbts_mse_new_responder(&mse, &config, NULL, 0), PBTS_OK);
    twin_init(&t, 0x79);
    assert_int_equal(failure(mse, t.public_key, 96), PBTS_OK);
    append_output(&answer, mse);
    assert_int_equal(pbts_dh_shared(t.shared, &t.secret, answer.bytes), PBTS_OK);
    append_third(&s, &t, &GOOD_THIRD);
    assert_int_equal(failure(mse, s.bytes, s.len), PBTS_NOT_FOUND);
    pbts_mse_free(mse);
}

/* What a twin as responder says. */
typedef struct {
    size_t pad_b_len, pad_d_len;
    uint16_t pad_d_said;
    uint32_t select;
    uint8_t vc_damage;
} fourth_case;

static pbts_status initiate_with(const fourth_case *c, unsigned methods, pair *p) {
    twin t;
    stream s = { .len = 0 }, first = { .len = 0 };
    uint8_t fill[600];
    pair_init(p, 8);
    p->config_a.methods = methods;
    p->b = NULL;
    assert_int_equal(
        pbts_mse_new_initiator(&p->a, &p->config_a, &p->torrents[1], pbts_span_text(HANDSHAKE)),
        PBTS_OK);
    append_output(&first, p->a);
    twin_init(&t, 0x33);
    assert_int_equal(pbts_dh_shared(t.shared, &t.secret, first.bytes), PBTS_OK);
    twin_ciphers(&t, false, INFOHASH);
    memset(fill, 0xEE, sizeof fill);
    append(&s, t.public_key, 96);
    append(&s, fill, c->pad_b_len);
    uint16_t pad_len = c->pad_d_said ? c->pad_d_said : (uint16_t)c->pad_d_len;
    uint8_t head[14] = { [7] = c->vc_damage,
                         [8] = (uint8_t)(c->select >> 24),
                         [11] = (uint8_t)c->select,
                         [12] = (uint8_t)(pad_len >> 8),
                         [13] = (uint8_t)pad_len };
    append_encrypted(&s, &t, head, sizeof head);
    append_encrypted(&s, &t, fill, c->pad_d_len);
    return failure(p->a, s.bytes, s.len);
}

static void check_initiator(fourth_case c, unsigned methods, pbts_status want, pbts_mse_state end) {
    pair p;
    assert_int_equal(initiate_with(&c, methods, &p), want);
    assert_int_equal(pbts_mse_state_of(p.a), end);
    pair_deinit(&p);
}

static void an_initiator_takes_what_the_specification_allows_and_no_more(void **state) {
    static const struct {
        fourth_case c;
        unsigned methods;
        pbts_status want;
    } CASES[] = {
        { { .select = 2 }, 3, PBTS_OK },
        { { .select = 1 }, 3, PBTS_OK },
        { { .select = 2 }, 2, PBTS_OK },
        { { .select = 1 }, 1, PBTS_OK },
        { { .select = 2, .pad_b_len = 512 }, 3, PBTS_OK },
        { { .select = 2, .pad_d_len = 512 }, 3, PBTS_OK },
        { { .select = 2, .pad_d_len = 513 }, 3, PBTS_LIMIT },
        { { .select = 2, .pad_d_said = 65535 }, 3, PBTS_LIMIT },
        { { .select = 2, .pad_b_len = 513 }, 3, PBTS_LIMIT },
        { { .select = 0 }, 3, PBTS_MALFORMED },
        { { .select = 3 }, 3, PBTS_MALFORMED },
        { { .select = 4 }, 3, PBTS_MALFORMED },
        { { .select = 0x01000002 }, 3, PBTS_MALFORMED },
        { { .select = 1 }, 2, PBTS_DENIED },
        { { .select = 2 }, 1, PBTS_DENIED },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pbts_mse_state end = CASES[i].want == PBTS_OK ? PBTS_MSE_DONE : PBTS_MSE_FAILED;
        check_initiator(CASES[i].c, CASES[i].methods, CASES[i].want, end);
    }
    /* A damaged VC is looked for in what follows, until that is too much. */
    check_initiator((fourth_case){ .select = 2, .vc_damage = 1 }, 3, PBTS_OK, PBTS_MSE_WAITING);
    check_initiator((fourth_case){ .select = 2, .vc_damage = 1, .pad_d_len = 505 }, 3, PBTS_OK,
                    PBTS_MSE_WAITING);
    check_initiator((fourth_case){ .select = 2, .vc_damage = 1, .pad_d_len = 506 }, 3, PBTS_LIMIT,
                    PBTS_MSE_FAILED);
}

static void keys_that_hide_nothing_are_refused(void **state) {
    for (unsigned initiator = 0; initiator <= 1; initiator++) {
        for (uint8_t value = 0; value <= 1; value++) {
            pair p;
            uint8_t key[96] = { [95] = value };
            pair_init(&p, 9);
            pair_start(&p);
            assert_int_equal(failure(initiator ? p.a : p.b, key, sizeof key), PBTS_MALFORMED);
            pair_deinit(&p);
        }
    }
}

/* -- unencrypted --------------------------------------------------------------------------- */

static void an_unencrypted_handshake_is_recognised_at_every_cut(void **state) {
    for (size_t cut = 0; cut <= 30; cut++) {
        pair p;
        pair_init(&p, 10);
        pair_start(&p);
        const uint8_t *bytes = (const uint8_t *)HANDSHAKE;
        size_t used_len = receive(p.b, bytes, cut);
        assert_int_equal(used_len, cut < 20 ? cut : 20);
        used_len += receive(p.b, bytes + used_len, 40 - used_len);
        assert_int_equal(used_len, 20);
        assert_int_equal(pbts_mse_state_of(p.b), PBTS_MSE_LEGACY);
        assert_int_equal(pbts_mse_initial(p.b).len, 20);
        assert_memory_equal(pbts_mse_initial(p.b).data, bytes, 20);
        pbts_span out;
        assert_false(pbts_mse_next_send(p.b, &out));
        pair_deinit(&p);
    }
}

static void an_unencrypted_handshake_may_be_unwelcome(void **state) {
    pair p;
    pair_init(&p, 11);
    p.config_b.takes_legacy = false;
    pair_start(&p);
    assert_int_equal(failure(p.b, (const uint8_t *)HANDSHAKE, 19), PBTS_OK);
    assert_int_equal(failure(p.b, (const uint8_t *)HANDSHAKE + 19, 1), PBTS_DENIED);
    pair_deinit(&p);
}

/* A public key that begins like a handshake: the twin looks for one of two bytes in common. */
static void a_key_that_begins_like_a_handshake_is_a_key(void **state) {
    twin t;
    test_random random = random_of(12);
    do {
        assert_int_equal(test_fill(&random.random, t.secret.bytes, sizeof t.secret.bytes), PBTS_OK);
        assert_int_equal(pbts_dh_public(t.public_key, &t.secret), PBTS_OK);
    } while (t.public_key[0] != 0x13);
    pair p;
    stream s = { .len = 0 }, answer = { .len = 0 };
    pair_init(&p, 12);
    pair_start(&p);
    assert_int_equal(receive(p.b, t.public_key, 1), 1);
    assert_int_equal(receive(p.b, t.public_key + 1, 95), 95);
    append_output(&answer, p.b);
    assert_int_equal(pbts_dh_shared(t.shared, &t.secret, answer.bytes), PBTS_OK);
    append_third(&s, &t, &GOOD_THIRD);
    assert_int_equal(receive(p.b, s.bytes, s.len), s.len);
    assert_int_equal(pbts_mse_state_of(p.b), PBTS_MSE_DONE);
    pair_deinit(&p);
}

/* -- resources ----------------------------------------------------------------------------- */

static void padding_is_of_every_length_up_to_512(void **state) {
    static const int DRAWN[] = { 0, 1, 511, 512, 513 };
    static const size_t WANT[] = { 0, 1, 511, 512, 0 };
    for (size_t i = 0; i < COUNT_OF(DRAWN); i++) {
        pair p;
        stream s = { .len = 0 };
        pair_init(&p, 13);
        p.random_a.pad_len = p.random_b.pad_len = DRAWN[i];
        pair_start(&p);
        append_output(&s, p.a);
        assert_int_equal(s.len, 96 + WANT[i]);
        (void)receive(p.b, s.bytes, s.len);
        s.len = 0;
        append_output(&s, p.b);
        assert_int_equal(s.len, 96 + WANT[i]);
        pair_deinit(&p);
    }
}

static void a_random_source_that_fails_fails_the_handshake(void **state) {
    for (size_t fail_at = 1; fail_at <= 3; fail_at++) {
        pair p;
        twin t;
        pair_init(&p, 14);
        p.random_a.fail_at = p.random_b.fail_at = fail_at;
        p.a = NULL;
        assert_int_equal(
            pbts_mse_new_initiator(&p.a, &p.config_a, &p.torrents[1], (pbts_span){ NULL, 0 }),
            PBTS_IO);
        assert_null(p.a);
        assert_int_equal(pbts_mse_new_responder(&p.b, &p.config_b, p.torrents, 3), PBTS_OK);
        twin_init(&t, 0x55);
        assert_int_equal(failure(p.b, t.public_key, 96), PBTS_IO);
        pair_deinit(&p);
    }
}

static void *no_alloc(pbts_mem *mem, size_t len) {
    (void)mem, (void)len;
    return NULL;
}

static void without_memory_there_is_no_handshake(void **state) {
    pbts_mem none = { .alloc = no_alloc };
    pair p;
    pair_init(&p, 15);
    p.config_a.mem = p.config_b.mem = &none;
    assert_int_equal(
        pbts_mse_new_initiator(&p.a, &p.config_a, &p.torrents[1], (pbts_span){ NULL, 0 }),
        PBTS_NO_MEMORY);
    assert_int_equal(pbts_mse_new_responder(&p.b, &p.config_b, p.torrents, 3), PBTS_NO_MEMORY);
    pbts_mse_free(NULL);
}

static void the_longest_initial_bytes_fit(void **state) {
    static uint8_t initial[PBTS_MSE_INITIAL_LEN_MAX];
    memset(initial, 'z', sizeof initial);
    pair p;
    stream to_b = { .len = 0 }, to_a = { .len = 0 };
    pair_init(&p, 16);
    p.random_a.pad_len = p.random_b.pad_len = 512;
    assert_int_equal(
        pbts_mse_new_initiator(&p.a, &p.config_a, &p.torrents[1], PBTS_SPAN_OF(initial)), PBTS_OK);
    assert_int_equal(pbts_mse_new_responder(&p.b, &p.config_b, p.torrents, 3), PBTS_OK);
    append_output(&to_b, p.a);
    (void)receive(p.b, to_b.bytes, to_b.len);
    append_output(&to_a, p.b);
    (void)receive(p.a, to_a.bytes, to_a.len);
    to_b.len = 0;
    append_output(&to_b, p.a);
    (void)receive(p.b, to_b.bytes, to_b.len);
    assert_int_equal(pbts_mse_state_of(p.b), PBTS_MSE_DONE);
    assert_true(pbts_span_equal(pbts_mse_initial(p.b), PBTS_SPAN_OF(initial)));
    pair_deinit(&p);
}

/* All that an initiator ever says, waiting to be fetched at once. */
static void the_longest_output_fits(void **state) {
    static uint8_t initial[PBTS_MSE_INITIAL_LEN_MAX];
    pair p;
    twin t;
    pair_init(&p, 17);
    p.random_a.pad_len = 512;
    p.b = NULL;
    assert_int_equal(
        pbts_mse_new_initiator(&p.a, &p.config_a, &p.torrents[1], PBTS_SPAN_OF(initial)), PBTS_OK);
    twin_init(&t, 0x44);
    assert_int_equal(receive(p.a, t.public_key, 96), 96);
    pbts_span out;
    assert_true(pbts_mse_next_send(p.a, &out));
    assert_int_equal(out.len, 96 + 512 + 40 + 14 + 2 + PBTS_MSE_INITIAL_LEN_MAX);
    pair_deinit(&p);
}

/* Every byte that one end says, damaged: no crash, and never another torrent or method. */
static void damage_never_ends_in_an_agreement_on_something_else(void **state) {
    static record r;
    record_talk(&r, 99);
    for (unsigned initiator = 0; initiator <= 1; initiator++) {
        stream *s = initiator ? &r.to_a : &r.to_b;
        for (size_t at = 0; at < s->len; at++) {
            pair p;
            pair_init(&p, 99);
            pair_start(&p);
            pbts_mse *end = initiator ? p.a : p.b;
            s->bytes[at] ^= 0x10;
            size_t used_len = 0;
            pbts_status status = pbts_mse_receive(end, &used_len, (pbts_span){ s->bytes, s->len });
            s->bytes[at] ^= 0x10;
            assert_true(status == PBTS_OK || pbts_status_class(status) == PBTS_REJECT);
            if (pbts_mse_state_of(end) == PBTS_MSE_DONE) {
                pbts_mse_result result;
                pbts_mse_finish(end, &result);
                assert_memory_equal(result.infohash, INFOHASH, 20);
            }
            pair_deinit(&p);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ends_agree_whatever_arrives_at_a_time),
        cmocka_unit_test(the_method_is_one_that_both_take),
        cmocka_unit_test(each_end_takes_its_bytes_and_no_more_at_every_cut),
        cmocka_unit_test(output_may_be_fetched_late),
        cmocka_unit_test(a_responder_takes_all_that_the_specification_allows),
        cmocka_unit_test(a_responder_refuses_everything_else),
        cmocka_unit_test(any_of_our_torrents_may_be_meant),
        cmocka_unit_test(a_method_that_is_not_taken_is_refused),
        cmocka_unit_test(no_torrents_are_none_that_match),
        cmocka_unit_test(an_initiator_takes_what_the_specification_allows_and_no_more),
        cmocka_unit_test(keys_that_hide_nothing_are_refused),
        cmocka_unit_test(an_unencrypted_handshake_is_recognised_at_every_cut),
        cmocka_unit_test(an_unencrypted_handshake_may_be_unwelcome),
        cmocka_unit_test(a_key_that_begins_like_a_handshake_is_a_key),
        cmocka_unit_test(padding_is_of_every_length_up_to_512),
        cmocka_unit_test(a_random_source_that_fails_fails_the_handshake),
        cmocka_unit_test(without_memory_there_is_no_handshake),
        cmocka_unit_test(the_longest_initial_bytes_fit),
        cmocka_unit_test(the_longest_output_fits),
        cmocka_unit_test(damage_never_ends_in_an_agreement_on_something_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
