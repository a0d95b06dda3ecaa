/* Unit tests of kms/gate.c and kms/client.c: who gets a key, which one, who gets nothing and why,
 * and who lied. */
#include <openssl/evp.h>

#include "guest.h"
#include "tracker/counting_mem.h"

/* ---- the key ---- */

static void any_three_nodes_give_the_same_key_and_two_give_none(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    uint8_t first[PBTS_KMS_KEY_TRK_LEN], key[PBTS_KMS_KEY_TRK_LEN];
    assert_int_equal(guest_key(s, first, &config, 0, 0x1f), PBTS_OK);
    for (unsigned set = 0; set < 32; set++) {
        pbts_status status = guest_key(s, key, &config, 0, set);
        bool enough = __builtin_popcount(set) >= GUEST_THRESHOLD;
        assert_int_equal(status, enough ? PBTS_OK : PBTS_NEED_MORE);
        if (enough) assert_memory_equal(key, first, sizeof key);
    }
    guest_free(s);
}

/* key_trk by the book, from the secret that nobody has. */
static void the_key_is_the_one_of_the_shared_secret(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    uint8_t found[PBTS_KMS_KEY_TRK_LEN], wanted[PBTS_KMS_KEY_TRK_LEN], topic[41] = { 0 };
    pbts_bls_signature signature;
    memset(topic + 1, 0xa0, 32);
    pbts_bls_sign(&signature, &s->f[0], PBTS_BLS_KMS_KEY, PBTS_SPAN_OF(topic));
    pbts_hkdf_sha256(wanted, sizeof wanted, pbts_span_text("pbts-kms-key-v1"),
                     PBTS_SPAN_OF(signature.bytes), PBTS_SPAN_OF(topic));
    assert_int_equal(guest_key(s, found, &config, 0, 0x0e), PBTS_OK);
    assert_memory_equal(found, wanted, sizeof found);
    guest_free(s);
}

static void an_upgrade_keeps_the_key_behind_a_gate_and_changes_it_when_pinned(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config gate = guest_config(s), pinned = guest_config(s);
    uint8_t old[PBTS_KMS_KEY_TRK_LEN], new[PBTS_KMS_KEY_TRK_LEN];
    assert_int_equal(guest_key(s, old, &gate, 0x31, 7), PBTS_OK);
    assert_int_equal(guest_key(s, new, &gate, 0x32, 7), PBTS_OK);
    assert_memory_equal(old, new, sizeof old);
    pinned.lineage = s->lineages[1].id;
    pinned.mode = PBTS_KMS_PINNED;
    assert_int_equal(guest_key(s, old, &pinned, 0x31, 7), PBTS_OK);
    assert_int_equal(guest_key(s, new, &pinned, 0x32, 7), PBTS_OK);
    assert_memory_not_equal(old, new, sizeof old);
    assert_int_equal(guest_key(s, new, &pinned, 0x31, 0x1c), PBTS_OK);
    assert_memory_equal(old, new, sizeof old);
    pinned.generation = 7;
    assert_int_equal(guest_key(s, new, &pinned, 0x31, 7), PBTS_OK);
    assert_memory_not_equal(old, new, sizeof old);
    guest_free(s);
}

static void a_refresh_keeps_the_key_and_its_shares_do_not_mix_with_old_ones(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    pbts_kms_key old[GUEST_NODES];
    uint8_t before[PBTS_KMS_KEY_TRK_LEN], after[PBTS_KMS_KEY_TRK_LEN];
    assert_int_equal(guest_key(s, before, &config, 0, 7), PBTS_OK);
    memcpy(old, s->keys, sizeof old);
    for (size_t i = 1; i < GUEST_THRESHOLD; i++) {
        assert_int_equal(pbts_bls_generate(&s->f[i], &s->random.random), PBTS_OK);
    }
    guest_share(s, 2);
    assert_int_equal(guest_key(s, after, &config, 0, 7), PBTS_OK);
    assert_memory_equal(before, after, sizeof before);
    s->keys[0] = old[0]; /* two of each */
    s->keys[1] = old[1];
    assert_int_equal(guest_key(s, after, &config, 0, 0x0f), PBTS_NEED_MORE);
    assert_int_equal(guest_key(s, after, &config, 0, 0x1f), PBTS_OK);
    assert_memory_equal(before, after, sizeof before);
    s->keys[0].public.epoch = 2; /* an old share that is said to be a new one */
    s->keys[1] = s->keys[2];
    assert_int_equal(guest_key(s, after, &config, 0, 0x0d), PBTS_NEED_MORE);
    guest_free(s);
}

/* ---- liars ---- */

static void a_node_with_a_wrong_share_is_named_and_four_others_suffice(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    uint8_t wanted[PBTS_KMS_KEY_TRK_LEN], key[PBTS_KMS_KEY_TRK_LEN];
    assert_int_equal(guest_key(s, wanted, &config, 0, 7), PBTS_OK);
    for (size_t bad = 0; bad < GUEST_NODES; bad++) {
        pbts_bls_secret share = s->keys[bad].share;
        guest_talk *t = guest_begin(s, &config);
        s->keys[bad].share = s->keys[(bad + 1) % GUEST_NODES].share;
        guest_prepare(t, 0x1f);
        assert_int_equal(guest_ask(t, bad), PBTS_OK);
        assert_int_equal(guest_ask(t, (bad + 1) % GUEST_NODES), PBTS_OK);
        assert_int_equal(guest_ask(t, (bad + 2) % GUEST_NODES), PBTS_OK);
        assert_int_equal(pbts_kms_client_key(&t->client, key), PBTS_NEED_MORE);
        assert_int_equal(pbts_kms_client_conduct(&t->client, bad + 1), PBTS_KMS_LIED);
        assert_int_equal(guest_ask(t, (bad + 3) % GUEST_NODES), PBTS_OK);
        assert_int_equal(pbts_kms_client_key(&t->client, key), PBTS_OK);
        assert_memory_equal(key, wanted, sizeof key);
        for (size_t i = 0; i < GUEST_NODES; i++) {
            bool lied = pbts_kms_client_conduct(&t->client, i + 1) == PBTS_KMS_LIED;
            assert_int_equal(lied, i == bad);
        }
        s->keys[bad].share = share;
        guest_end(t);
    }
    guest_free(s);
}

/* Public keys that go with P, as t - 1 liars can make them: of another polynomial with the same
 * f(0). By them every honest share looks wrong. */
static void name_other_keys(const guest_scene *s, pbts_kms_public *public) {
    pbts_bls_secret f[GUEST_THRESHOLD] = { s->f[0], s->f[2], s->f[1] };
    for (size_t i = 0; i < GUEST_NODES; i++) {
        pbts_bls_secret share;
        assert_int_equal(pbts_bls_polynomial_at(&share, f, GUEST_THRESHOLD, (uint8_t)(i + 1)),
                         PBTS_OK);
        pbts_bls_public_point_of(&public->shares[i], &share);
    }
    assert_int_equal(pbts_kms_public_check(public, GUEST_NODES, GUEST_THRESHOLD), PBTS_OK);
}

/* Two of five name other public keys for all, to have honest nodes called liars. */
static void liars_cannot_name_others(void **state) {
    (void)state;
    for (int goes_with_p = 0; goes_with_p < 2; goes_with_p++) {
        guest_scene *s = guest_new();
        pbts_kms_client_config config = guest_config(s);
        uint8_t key[PBTS_KMS_KEY_TRK_LEN];
        guest_talk *t = guest_begin(s, &config);
        for (size_t i = 0; i < 2; i++) {
            s->keys[i].public.shares[2] = s->keys[i].public.shares[4];
            if (goes_with_p) name_other_keys(s, &s->keys[i].public);
            s->keys[i].share = s->keys[3].share;
        }
        guest_prepare(t, 0x1f);
        for (size_t i = 0; i < GUEST_NODES; i++) assert_int_equal(guest_ask(t, i), PBTS_OK);
        assert_int_equal(pbts_kms_client_key(&t->client, key), PBTS_OK);
        for (size_t i = 0; i < GUEST_NODES; i++) {
            bool lied = pbts_kms_client_conduct(&t->client, i + 1) == PBTS_KMS_LIED;
            assert_int_equal(lied, i < 2);
        }
        guest_end(t);
        guest_free(s);
    }
}

static void a_reply_that_was_changed_is_none(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    pbts_kms_reply reply;
    uint8_t bytes[PBTS_KMS_REPLY_LEN_MAX];
    for (int part = 0; part < 4; part++) {
        guest_talk *t = guest_begin(s, &config);
        guest_prepare(t, 0x1f);
        assert_int_equal(pbts_kms_gate_answer(&reply, &t->verdicts[0], &s->gates[0], &s->keys[0],
                                              (pbts_span){ t->request, t->request_len }, s->now),
                         PBTS_OK);
        if (part == 0) reply.sealed[20] ^= 1;
        if (part == 1) reply.ephemeral[0] ^= 1;
        if (part == 2) reply.epoch++;
        if (part == 3) reply.node = 2;
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        pbts_kms_reply_encode(&writer, &reply);
        assert_int_not_equal(pbts_kms_client_reply(&t->client, 1, pbts_writer_span(&writer)),
                             PBTS_OK);
        assert_int_equal(pbts_kms_client_conduct(&t->client, 1), PBTS_KMS_LIED);
        assert_int_equal(pbts_kms_client_reply(&t->client, 1, pbts_writer_span(&writer)),
                         PBTS_EXISTS);
        guest_end(t);
    }
    guest_free(s);
}

static void a_client_takes_hellos_of_its_own_group_only(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    uint8_t bytes[PBTS_KMS_HELLO_LEN_MAX], report_data[PBTS_REPORT_DATA_LEN];
    guest_talk *t = guest_begin(s, &config);
    pbts_kms_hello hello;
    assert_int_equal(pbts_kms_gate_hello(&hello, &s->gates[0], NULL, 0), PBTS_BUSY);
    assert_int_equal(pbts_kms_gate_hello(&hello, &s->gates[0], &s->keys[0], 0), PBTS_OK);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_kms_hello_encode(&writer, &hello);
    pbts_span said = pbts_writer_span(&writer);
    assert_int_equal(pbts_kms_client_hello(&t->client, 2, said), PBTS_DENIED);
    assert_int_equal(pbts_kms_client_hello(&t->client, 1, said), PBTS_OK);
    assert_int_equal(pbts_kms_client_report_data(&t->client, report_data), PBTS_NEED_MORE);
    hello.group = hello.shares[0];
    writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_kms_hello_encode(&writer, &hello);
    assert_int_equal(pbts_kms_client_hello(&t->client, 1, pbts_writer_span(&writer)), PBTS_DENIED);
    guest_end(t);
    config.group.bytes[5] ^= 1;
    assert_int_equal(pbts_kms_client_init(&(pbts_kms_client){ 0 }, &config, &s->random.random),
                     PBTS_MALFORMED);
    guest_free(s);
}

/* ---- who gets nothing ---- */

static guest_talk *prepared(guest_scene *s, const pbts_kms_client_config *config) {
    guest_talk *t = guest_begin(s, config);
    guest_prepare(t, 0x1f);
    return t;
}

#define REFUSED(scene, config, word)                    \
    do {                                                \
        guest_talk *talk = prepared(scene, config);     \
        assert_string_equal(guest_refusal(talk), word); \
        guest_end(talk);                                \
    } while (0)

static void a_wrong_measurement_gets_nothing(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    static const char ANY[] = "measurement = any "
                              "20202020202020202020202020202020202020202020202020202020202020202020"
                              "2020202020202020202020202020 any any any\n";
    guest_policy(&s->lineages[0], ANY);
    guest_talk *t = guest_begin(s, &config);
    t->started = 0x21;
    guest_prepare(t, 0x1f);
    assert_string_equal(guest_refusal(t), "measurement");
    guest_end(t);
    t = prepared(s, &config);
    assert_int_equal(guest_ask(t, 0), PBTS_OK);
    guest_end(t);
    guest_policy(&s->lineages[0], "# nothing\n");
    REFUSED(s, &config, "measurement");
    guest_free(s);
}

static void stale_collateral_gets_nothing(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    s->now.unix_s = FORGE_NOW_S + 4 * 86400;
    REFUSED(s, &config, "tcb-info-date");
    s->now.unix_s = FORGE_NOW_S + 6 * 86400;
    REFUSED(s, &config, "root-crl-date");
    s->now.unix_s = FORGE_NOW_S - 6 * 86400;
    REFUSED(s, &config, "root-crl-date");
    guest_free(s);
}

static void a_nonce_is_good_once_for_a_while_at_one_node(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    guest_talk *t = prepared(s, &config);
    assert_int_equal(guest_ask(t, 0), PBTS_OK);
    assert_string_equal(guest_refusal(t), "nonce-used");
    s->now.mono_ms += PBTS_KMS_NONCE_MS;
    assert_string_equal(guest_refusal(t), "nonce-stale");
    guest_end(t);
    t = prepared(s, &config);
    s->now.mono_ms += PBTS_KMS_NONCE_MS - 1;
    assert_int_equal(guest_ask(t, 0), PBTS_OK);
    s->now.mono_ms += 1;
    assert_string_equal(guest_refusal(t), "nonce-stale");
    guest_end(t);
    t = prepared(s, &config);
    assert_int_equal(pbts_kms_nonces_init(&s->nonces[0], 1, &s->random.random), PBTS_OK);
    assert_string_equal(guest_refusal(t), "nonce-foreign"); /* after a restart */
    guest_end(t);
    t = prepared(s, &config);
    s->gates[0].number = 2;
    assert_string_equal(guest_refusal(t), "nonce-foreign"); /* another node's */
    guest_end(t);
    s->gates[0].number = 1;
    t = guest_begin(s, &config);
    guest_prepare(t, 0x1e);
    assert_string_equal(guest_refusal(t), "nonce-missing");
    guest_end(t);
    guest_free(s);
}

static void used_nonces_have_a_limit_and_make_room_with_time(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_nonces *nonces = &s->nonces[0];
    pbts_kms_nonce nonce;
    for (size_t i = 0; i <= PBTS_KMS_NONCES_USED_MAX; i++) {
        assert_int_equal(pbts_kms_nonces_make(nonces, &nonce, &s->random.random, 5), PBTS_OK);
        assert_int_equal(pbts_kms_nonces_spend(nonces, &nonce, 5),
                         i < PBTS_KMS_NONCES_USED_MAX ? PBTS_OK : PBTS_BUSY);
    }
    uint64_t later = 5 + PBTS_KMS_NONCE_MS;
    assert_int_equal(pbts_kms_nonces_make(nonces, &nonce, &s->random.random, later), PBTS_OK);
    assert_int_equal(pbts_kms_nonces_spend(nonces, &nonce, later), PBTS_OK);
    assert_int_equal(nonces->used_len, 1);
    guest_free(s);
}

static void evidence_is_for_one_request(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    guest_talk *t = prepared(s, &config);
    pbts_kms_request request;
    uint8_t *bytes = malloc(GUEST_REQUEST_MAX), *before = malloc(GUEST_REQUEST_MAX);
    size_t len = t->request_len;
    memcpy(before, t->request, len);
    for (int part = 0; part < 4; part++) {
        assert_int_equal(pbts_kms_request_decode(&request, (pbts_span){ before, len }), PBTS_OK);
        if (part == 0) request.ephemeral[0] ^= 1;
        if (part == 1) request.lineage = s->lineages[1].id;
        if (part == 1) request.mode = PBTS_KMS_PINNED;
        if (part == 2) request.nonces[1].nonce.bytes[0] ^= 1;
        if (part == 3) request.nonces_len--;
        pbts_writer writer = pbts_writer_over(bytes, GUEST_REQUEST_MAX);
        pbts_kms_request_encode(&writer, &request);
        memcpy(t->request, bytes, writer.len);
        t->request_len = writer.len;
        assert_string_equal(guest_refusal(t), "report-data");
    }
    free(bytes);
    free(before);
    guest_end(t);
    guest_free(s);
}

static void lineage_mode_and_generation_must_be_allowed(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    config.mode = PBTS_KMS_PINNED;
    REFUSED(s, &config, "mode");
    config = guest_config(s);
    config.generation = 1;
    REFUSED(s, &config, "generation");
    config = guest_config(s);
    memset(config.lineage.bytes, 1, sizeof config.lineage.bytes);
    REFUSED(s, &config, "lineage");
    config = guest_config(s);
    s->keys[0].has_share = false;
    REFUSED(s, &config, "no-share");
    guest_free(s);
}

/* With an own root beside the real one, as the simulator has. */
static void the_simulator_gets_nothing_unless_allowed_and_then_another_key(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    pbts_attest_root simulator = s->evidence->anchor;
    uint8_t real[PBTS_KMS_KEY_TRK_LEN], simulated[PBTS_KMS_KEY_TRK_LEN];
    assert_int_equal(guest_key(s, real, &config, 0, 7), PBTS_OK);
    for (size_t i = 0; i < GUEST_NODES; i++) s->gates[i].root = &PBTS_ATTEST_INTEL;
    REFUSED(s, &config, "quote-vendor");
    for (size_t i = 0; i < GUEST_NODES; i++) s->gates[i].simulator = &simulator;
    REFUSED(s, &config, "simulated");
    guest_policy(&s->lineages[0], GUEST_POLICY "kms_simulated = yes\n");
    assert_int_equal(guest_key(s, simulated, &config, 0, 7), PBTS_NEED_MORE); /* not the topic */
    config.is_simulated = true;
    assert_int_equal(guest_key(s, simulated, &config, 0, 7), PBTS_OK);
    assert_memory_not_equal(real, simulated, sizeof real);
    guest_free(s);
}

static void a_point_of_small_order_is_no_ephemeral_key(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    guest_talk *t = guest_begin(s, &config);
    memset(t->client.request.ephemeral, 0, sizeof t->client.request.ephemeral);
    guest_prepare(t, 0x1f);
    assert_string_equal(guest_refusal(t), "ephemeral");
    guest_end(t);
    guest_free(s);
}

/* ---- statements ---- */

static pbts_kms_client_config statement_config(const guest_scene *s, pbts_kms_statement *out) {
    pbts_kms_client_config config = guest_config(s);
    pbts_quote quote;
    assert_reason(pbts_quote_parse(&quote, s->evidence->quote_span), PBTS_ATTEST_ACCEPTED);
    *out = (pbts_kms_statement){ .chain_id = 31337,
                                 .verifier = { 1 },
                                 .owner = { 2 },
                                 .lineage = s->lineages[0].id,
                                 .expiry_s = FORGE_NOW_S + 1000 };
    pbts_kms_measure(out->measurement, &quote.td);
    config.kind = PBTS_KMS_ASK_STATEMENT;
    pbts_kms_statement_encode(config.statement, out);
    return config;
}

/* As contracts/KmsVerifier.sol writes it; docs/kms.md. */
static void fields_of_a_statement_are_where_the_contract_has_them(void **state) {
    (void)state;
    uint8_t bytes[PBTS_KMS_STATEMENT_LEN], again[PBTS_KMS_STATEMENT_LEN];
    pbts_kms_statement statement;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
    pbts_kms_statement_decode(&statement, bytes);
    assert_true(statement.chain_id == UINT64_C(0x0001020304050607));
    assert_memory_equal(statement.verifier, bytes + 8, 20);
    assert_memory_equal(statement.owner, bytes + 28, 20);
    assert_memory_equal(statement.lineage.bytes, bytes + 48, 32);
    assert_memory_equal(statement.measurement, bytes + 80, 48);
    assert_true(statement.expiry_s == UINT64_C(0x8081828384858687));
    pbts_kms_statement_encode(again, &statement);
    assert_memory_equal(again, bytes, sizeof bytes);
}

/* SHA-512 of all that docs/kms.md names, in its order. */
static void report_data_is_what_the_protocol_says(void **state) {
    (void)state;
    static const char *const TAGS[] = { "pbts-kms-v1", "pbts-kms-attest-v1" };
    pbts_bls_public group;
    memset(group.bytes, 0x50, sizeof group.bytes);
    for (int kind = 0; kind < PBTS_KMS_ASKS; kind++) {
        uint8_t wanted[64], found[PBTS_REPORT_DATA_LEN], bytes[1024];
        pbts_kms_request request = { .kind = (pbts_kms_ask_kind)kind,
                                     .generation = UINT64_C(0x0102030405060708),
                                     .nonces_len = 2 };
        memset(request.ephemeral, 0xa1, sizeof request.ephemeral);
        memset(request.lineage.bytes, 0x11, sizeof request.lineage.bytes);
        memset(request.statement, 0x57, sizeof request.statement);
        memset(request.nonces[0].nonce.bytes, 0x91, PBTS_KMS_NONCE_LEN);
        memset(request.nonces[1].nonce.bytes, 0x92, PBTS_KMS_NONCE_LEN);
        pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
        pbts_write_text(&writer, TAGS[kind]);
        pbts_write_bytes(&writer, PBTS_SPAN_OF(request.ephemeral));
        pbts_write_bytes(&writer, PBTS_SPAN_OF(group.bytes));
        pbts_write_bytes(&writer, PBTS_SPAN_OF(request.lineage.bytes));
        pbts_write_text(&writer, "\1\2\3\4\5\6\7\10");
        if (kind == PBTS_KMS_ASK_STATEMENT)
            pbts_write_bytes(&writer, PBTS_SPAN_OF(request.statement));
        pbts_write_bytes(&writer, PBTS_SPAN_OF(request.nonces[0].nonce.bytes));
        pbts_write_bytes(&writer, PBTS_SPAN_OF(request.nonces[1].nonce.bytes));
        assert_int_equal(EVP_Digest(bytes, writer.len, wanted, NULL, EVP_sha512(), NULL), 1);
        pbts_kms_request_report_data(found, &request, &group);
        assert_memory_equal(found, wanted, sizeof wanted);
    }
}

static void a_statement_is_signed_by_the_group(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_statement statement;
    pbts_kms_client_config config = statement_config(s, &statement);
    guest_talk *t = prepared(s, &config);
    pbts_bls_signature signature, wanted;
    for (size_t i = 1; i < 4; i++) assert_int_equal(guest_ask(t, i), PBTS_OK);
    assert_int_equal(pbts_kms_client_signature(&t->client, &signature), PBTS_OK);
    pbts_bls_sign(&wanted, &s->f[0], PBTS_BLS_KMS_ATTEST, PBTS_SPAN_OF(config.statement));
    assert_memory_equal(&signature, &wanted, sizeof signature);
    guest_end(t);
    guest_free(s);
}

static void a_statement_must_be_true(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_statement statement;
    pbts_kms_client_config config = statement_config(s, &statement);
    for (int part = 0; part < 4; part++) {
        pbts_kms_statement changed = statement;
        if (part == 0) changed.measurement[47] ^= 1;
        if (part == 1) changed.lineage = s->lineages[1].id;
        if (part == 2) changed.expiry_s = FORGE_NOW_S;
        if (part == 3) changed.expiry_s = FORGE_NOW_S + 1001;
        pbts_kms_statement_encode(config.statement, &changed);
        REFUSED(s, &config, "statement");
    }
    /* The quote names the owner. */
    pbts_kms_statement_encode(config.statement, &statement);
    guest_talk *t = prepared(s, &config);
    uint8_t *at = t->request;
    while (memcmp(at, config.statement, sizeof config.statement) != 0) at++;
    at[28] ^= 1;
    assert_string_equal(guest_refusal(t), "report-data");
    guest_end(t);
    guest_free(s);
}

/* ---- bytes ---- */

/* Each allocation fails once: nothing is given or left, and the nonce is still good. */
static void without_memory_there_is_no_share(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    guest_talk *t = prepared(s, &config);
    pbts_status status = PBTS_NO_MEMORY;
    size_t at = 0;
    for (; status != PBTS_OK; at++) {
        counting_mem mem = counting_mem_failing_at(at);
        s->gates[0].mem = &mem.mem;
        status = guest_ask(t, 0);
        assert_int_equal(mem.live_blocks, 0);
        assert_true(status == PBTS_OK || pbts_status_class(status) == PBTS_RESOURCE);
    }
    assert_true(at > 2);
    guest_end(t);
    guest_free(s);
}

static void every_cut_of_a_request_is_refused(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    guest_talk *t = prepared(s, &config);
    pbts_kms_request request;
    for (size_t cut = 0; cut < t->request_len; cut += 13) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, t->request, cut);
        assert_int_equal(pbts_kms_request_decode(&request, (pbts_span){ copy, cut }),
                         PBTS_MALFORMED);
        free(copy);
    }
    uint8_t *large = calloc(1, PBTS_KMS_REQUEST_LEN_MAX + 1);
    pbts_span bytes = { large, PBTS_KMS_REQUEST_LEN_MAX };
    assert_int_equal(pbts_kms_request_decode(&request, bytes), PBTS_MALFORMED);
    bytes.len++;
    assert_int_equal(pbts_kms_request_decode(&request, bytes), PBTS_LIMIT);
    free(large);
    guest_end(t);
    guest_free(s);
}

static void nonces_come_in_the_order_of_nodes(void **state) {
    (void)state;
    guest_scene *s = guest_new();
    pbts_kms_client_config config = guest_config(s);
    guest_talk *t = prepared(s, &config);
    pbts_kms_request request, again;
    uint8_t *bytes = malloc(GUEST_REQUEST_MAX);
    assert_int_equal(pbts_kms_request_decode(&request, (pbts_span){ t->request, t->request_len }),
                     PBTS_OK);
    const uint8_t wrong[] = { 0, 1, 3, PBTS_KMS_NODES_MAX + 1 };
    for (size_t i = 0; i < sizeof wrong; i++) {
        pbts_kms_request changed = request;
        changed.nonces[1].node = wrong[i];
        pbts_writer writer = pbts_writer_over(bytes, GUEST_REQUEST_MAX);
        pbts_kms_request_encode(&writer, &changed);
        assert_int_equal(pbts_kms_request_decode(&again, pbts_writer_span(&writer)),
                         PBTS_MALFORMED);
    }
    free(bytes);
    guest_end(t);
    guest_free(s);
}

static void a_lineage_file_says_where_and_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *text;
        pbts_status status;
        const char *says;
    } ROWS[] = {
        { "kms_mode = gate\n# x\nkms_mode = gate\n", PBTS_EXISTS,
          "line 3: kms_mode: stands here for the second time" },
        { "\nkms_mode = open\n", PBTS_MALFORMED, "line 2: kms_mode: should be gate or pinned" },
        { "kms_generation_max = -1\n", PBTS_MALFORMED,
          "line 1: kms_generation_max: should be a number from 0 on" },
        { "kms_statement_max_s = 4294967296\n", PBTS_MALFORMED,
          "line 1: kms_statement_max_s: should be seconds, 0 to 4294967295" },
        { "kms_simulated = maybe\n", PBTS_MALFORMED, "line 1: kms_simulated: should be yes or no" },
        { "kms_mode = gate\nkms_other = 1\n", PBTS_NOT_FOUND,
          "line 2: kms_other: there is no such key" },
        { "kms_mode = gate\n\nxfam_allowed = all\n", PBTS_MALFORMED,
          "line 3: xfam_allowed: should be 16 hexadecimal digits" },
        { "kms_mode = gate\nallow_debug=yes # for a day\n", PBTS_DENIED,
          "line 2: allow_debug: must not be yes: who runs such a guest reads its key" },
    };
    pbts_kms_lineage lineage = { .generation_max = 77 };
    pbts_policy_mistake mistake;
    char said[PBTS_POLICY_MISTAKE_MAX];
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        pbts_status status = pbts_kms_lineage_parse(&lineage, &mistake, pbts_mem_system(),
                                                    pbts_span_text(ROWS[i].text));
        assert_int_equal(status, ROWS[i].status);
        pbts_policy_mistake_text(said, &mistake, status);
        assert_string_equal(said, ROWS[i].says);
        assert_int_equal(lineage.generation_max, 77);
    }
    guest_policy(&lineage, " kms_mode=pinned # c\nkms_statement_max_s = 4294967295\n"
                           "allow_debug = no\nmeasurement = any any any any any");
    assert_false(lineage.policy.allow_debug);
    assert_int_equal(lineage.mode, PBTS_KMS_PINNED);
    assert_int_equal(lineage.statement_max_s, UINT32_MAX);
    assert_int_equal(lineage.generation_max, 0);
    assert_int_equal(lineage.policy.measurements_len, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_three_nodes_give_the_same_key_and_two_give_none),
        cmocka_unit_test(the_key_is_the_one_of_the_shared_secret),
        cmocka_unit_test(an_upgrade_keeps_the_key_behind_a_gate_and_changes_it_when_pinned),
        cmocka_unit_test(a_refresh_keeps_the_key_and_its_shares_do_not_mix_with_old_ones),
        cmocka_unit_test(a_node_with_a_wrong_share_is_named_and_four_others_suffice),
        cmocka_unit_test(liars_cannot_name_others),
        cmocka_unit_test(a_reply_that_was_changed_is_none),
        cmocka_unit_test(a_client_takes_hellos_of_its_own_group_only),
        cmocka_unit_test(a_wrong_measurement_gets_nothing),
        cmocka_unit_test(stale_collateral_gets_nothing),
        cmocka_unit_test(a_nonce_is_good_once_for_a_while_at_one_node),
        cmocka_unit_test(used_nonces_have_a_limit_and_make_room_with_time),
        cmocka_unit_test(evidence_is_for_one_request),
        cmocka_unit_test(lineage_mode_and_generation_must_be_allowed),
        cmocka_unit_test(the_simulator_gets_nothing_unless_allowed_and_then_another_key),
        cmocka_unit_test(a_point_of_small_order_is_no_ephemeral_key),
        cmocka_unit_test(fields_of_a_statement_are_where_the_contract_has_them),
        cmocka_unit_test(report_data_is_what_the_protocol_says),
        cmocka_unit_test(without_memory_there_is_no_share),
        cmocka_unit_test(a_statement_is_signed_by_the_group),
        cmocka_unit_test(a_statement_must_be_true),
        cmocka_unit_test(every_cut_of_a_request_is_refused),
        cmocka_unit_test(nonces_come_in_the_order_of_nodes),
        cmocka_unit_test(a_lineage_file_says_where_and_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
