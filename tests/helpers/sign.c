/* Makes keys and signatures for the end-to-end tests that are not written in C.
 *
 * Reads one JSON object a line on standard input, writes one a line. Secrets and ids are in hex,
 * keys, signatures and bytes in base64, as the REST API has them:
 *
 *   {"cmd": "keygen"}                                             -> secret, public
 *   {"cmd": "register", "secret", "iid", "uid"}                   -> signature, public
 *   {"cmd": "announce", "secret", "iid", "infohash", "event", "time"}         -> signature
 *   {"cmd": "request", "secret", "iid", "method", "path", "time", "body"?}    -> header
 *   {"cmd": "piece", "secret", "iid", "infohash", "sender", "epoch", "index", "piece_hash"}
 *   {"cmd": "cumulative", "secret", "iid", "infohash", "sender", "epoch", "bitmap"} -> signature
 *   {"cmd": "batch", …as cumulative, "piece_hashes": [hex of each]}            -> signature, root
 *   {"cmd": "session", "secret", "iid", "infohash", "sender", "session_id", "session_secret",
 *    "expires"}                                                   -> signature, session_key
 *   {"cmd": "session_piece", "session_secret", "session_id", "infohash", "sender", "epoch",
 *    "index", "piece_hash"}                                       -> signature
 *   {"cmd": "peer", "secret", "iid", "infohash", "nonce", "their_nonce", "their_key"} -> signature
 *   {"cmd": "aggregate", "signatures": [...]}                     -> signature
 *   {"cmd": "report", "secret", "iid", "body": the JSON report}   -> signature, bencode
 *   {"cmd": "member", "secret": the tracker's, "iid", "key", "allowance", "up", "down",
 * "min_ratio", "generation", "issued", "expires"}                           -> member
 *   {"cmd": "beacon", "secret": the tracker's, "iid", "epoch"}    -> beacon, value
 *   {"cmd": "dht_certificate", "secret", "iid", "member", "beacon", "session_secret", "issued",
 *    "expires"}                                                   -> certificate, id
 *   {"cmd": "dht_record", "iid", "certificate", "session_secret", "key", "addr", "sequence",
 *    "expires", "stopped", "seeder"}                              -> record
 *   {"cmd": "dht_key", "iid", "info", "epoch"}                    -> key
 *   {"cmd": "kms_attest", "secret", "message": hex}               -> signature, public: hex,
 * EIP-2537
 *
 * What it cannot do is answered with {"error"}. "secret" is the receiver's for receipts.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "bls/eip2537.h"
#include "codec/text.h"
#include "dht/lookup_key.h"
#include "dht/signed_record.h"
#include "hash/sha.h"
#include "receipt/pieces.h"
#include "wire/report.h"

enum { LINE_MAX_LEN = 48 * 1024 * 1024 };

/* ---- fields ---- */

static pbts_span text_at(const json_t *line, const char *key) {
    const char *text = json_string_value(json_object_get(line, key));
    return text ? pbts_span_text(text) : (pbts_span){ NULL, 0 };
}

static uint64_t uint_at(const json_t *line, const char *key) {
    return (uint64_t)json_integer_value(json_object_get(line, key));
}

static bool hex_at(uint8_t *out, size_t len, const json_t *line, const char *key) {
    return pbts_hex_decode_exact(out, len, text_at(line, key)) == PBTS_OK;
}

static bool base64_at(uint8_t *out, size_t len, const json_t *line, const char *key) {
    return pbts_base64_decode_exact(out, len, text_at(line, key)) == PBTS_OK;
}

/* Bytes of any length, empty when absent; the caller frees them. */
static uint8_t *bytes_at(size_t *len, const json_t *line, const char *key) {
    pbts_span text = text_at(line, key);
    uint8_t *bytes = malloc(text.len + 1);
    *len = 0;
    if (bytes != NULL && pbts_base64_decode(bytes, len, text.len + 1, text) == PBTS_OK)
        return bytes;
    free(bytes);
    return NULL;
}

static json_t *encoded(pbts_span bytes, void (*encode)(pbts_writer *, pbts_span)) {
    size_t capacity = 2 * bytes.len + 8;
    uint8_t *text = malloc(capacity);
    if (text == NULL) return NULL;
    pbts_writer writer = pbts_writer_over(text, capacity);
    encode(&writer, bytes);
    json_t *value = json_stringn((char *)text, writer.len);
    free(text);
    return value;
}

#define BASE64_OF(array) encoded(PBTS_SPAN_OF(array), pbts_base64_encode)

/* Whose key signs, and for which instance. */
typedef struct {
    pbts_bls_secret secret;
    pbts_bls_public key;
    uint8_t iid[PBTS_IID_LEN];
} signer;

static bool read_signer(signer *out, const json_t *line) {
    if (!hex_at(out->secret.bytes, sizeof out->secret.bytes, line, "secret")) return false;
    if (!hex_at(out->iid, sizeof out->iid, line, "iid")) return false;
    pbts_bls_public_of(&out->key, &out->secret);
    return pbts_bls_secret_check(&out->secret) == PBTS_OK;
}

static json_t *sign(const signer *who, pbts_bls_purpose purpose, const pbts_writer *message) {
    pbts_bls_signature signature;
    if (message->failed) return NULL;
    pbts_bls_sign(&signature, &who->secret, purpose, pbts_writer_span(message));
    return BASE64_OF(signature.bytes);
}

/* ---- commands; NULL when the line makes no sense ---- */

static json_t *keygen(const json_t *line) {
    pbts_bls_secret secret;
    pbts_bls_public key;
    if (pbts_bls_generate(&secret, pbts_random_system()) != PBTS_OK) return NULL;
    pbts_bls_public_of(&key, &secret);
    return json_pack("{s:o, s:o}", "secret", encoded(PBTS_SPAN_OF(secret.bytes), pbts_hex_encode),
                     "public", BASE64_OF(key.bytes));
}

static json_t *sign_registration(const json_t *line) {
    signer who;
    uint8_t room[PBTS_MESSAGE_MAX];
    pbts_span uid = text_at(line, "uid");
    pbts_writer message = pbts_writer_over(room, sizeof room);
    if (!read_signer(&who, line) || uid.len > PBTS_UID_LEN_MAX) return NULL;
    pbts_message_register(&message, who.iid, &who.key, uid);
    return json_pack("{s:o, s:o}", "signature", sign(&who, PBTS_BLS_REGISTER, &message), "public",
                     BASE64_OF(who.key.bytes));
}

static json_t *sign_announce(const json_t *line) {
    signer who;
    uint8_t room[PBTS_MESSAGE_MAX], infohash[PBTS_INFOHASH_LEN];
    pbts_writer message = pbts_writer_over(room, sizeof room);
    if (!read_signer(&who, line) || !hex_at(infohash, sizeof infohash, line, "infohash"))
        return NULL;
    pbts_message_announce(&message, who.iid, &who.key, infohash, (uint8_t)uint_at(line, "event"),
                          uint_at(line, "time"));
    return json_pack("{s:o}", "signature", sign(&who, PBTS_BLS_ANNOUNCE, &message));
}

static void hash_request(uint8_t out[static PBTS_SHA256_LEN], const json_t *line, pbts_span body) {
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts/request/1\n"));
    pbts_sha256_update(&state, text_at(line, "method"));
    pbts_sha256_update(&state, pbts_span_text(" "));
    pbts_sha256_update(&state, text_at(line, "path"));
    pbts_sha256_update(&state, pbts_span_text("\n"));
    pbts_sha256_update(&state, body);
    pbts_sha256_final(&state, out);
}

static json_t *sign_request(const json_t *line) {
    signer who;
    uint8_t room[PBTS_MESSAGE_MAX], digest[PBTS_SHA256_LEN];
    size_t body_len;
    uint64_t time = uint_at(line, "time");
    pbts_writer message = pbts_writer_over(room, sizeof room);
    uint8_t *body = bytes_at(&body_len, line, "body");
    if (body == NULL) return NULL;
    hash_request(digest, line, (pbts_span){ body, body_len });
    free(body);
    if (!read_signer(&who, line)) return NULL;
    pbts_message_report(&message, who.iid, &who.key, time, digest);
    json_t *key = BASE64_OF(who.key.bytes), *signature = sign(&who, PBTS_BLS_REPORT, &message);
    json_t *header = json_sprintf("PBTS pk=%s,time=%llu,sig=%s", json_string_value(key),
                                  (unsigned long long)time, json_string_value(signature));
    json_decref(key);
    json_decref(signature);
    return json_pack("{s:o}", "header", header);
}

/* SHA-1 or SHA-256 in hex. */
static bool piece_hash_of(uint8_t out[static PBTS_PIECE_HASH_LEN], pbts_span text) {
    memset(out, 0, PBTS_PIECE_HASH_LEN);
    return pbts_hex_decode_exact(out, PBTS_PIECE_HASH_LEN, text) == PBTS_OK ||
           pbts_hex_decode_exact(out, PBTS_SHA1_LEN, text) == PBTS_OK;
}

/* What the receipts of all forms have. */
static bool read_receipt(pbts_receipt *out, signer *who, const json_t *line,
                         pbts_receipt_form form) {
    *out = (pbts_receipt){ .form = form, .epoch = uint_at(line, "epoch") };
    if (!read_signer(who, line) || !hex_at(out->infohash, sizeof out->infohash, line, "infohash") ||
        !base64_at(out->sender.bytes, sizeof out->sender.bytes, line, "sender"))
        return false;
    memcpy(out->iid, who->iid, sizeof out->iid);
    out->receiver = who->key;
    return true;
}

static json_t *sign_receipt(const signer *who, const pbts_receipt *receipt) {
    pbts_bls_signature signature;
    pbts_receipt_sign(&signature, receipt, &who->secret);
    return json_pack("{s:o}", "signature", BASE64_OF(signature.bytes));
}

static json_t *sign_piece(const json_t *line) {
    signer who;
    pbts_receipt receipt;
    if (!read_receipt(&receipt, &who, line, PBTS_FORM_PIECE) ||
        !piece_hash_of(receipt.piece_hash, text_at(line, "piece_hash")))
        return NULL;
    receipt.piece_index = (uint32_t)uint_at(line, "index");
    return sign_receipt(&who, &receipt);
}

static json_t *sign_cumulative(const json_t *line) {
    signer who;
    pbts_receipt receipt;
    size_t bitmap_len = 0;
    if (!read_receipt(&receipt, &who, line, PBTS_FORM_CUMULATIVE)) return NULL;
    uint8_t *bitmap = bytes_at(&bitmap_len, line, "bitmap");
    receipt.bitmap = (pbts_span){ bitmap, bitmap_len };
    json_t *made = sign_receipt(&who, &receipt);
    free(bitmap);
    return made;
}

/* "piece_hashes" has the hashes of the set's pieces in their order. */
typedef struct {
    const json_t *list;
    pbts_span bitmap;
} listed_hashes;

static void get_listed(const void *context, uint8_t out[static PBTS_PIECE_HASH_LEN],
                       uint32_t index) {
    const listed_hashes *hashes = context;
    size_t place = 0;
    for (uint32_t i = 0; i < index; i++) place += pbts_piece_set_has(hashes->bitmap.data, i);
    const char *text = json_string_value(json_array_get(hashes->list, place));
    (void)piece_hash_of(out, pbts_span_text(text ? text : ""));
}

static json_t *sign_batch(const json_t *line) {
    signer who;
    pbts_receipt receipt;
    size_t bitmap_len = 0;
    if (!read_receipt(&receipt, &who, line, PBTS_FORM_BATCH)) return NULL;
    uint8_t *bitmap = bytes_at(&bitmap_len, line, "bitmap");
    receipt.bitmap = (pbts_span){ bitmap, bitmap_len };
    listed_hashes hashes = { json_object_get(line, "piece_hashes"), receipt.bitmap };
    pbts_receipt_root(receipt.root, receipt.bitmap, (pbts_piece_hashes){ get_listed, &hashes });
    json_t *made = sign_receipt(&who, &receipt);
    json_object_set_new(made, "root", encoded(PBTS_SPAN_OF(receipt.root), pbts_hex_encode));
    free(bitmap);
    return made;
}

/* The session's key, and the signer that works with it; false when there is none. */
static bool read_session_key(pbts_secp256k1_secret *secret, pbts_secp256k1_signer **session_signer,
                             const json_t *line) {
    return hex_at(secret->bytes, sizeof secret->bytes, line, "session_secret") &&
           pbts_secp256k1_secret_check(secret) == PBTS_OK &&
           pbts_secp256k1_signer_new(session_signer, pbts_mem_system(), pbts_random_system()) ==
               PBTS_OK;
}

static json_t *sign_session(const json_t *line) {
    signer who;
    pbts_receipt receipt;
    pbts_secp256k1_secret secret;
    pbts_secp256k1_signer *session_signer;
    if (!read_receipt(&receipt, &who, line, PBTS_FORM_SESSION) ||
        !hex_at(receipt.session.id, sizeof receipt.session.id, line, "session_id") ||
        !read_session_key(&secret, &session_signer, line))
        return NULL;
    receipt.session.expires = uint_at(line, "expires");
    pbts_secp256k1_public_of(session_signer, &receipt.session.key, &secret);
    pbts_secp256k1_signer_free(session_signer);
    json_t *made = sign_receipt(&who, &receipt);
    json_object_set_new(made, "session_key", BASE64_OF(receipt.session.key.bytes));
    return made;
}

static json_t *sign_session_piece(const json_t *line) {
    pbts_receipt receipt = { .form = PBTS_FORM_SESSION, .epoch = uint_at(line, "epoch") };
    pbts_secp256k1_secret secret;
    pbts_secp256k1_signer *session_signer;
    pbts_secp256k1_signature signature;
    uint8_t hash[PBTS_PIECE_HASH_LEN];
    if (!hex_at(receipt.infohash, sizeof receipt.infohash, line, "infohash") ||
        !base64_at(receipt.sender.bytes, sizeof receipt.sender.bytes, line, "sender") ||
        !hex_at(receipt.session.id, sizeof receipt.session.id, line, "session_id") ||
        !piece_hash_of(hash, text_at(line, "piece_hash")) ||
        !read_session_key(&secret, &session_signer, line))
        return NULL;
    pbts_receipt_session_sign(session_signer, &signature, &secret, &receipt, hash,
                              (uint32_t)uint_at(line, "index"));
    pbts_secp256k1_signer_free(session_signer);
    return json_pack("{s:o}", "signature", BASE64_OF(signature.bytes));
}

static json_t *sign_peer(const json_t *line) {
    signer who;
    pbts_bls_public theirs;
    uint8_t room[PBTS_MESSAGE_MAX], infohash[PBTS_INFOHASH_LEN], own[PBTS_NONCE_LEN],
        other[PBTS_NONCE_LEN];
    pbts_writer message = pbts_writer_over(room, sizeof room);
    if (!read_signer(&who, line) || !hex_at(infohash, sizeof infohash, line, "infohash") ||
        !hex_at(own, sizeof own, line, "nonce") ||
        !hex_at(other, sizeof other, line, "their_nonce") ||
        !base64_at(theirs.bytes, sizeof theirs.bytes, line, "their_key"))
        return NULL;
    pbts_message_peer(&message, who.iid, infohash, own, other, &who.key, &theirs);
    return json_pack("{s:o}", "signature", sign(&who, PBTS_BLS_PEER, &message));
}

static json_t *aggregate(const json_t *line) {
    const json_t *list = json_object_get(line, "signatures");
    pbts_bls_g1_point sum, point;
    pbts_bls_signature signature;
    pbts_bls_g1_zero(&sum);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL ||
            pbts_base64_decode_exact(signature.bytes, sizeof signature.bytes,
                                     pbts_span_text(text)) != PBTS_OK ||
            pbts_bls_signature_decode(&point, &signature) != PBTS_OK)
            return NULL;
        pbts_bls_g1_add(&sum, &point);
    }
    pbts_bls_signature_encode(&signature, &sum);
    return json_pack("{s:o}", "signature", BASE64_OF(signature.bytes));
}

/* The report in the other encoding, with the signature just made. */
static json_t *report_bencode(pbts_report *report, const json_t *signature) {
    size_t capacity = 4096 + report->count * 512;
    for (size_t i = 0; i < report->count; i++) {
        const pbts_statement *statement = &report->statements[i];
        capacity += 2 * statement->bitmap.len + statement->piece_signatures.len;
    }
    uint8_t *list = malloc(capacity), *whole = malloc(2 * capacity);
    json_t *value = NULL;
    if (list != NULL && whole != NULL &&
        pbts_base64_decode_exact(report->signature.bytes, sizeof report->signature.bytes,
                                 pbts_span_text(json_string_value(signature))) == PBTS_OK) {
        pbts_writer statements = pbts_writer_over(list, capacity);
        pbts_writer body = pbts_writer_over(whole, 2 * capacity);
        pbts_report_encode_statements(&statements, report->statements, report->count);
        pbts_report_encode(&body, report, pbts_writer_span(&statements));
        if (!statements.failed && !body.failed)
            value = encoded(pbts_writer_span(&body), pbts_base64_encode);
    }
    free(list);
    free(whole);
    return value;
}

static json_t *sign_report(const json_t *line) {
    static const uint8_t none[PBTS_BLS_SIGNATURE_LEN] = { 0 };
    signer who;
    pbts_report report;
    const char *problem = NULL;
    uint8_t room[PBTS_MESSAGE_MAX];
    json_t *body = json_deep_copy(json_object_get(line, "body"));
    if (body == NULL || !read_signer(&who, line)) return NULL;
    json_object_set_new(body, "signature", BASE64_OF(none));
    char *text = json_dumps(body, JSON_COMPACT);
    pbts_status status =
        pbts_report_decode_json(&report, &problem, pbts_mem_system(), pbts_span_text(text));
    json_decref(body);
    free(text);
    if (status != PBTS_OK) return json_pack("{s:s}", "error", problem);
    pbts_writer message = pbts_writer_over(room, sizeof room);
    pbts_message_report(&message, who.iid, &who.key, report.unix_time, report.statements_sha256);
    json_t *signature = sign(&who, PBTS_BLS_REPORT, &message);
    json_t *bencode = report_bencode(&report, signature);
    pbts_report_free(&report);
    return json_pack("{s:o, s:o}", "signature", signature, "bencode", bencode);
}

/* A key service's statement for a chain, by one key in place of a group's; docs/kms.md has the
 * message. */
static json_t *sign_statement(const json_t *line) {
    pbts_bls_secret secret;
    pbts_bls_public public;
    pbts_bls_signature signature;
    pbts_bls_public_point key;
    pbts_bls_g1_point point;
    uint8_t message[PBTS_MESSAGE_MAX], key_bytes[PBTS_EIP2537_G2_LEN],
        point_bytes[PBTS_EIP2537_G1_LEN];
    size_t len;
    if (!hex_at(secret.bytes, sizeof secret.bytes, line, "secret") ||
        pbts_bls_secret_check(&secret) != PBTS_OK ||
        pbts_hex_decode(message, &len, sizeof message, text_at(line, "message")) != PBTS_OK)
        return NULL;
    pbts_bls_public_of(&public, &secret);
    pbts_bls_sign(&signature, &secret, PBTS_BLS_KMS_ATTEST, (pbts_span){ message, len });
    if (pbts_bls_public_decode(&key, &public) != PBTS_OK ||
        pbts_bls_signature_decode(&point, &signature) != PBTS_OK)
        return NULL;
    pbts_eip2537_public(key_bytes, &key);
    pbts_eip2537_signature(point_bytes, &point);
    return json_pack("{s:o, s:o}", "signature", encoded(PBTS_SPAN_OF(point_bytes), pbts_hex_encode),
                     "public", encoded(PBTS_SPAN_OF(key_bytes), pbts_hex_encode));
}

/* ---- the DHT ---- */

static json_t *sign_member(const json_t *line) {
    signer who;
    uint8_t bytes[PBTS_MEMBERSHIP_LEN];
    pbts_membership membership = { .allowance_bytes = uint_at(line, "allowance"),
                                   .up_bytes = uint_at(line, "up"),
                                   .down_bytes = uint_at(line, "down"),
                                   .min_ratio_milli = (uint32_t)uint_at(line, "min_ratio"),
                                   .generation = (uint32_t)uint_at(line, "generation"),
                                   .issued = uint_at(line, "issued"),
                                   .expires = uint_at(line, "expires") };
    if (!read_signer(&who, line) ||
        !base64_at(membership.key.bytes, sizeof membership.key.bytes, line, "key"))
        return NULL;
    pbts_membership_sign(&membership, who.iid, &who.secret);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_membership_encode(&writer, &membership);
    return json_pack("{s:o}", "member", BASE64_OF(bytes));
}

static json_t *sign_beacon(const json_t *line) {
    signer who;
    pbts_epoch_beacon beacon;
    uint8_t bytes[PBTS_DHT_BEACON_LEN], value[PBTS_DHT_BEACON_VALUE_LEN];
    uint64_t epoch = uint_at(line, "epoch");
    if (!read_signer(&who, line) || epoch != pbts_dht_beacon_epoch(epoch)) return NULL;
    pbts_dht_beacon_sign(&beacon, who.iid, epoch, &who.secret);
    pbts_dht_beacon_value(value, &beacon);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_dht_beacon_encode(&writer, &beacon);
    return json_pack("{s:o, s:o}", "beacon", BASE64_OF(bytes), "value",
                     encoded(PBTS_SPAN_OF(value), pbts_hex_encode));
}

static json_t *sign_certificate(const json_t *line) {
    signer who;
    pbts_dht_id id;
    pbts_secp256k1_secret session;
    pbts_secp256k1_signer *session_signer;
    uint8_t member[PBTS_MEMBERSHIP_LEN], beacon[PBTS_DHT_BEACON_LEN],
        bytes[PBTS_DHT_CERTIFICATE_LEN];
    pbts_dht_certificate certificate = { .issued = uint_at(line, "issued"),
                                         .expires = uint_at(line, "expires") };
    if (!read_signer(&who, line) || !base64_at(member, sizeof member, line, "member") ||
        !base64_at(beacon, sizeof beacon, line, "beacon") ||
        pbts_membership_decode(&certificate.membership, PBTS_SPAN_OF(member)) != PBTS_OK ||
        pbts_dht_beacon_decode(&certificate.beacon, PBTS_SPAN_OF(beacon)) != PBTS_OK ||
        !read_session_key(&session, &session_signer, line))
        return NULL;
    pbts_secp256k1_public_of(session_signer, &certificate.session_key, &session);
    pbts_secp256k1_signer_free(session_signer);
    pbts_dht_certificate_sign(&certificate, who.iid, &who.secret);
    pbts_dht_node_id(&id, &certificate.membership.key, &certificate.beacon);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_dht_certificate_encode(&writer, &certificate);
    return json_pack("{s:o, s:o}", "certificate", BASE64_OF(bytes), "id",
                     encoded(PBTS_SPAN_OF(id.bytes), pbts_hex_encode));
}

static json_t *sign_record(const json_t *line) {
    uint8_t iid[PBTS_IID_LEN], certificate[PBTS_DHT_CERTIFICATE_LEN], bytes[PBTS_DHT_RECORD_LEN],
        digest[PBTS_DHT_DIGEST_LEN];
    pbts_secp256k1_secret session;
    pbts_secp256k1_signer *session_signer;
    pbts_dht_signed_record record = { .sequence = uint_at(line, "sequence"),
                                      .expires = uint_at(line, "expires"),
                                      .stopped = json_is_true(json_object_get(line, "stopped")),
                                      .seeder = json_is_true(json_object_get(line, "seeder")),
                                      .certificate = PBTS_SPAN_OF(certificate) };
    if (!hex_at(iid, sizeof iid, line, "iid") ||
        !hex_at(record.key.bytes, sizeof record.key.bytes, line, "key") ||
        !base64_at(certificate, sizeof certificate, line, "certificate") ||
        pbts_addr_parse_endpoint(&record.addr, text_at(line, "addr")) != PBTS_OK ||
        !read_session_key(&session, &session_signer, line))
        return NULL;
    pbts_dht_signed_record_digest(digest, iid, &record);
    pbts_secp256k1_sign(session_signer, &record.signature, &session, digest);
    pbts_secp256k1_signer_free(session_signer);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_dht_signed_record_encode(&writer, &record);
    return json_pack("{s:o}", "record", BASE64_OF(bytes));
}

static json_t *lookup_key(const json_t *line) {
    uint8_t iid[PBTS_IID_LEN];
    size_t len;
    pbts_dht_torrent_secret secret;
    pbts_dht_id key;
    uint8_t *info = bytes_at(&len, line, "info");
    if (info == NULL || !hex_at(iid, sizeof iid, line, "iid")) {
        free(info);
        return NULL;
    }
    pbts_dht_torrent_secret_of(&secret, (pbts_span){ info, len });
    pbts_dht_lookup_key(&key, iid, &secret, uint_at(line, "epoch"));
    free(info);
    return json_pack("{s:o}", "key", encoded(PBTS_SPAN_OF(key.bytes), pbts_hex_encode));
}

/* ---- lines ---- */

static json_t *answer(const json_t *line) {
    static const struct {
        const char *name;
        json_t *(*run)(const json_t *line);
    } commands[] = {
        { "keygen", keygen },
        { "register", sign_registration },
        { "announce", sign_announce },
        { "request", sign_request },
        { "piece", sign_piece },
        { "cumulative", sign_cumulative },
        { "aggregate", aggregate },
        { "report", sign_report },
        { "peer", sign_peer },
        { "batch", sign_batch },
        { "session", sign_session },
        { "session_piece", sign_session_piece },
        { "kms_attest", sign_statement },
        { "member", sign_member },
        { "beacon", sign_beacon },
        { "dht_certificate", sign_certificate },
        { "dht_record", sign_record },
        { "dht_key", lookup_key },
    };
    pbts_span name = text_at(line, "cmd");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!pbts_span_is(name, commands[i].name)) continue;
        json_t *result = commands[i].run(line);
        return result ? result : json_pack("{s:s}", "error", "the fields make no sense");
    }
    return json_pack("{s:s}", "error", "no such command");
}

int main(void) {
    char *text = NULL;
    size_t capacity = 0;
    for (ssize_t len; (len = getline(&text, &capacity, stdin)) > 0;) {
        if (len > LINE_MAX_LEN) return 1;
        json_t *line = json_loadb(text, (size_t)len, 0, NULL);
        json_t *result = answer(line);
        json_dumpf(result, stdout, JSON_COMPACT);
        (void)printf("\n");
        (void)fflush(stdout);
        json_decref(line);
        json_decref(result);
    }
    free(text);
    return 0;
}
