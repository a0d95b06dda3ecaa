/* Both forms of a transaction are one list: what is signed lacks the last three fields. */
#include "eth/transaction.h"

#include "base/assert.h"
#include "codec/rlp.h"
#include "hash/keccak.h"

static const uint8_t NO_ACCESS[] = { 0xc0 }; /* the empty list */

enum {
    TYPE = 0x02,
    BODY_MAX = PBTS_ETH_TRANSACTION_LEN_MAX - PBTS_ETH_TRANSACTION_OVERHEAD_MAX,
    HEAD_MAX = 1 + 4, /* the type, the list's header */
    /* chain_id, nonce and gas_limit of 9 bytes, fees and value of 33, the address of 21, data's
     * header of 4. */
    FRONT_MAX = 3 * 9 + 3 * 33 + 21 + 4,
    SIGNATURE_MAX = 1 + 2 * 33,
};
static_assert(HEAD_MAX + FRONT_MAX + sizeof NO_ACCESS + SIGNATURE_MAX <=
                  PBTS_ETH_TRANSACTION_OVERHEAD_MAX,
              "all but data and an access list that is not empty");

pbts_status pbts_eth_transaction_check(const pbts_eth_transaction *transaction) {
    pbts_u256 cost;
    if (transaction->nonce == UINT64_MAX) return PBTS_MALFORMED;
    if (pbts_u256_compare(&transaction->max_priority_fee_wei, &transaction->max_fee_wei) > 0) {
        return PBTS_MALFORMED;
    }
    return pbts_u256_multiply_u64(&cost, &transaction->max_fee_wei, transaction->gas_limit) ==
                   PBTS_OK
               ? PBTS_OK
               : PBTS_MALFORMED;
}

/* ---- access lists: [[address, [32-byte key, ...]], ...] ---- */

static pbts_status check_access(pbts_cursor *entries) {
    pbts_cursor entry, keys;
    uint8_t address[PBTS_ETH_ADDRESS_LEN], key[PBTS_U256_LEN];
    PBTS_TRY(pbts_rlp_read_list(entries, &entry));
    PBTS_TRY(pbts_rlp_read_bytes(&entry, address, sizeof address));
    PBTS_TRY(pbts_rlp_read_list(&entry, &keys));
    while (pbts_cursor_left(&keys) > 0) PBTS_TRY(pbts_rlp_read_bytes(&keys, key, sizeof key));
    return pbts_rlp_end(&entry);
}

static pbts_status check_access_list(pbts_span bytes) {
    pbts_rlp_item list;
    PBTS_TRY(pbts_rlp_parse(&list, bytes));
    if (list.type != PBTS_RLP_LIST) return PBTS_MALFORMED;
    pbts_cursor entries = pbts_cursor_over(list.content);
    while (pbts_cursor_left(&entries) > 0) PBTS_TRY(check_access(&entries));
    return PBTS_OK;
}

/* ---- encoding ---- */

/* The fields before data. */
static void write_front(pbts_writer *writer, const pbts_eth_transaction *transaction) {
    pbts_span to = PBTS_SPAN_OF(transaction->to.bytes);
    if (transaction->creates) to.len = 0;
    pbts_rlp_write_u64(writer, transaction->chain_id);
    pbts_rlp_write_u64(writer, transaction->nonce);
    pbts_rlp_write_u256(writer, &transaction->max_priority_fee_wei);
    pbts_rlp_write_u256(writer, &transaction->max_fee_wei);
    pbts_rlp_write_u64(writer, transaction->gas_limit);
    pbts_rlp_write_string(writer, to);
    pbts_rlp_write_u256(writer, &transaction->value_wei);
}

static pbts_status check_form(const pbts_eth_transaction *transaction) {
    if (transaction->data.len > BODY_MAX ||
        transaction->access_list.len > BODY_MAX - transaction->data.len) {
        return PBTS_LIMIT;
    }
    return transaction->access_list.len == 0 ? PBTS_OK
                                             : check_access_list(transaction->access_list);
}

/* The header of data, if it has one. */
static void write_data_header(pbts_writer *writer, pbts_span data) {
    if (data.len != 1 || data.data[0] >= 0x80) {
        pbts_rlp_write_header(writer, PBTS_RLP_STRING, data.len);
    }
}

static pbts_span access_list_of(const pbts_eth_transaction *transaction) {
    return transaction->access_list.len > 0 ? transaction->access_list : PBTS_SPAN_OF(NO_ACCESS);
}

/* Hashed part by part: data is not copied for it. */
pbts_status pbts_eth_transaction_signing_hash(pbts_eth_hash *out,
                                              const pbts_eth_transaction *transaction) {
    uint8_t front_bytes[FRONT_MAX], head_bytes[HEAD_MAX];
    pbts_writer front = pbts_writer_over(front_bytes, sizeof front_bytes);
    pbts_writer head = pbts_writer_over(head_bytes, sizeof head_bytes);
    pbts_span access_list = access_list_of(transaction);
    pbts_keccak256_state state;
    PBTS_TRY(check_form(transaction));
    write_front(&front, transaction);
    write_data_header(&front, transaction->data);
    pbts_write_u8(&head, TYPE);
    pbts_rlp_write_header(&head, PBTS_RLP_LIST,
                          front.len + transaction->data.len + access_list.len);
    assert(!front.failed && !head.failed);
    pbts_keccak256_init(&state);
    pbts_keccak256_update(&state, pbts_writer_span(&head));
    pbts_keccak256_update(&state, pbts_writer_span(&front));
    pbts_keccak256_update(&state, transaction->data);
    pbts_keccak256_update(&state, access_list);
    pbts_keccak256_final(&state, out->bytes);
    return PBTS_OK;
}

pbts_status pbts_eth_transaction_sign(pbts_writer *writer, const pbts_eth_transaction *transaction,
                                      const pbts_secp256k1_signer *signer,
                                      const pbts_secp256k1_secret *secret) {
    pbts_eth_hash hash;
    pbts_secp256k1_signature signature;
    bool y_odd = false;
    PBTS_TRY(pbts_eth_transaction_signing_hash(&hash, transaction));
    pbts_secp256k1_sign_recoverable(signer, &signature, &y_odd, secret, hash.bytes);
    pbts_u256 r = pbts_u256_from_span((pbts_span){ signature.bytes, PBTS_U256_LEN });
    pbts_u256 s =
        pbts_u256_from_span((pbts_span){ signature.bytes + PBTS_U256_LEN, PBTS_U256_LEN });
    pbts_write_u8(writer, TYPE);
    size_t list = pbts_rlp_open_list(writer);
    write_front(writer, transaction);
    pbts_rlp_write_string(writer, transaction->data);
    pbts_write_bytes(writer, access_list_of(transaction));
    pbts_rlp_write_u64(writer, y_odd);
    pbts_rlp_write_u256(writer, &r);
    pbts_rlp_write_u256(writer, &s);
    pbts_rlp_close_list(writer, list);
    return pbts_writer_status(writer);
}

/* ---- decoding ---- */

static pbts_status read_front(pbts_cursor *fields, pbts_eth_transaction *out) {
    pbts_span to;
    PBTS_TRY(pbts_rlp_read_u64(fields, &out->chain_id));
    PBTS_TRY(pbts_rlp_read_u64(fields, &out->nonce));
    PBTS_TRY(pbts_rlp_read_u256(fields, &out->max_priority_fee_wei));
    PBTS_TRY(pbts_rlp_read_u256(fields, &out->max_fee_wei));
    PBTS_TRY(pbts_rlp_read_u64(fields, &out->gas_limit));
    PBTS_TRY(pbts_rlp_read_string(fields, &to));
    if (to.len != 0 && to.len != PBTS_ETH_ADDRESS_LEN) return PBTS_MALFORMED;
    out->creates = to.len == 0;
    if (to.len > 0) memcpy(out->to.bytes, to.data, to.len);
    return pbts_rlp_read_u256(fields, &out->value_wei);
}

static pbts_status read_access_list(pbts_cursor *fields, pbts_span *out) {
    pbts_rlp_item item;
    PBTS_TRY(pbts_rlp_read(fields, &item));
    PBTS_TRY(check_access_list(item.raw));
    *out = item.content.len > 0 ? item.raw : (pbts_span){ 0 };
    return PBTS_OK;
}

static pbts_status read_signature(pbts_cursor *fields, pbts_secp256k1_signature *out, bool *y_odd) {
    uint64_t parity = 0;
    pbts_u256 r, s;
    PBTS_TRY(pbts_rlp_read_u64(fields, &parity));
    if (parity > 1) return PBTS_MALFORMED;
    PBTS_TRY(pbts_rlp_read_u256(fields, &r));
    PBTS_TRY(pbts_rlp_read_u256(fields, &s));
    memcpy(out->bytes, r.bytes, sizeof r.bytes);
    memcpy(out->bytes + sizeof r.bytes, s.bytes, sizeof s.bytes);
    *y_odd = parity == 1;
    return PBTS_OK;
}

pbts_status pbts_eth_transaction_decode(pbts_eth_transaction *out, pbts_eth_address *sender,
                                        pbts_span bytes) {
    pbts_eth_transaction transaction = { 0 };
    pbts_secp256k1_signature signature;
    pbts_secp256k1_point key;
    pbts_eth_hash hash;
    pbts_cursor fields;
    bool y_odd = false;
    if (bytes.len > PBTS_ETH_TRANSACTION_LEN_MAX) return PBTS_LIMIT;
    if (bytes.len == 0 || bytes.data[0] != TYPE) return PBTS_MALFORMED;
    pbts_cursor cursor = pbts_cursor_over((pbts_span){ bytes.data + 1, bytes.len - 1 });
    PBTS_TRY(pbts_rlp_read_list(&cursor, &fields));
    PBTS_TRY(pbts_rlp_end(&cursor));
    PBTS_TRY(read_front(&fields, &transaction));
    PBTS_TRY(pbts_rlp_read_string(&fields, &transaction.data));
    PBTS_TRY(read_access_list(&fields, &transaction.access_list));
    PBTS_TRY(read_signature(&fields, &signature, &y_odd));
    PBTS_TRY(pbts_rlp_end(&fields));
    PBTS_TRY(pbts_eth_transaction_signing_hash(&hash, &transaction));
    PBTS_TRY(pbts_secp256k1_recover(&key, hash.bytes, &signature, y_odd));
    *out = transaction;
    *sender = pbts_eth_address_of(&key);
    return PBTS_OK;
}
