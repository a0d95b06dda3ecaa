/* Announces that carry a signature instead of a passkey: one pairing, then a tracker id for the
 * announces that follow, and what other peers can check: a ticket, and for times without a tracker
 * a membership (DESIGN sections 5 and 7). */
#include "base/secret.h"
#include "codec/bencode.h"
#include "codec/text.h"
#include "tracker/announce.h"
#include "tracker/membership.h"
#include "tracker/users.h"

static pbts_status parse_time(uint64_t *out, pbts_span text) {
    uint64_t value = 0;
    if (text.len == 0 || text.len > 19) return PBTS_MALFORMED;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return PBTS_MALFORMED;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *out = value;
    return PBTS_OK;
}

/* A field may come as raw bytes (percent-decoded) or as base64. */
static pbts_status take_bytes(uint8_t *out, size_t len, pbts_span field) {
    if (field.len != len) return pbts_base64_decode_exact(out, len, field);
    memcpy(out, field.data, len);
    return PBTS_OK;
}

static pbts_refusal check_signature(const pbts_tracker *tracker, const pbts_user_row *user,
                                    const pbts_announce *announce, uint64_t time) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_bls_signature bytes;
    pbts_bls_g1_point signature;
    pbts_bls_public_point key;
    if (take_bytes(bytes.bytes, sizeof bytes.bytes, announce->sig) != PBTS_OK ||
        pbts_bls_signature_decode(&signature, &bytes) != PBTS_OK ||
        pbts_bls_public_from_raw(&key, user->key_raw) != PBTS_OK) {
        return PBTS_REFUSAL_BAD_SIGNATURE;
    }
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_announce(&writer, tracker->iid, &user->key, announce->infohash,
                          (uint8_t)announce->event, time);
    pbts_status status =
        pbts_bls_verify(&key, PBTS_BLS_ANNOUNCE, pbts_writer_span(&writer), &signature);
    return status == PBTS_OK ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_BAD_SIGNATURE;
}

static void add_ticket(const pbts_tracker *tracker, pbts_announce_reply *reply,
                       pbts_announce_room *room, const pbts_user_row *user,
                       const pbts_account *account, pbts_now now) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_balance balance = pbts_account_balance(account);
    uint64_t allowance = pbts_balance_allowance(&balance, pbts_tracker_policy_now(tracker));
    uint64_t expires = now.unix_s + PBTS_TICKET_LIFE_S;
    pbts_bls_signature signature;
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_ticket(&writer, tracker->iid, &user->key, allowance, now.unix_s, expires);
    pbts_bls_sign(&signature, &tracker->secrets->owner, PBTS_BLS_TICKET, pbts_writer_span(&writer));

    pbts_writer ticket = pbts_writer_over(room->ticket, sizeof room->ticket);
    pbts_write_u8(&ticket, 'd');
    pbts_bencode_text(&ticket, "allowance");
    pbts_bencode_uint(&ticket, allowance);
    pbts_bencode_text(&ticket, "expires");
    pbts_bencode_uint(&ticket, expires);
    pbts_bencode_text(&ticket, "issued");
    pbts_bencode_uint(&ticket, now.unix_s);
    pbts_bencode_text(&ticket, "pk");
    pbts_bencode_string(&ticket, PBTS_SPAN_OF(user->key.bytes));
    pbts_bencode_text(&ticket, "sig");
    pbts_bencode_string(&ticket, PBTS_SPAN_OF(signature.bytes));
    pbts_write_u8(&ticket, 'e');
    if (!ticket.failed) reply->ticket = pbts_writer_span(&ticket);
}

/* What the user shows to others once the tracker is away. */
static void add_membership(const pbts_tracker *tracker, pbts_announce_reply *reply,
                           pbts_announce_room *room, const pbts_user_row *user,
                           const pbts_account *account, pbts_now now) {
    pbts_membership membership;
    pbts_epoch_beacon beacon;
    pbts_membership_make(tracker, &membership, &user->key, account, now);
    pbts_writer writer = pbts_writer_over(room->membership, sizeof room->membership);
    pbts_membership_encode(&writer, &membership);
    reply->membership = pbts_writer_span(&writer);
    pbts_tracker_beacon(tracker, &beacon, now);
    writer = pbts_writer_over(room->beacon, sizeof room->beacon);
    pbts_dht_beacon_encode(&writer, &beacon);
    reply->beacon = pbts_writer_span(&writer);
}

static void add_tracker_id(const pbts_tracker *tracker, pbts_announce_reply *reply,
                           pbts_announce_room *room, uint32_t user_no, const pbts_account *account,
                           pbts_now now) {
    uint8_t tag[PBTS_PASSKEY_TAG_LEN];
    pbts_tracker_id id = { .user_no = user_no,
                           .generation =
                               atomic_load_explicit(&account->generation, memory_order_acquire),
                           .expires_unix = now.unix_s + PBTS_TRACKER_ID_LIFE_S };
    pbts_account_tag(tag, account);
    pbts_tracker_id_make(room->tracker_id, &tracker->secrets->passkey_key, &id, tag);
    reply->tracker_id = pbts_span_text(room->tracker_id);
}

static pbts_refusal load_announcer(pbts_tracker *tracker, uint32_t *user_no, pbts_user_row *user,
                                   const pbts_announce *announce) {
    pbts_bls_public key;
    if (take_bytes(key.bytes, sizeof key.bytes, announce->pk) != PBTS_OK) {
        return PBTS_REFUSAL_KEY_INVALID;
    }
    pbts_status status = pbts_user_load_by_uid(tracker, user_no, user, announce->uid);
    if (status == PBTS_NOT_FOUND) return PBTS_REFUSAL_UNKNOWN_USER;
    if (status != PBTS_OK) return pbts_refusal_of_status(status);
    bool same = user->has_key && memcmp(user->key.bytes, key.bytes, sizeof key.bytes) == 0;
    return same ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_UNKNOWN_USER;
}

pbts_refusal pbts_tracker_announce_signed(pbts_tracker *tracker, pbts_announce_reply *reply,
                                          pbts_announce_room *room, const pbts_announce *announce,
                                          const pbts_addr *client, unsigned families,
                                          pbts_now now) {
    pbts_user_row user;
    uint32_t user_no;
    uint64_t time;
    if (parse_time(&time, announce->time) != PBTS_OK) return PBTS_REFUSAL_MALFORMED;
    if (!pbts_signed_time_is_near(time, now)) return PBTS_REFUSAL_STALE_TIME;
    pbts_refusal refusal = load_announcer(tracker, &user_no, &user, announce);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    refusal = check_signature(tracker, &user, announce, time);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    pbts_account *account = pbts_accounts_find(&tracker->accounts, user_no);
    if (account == NULL) return PBTS_REFUSAL_UNKNOWN_USER;
    if (!pbts_signed_time_claim(tracker, account, time, now)) return PBTS_REFUSAL_STALE_TIME;
    refusal =
        pbts_tracker_announce_as(tracker, reply, room, announce, user_no, client, families, now);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    add_tracker_id(tracker, reply, room, user_no, account, now);
    add_ticket(tracker, reply, room, &user, account, now);
    add_membership(tracker, reply, room, &user, account, now);
    return PBTS_REFUSAL_NONE;
}
