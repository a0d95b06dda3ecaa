#include "kms/request.h"

#include <openssl/evp.h>

#include "base/assert.h"
#include "codec/bencode.h"
#include "hash/hkdf.h"

enum { COLLATERAL_PARTS = 5, NONCE_ENTRY_LEN = 1 + PBTS_KMS_NONCE_LEN };

static void digest(uint8_t *out, const EVP_MD *md, pbts_span bytes) {
    int good = EVP_Digest(bytes.data, bytes.len, out, NULL, md, NULL);
    assert(good == 1);
}

void pbts_kms_measure(uint8_t out[static PBTS_MEASUREMENT_LEN], const pbts_td_report *td) {
    uint8_t buffer[(1 + PBTS_RTMR_COUNT) * PBTS_MEASUREMENT_LEN];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(td->mrtd));
    for (size_t i = 0; i < PBTS_RTMR_COUNT; i++) {
        pbts_write_bytes(&writer, PBTS_SPAN_OF(td->rtmr[i]));
    }
    digest(out, EVP_sha384(), pbts_writer_span(&writer));
}

/* ---- statement, topic ---- */

void pbts_kms_statement_encode(uint8_t out[static PBTS_KMS_STATEMENT_LEN],
                               const pbts_kms_statement *statement) {
    pbts_writer writer = pbts_writer_over(out, PBTS_KMS_STATEMENT_LEN);
    pbts_write_u64(&writer, statement->chain_id);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(statement->verifier));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(statement->owner));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(statement->lineage.bytes));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(statement->measurement));
    pbts_write_u64(&writer, statement->expiry_s);
    assert(!writer.failed && writer.len == PBTS_KMS_STATEMENT_LEN);
}

void pbts_kms_statement_decode(pbts_kms_statement *out,
                               const uint8_t bytes[static PBTS_KMS_STATEMENT_LEN]) {
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ bytes, PBTS_KMS_STATEMENT_LEN });
    bool good =
        pbts_read_u64(&cursor, &out->chain_id) == PBTS_OK &&
        pbts_read_bytes(&cursor, out->verifier, sizeof out->verifier) == PBTS_OK &&
        pbts_read_bytes(&cursor, out->owner, sizeof out->owner) == PBTS_OK &&
        pbts_read_bytes(&cursor, out->lineage.bytes, sizeof out->lineage.bytes) == PBTS_OK &&
        pbts_read_bytes(&cursor, out->measurement, sizeof out->measurement) == PBTS_OK &&
        pbts_read_u64(&cursor, &out->expiry_s) == PBTS_OK;
    assert(good);
}

void pbts_kms_topic_encode(pbts_writer *out, const pbts_kms_topic *topic) {
    enum { SIMULATED = 0x80 };
    pbts_write_u8(out, (uint8_t)(topic->mode | (topic->is_simulated ? SIMULATED : 0)));
    pbts_write_bytes(out, PBTS_SPAN_OF(topic->lineage.bytes));
    pbts_write_u64(out, topic->generation);
    if (topic->mode == PBTS_KMS_PINNED) pbts_write_bytes(out, PBTS_SPAN_OF(topic->measurement));
}

/* ---- fields ---- */

static void put(pbts_writer *out, const char *key, const void *bytes, size_t len) {
    pbts_bencode_text(out, key);
    pbts_bencode_string(out, (pbts_span){ bytes, len });
}

static void put_number(pbts_writer *out, const char *key, uint64_t value) {
    pbts_bencode_text(out, key);
    pbts_bencode_uint(out, value);
}

static bool take(void *out, size_t len, const pbts_bvalue *dict, const char *key) {
    pbts_span bytes;
    if (!pbts_bdict_find_string(dict, key, &bytes) || bytes.len != len) return false;
    memcpy(out, bytes.data, len);
    return true;
}

static bool take_node(size_t *out, const pbts_bvalue *dict) {
    uint64_t node;
    if (!pbts_bdict_find_uint(dict, "i", &node) || node == 0 || node > PBTS_KMS_NODES_MAX)
        return false;
    *out = (size_t)node;
    return true;
}

/* ---- HELLO ---- */

void pbts_kms_hello_encode(pbts_writer *out, const pbts_kms_hello *hello) {
    pbts_write_text(out, "d");
    put_number(out, "e", hello->epoch);
    put_number(out, "i", hello->node);
    put(out, "n", hello->nonce.bytes, sizeof hello->nonce.bytes);
    put(out, "p", hello->group.bytes, sizeof hello->group.bytes);
    put(out, "s", hello->shares, hello->nodes * sizeof hello->shares[0]);
    pbts_write_text(out, "e");
}

pbts_status pbts_kms_hello_decode(pbts_kms_hello *out, pbts_span bytes) {
    pbts_kms_hello hello = { 0 };
    pbts_bvalue dict;
    pbts_span shares;
    if (bytes.len > PBTS_KMS_HELLO_LEN_MAX) return PBTS_LIMIT;
    if (pbts_bencode_parse(&dict, bytes) != PBTS_OK ||
        !pbts_bdict_find_uint(&dict, "e", &hello.epoch) || hello.epoch == 0 ||
        !take_node(&hello.node, &dict) ||
        !take(hello.nonce.bytes, sizeof hello.nonce.bytes, &dict, "n") ||
        !take(hello.group.bytes, sizeof hello.group.bytes, &dict, "p") ||
        !pbts_bdict_find_string(&dict, "s", &shares) || shares.len > sizeof hello.shares ||
        shares.len % sizeof hello.shares[0] != 0)
        return PBTS_MALFORMED;
    hello.nodes = shares.len / sizeof hello.shares[0];
    if (hello.node > hello.nodes) return PBTS_MALFORMED;
    memcpy(hello.shares, shares.data, shares.len);
    *out = hello;
    return PBTS_OK;
}

/* ---- REQUEST ---- */

static void put_nonces(pbts_writer *out, const pbts_kms_request *request) {
    uint8_t entries[PBTS_KMS_NODES_MAX * NONCE_ENTRY_LEN];
    pbts_writer writer = pbts_writer_over(entries, sizeof entries);
    for (size_t i = 0; i < request->nonces_len; i++) {
        pbts_write_u8(&writer, request->nonces[i].node);
        pbts_write_bytes(&writer, PBTS_SPAN_OF(request->nonces[i].nonce.bytes));
    }
    put(out, "n", entries, writer.len);
}

void pbts_kms_request_encode(pbts_writer *out, const pbts_kms_request *request) {
    const pbts_collateral_files *files = &request->collateral;
    const pbts_span parts[COLLATERAL_PARTS] = { files->tcb_info, files->qe_identity,
                                                files->root_crl, files->pck_crl,
                                                files->tcb_signing_chain };
    pbts_write_text(out, "d");
    put(out, "a", request->ephemeral, sizeof request->ephemeral);
    pbts_bencode_text(out, "c");
    pbts_write_text(out, "l");
    for (size_t i = 0; i < COLLATERAL_PARTS; i++) pbts_bencode_string(out, parts[i]);
    pbts_write_text(out, "e");
    put_number(out, "g", request->generation);
    put_number(out, "k", request->kind);
    put(out, "l", request->lineage.bytes, sizeof request->lineage.bytes);
    put_number(out, "m", request->mode);
    put_nonces(out, request);
    put(out, "q", request->quote.data, request->quote.len);
    put(out, "s", request->statement,
        request->kind == PBTS_KMS_ASK_STATEMENT ? sizeof request->statement : 0);
    pbts_write_text(out, "e");
}

static bool take_collateral(pbts_collateral_files *out, const pbts_bvalue *dict) {
    pbts_span *parts[COLLATERAL_PARTS] = { &out->tcb_info, &out->qe_identity, &out->root_crl,
                                           &out->pck_crl, &out->tcb_signing_chain };
    pbts_bvalue list, item;
    if (!pbts_bdict_find_typed(dict, "c", PBTS_BLIST, &list)) return false;
    pbts_biter items = pbts_bvalue_items(&list);
    for (size_t i = 0; i < COLLATERAL_PARTS; i++) {
        if (!pbts_biter_next(&items, &item) || item.type != PBTS_BSTRING) return false;
        *parts[i] = item.string;
    }
    return !pbts_biter_next(&items, &item);
}

static bool take_nonces(pbts_kms_request *out, const pbts_bvalue *dict) {
    pbts_span entries;
    if (!pbts_bdict_find_string(dict, "n", &entries) || entries.len == 0 ||
        entries.len % NONCE_ENTRY_LEN != 0 || entries.len / NONCE_ENTRY_LEN > PBTS_KMS_NODES_MAX)
        return false;
    out->nonces_len = entries.len / NONCE_ENTRY_LEN;
    for (size_t i = 0; i < out->nonces_len; i++) {
        const uint8_t *entry = entries.data + i * NONCE_ENTRY_LEN;
        uint8_t before = i > 0 ? out->nonces[i - 1].node : 0;
        if (entry[0] <= before || entry[0] > PBTS_KMS_NODES_MAX) return false;
        out->nonces[i].node = entry[0];
        memcpy(out->nonces[i].nonce.bytes, entry + 1, PBTS_KMS_NONCE_LEN);
    }
    return true;
}

static bool take_kind(pbts_kms_request *out, const pbts_bvalue *dict) {
    uint64_t kind, mode;
    if (!pbts_bdict_find_uint(dict, "k", &kind) || kind >= PBTS_KMS_ASKS ||
        !pbts_bdict_find_uint(dict, "m", &mode) || mode >= PBTS_KMS_MODES)
        return false;
    out->kind = (pbts_kms_ask_kind)kind;
    out->mode = (pbts_kms_mode)mode;
    size_t len = out->kind == PBTS_KMS_ASK_STATEMENT ? sizeof out->statement : 0;
    pbts_span statement;
    if (!pbts_bdict_find_string(dict, "s", &statement) || statement.len != len) return false;
    if (len > 0) memcpy(out->statement, statement.data, len);
    return true;
}

pbts_status pbts_kms_request_decode(pbts_kms_request *out, pbts_span bytes) {
    pbts_kms_request request = { 0 };
    pbts_bvalue dict;
    if (bytes.len > PBTS_KMS_REQUEST_LEN_MAX) return PBTS_LIMIT;
    if (pbts_bencode_parse(&dict, bytes) != PBTS_OK ||
        !take(request.ephemeral, sizeof request.ephemeral, &dict, "a") ||
        !take_collateral(&request.collateral, &dict) ||
        !pbts_bdict_find_uint(&dict, "g", &request.generation) ||
        !take(request.lineage.bytes, sizeof request.lineage.bytes, &dict, "l") ||
        !take_kind(&request, &dict) || !take_nonces(&request, &dict) ||
        !pbts_bdict_find_string(&dict, "q", &request.quote))
        return PBTS_MALFORMED;
    *out = request;
    return PBTS_OK;
}

void pbts_kms_request_report_data(uint8_t out[static PBTS_REPORT_DATA_LEN],
                                  const pbts_kms_request *request, const pbts_bls_public *group) {
    uint8_t buffer[512 + PBTS_KMS_NODES_MAX * PBTS_KMS_NONCE_LEN];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    bool is_statement = request->kind == PBTS_KMS_ASK_STATEMENT;
    pbts_write_text(&writer, is_statement ? "pbts-kms-attest-v1" : "pbts-kms-v1");
    pbts_write_bytes(&writer, PBTS_SPAN_OF(request->ephemeral));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(group->bytes));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(request->lineage.bytes));
    pbts_write_u64(&writer, request->generation);
    if (is_statement) pbts_write_bytes(&writer, PBTS_SPAN_OF(request->statement));
    for (size_t i = 0; i < request->nonces_len; i++) {
        pbts_write_bytes(&writer, PBTS_SPAN_OF(request->nonces[i].nonce.bytes));
    }
    assert(!writer.failed);
    digest(out, EVP_sha512(), pbts_writer_span(&writer));
}

/* ---- ANSWER ---- */

void pbts_kms_reply_encode(pbts_writer *out, const pbts_kms_reply *reply) {
    pbts_write_text(out, "d");
    put_number(out, "e", reply->epoch);
    put_number(out, "i", reply->node);
    put(out, "r", reply->ephemeral, sizeof reply->ephemeral);
    put(out, "s", reply->sealed, sizeof reply->sealed);
    pbts_write_text(out, "e");
}

pbts_status pbts_kms_reply_decode(pbts_kms_reply *out, pbts_span bytes) {
    pbts_kms_reply reply = { 0 };
    pbts_bvalue dict;
    if (bytes.len > PBTS_KMS_REPLY_LEN_MAX) return PBTS_LIMIT;
    if (pbts_bencode_parse(&dict, bytes) != PBTS_OK ||
        !pbts_bdict_find_uint(&dict, "e", &reply.epoch) || reply.epoch == 0 ||
        !take_node(&reply.node, &dict) ||
        !take(reply.ephemeral, sizeof reply.ephemeral, &dict, "r") ||
        !take(reply.sealed, sizeof reply.sealed, &dict, "s"))
        return PBTS_MALFORMED;
    *out = reply;
    return PBTS_OK;
}

void pbts_kms_reply_key(uint8_t out[static PBTS_BOX_KEY_LEN], const pbts_kms_reply *reply,
                        const uint8_t shared[static PBTS_X25519_LEN],
                        const uint8_t report_data[static PBTS_REPORT_DATA_LEN]) {
    uint8_t info[PBTS_HKDF_INFO_LEN_MAX];
    pbts_writer writer = pbts_writer_over(info, sizeof info);
    pbts_write_text(&writer, "pbts-kms-answer-v1");
    pbts_write_u8(&writer, (uint8_t)reply->node);
    pbts_write_u64(&writer, reply->epoch);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(reply->ephemeral));
    assert(!writer.failed);
    pbts_hkdf_sha256(out, PBTS_BOX_KEY_LEN, (pbts_span){ report_data, PBTS_REPORT_DATA_LEN },
                     (pbts_span){ shared, PBTS_X25519_LEN }, pbts_writer_span(&writer));
}
