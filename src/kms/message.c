#include "kms/message.h"

#include "base/assert.h"
#include "codec/bencode.h"

size_t pbts_kms_coefficients_of(const pbts_kms_group *group, uint64_t epoch) {
    return epoch == 1 ? group->threshold : group->threshold - 1;
}

static bool is_refused_verdict(uint8_t verdict) {
    return verdict > PBTS_KMS_ABSENT;
}

/* ---- writing; keys in ascending order ---- */

static void put(pbts_writer *writer, const char *key, const void *bytes, size_t len) {
    pbts_bencode_text(writer, key);
    pbts_bencode_string(writer, (pbts_span){ bytes, len });
}

static void put_number(pbts_writer *writer, const char *key, uint64_t value) {
    pbts_bencode_text(writer, key);
    pbts_bencode_uint(writer, value);
}

static void put_opened(pbts_writer *writer, const pbts_kms_message *message, size_t nodes) {
    pbts_bls_signature opened[PBTS_KMS_NODES_MAX];
    size_t len = 0;
    for (size_t i = 0; i < nodes; i++) {
        if (message->verdicts[i] == PBTS_KMS_COMPLAINT) opened[len++] = message->opened[i];
    }
    put(writer, "o", opened, len * sizeof opened[0]);
}

static void put_about(pbts_writer *writer, const pbts_kms_message *message, size_t nodes) {
    uint8_t about[PBTS_KMS_NODES_MAX][PBTS_KMS_HASH_LEN];
    size_t len = 0;
    for (size_t i = 0; i < nodes; i++) {
        if (message->verdicts[i] == PBTS_KMS_COMPLAINT)
            memcpy(about[len++], message->about[i], sizeof about[0]);
    }
    put(writer, "h", about, len * sizeof about[0]);
}

static void write_body(pbts_writer *writer, const pbts_kms_message *message,
                       const pbts_kms_group *group) {
    pbts_kms_kind kind = message->kind;
    pbts_write_text(writer, "d");
    put_number(writer, "a", message->attempt);
    if (kind == PBTS_KMS_COMMIT) put(writer, "b", message->base, sizeof message->base);
    if (kind == PBTS_KMS_COMMIT) put(writer, "c", message->hash, sizeof message->hash);
    if (kind == PBTS_KMS_VOTE) put(writer, "d", message->digest, sizeof message->digest);
    put_number(writer, "e", message->epoch);
    put(writer, "g", group->digest, sizeof group->digest);
    if (kind == PBTS_KMS_ACK) put_about(writer, message, group->nodes);
    put_number(writer, "k", kind);
    put_number(writer, "n", message->sender);
    if (kind == PBTS_KMS_ACK) put_opened(writer, message, group->nodes);
    if (kind == PBTS_KMS_DEAL) {
        put(writer, "p", message->coefficients, message->coefficients_len * PBTS_BLS_PUBLIC_LEN);
        put(writer, "r", message->ephemeral.bytes, sizeof message->ephemeral.bytes);
        put(writer, "s", message->sealed, group->nodes * PBTS_KMS_SEALED_SHARE_LEN);
    }
    if (kind == PBTS_KMS_VOTE) put_number(writer, "q", message->qualified);
    if (kind != PBTS_KMS_COMMIT) {
        put(writer, "t", message->transcript, sizeof message->transcript);
        if (kind == PBTS_KMS_ACK) put(writer, "v", message->verdicts, group->nodes);
    } else {
        put(writer, "x", message->reader1.bytes, sizeof message->reader1.bytes);
        put(writer, "y", message->reader2.bytes, sizeof message->reader2.bytes);
    }
    pbts_write_text(writer, "e");
}

static void write_envelope(pbts_writer *writer, pbts_span body,
                           const pbts_bls_signature *signature) {
    pbts_write_text(writer, "d");
    put(writer, "b", body.data, body.len);
    put(writer, "s", signature->bytes, sizeof signature->bytes);
    pbts_write_text(writer, "e");
}

void pbts_kms_message_encode(pbts_writer *writer, const pbts_kms_message *message,
                             const pbts_kms_group *group, const pbts_bls_secret *identity) {
    uint8_t buffer[PBTS_KMS_MESSAGE_LEN_MAX];
    pbts_bls_signature signature;
    pbts_writer body = pbts_writer_over(buffer, sizeof buffer);
    write_body(&body, message, group);
    assert(!body.failed);
    pbts_bls_sign(&signature, identity, PBTS_BLS_KMS_NODE, pbts_writer_span(&body));
    write_envelope(writer, pbts_writer_span(&body), &signature);
}

/* ---- reading ---- */

static bool take(void *out, size_t len, const pbts_bvalue *dict, const char *key) {
    pbts_span bytes;
    if (!pbts_bdict_find_string(dict, key, &bytes) || bytes.len != len) return false;
    if (len > 0) memcpy(out, bytes.data, len);
    return true;
}

static bool read_commit(pbts_kms_message *out, const pbts_bvalue *dict) {
    return take(out->base, sizeof out->base, dict, "b") &&
           take(out->hash, sizeof out->hash, dict, "c") &&
           take(out->reader1.bytes, sizeof out->reader1.bytes, dict, "x") &&
           take(out->reader2.bytes, sizeof out->reader2.bytes, dict, "y");
}

static bool read_deal(pbts_kms_message *out, const pbts_bvalue *dict, const pbts_kms_group *group) {
    out->coefficients_len = pbts_kms_coefficients_of(group, out->epoch);
    return take(out->coefficients, out->coefficients_len * PBTS_BLS_PUBLIC_LEN, dict, "p") &&
           take(out->ephemeral.bytes, sizeof out->ephemeral.bytes, dict, "r") &&
           take(out->sealed, group->nodes * PBTS_KMS_SEALED_SHARE_LEN, dict, "s");
}

static bool read_ack(pbts_kms_message *out, const pbts_bvalue *dict, size_t nodes) {
    pbts_bls_signature opened[PBTS_KMS_NODES_MAX];
    uint8_t about[PBTS_KMS_NODES_MAX][PBTS_KMS_HASH_LEN];
    size_t len = 0;
    if (!take(out->verdicts, nodes, dict, "v")) return false;
    for (size_t i = 0; i < nodes; i++) {
        if (is_refused_verdict(out->verdicts[i])) return false;
        len += out->verdicts[i] == PBTS_KMS_COMPLAINT;
    }
    if (!take(opened, len * sizeof opened[0], dict, "o")) return false;
    if (!take(about, len * sizeof about[0], dict, "h")) return false;
    for (size_t i = nodes; i-- > 0;) {
        if (out->verdicts[i] != PBTS_KMS_COMPLAINT) continue;
        out->opened[i] = opened[--len];
        memcpy(out->about[i], about[len], sizeof about[0]);
    }
    return true;
}

static bool read_vote(pbts_kms_message *out, const pbts_bvalue *dict, size_t nodes) {
    uint64_t qualified;
    if (!take(out->digest, sizeof out->digest, dict, "d") ||
        !pbts_bdict_find_uint(dict, "q", &qualified) || qualified >> nodes != 0)
        return false;
    out->qualified = (uint32_t)qualified;
    return true;
}

static bool read_kind(pbts_kms_message *out, const pbts_bvalue *dict, const pbts_kms_group *group) {
    if (out->kind == PBTS_KMS_COMMIT) return read_commit(out, dict);
    if (!take(out->transcript, sizeof out->transcript, dict, "t")) return false;
    if (out->kind == PBTS_KMS_DEAL) return read_deal(out, dict, group);
    if (out->kind == PBTS_KMS_ACK) return read_ack(out, dict, group->nodes);
    return read_vote(out, dict, group->nodes);
}

static pbts_status read_body(pbts_kms_message *out, const pbts_kms_group *group, pbts_span body) {
    uint8_t digest[PBTS_KMS_HASH_LEN], again[PBTS_KMS_MESSAGE_LEN_MAX];
    uint64_t kind, sender;
    pbts_bvalue dict;
    if (pbts_bencode_parse(&dict, body) != PBTS_OK || dict.type != PBTS_BDICT ||
        !take(digest, sizeof digest, &dict, "g"))
        return PBTS_MALFORMED;
    if (memcmp(digest, group->digest, sizeof digest) != 0) return PBTS_DENIED;
    if (!pbts_bdict_find_uint(&dict, "a", &out->attempt) || out->attempt == 0 ||
        !pbts_bdict_find_uint(&dict, "e", &out->epoch) || out->epoch == 0 ||
        !pbts_bdict_find_uint(&dict, "k", &kind) || kind >= PBTS_KMS_KINDS ||
        !pbts_bdict_find_uint(&dict, "n", &sender) || sender == 0 || sender > group->nodes)
        return PBTS_MALFORMED;
    out->kind = (pbts_kms_kind)kind;
    out->sender = (size_t)sender;
    if (!read_kind(out, &dict, group)) return PBTS_MALFORMED;
    /* Nothing else is in it: what was read writes the same bytes. */
    pbts_writer writer = pbts_writer_over(again, sizeof again);
    write_body(&writer, out, group);
    return pbts_span_equal(pbts_writer_span(&writer), body) ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_kms_message_decode(pbts_kms_message *out, const pbts_kms_group *group,
                                    pbts_span bytes) {
    pbts_kms_message message = { 0 };
    pbts_bls_signature signature;
    pbts_bls_g1_point point;
    uint8_t again[PBTS_KMS_MESSAGE_LEN_MAX];
    pbts_bvalue dict;
    pbts_span body;
    if (bytes.len > PBTS_KMS_MESSAGE_LEN_MAX) return PBTS_LIMIT;
    if (pbts_bencode_parse(&dict, bytes) != PBTS_OK || !pbts_bdict_find_string(&dict, "b", &body) ||
        !take(signature.bytes, sizeof signature.bytes, &dict, "s"))
        return PBTS_MALFORMED;
    pbts_writer writer = pbts_writer_over(again, sizeof again);
    write_envelope(&writer, body, &signature);
    if (!pbts_span_equal(pbts_writer_span(&writer), bytes)) return PBTS_MALFORMED;
    PBTS_TRY(read_body(&message, group, body));
    PBTS_TRY(pbts_bls_signature_decode(&point, &signature));
    PBTS_TRY(pbts_bls_verify(&group->points[message.sender - 1], PBTS_BLS_KMS_NODE, body, &point));
    *out = message;
    return PBTS_OK;
}
