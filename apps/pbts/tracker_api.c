#include "tracker_api.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/secret.h"
#include "codec/text.h"
#include "exit_codes.h"
#include "hash/sha.h"
#include "say.h"

void base64_text(char *out, size_t capacity, pbts_span bytes) {
    pbts_writer writer = pbts_writer_over((uint8_t *)out, capacity - 1);
    pbts_base64_encode(&writer, bytes);
    assert(!writer.failed);
    out[writer.len] = '\0';
}

void hex_text(char *out, size_t capacity, pbts_span bytes) {
    pbts_writer writer = pbts_writer_over((uint8_t *)out, capacity - 1);
    pbts_hex_encode(&writer, bytes);
    assert(!writer.failed);
    out[writer.len] = '\0';
}

uint64_t tracker_count(const json_t *object, const char *name) {
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

int tracker_answer_bad(json_t *take, const char *tracker, const char *what) {
    json_decref(take);
    return say_fail(PBTS_EXIT_IO, "%s: the answer has no %s; is this a PBTS tracker?", tracker,
                    what);
}

int tracker_identity(uint8_t iid[static PBTS_IID_LEN], pbts_bls_public *tracker_key, bool *has_key,
                     const char *tracker, const char *ca) {
    const http_request request = {
        .tracker = tracker, .ca = ca, .method = "GET", .path = "/params"
    };
    json_t *params;
    int code = http_json(&params, &request);
    if (code != PBTS_EXIT_OK) return code;
    const char *text = json_string_value(json_object_get(params, "iid"));
    if (text == NULL || pbts_hex_decode_exact(iid, PBTS_IID_LEN, pbts_span_text(text)) != PBTS_OK) {
        code =
            say_fail(PBTS_EXIT_IO, "%s/params names no instance; is this a PBTS tracker?", tracker);
    }
    text = json_string_value(json_object_get(params, "tracker_key"));
    *has_key =
        text != NULL && pbts_base64_decode_exact(tracker_key->bytes, sizeof tracker_key->bytes,
                                                 pbts_span_text(text)) == PBTS_OK;
    json_decref(params);
    return code;
}

int tracker_iid(uint8_t iid[static PBTS_IID_LEN], const char *tracker, const char *ca) {
    pbts_bls_public key;
    bool has_key;
    return tracker_identity(iid, &key, &has_key, tracker, ca);
}

int tracker_iid_of_key(uint8_t iid[static PBTS_IID_LEN], const char *tracker, const char *ca,
                       const keyfile *key) {
    char theirs[2 * PBTS_IID_LEN + 1], ours[2 * PBTS_IID_LEN + 1];
    uint8_t found[PBTS_IID_LEN];
    int code = tracker_iid(found, tracker, ca);
    if (code != PBTS_EXIT_OK) return code;
    if (key->has_iid && memcmp(key->iid, found, sizeof found) != 0) {
        hex_text(theirs, sizeof theirs, PBTS_SPAN_OF(found));
        hex_text(ours, sizeof ours, PBTS_SPAN_OF(key->iid));
        return say_fail(PBTS_EXIT_REFUSED,
                        "%s is instance %s, but your key is registered with %s; \"pbts register\" "
                        "takes it there",
                        tracker, theirs, ours);
    }
    memcpy(iid, found, sizeof found);
    return PBTS_EXIT_OK;
}

int tracker_user_key(pbts_bls_public *out, const char *tracker, const char *ca, const char *uid) {
    char path[64];
    if (!pbts_uid_is_valid(pbts_span_text(uid))) {
        return say_fail(PBTS_EXIT_USAGE, "\"%.40s\" is no user name: 1 to 32 of A-Z a-z 0-9 . _ -",
                        uid);
    }
    snprintf(path, sizeof path, "/user/%s", uid);
    const http_request request = { .tracker = tracker, .ca = ca, .method = "GET", .path = path };
    json_t *user;
    int code = http_json(&user, &request);
    if (code != PBTS_EXIT_OK) return code;
    const char *text = json_string_value(json_object_get(user, "public_key"));
    if (text == NULL ||
        pbts_base64_decode_exact(out->bytes, sizeof out->bytes, pbts_span_text(text)) != PBTS_OK) {
        code = say_fail(PBTS_EXIT_REFUSED, "%s has no public key at this tracker yet", uid);
    }
    json_decref(user);
    return code;
}

void tracker_authorization(char out[static AUTHORIZATION_MAX], const keyfile *key,
                           const uint8_t iid[static PBTS_IID_LEN], const http_request *request) {
    uint8_t digest[PBTS_SHA256_LEN], message[PBTS_MESSAGE_MAX];
    char pk[160], sig[80];
    uint64_t now = (uint64_t)time(NULL);
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts/request/1\n"));
    pbts_sha256_update(&state, pbts_span_text(request->method));
    pbts_sha256_update(&state, pbts_span_text(" "));
    /* The path without its query. */
    pbts_span path = { (const uint8_t *)request->path, strcspn(request->path, "?") };
    pbts_sha256_update(&state, path);
    pbts_sha256_update(&state, pbts_span_text("\n"));
    pbts_sha256_update(&state, request->body);
    pbts_sha256_final(&state, digest);
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_report(&writer, iid, &key->key, now, digest);
    pbts_bls_signature signature;
    pbts_bls_sign(&signature, &key->secret, PBTS_BLS_REPORT, pbts_writer_span(&writer));
    base64_text(pk, sizeof pk, PBTS_SPAN_OF(key->key.bytes));
    base64_text(sig, sizeof sig, PBTS_SPAN_OF(signature.bytes));
    snprintf(out, AUTHORIZATION_MAX, "PBTS pk=%s,time=%llu,sig=%s", pk, (unsigned long long)now,
             sig);
}

int tracker_signed_json(json_t **out, http_request *request, const keyfile *key) {
    uint8_t iid[PBTS_IID_LEN];
    char authorization[AUTHORIZATION_MAX];
    int code = tracker_iid_of_key(iid, request->tracker, request->ca, key);
    if (code != PBTS_EXIT_OK) return code;
    tracker_authorization(authorization, key, iid, request);
    request->authorization = authorization;
    code = http_json(out, request);
    request->authorization = NULL;
    pbts_wipe(authorization, sizeof authorization);
    return code;
}
