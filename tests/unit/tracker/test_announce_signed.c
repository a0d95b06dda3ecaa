/* Announces that carry a signature: freshness, binding to everything they say, and what they get.
 */
#include "announcing.h"
#include "codec/bencode.h"
#include "codec/text.h"
#include "hash/sha.h"

typedef struct {
    client *client;
    char time[24];
    pbts_bls_public pk;
    pbts_bls_signature sig;
} signer;

static signer signer_new(world *w, size_t user, uint8_t id) {
    signer s = { .client = client_new(w, SIZE_MAX, 0, id) };
    s.pk = w->users[user].key;
    s.client->announce.uid = pbts_span_text(w->users[user].uid);
    return s;
}

/* Sign what the client would send at this time. */
static void sign(world *w, signer *s, size_t user, const uint8_t *iid, uint64_t time) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_announce *announce = &s->client->announce;
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_announce(&writer, iid, &s->pk, announce->infohash, (uint8_t)announce->event, time);
    pbts_bls_sign(&s->sig, &w->users[user].secret, PBTS_BLS_ANNOUNCE, pbts_writer_span(&writer));
    snprintf(s->time, sizeof s->time, "%llu", (unsigned long long)time);
}

static pbts_refusal send(world *w, signer *s) {
    client *c = s->client;
    c->announce.pk = PBTS_SPAN_OF(s->pk.bytes);
    c->announce.sig = PBTS_SPAN_OF(s->sig.bytes);
    c->announce.time = pbts_span_text(s->time);
    return pbts_tracker_announce_signed(w->tracker, &c->reply, &c->room, &c->announce, &c->from,
                                        c->families, w->now);
}

static pbts_refusal sign_and_send(world *w, signer *s, uint64_t time) {
    sign(w, s, 0, pbts_tracker_iid(w->tracker), time);
    return send(w, s);
}

static void a_signature_is_good_once(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    signer s = signer_new(w, 0, 1);
    uint64_t now = w->now.unix_s;
    assert_int_equal(sign_and_send(w, &s, now), PBTS_REFUSAL_NONE);
    assert_int_equal(s.client->reply.incomplete, 1);
    assert_int_equal(world_user(w, 0).peers, 1);
    assert_int_equal(send(w, &s), PBTS_REFUSAL_STALE_TIME);
    assert_int_equal(sign_and_send(w, &s, now), PBTS_REFUSAL_STALE_TIME); /* the same second */
    assert_int_equal(sign_and_send(w, &s, now + 2), PBTS_REFUSAL_NONE);
    assert_int_equal(sign_and_send(w, &s, now + 1), PBTS_REFUSAL_STALE_TIME); /* must increase */
    assert_int_equal(sign_and_send(w, &s, now + 3), PBTS_REFUSAL_NONE);
    free(s.client);
    world_free(w);
}

static void fields_may_come_as_bytes_or_as_base64(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    signer s = signer_new(w, 0, 1);
    uint8_t pk[160], sig[80];
    sign(w, &s, 0, pbts_tracker_iid(w->tracker), w->now.unix_s);
    client *c = s.client;
    pbts_writer pk_text = pbts_writer_over(pk, sizeof pk),
                sig_text = pbts_writer_over(sig, sizeof sig);
    pbts_base64_encode(&pk_text, PBTS_SPAN_OF(s.pk.bytes));
    pbts_base64_encode(&sig_text, PBTS_SPAN_OF(s.sig.bytes));
    c->announce.pk = pbts_writer_span(&pk_text);
    c->announce.sig = pbts_writer_span(&sig_text);
    c->announce.time = pbts_span_text(s.time);
    assert_int_equal(pbts_tracker_announce_signed(w->tracker, &c->reply, &c->room, &c->announce,
                                                  &c->from, c->families, w->now),
                     PBTS_REFUSAL_NONE);
    free(c);
    world_free(w);
}

static void time_may_be_three_hundred_seconds_off(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    signer s = signer_new(w, 0, 1);
    w->now.unix_s += 1000; /* away from the start */
    uint64_t now = w->now.unix_s;
    assert_int_equal(sign_and_send(w, &s, now - 301), PBTS_REFUSAL_STALE_TIME);
    assert_int_equal(sign_and_send(w, &s, now + 301), PBTS_REFUSAL_STALE_TIME);
    assert_int_equal(sign_and_send(w, &s, UINT64_MAX / 4), PBTS_REFUSAL_STALE_TIME);
    assert_int_equal(sign_and_send(w, &s, now - 300), PBTS_REFUSAL_NONE);
    assert_int_equal(sign_and_send(w, &s, now + 300), PBTS_REFUSAL_NONE);
    const char *bad[] = { "", "x", "-1", "1.5", " 1", "18446744073709551616", "0x10" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(s.time, sizeof s.time, "%s", bad[i]);
        assert_int_equal(send(w, &s), PBTS_REFUSAL_MALFORMED);
    }
    free(s.client);
    world_free(w);
}

static void a_signature_binds_all_that_the_announce_says(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 2);
    signer s = signer_new(w, 0, 1);
    uint64_t now = w->now.unix_s;
    const uint8_t *iid = pbts_tracker_iid(w->tracker);
    pbts_announce *announce = &s.client->announce;
    sign(w, &s, 0, iid, now);
    announce->event = PBTS_EVENT_STOPPED;
    assert_int_equal(send(w, &s), PBTS_REFUSAL_BAD_SIGNATURE);
    announce->event = PBTS_EVENT_NONE;
    memcpy(announce->infohash, pbts_metainfo_infohash(w->torrents[1]), 20);
    assert_int_equal(send(w, &s), PBTS_REFUSAL_BAD_SIGNATURE);
    memcpy(announce->infohash, pbts_metainfo_infohash(w->torrents[0]), 20);
    snprintf(s.time, sizeof s.time, "%llu", (unsigned long long)now + 1);
    assert_int_equal(send(w, &s), PBTS_REFUSAL_BAD_SIGNATURE);
    uint8_t foreign[PBTS_IID_LEN] = { 1 };
    sign(w, &s, 0, foreign, now);
    assert_int_equal(send(w, &s), PBTS_REFUSAL_BAD_SIGNATURE);
    sign(w, &s, 1, iid, now); /* another's secret */
    assert_int_equal(send(w, &s), PBTS_REFUSAL_BAD_SIGNATURE);
    for (size_t i = 0; i < sizeof s.sig.bytes; i++) {
        sign(w, &s, 0, iid, now);
        s.sig.bytes[i] ^= 1;
        assert_int_equal(send(w, &s), PBTS_REFUSAL_BAD_SIGNATURE);
    }
    assert_int_equal(world_user(w, 0).peers, 0);
    /* None of these used the second up. */
    assert_int_equal(sign_and_send(w, &s, now), PBTS_REFUSAL_NONE);
    free(s.client);
    world_free(w);
}

static void a_key_stands_for_its_own_user_only(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    signer s = signer_new(w, 0, 1);
    s.client->announce.uid = pbts_span_text(w->users[1].uid);
    assert_int_equal(sign_and_send(w, &s, w->now.unix_s), PBTS_REFUSAL_UNKNOWN_USER);
    s.client->announce.uid = pbts_span_text("USER0"); /* names are as registered, case and all */
    assert_int_equal(sign_and_send(w, &s, w->now.unix_s), PBTS_REFUSAL_UNKNOWN_USER);
    s.client->announce.uid = pbts_span_text("nobody");
    assert_int_equal(sign_and_send(w, &s, w->now.unix_s), PBTS_REFUSAL_UNKNOWN_USER);
    s.client->announce.uid = pbts_span_text(w->users[0].uid);
    s.client->announce.pk = pbts_span_text("too short");
    s.client->announce.time = pbts_span_text(s.time);
    assert_int_equal(pbts_tracker_announce_signed(w->tracker, &s.client->reply, &s.client->room,
                                                  &s.client->announce, &s.client->from,
                                                  PBTS_FAMILIES_BOTH, w->now),
                     PBTS_REFUSAL_KEY_INVALID);
    free(s.client);
    world_free(w);
}

static void a_restart_refuses_what_was_signed_before_it(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    signer s = signer_new(w, 0, 1);
    w->now.unix_s += 50;
    uint64_t before = w->now.unix_s;
    assert_int_equal(sign_and_send(w, &s, before), PBTS_REFUSAL_NONE);
    w->now.unix_s += 10;
    world_restart(w);
    assert_int_equal(send(w, &s), PBTS_REFUSAL_STALE_TIME);
    assert_int_equal(sign_and_send(w, &s, before + 9), PBTS_REFUSAL_STALE_TIME);
    assert_int_equal(sign_and_send(w, &s, before + 10), PBTS_REFUSAL_NONE);
    free(s.client);
    world_free(w);
}

static void a_clock_that_was_ahead_at_the_start_keeps_nobody_out(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    signer s = signer_new(w, 0, 1);
    uint64_t real = w->now.unix_s + 100;
    w->now.unix_s = real + 8 * 3600;
    world_restart(w);
    w->now.unix_s = real;
    w->now.mono_s += 600; /* until then it may have been used before the start */
    assert_int_equal(sign_and_send(w, &s, real), PBTS_REFUSAL_STALE_TIME);
    w->now.mono_s++;
    assert_int_equal(sign_and_send(w, &s, real), PBTS_REFUSAL_NONE);
    assert_int_equal(send(w, &s), PBTS_REFUSAL_STALE_TIME);
    free(s.client);
    world_free(w);
}

static pbts_refusal say_by_id(world *w, client *c, const char *tracker_id) {
    c->announce.uid = c->announce.pk = c->announce.sig = c->announce.time = (pbts_span){ 0 };
    c->announce.tracker_id = pbts_span_text(tracker_id);
    return client_says(w, c, PBTS_EVENT_NONE, 1);
}

static void a_tracker_id_stands_for_the_user_for_a_day(void **state) {
    (void)state;
    char id[PBTS_TRACKER_ID_TEXT_LEN + 1];
    world *w = world_new(NULL, 1, 1);
    signer s = signer_new(w, 0, 1);
    client *c = s.client;
    assert_int_equal(sign_and_send(w, &s, w->now.unix_s), PBTS_REFUSAL_NONE);
    assert_int_equal(c->reply.tracker_id.len, PBTS_TRACKER_ID_TEXT_LEN);
    memcpy(id, c->room.tracker_id, sizeof id);
    assert_int_equal(say_by_id(w, c, id), PBTS_REFUSAL_NONE);
    assert_int_equal(world_user(w, 0).peers, 1); /* the same peer, the same user */
    assert_int_equal(c->reply.tracker_id.len, 0);
    world_restart(w);
    w->now.unix_s += PBTS_TRACKER_ID_LIFE_S;
    assert_int_equal(say_by_id(w, c, id), PBTS_REFUSAL_NONE);
    w->now.unix_s += 1;
    assert_int_equal(say_by_id(w, c, id), PBTS_REFUSAL_TRACKER_ID_STALE);
    id[3] = id[3] == 'b' ? 'c' : 'b';
    w->now.unix_s -= 100;
    assert_int_equal(say_by_id(w, c, id), PBTS_REFUSAL_TRACKER_ID_STALE);
    free(c);
    world_free(w);
}

static void a_rotation_ends_tracker_ids_too(void **state) {
    (void)state;
    char id[PBTS_TRACKER_ID_TEXT_LEN + 1];
    world *w = world_new(NULL, 1, 1);
    signer s = signer_new(w, 0, 1);
    assert_int_equal(sign_and_send(w, &s, w->now.unix_s), PBTS_REFUSAL_NONE);
    memcpy(id, s.client->room.tracker_id, sizeof id);
    world_rotate(w, 0);
    assert_int_equal(say_by_id(w, s.client, id), PBTS_REFUSAL_TRACKER_ID_STALE);
    s.client->announce.uid = pbts_span_text(w->users[0].uid);
    s.client->announce.tracker_id = (pbts_span){ 0 };
    assert_int_equal(sign_and_send(w, &s, w->now.unix_s + 1), PBTS_REFUSAL_NONE);
    memcpy(id, s.client->room.tracker_id, sizeof id);
    assert_int_equal(say_by_id(w, s.client, id), PBTS_REFUSAL_NONE);
    free(s.client);
    world_free(w);
}

/* Two machines with the same key and instance, of which each gave the number to somebody else. */
static void a_tracker_id_is_not_for_who_gets_the_number_next(void **state) {
    (void)state;
    static const uint8_t IID[PBTS_IID_LEN] = { 5 };
    char id[PBTS_TRACKER_ID_TEXT_LEN + 1];
    world *w[2];
    for (size_t i = 0; i < 2; i++) {
        w[i] = world_prepare(NULL);
        w[i]->config.mirrored = true;
        memcpy(w[i]->config.mirror_iid, IID, sizeof IID);
        if (i > 0) w[i]->config.owner = w[0]->config.owner;
        world_open_tracker(w[i]);
        (void)world_add_user(w[i]);
        (void)world_add_torrent(w[i], PBTS_TORRENT_V1);
    }
    signer s = signer_new(w[0], 0, 1);
    assert_int_equal(sign_and_send(w[0], &s, w[0]->now.unix_s), PBTS_REFUSAL_NONE);
    memcpy(id, s.client->room.tracker_id, sizeof id);
    assert_int_equal(w[0]->users[0].number, w[1]->users[0].number);
    assert_int_equal(say_by_id(w[0], s.client, id), PBTS_REFUSAL_NONE);
    assert_int_equal(say_by_id(w[1], s.client, id), PBTS_REFUSAL_TRACKER_ID_STALE);
    free(s.client);
    world_free(w[0]);
    world_free(w[1]);
}

/* The string or number that follows `key` in a bencoded dictionary of ours. */
static const uint8_t *after(pbts_span bytes, const char *key) {
    const uint8_t *found = memmem(bytes.data, bytes.len, key, strlen(key));
    assert_non_null(found);
    return found + strlen(key);
}

static uint64_t number_after(pbts_span bytes, const char *key) {
    return strtoull((const char *)after(bytes, key), NULL, 10);
}

static void a_ticket_verifies_and_carries_the_allowance(void **state) {
    (void)state;
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_bls_signature bytes;
    pbts_bls_public_point owner;
    pbts_bls_g1_point signature;
    world *w = world_new(NULL, 1, 1);
    signer s = signer_new(w, 0, 1);
    world_set_totals(w, 0, UINT64_C(5) << 30, UINT64_C(3) << 30);
    uint64_t allowance = world_user(w, 0).allowance_bytes, now = w->now.unix_s;
    assert_int_equal(allowance, UINT64_C(9) << 30); /* (5 + 1 of overdraft) / 0.5 - 3 */
    assert_int_equal(sign_and_send(w, &s, now), PBTS_REFUSAL_NONE);
    pbts_span ticket = s.client->reply.ticket;
    assert_true(ticket.len > 0 && ticket.len <= sizeof s.client->room.ticket);
    assert_int_equal(number_after(ticket, "9:allowancei"), allowance);
    assert_int_equal(number_after(ticket, "6:issuedi"), now);
    assert_int_equal(number_after(ticket, "7:expiresi"), now + PBTS_TICKET_LIFE_S);
    assert_memory_equal(after(ticket, "2:pk96:"), s.pk.bytes, sizeof s.pk.bytes);
    memcpy(bytes.bytes, after(ticket, "3:sig48:"), sizeof bytes.bytes);
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_ticket(&writer, pbts_tracker_iid(w->tracker), &s.pk, allowance, now,
                        now + PBTS_TICKET_LIFE_S);
    assert_int_equal(pbts_bls_public_decode(&owner, pbts_tracker_owner(w->tracker)), PBTS_OK);
    assert_int_equal(pbts_bls_signature_decode(&signature, &bytes), PBTS_OK);
    assert_int_equal(
        pbts_bls_verify(&owner, PBTS_BLS_TICKET, pbts_writer_span(&writer), &signature), PBTS_OK);
    free(s.client);
    world_free(w);
}

static void a_signer_gets_what_it_needs_without_the_tracker(void **state) {
    (void)state;
    pbts_membership membership;
    pbts_epoch_beacon beacon, again;
    pbts_bls_public_point owner;
    world *w = world_new(NULL, 1, 1);
    signer s = signer_new(w, 0, 1);
    world_set_totals(w, 0, UINT64_C(5) << 30, UINT64_C(3) << 30);
    pbts_user user = world_user(w, 0);
    uint64_t now = w->now.unix_s;
    const uint8_t *iid = pbts_tracker_iid(w->tracker);
    assert_int_equal(pbts_bls_public_decode(&owner, pbts_tracker_owner(w->tracker)), PBTS_OK);
    assert_int_equal(sign_and_send(w, &s, now), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_membership_decode(&membership, s.client->reply.membership), PBTS_OK);
    assert_int_equal(pbts_membership_check(&membership, iid, &owner), PBTS_OK);
    assert_memory_equal(&membership.key, &s.pk, sizeof s.pk);
    assert_true(membership.allowance_bytes == user.allowance_bytes);
    assert_true(membership.up_bytes == UINT64_C(5) << 30);
    assert_true(membership.down_bytes == UINT64_C(3) << 30);
    assert_int_equal(membership.min_ratio_milli, 500);
    assert_int_equal(membership.generation, user.generation);
    assert_true(membership.issued == now && membership.expires == now + 30 * 86400);
    assert_false(pbts_membership_below_ratio(&membership));
    assert_int_equal(pbts_dht_beacon_decode(&beacon, s.client->reply.beacon), PBTS_OK);
    assert_int_equal(pbts_dht_beacon_check(&beacon, iid, &owner), PBTS_OK);
    assert_true(beacon.epoch == now / 86400 * 24);
    /* The same all day, and after a restart. */
    w->now.unix_s = (now / 86400 + 1) * 86400 - 1;
    world_restart(w);
    pbts_tracker_beacon(w->tracker, &again, w->now);
    assert_memory_equal(&again.signature, &beacon.signature, sizeof beacon.signature);
    w->now.unix_s++;
    pbts_tracker_beacon(w->tracker, &again, w->now);
    assert_true(again.epoch == beacon.epoch + 24);
    free(s.client);
    world_free(w);
}

static void a_membership_can_be_had_without_an_announce(void **state) {
    (void)state;
    pbts_membership membership;
    pbts_bls_public_point owner;
    world *w = world_new(NULL, 1, 1);
    world_set_totals(w, 0, 499, 1000);
    assert_int_equal(pbts_tracker_membership(w->tracker, &membership, w->users[0].number, w->now),
                     PBTS_OK);
    assert_int_equal(pbts_bls_public_decode(&owner, pbts_tracker_owner(w->tracker)), PBTS_OK);
    assert_int_equal(pbts_membership_check(&membership, pbts_tracker_iid(w->tracker), &owner),
                     PBTS_OK);
    assert_true(pbts_membership_below_ratio(&membership)); /* it says so itself */
    assert_int_equal(pbts_tracker_membership(w->tracker, &membership, 77, w->now), PBTS_NOT_FOUND);
    /* A name that an administrator reserved has no key to be a member with. */
    pbts_checked_registration reserved = { .uid = "reserved", .uid_len = 8 };
    uint32_t number;
    pbts_commit *commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_registration(commit, &number, &reserved, true)),
                     PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_tracker_membership(w->tracker, &membership, number, w->now), PBTS_DENIED);
    world_free(w);
}

static void the_rules_of_admission_hold_for_signers_too(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    signer s = signer_new(w, 0, 1);
    world_set_totals(w, 0, 0, 1000);
    s.client->announce.event = PBTS_EVENT_STARTED;
    memset(s.client->room.tracker_id, 0, sizeof s.client->room.tracker_id);
    assert_int_equal(sign_and_send(w, &s, w->now.unix_s), PBTS_REFUSAL_RATIO_TOO_LOW);
    assert_int_equal(s.client->room.tracker_id[0], 0);
    free(s.client);
    world_free(w);
}

/* ---- signed requests ---- */

static pbts_signed_request request_of(const world *w, size_t user, const char *method,
                                      const char *path, const char *body, uint64_t time) {
    uint8_t message[PBTS_MESSAGE_MAX], digest[32];
    char text[256];
    pbts_signed_request request = { .key = w->users[user].key,
                                    .unix_time = time,
                                    .method = pbts_span_text(method),
                                    .path = pbts_span_text(path),
                                    .body = pbts_span_text(body) };
    int len = snprintf(text, sizeof text, "pbts/request/1\n%s %s\n%s", method, path, body);
    pbts_sha256(digest, (pbts_span){ (const uint8_t *)text, (size_t)len });
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_report(&writer, pbts_tracker_iid(w->tracker), &request.key, time, digest);
    pbts_bls_sign(&request.signature, &w->users[user].secret, PBTS_BLS_REPORT,
                  pbts_writer_span(&writer));
    return request;
}

static void a_signed_request_binds_method_path_and_body(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 0);
    uint32_t user_no = 0;
    uint64_t now = w->now.unix_s;
    pbts_signed_request good = request_of(w, 1, "POST", "/torrents", "body", now), r = good;
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now), PBTS_REFUSAL_NONE);
    assert_int_equal(user_no, w->users[1].number);
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now), PBTS_REFUSAL_NONE);
    r.method = pbts_span_text("GET");
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now),
                     PBTS_REFUSAL_BAD_SIGNATURE);
    r = good;
    r.path = pbts_span_text("/torrent");
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now),
                     PBTS_REFUSAL_BAD_SIGNATURE);
    r = good;
    r.body = pbts_span_text("bodY");
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now),
                     PBTS_REFUSAL_BAD_SIGNATURE);
    r = good;
    r.key = w->users[0].key;
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now),
                     PBTS_REFUSAL_BAD_SIGNATURE);
    r.key.bytes[5] ^= 1;
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now),
                     PBTS_REFUSAL_UNKNOWN_USER);
    r = request_of(w, 1, "POST", "/torrents", "body", now + 301);
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now), PBTS_REFUSAL_STALE_TIME);
    world_free(w);
}

static void a_request_that_is_good_once_is_good_once(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 0);
    uint32_t user_no;
    pbts_signed_request r = request_of(w, 0, "POST", "/passkey", "", w->now.unix_s + 1);
    r.once = true;
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now), PBTS_REFUSAL_NONE);
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now), PBTS_REFUSAL_STALE_TIME);
    w->now.unix_s += 2;
    world_restart(w);
    assert_int_equal(pbts_check_request(w->tracker, &user_no, &r, w->now), PBTS_REFUSAL_STALE_TIME);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_good_once),
        cmocka_unit_test(fields_may_come_as_bytes_or_as_base64),
        cmocka_unit_test(time_may_be_three_hundred_seconds_off),
        cmocka_unit_test(a_signature_binds_all_that_the_announce_says),
        cmocka_unit_test(a_key_stands_for_its_own_user_only),
        cmocka_unit_test(a_restart_refuses_what_was_signed_before_it),
        cmocka_unit_test(a_clock_that_was_ahead_at_the_start_keeps_nobody_out),
        cmocka_unit_test(a_tracker_id_stands_for_the_user_for_a_day),
        cmocka_unit_test(a_rotation_ends_tracker_ids_too),
        cmocka_unit_test(a_tracker_id_is_not_for_who_gets_the_number_next),
        cmocka_unit_test(a_ticket_verifies_and_carries_the_allowance),
        cmocka_unit_test(a_signer_gets_what_it_needs_without_the_tracker),
        cmocka_unit_test(a_membership_can_be_had_without_an_announce),
        cmocka_unit_test(the_rules_of_admission_hold_for_signers_too),
        cmocka_unit_test(a_signed_request_binds_method_path_and_body),
        cmocka_unit_test(a_request_that_is_good_once_is_good_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
