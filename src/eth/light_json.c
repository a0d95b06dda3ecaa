/* The messages as JSON. jansson parses, strictly and without duplicate keys, after the brackets and
 * commas have been counted; names that are not ours are not looked at. */
#include <jansson.h>

#include "base/assert.h"
#include "codec/json_size.h"
#include "codec/text.h"
#include "eth/light_data.h"

/* One message has some 60 values and the keys of a committee. */
enum { MESSAGE_VALUES_MAX = 128 + PBTS_BEACON_COMMITTEE_MAX, MESSAGE_BRACKETS_MAX = 32 };

/* ---- single values; numbers are decimal text, bytes 0x and hex ---- */

static bool read_text(pbts_span *out, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return false;
    *out = (pbts_span){ (const uint8_t *)json_string_value(value), json_string_length(value) };
    return true;
}

static bool hex_of(uint8_t *out, size_t *out_len, size_t capacity, pbts_span text) {
    if (text.len < 2 || text.data[0] != '0' || text.data[1] != 'x') return false;
    text = (pbts_span){ text.data + 2, text.len - 2 };
    return pbts_hex_decode(out, out_len, capacity, text) == PBTS_OK;
}

static bool hex_exact(uint8_t *out, size_t len, const json_t *value) {
    size_t found;
    if (!json_is_string(value)) return false;
    pbts_span text = { (const uint8_t *)json_string_value(value), json_string_length(value) };
    return hex_of(out, &found, len, text) && found == len;
}

static bool read_hex(uint8_t *out, size_t len, const json_t *object, const char *key) {
    return hex_exact(out, len, json_object_get(object, key));
}

static bool read_chunk(pbts_ssz_chunk *out, const json_t *object, const char *key) {
    return read_hex(out->bytes, sizeof out->bytes, object, key);
}

/* A decimal number of up to `len` little-endian bytes, without leading zeros. */
static bool read_decimal(uint8_t *out, size_t len, const json_t *object, const char *key) {
    pbts_span text;
    memset(out, 0, len);
    if (!read_text(&text, object, key) || text.len == 0) return false;
    if (text.data[0] == '0' && text.len > 1) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        unsigned carry = text.data[i] - (unsigned)'0';
        for (size_t k = 0; k < len; k++) {
            carry += 10U * out[k];
            out[k] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry != 0) return false;
    }
    return true;
}

static bool read_uint(uint64_t *out, const json_t *object, const char *key) {
    uint8_t bytes[8];
    if (!read_decimal(bytes, sizeof bytes, object, key)) return false;
    *out = 0;
    for (size_t i = sizeof bytes; i-- > 0;) *out = *out << 8 | bytes[i];
    return true;
}

static bool read_branch(pbts_ssz_chunk *out, size_t len, const json_t *object, const char *key) {
    const json_t *list = json_object_get(object, key);
    if (!json_is_array(list) || json_array_size(list) != len) return false;
    for (size_t i = 0; i < len; i++) {
        if (!hex_exact(out[i].bytes, sizeof out[i].bytes, json_array_get(list, i))) return false;
    }
    return true;
}

/* ---- parts ---- */

static bool read_beacon(pbts_beacon_header *out, const json_t *beacon) {
    return read_uint(&out->slot, beacon, "slot") &&
           read_uint(&out->proposer_index, beacon, "proposer_index") &&
           read_chunk(&out->parent_root, beacon, "parent_root") &&
           read_chunk(&out->state_root, beacon, "state_root") &&
           read_chunk(&out->body_root, beacon, "body_root");
}

static bool read_extra_data(pbts_beacon_execution *out, const json_t *execution) {
    pbts_span text;
    size_t len;
    if (!read_text(&text, execution, "extra_data")) return false;
    if (!hex_of(out->extra_data, &len, sizeof out->extra_data, text)) return false;
    out->extra_data_len = (uint8_t)len;
    return true;
}

static bool read_execution(pbts_beacon_execution *out, const json_t *execution,
                           pbts_beacon_fork fork) {
    bool complete =
        read_chunk(&out->parent_hash, execution, "parent_hash") &&
        read_hex(out->fee_recipient, sizeof out->fee_recipient, execution, "fee_recipient") &&
        read_chunk(&out->state_root, execution, "state_root") &&
        read_chunk(&out->receipts_root, execution, "receipts_root") &&
        read_hex(out->logs_bloom, sizeof out->logs_bloom, execution, "logs_bloom") &&
        read_chunk(&out->prev_randao, execution, "prev_randao") &&
        read_uint(&out->block_number, execution, "block_number") &&
        read_uint(&out->gas_limit, execution, "gas_limit") &&
        read_uint(&out->gas_used, execution, "gas_used") &&
        read_uint(&out->timestamp_s, execution, "timestamp") && read_extra_data(out, execution) &&
        read_decimal(out->base_fee_wei.bytes, sizeof out->base_fee_wei.bytes, execution,
                     "base_fee_per_gas") &&
        read_chunk(&out->block_hash, execution, "block_hash") &&
        read_chunk(&out->transactions_root, execution, "transactions_root") &&
        read_chunk(&out->withdrawals_root, execution, "withdrawals_root");
    if (!complete || fork < PBTS_BEACON_DENEB) return complete;
    return read_uint(&out->blob_gas_used, execution, "blob_gas_used") &&
           read_uint(&out->excess_blob_gas, execution, "excess_blob_gas");
}

static bool read_header(pbts_light_header *out, const json_t *header, pbts_beacon_fork fork) {
    if (!read_beacon(&out->beacon, json_object_get(header, "beacon"))) return false;
    if (fork < PBTS_BEACON_CAPELLA) return true;
    return read_execution(&out->execution, json_object_get(header, "execution"), fork) &&
           read_branch(out->execution_branch, PBTS_BEACON_EXECUTION_BRANCH_LEN, header,
                       "execution_branch");
}

static bool read_committee(pbts_beacon_committee *out, const json_t *committee, size_t size) {
    const json_t *keys = json_object_get(committee, "pubkeys");
    if (!json_is_array(keys) || json_array_size(keys) != size) return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t *key = out->keys + i * PBTS_BLS_MEMBER_KEY_LEN;
        if (!hex_exact(key, PBTS_BLS_MEMBER_KEY_LEN, json_array_get(keys, i))) return false;
    }
    return read_hex(out->aggregate, sizeof out->aggregate, committee, "aggregate_pubkey");
}

/* ---- messages ---- */

/* The fork of the slot in `header`; Bellatrix or later, and what "version" says when it is there.
 */
static bool read_fork(pbts_beacon_fork *out, const pbts_beacon_network *network,
                      const json_t *message, const json_t *header) {
    const json_t *version = json_object_get(message, "version");
    uint64_t slot;
    if (!read_uint(&slot, json_object_get(header, "beacon"), "slot")) return false;
    *out = pbts_beacon_fork_at(network, slot);
    if (*out < PBTS_BEACON_BELLATRIX) return false;
    if (version == NULL) return true;
    return json_is_string(version) &&
           strcmp(json_string_value(version), pbts_beacon_fork_name(*out)) == 0;
}

static bool read_bootstrap(pbts_light_bootstrap *out, const pbts_beacon_network *network,
                           const json_t *message) {
    const json_t *data = json_object_get(message, "data");
    const json_t *header = json_object_get(data, "header");
    pbts_beacon_fork fork;
    return read_fork(&fork, network, message, header) && read_header(&out->header, header, fork) &&
           read_committee(&out->committee, json_object_get(data, "current_sync_committee"),
                          network->committee_size) &&
           read_branch(out->committee_branch, pbts_light_committee_branch_len(fork), data,
                       "current_sync_committee_branch");
}

static bool read_signature(pbts_light_update *out, const pbts_beacon_network *network,
                           const json_t *data) {
    const json_t *aggregate = json_object_get(data, "sync_aggregate");
    return read_hex(out->bits, network->committee_size / 8, aggregate, "sync_committee_bits") &&
           read_hex(out->signature, sizeof out->signature, aggregate, "sync_committee_signature") &&
           read_uint(&out->signature_slot, data, "signature_slot");
}

static bool read_update(pbts_light_update *out, const pbts_beacon_network *network,
                        pbts_light_container container, const json_t *message) {
    const json_t *data = json_object_get(message, "data");
    const json_t *attested = json_object_get(data, "attested_header");
    pbts_beacon_fork fork;
    if (!read_fork(&fork, network, message, attested)) return false;
    if (!read_header(&out->attested, attested, fork)) return false;
    if (!read_signature(out, network, data)) return false;
    if (container == PBTS_LIGHT_OPTIMISTIC_UPDATE) return true;
    if (!read_header(&out->finalized, json_object_get(data, "finalized_header"), fork) ||
        !read_branch(out->finality_branch, pbts_light_finality_branch_len(fork), data,
                     "finality_branch")) {
        return false;
    }
    if (container == PBTS_LIGHT_FINALITY_UPDATE) return true;
    return read_committee(&out->next, json_object_get(data, "next_sync_committee"),
                          network->committee_size) &&
           read_branch(out->next_branch, pbts_light_committee_branch_len(fork), data,
                       "next_sync_committee_branch");
}

static pbts_status decode_update(pbts_light_update *out, const pbts_beacon_network *network,
                                 pbts_light_container container, const json_t *message) {
    memset(out, 0, sizeof *out);
    if (!read_update(out, network, container, message)) return PBTS_MALFORMED;
    return pbts_light_update_normalize(out, network);
}

static pbts_status parse(json_t **out, pbts_span text, size_t messages_max) {
    json_error_t error;
    if (text.len > PBTS_LIGHT_ANSWER_LEN_MAX) return PBTS_LIMIT;
    if (pbts_json_is_above(text, messages_max * MESSAGE_BRACKETS_MAX,
                           messages_max * MESSAGE_VALUES_MAX)) {
        return PBTS_LIMIT;
    }
    *out = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (*out != NULL) return PBTS_OK;
    return json_error_code(&error) == json_error_out_of_memory ? PBTS_NO_MEMORY : PBTS_MALFORMED;
}

pbts_status pbts_light_bootstrap_decode_json(pbts_light_bootstrap *out,
                                             const pbts_beacon_network *network, pbts_span text) {
    json_t *root;
    PBTS_TRY(parse(&root, text, 1));
    memset(out, 0, sizeof *out);
    pbts_status status = read_bootstrap(out, network, root) ? PBTS_OK : PBTS_MALFORMED;
    json_decref(root);
    return status;
}

pbts_status pbts_light_update_decode_json(pbts_light_update *out,
                                          const pbts_beacon_network *network,
                                          pbts_light_container container, pbts_span text) {
    json_t *root;
    PBTS_TRY(parse(&root, text, 1));
    pbts_status status = decode_update(out, network, container, root);
    json_decref(root);
    return status;
}

pbts_status pbts_light_updates_decode_json(pbts_light_update *scratch,
                                           const pbts_beacon_network *network, pbts_span text,
                                           pbts_light_take_update *take, void *context) {
    json_t *root;
    PBTS_TRY(parse(&root, text, PBTS_LIGHT_UPDATES_MAX));
    size_t count = json_array_size(root);
    pbts_status status = json_is_array(root) ? PBTS_OK : PBTS_MALFORMED;
    if (count > PBTS_LIGHT_UPDATES_MAX) status = PBTS_LIMIT;
    for (size_t i = 0; status == PBTS_OK && i < count; i++) {
        status = decode_update(scratch, network, PBTS_LIGHT_FULL_UPDATE, json_array_get(root, i));
        if (status == PBTS_OK) status = take(context, scratch);
    }
    json_decref(root);
    return status;
}
