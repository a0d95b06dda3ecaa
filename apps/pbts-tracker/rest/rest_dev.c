/* POST /keygen and /attest: the prototype's helpers that handle secret keys. rest.c lets only
 * loopback clients in, and only with dev_endpoints = yes: a key that a server saw proves nothing.
 */
#include <stdlib.h>

#include "base/epoch.h"
#include "base/secret.h"
#include "codec/text.h"
#include "rest_parts.h"

void rest_keygen(struct rest_request *request, const struct rest_caller *caller) {
    pbts_bls_secret secret;
    pbts_bls_public key;
    if (pbts_bls_generate(&secret, pbts_random_system()) != PBTS_OK) {
        rest_reply_refusal(request, PBTS_REFUSAL_INTERNAL);
        return;
    }
    pbts_bls_public_of(&key, &secret);
    rest_reply_header(request, "Cache-Control", "no-store");
    rest_reply_json(request, 200,
                    json_pack("{s:b, s:o, s:o}", "success", 1, "private_key",
                              rest_json_base64(PBTS_SPAN_OF(secret.bytes)), "public_key",
                              rest_json_base64(PBTS_SPAN_OF(key.bytes))));
    pbts_wipe(&secret, sizeof secret);
}

/* What the receiver is asked to sign; NULL, or a sentence that says what is wrong. */
static const char *read_receipt(pbts_receipt *out, uint64_t *timestamp, const json_t *body) {
    pbts_span infohash, piece_hash;
    uint64_t index;
    size_t hash_len;
    *out = (pbts_receipt){ .form = PBTS_FORM_PIECE };
    if (!rest_json_text_at(&infohash, body, "infohash") ||
        pbts_hex_decode_exact(out->infohash, sizeof out->infohash, infohash) != PBTS_OK)
        return "infohash must be 40 hexadecimal digits";
    if (!rest_json_base64_at(out->sender.bytes, sizeof out->sender.bytes, body, "sender_pk"))
        return "sender_pk must be 96 bytes in base64";
    if (!rest_json_text_at(&piece_hash, body, "piece_hash") ||
        pbts_hex_decode(out->piece_hash, &hash_len, sizeof out->piece_hash, piece_hash) !=
            PBTS_OK ||
        (hash_len != 20 && hash_len != 32))
        return "piece_hash must be 40 or 64 hexadecimal digits";
    if (!rest_json_uint_at(&index, body, "piece_index") || index >= PBTS_PIECES_MAX)
        return "piece_index must be a piece's number";
    if (json_object_get(body, "timestamp") == NULL)
        *timestamp = app_now().unix_s;
    else if (!rest_json_uint_at(timestamp, body, "timestamp"))
        return "timestamp must be unix seconds";
    out->piece_index = (uint32_t)index;
    out->epoch = pbts_epoch_at(*timestamp);
    return NULL;
}

static void reply_receipt(struct rest_request *request, json_t *body, pbts_receipt *receipt,
                          uint64_t timestamp, const pbts_bls_secret *secret) {
    pbts_bls_signature signature;
    memcpy(receipt->iid, pbts_tracker_iid(request->app->tracker), sizeof receipt->iid);
    pbts_bls_public_of(&receipt->receiver, secret);
    pbts_receipt_sign(&signature, receipt, secret);
    rest_reply_json(
        request, 200,
        json_pack("{s:b, s:{s:o, s:O, s:O, s:O, s:O, s:o, s:o}}", "success", 1, "receipt",
                  "receiver_public_key", rest_json_base64(PBTS_SPAN_OF(receipt->receiver.bytes)),
                  "sender_pk", json_object_get(body, "sender_pk"), "piece_hash",
                  json_object_get(body, "piece_hash"), "piece_index",
                  json_object_get(body, "piece_index"), "infohash",
                  json_object_get(body, "infohash"), "timestamp", rest_json_uint(timestamp),
                  "signature", rest_json_base64(PBTS_SPAN_OF(signature.bytes))));
}

void rest_attest(struct rest_request *request, const struct rest_caller *caller) {
    pbts_receipt receipt;
    pbts_bls_secret secret = { 0 };
    uint64_t timestamp = 0;
    json_t *body = rest_json_body(request);
    if (body == NULL) return;
    const char *problem = read_receipt(&receipt, &timestamp, body);
    if (problem == NULL &&
        (!rest_json_base64_at(secret.bytes, sizeof secret.bytes, body, "receiver_private_key") ||
         pbts_bls_secret_check(&secret) != PBTS_OK))
        problem = "receiver_private_key must be a BLS12-381 secret, 32 bytes in base64";
    if (problem != NULL)
        rest_reply_error(request, 400, "MALFORMED", problem);
    else
        reply_receipt(request, body, &receipt, timestamp, &secret);
    pbts_wipe(&secret, sizeof secret);
    json_decref(body);
}
