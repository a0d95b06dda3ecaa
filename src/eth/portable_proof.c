#include "eth/portable_proof.h"

#include "base/assert.h"
#include "eth/factory_code.h"
#include "eth/header.h"
#include "eth/reputation_root.h"
#include "hash/sha.h"

enum { LEAF = 1 }; /* the mark before one */

/* ---- decoding ---- */

static pbts_status malformed_unless_ok(pbts_status status) {
    return status == PBTS_NEED_MORE ? PBTS_MALFORMED : status;
}

static pbts_status read_short(pbts_cursor *in, pbts_span *out, size_t len_max) {
    uint16_t len;
    PBTS_TRY(pbts_read_u16(in, &len));
    if (len > len_max) return PBTS_LIMIT;
    return pbts_read_span(in, out, len);
}

static pbts_status read_long(pbts_cursor *in, pbts_span *out, size_t len_max) {
    uint32_t len;
    PBTS_TRY(pbts_read_u32(in, &len));
    if (len > len_max) return PBTS_LIMIT;
    return pbts_read_span(in, out, len);
}

static pbts_status read_path(pbts_cursor *in, pbts_portable_path *out) {
    uint8_t count;
    PBTS_TRY(pbts_read_u8(in, &count));
    if (count > PBTS_ETH_PROOF_NODES_MAX) return PBTS_LIMIT;
    out->nodes_len = count;
    for (size_t i = 0; i < count; i++)
        PBTS_TRY(read_short(in, &out->nodes[i], PBTS_ETH_PROOF_NODE_LEN_MAX));
    return PBTS_OK;
}

pbts_status pbts_portable_update_next(pbts_cursor *updates, pbts_portable_update *out) {
    uint8_t container;
    if (pbts_cursor_left(updates) == 0) return PBTS_NEED_MORE;
    PBTS_TRY(pbts_read_u8(updates, &container));
    if (container > PBTS_LIGHT_OPTIMISTIC_UPDATE) return PBTS_MALFORMED;
    out->container = (pbts_light_container)container;
    return malformed_unless_ok(read_long(updates, &out->ssz, PBTS_LIGHT_ANSWER_LEN_MAX));
}

static pbts_status read_committees(pbts_cursor *in, pbts_portable_evidence *out) {
    uint8_t network;
    PBTS_TRY(pbts_read_u8(in, &network));
    if (network >= PBTS_PORTABLE_NETWORKS) return PBTS_MALFORMED;
    out->network = (pbts_portable_network)network;
    PBTS_TRY(pbts_read_bytes(in, out->trusted_root, sizeof out->trusted_root));
    PBTS_TRY(read_long(in, &out->bootstrap, PBTS_LIGHT_ANSWER_LEN_MAX));
    PBTS_TRY(pbts_read_u16(in, &out->updates_len));
    if (out->updates_len > PBTS_PORTABLE_UPDATES_MAX) return PBTS_LIMIT;
    pbts_cursor first = *in;
    for (size_t i = 0; i < out->updates_len; i++) {
        pbts_portable_update update;
        PBTS_TRY(pbts_portable_update_next(in, &update));
    }
    return pbts_read_span(&first, &out->updates, (size_t)(in->next - first.next));
}

static pbts_status read_evidence(pbts_cursor *in, pbts_portable_evidence *out) {
    uint8_t kind;
    *out = (pbts_portable_evidence){ .kind = PBTS_PORTABLE_NO_EVIDENCE };
    PBTS_TRY(pbts_read_u8(in, &kind));
    if (kind == PBTS_PORTABLE_NO_EVIDENCE) return PBTS_OK;
    if (kind != PBTS_PORTABLE_COMMITTEES) return PBTS_MALFORMED;
    out->kind = PBTS_PORTABLE_COMMITTEES;
    return read_committees(in, out);
}

/* Up to the end; nothing is none. */
static pbts_status read_leaf(pbts_cursor *in, pbts_portable_leaf *out) {
    uint8_t kind, count;
    pbts_span path;
    *out = (pbts_portable_leaf){ .given = false };
    if (pbts_cursor_left(in) == 0) return PBTS_OK;
    PBTS_TRY(pbts_read_u8(in, &kind));
    if (kind != LEAF) return PBTS_MALFORMED;
    out->given = true;
    PBTS_TRY(pbts_read_u64(in, &out->word.up_bytes));
    PBTS_TRY(pbts_read_u64(in, &out->word.down_bytes));
    PBTS_TRY(pbts_read_u32(in, &out->word.generation));
    PBTS_TRY(pbts_read_bytes(in, out->public_key.bytes, sizeof out->public_key.bytes));
    PBTS_TRY(pbts_read_u32(in, &out->user_no));
    PBTS_TRY(pbts_read_u32(in, &out->index));
    PBTS_TRY(pbts_read_u8(in, &count));
    if (count > PBTS_HASH_TREE_HEIGHT_MAX) return PBTS_LIMIT;
    PBTS_TRY(pbts_read_span(in, &path, (size_t)count * PBTS_SHA256_LEN));
    out->path = (const uint8_t(*)[PBTS_SHA256_LEN])path.data;
    out->path_len = count;
    return PBTS_OK;
}

static pbts_status read_fields(pbts_cursor *in, pbts_portable_proof *out) {
    PBTS_TRY(pbts_read_u64(in, &out->chain_id));
    PBTS_TRY(pbts_read_bytes(in, out->contract.bytes, sizeof out->contract.bytes));
    PBTS_TRY(pbts_read_bytes(in, out->uid_hash, sizeof out->uid_hash));
    PBTS_TRY(read_short(in, &out->header, PBTS_ETH_HEADER_LEN_MAX));
    PBTS_TRY(read_path(in, &out->account));
    for (size_t i = 0; i < PBTS_PORTABLE_SLOTS; i++) PBTS_TRY(read_path(in, &out->slots[i]));
    PBTS_TRY(read_evidence(in, &out->evidence));
    PBTS_TRY(read_short(in, &out->endpoints, PBTS_PORTABLE_ENDPOINTS_LEN_MAX));
    return read_leaf(in, &out->leaf);
}

static const size_t MAGIC_LEN = sizeof PBTS_PORTABLE_PROOF_MAGIC - 1;

pbts_status pbts_portable_proof_decode(pbts_portable_proof *out, pbts_span bytes) {
    uint8_t sum[PBTS_SHA256_LEN];
    if (bytes.len > PBTS_PORTABLE_PROOF_LEN_MAX) return PBTS_LIMIT;
    if (bytes.len < MAGIC_LEN + sizeof sum) return PBTS_MALFORMED;
    if (memcmp(bytes.data, PBTS_PORTABLE_PROOF_MAGIC, MAGIC_LEN) != 0) return PBTS_MALFORMED;
    pbts_span body = { bytes.data, bytes.len - sizeof sum };
    pbts_sha256(sum, body);
    if (memcmp(sum, body.data + body.len, sizeof sum) != 0) return PBTS_CORRUPT;
    pbts_cursor in = pbts_cursor_over((pbts_span){ body.data + MAGIC_LEN, body.len - MAGIC_LEN });
    PBTS_TRY(malformed_unless_ok(read_fields(&in, out)));
    return pbts_cursor_left(&in) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

/* ---- encoding ---- */

static void write_short(pbts_writer *writer, pbts_span bytes) {
    pbts_write_u16(writer, (uint16_t)bytes.len);
    pbts_write_bytes(writer, bytes);
}

static void write_long(pbts_writer *writer, pbts_span bytes) {
    pbts_write_u32(writer, (uint32_t)bytes.len);
    pbts_write_bytes(writer, bytes);
}

static bool path_fits(const pbts_portable_path *path) {
    if (path->nodes_len > PBTS_ETH_PROOF_NODES_MAX) return false;
    for (size_t i = 0; i < path->nodes_len; i++) {
        if (path->nodes[i].len > PBTS_ETH_PROOF_NODE_LEN_MAX) return false;
    }
    return true;
}

static bool parts_fit(const pbts_portable_proof *proof) {
    if (proof->header.len > PBTS_ETH_HEADER_LEN_MAX) return false;
    if (proof->endpoints.len > PBTS_PORTABLE_ENDPOINTS_LEN_MAX) return false;
    if (proof->evidence.bootstrap.len > PBTS_LIGHT_ANSWER_LEN_MAX) return false;
    if (proof->evidence.updates_len > PBTS_PORTABLE_UPDATES_MAX) return false;
    if (proof->leaf.path_len > PBTS_HASH_TREE_HEIGHT_MAX) return false;
    for (size_t i = 0; i < PBTS_PORTABLE_SLOTS; i++) {
        if (!path_fits(&proof->slots[i])) return false;
    }
    return path_fits(&proof->account);
}

static void write_path(pbts_writer *writer, const pbts_portable_path *path) {
    pbts_write_u8(writer, (uint8_t)path->nodes_len);
    for (size_t i = 0; i < path->nodes_len; i++) write_short(writer, path->nodes[i]);
}

void pbts_portable_update_write(pbts_writer *writer, const pbts_portable_update *update) {
    pbts_write_u8(writer, (uint8_t)update->container);
    write_long(writer, update->ssz);
}

static void write_evidence(pbts_writer *writer, const pbts_portable_evidence *evidence) {
    pbts_write_u8(writer, (uint8_t)evidence->kind);
    if (evidence->kind == PBTS_PORTABLE_NO_EVIDENCE) return;
    pbts_write_u8(writer, (uint8_t)evidence->network);
    pbts_write_bytes(writer, PBTS_SPAN_OF(evidence->trusted_root));
    write_long(writer, evidence->bootstrap);
    pbts_write_u16(writer, evidence->updates_len);
    pbts_write_bytes(writer, evidence->updates);
}

static void write_leaf(pbts_writer *writer, const pbts_portable_leaf *leaf) {
    if (!leaf->given) return;
    pbts_write_u8(writer, LEAF);
    pbts_write_u64(writer, leaf->word.up_bytes);
    pbts_write_u64(writer, leaf->word.down_bytes);
    pbts_write_u32(writer, leaf->word.generation);
    pbts_write_bytes(writer, PBTS_SPAN_OF(leaf->public_key.bytes));
    pbts_write_u32(writer, leaf->user_no);
    pbts_write_u32(writer, leaf->index);
    pbts_write_u8(writer, (uint8_t)leaf->path_len);
    for (size_t i = 0; i < leaf->path_len; i++)
        pbts_write_bytes(writer, PBTS_SPAN_OF(leaf->path[i]));
}

pbts_status pbts_portable_proof_encode(pbts_writer *writer, const pbts_portable_proof *proof) {
    size_t start = writer->len;
    uint8_t sum[PBTS_SHA256_LEN];
    if (!parts_fit(proof)) return PBTS_LIMIT;
    pbts_write_text(writer, PBTS_PORTABLE_PROOF_MAGIC);
    pbts_write_u64(writer, proof->chain_id);
    pbts_write_bytes(writer, PBTS_SPAN_OF(proof->contract.bytes));
    pbts_write_bytes(writer, PBTS_SPAN_OF(proof->uid_hash));
    write_short(writer, proof->header);
    write_path(writer, &proof->account);
    for (size_t i = 0; i < PBTS_PORTABLE_SLOTS; i++) write_path(writer, &proof->slots[i]);
    write_evidence(writer, &proof->evidence);
    write_short(writer, proof->endpoints);
    write_leaf(writer, &proof->leaf);
    if (writer->failed) return PBTS_NO_SPACE;
    if (writer->len - start > PBTS_PORTABLE_PROOF_LEN_MAX - sizeof sum) return PBTS_LIMIT;
    pbts_sha256(sum, (pbts_span){ writer->data + start, writer->len - start });
    pbts_write_bytes(writer, PBTS_SPAN_OF(sum));
    return pbts_writer_status(writer);
}

/* ---- what it proves ---- */

void pbts_portable_proof_keys(pbts_u256 out[static PBTS_PORTABLE_SLOTS],
                              const uint8_t uid_hash[static 32]) {
    for (uint64_t i = 0; i < PBTS_REPUTATION_FIXED_SLOTS; i++) out[i] = pbts_u256_from_u64(i);
    out[PBTS_REPUTATION_FIXED_SLOTS] = pbts_reputation_word_slot(uid_hash);
    out[PBTS_REPUTATION_FIXED_SLOTS + 1] = pbts_reputation_key_hash_slot(uid_hash);
}

static pbts_status check_account(pbts_eth_account *out, const pbts_portable_proof *proof,
                                 const pbts_eth_hash *state_root) {
    PBTS_TRY(pbts_eth_proof_account(out, state_root, &proof->contract, proof->account.nodes,
                                    proof->account.nodes_len));
    if (!out->present || pbts_eth_hash_equal(&out->code_hash, &PBTS_ETH_EMPTY_CODE))
        return PBTS_NOT_FOUND;
    if (memcmp(out->code_hash.bytes, pbts_eth_reputation_code_hash(), PBTS_ETH_CODE_HASH_LEN) != 0)
        return PBTS_DENIED;
    return PBTS_OK;
}

static pbts_status check_slots(pbts_u256 out[static PBTS_PORTABLE_SLOTS],
                               const pbts_portable_proof *proof,
                               const pbts_eth_hash *storage_root) {
    pbts_u256 keys[PBTS_PORTABLE_SLOTS];
    pbts_portable_proof_keys(keys, proof->uid_hash);
    for (size_t i = 0; i < PBTS_PORTABLE_SLOTS; i++) {
        PBTS_TRY(pbts_eth_proof_storage(&out[i], storage_root, &keys[i], proof->slots[i].nodes,
                                        proof->slots[i].nodes_len));
    }
    return PBTS_OK;
}

/* What slots say of the user. */
static pbts_status take_slots(pbts_portable_facts *facts, const pbts_portable_proof *proof,
                              const pbts_u256 values[static PBTS_PORTABLE_SLOTS]) {
    if (proof->leaf.given) return PBTS_MALFORMED;
    const pbts_u256 *key_hash = &values[PBTS_REPUTATION_FIXED_SLOTS + 1];
    facts->present = !pbts_u256_is_zero(key_hash);
    memcpy(facts->key_hash, key_hash->bytes, sizeof facts->key_hash);
    return pbts_reputation_word_unpack(&facts->word, &values[PBTS_REPUTATION_FIXED_SLOTS]);
}

/* What the root says of the user. */
static pbts_status take_leaf(pbts_portable_facts *facts, const pbts_portable_proof *proof) {
    const pbts_portable_leaf *leaf = &proof->leaf;
    if (!leaf->given) return PBTS_DENIED;
    pbts_reputation_account account = { .public_key = leaf->public_key,
                                        .user_no = leaf->user_no,
                                        .word = leaf->word };
    memcpy(account.uid_hash, proof->uid_hash, sizeof account.uid_hash);
    PBTS_TRY(pbts_reputation_root_verify(facts->contract.root, facts->contract.user_count, &account,
                                         leaf->index, leaf->path, leaf->path_len));
    facts->present = true;
    facts->word = leaf->word;
    pbts_sha256(facts->key_hash, PBTS_SPAN_OF(leaf->public_key.bytes));
    return PBTS_OK;
}

pbts_status pbts_portable_proof_verify(pbts_portable_facts *out, const pbts_portable_proof *proof) {
    pbts_eth_header header;
    pbts_eth_account account;
    pbts_u256 values[PBTS_PORTABLE_SLOTS];
    pbts_portable_facts facts = { .present = false };
    PBTS_TRY(pbts_eth_header_decode(&header, proof->header));
    facts.block_hash = pbts_eth_hash_of(proof->header);
    facts.block_number = header.number;
    facts.timestamp_s = header.timestamp_s;
    PBTS_TRY(check_account(&account, proof, &header.state_root));
    PBTS_TRY(check_slots(values, proof, &account.storage_root));
    PBTS_TRY(pbts_reputation_state_unpack(&facts.contract, values));
    PBTS_TRY(facts.contract.mode == PBTS_REPUTATION_ROOT ? take_leaf(&facts, proof)
                                                         : take_slots(&facts, proof, values));
    *out = facts;
    return PBTS_OK;
}
