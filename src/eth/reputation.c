#include "eth/reputation.h"

#include "base/assert.h"
#include "codec/abi.h"
#include "hash/keccak.h"
#include "hash/sha.h"

enum {
    U48_LEN = 6,
    U112_LEN = 14,
    GENERATION_AT = 0,
    DOWN_AT = 4,
    UP_AT = DOWN_AT + U112_LEN,
    /* Slot 0 from its highest byte: epoch, sequence, owner. */
    EPOCH_AT = 0,
    SEQUENCE_AT = U48_LEN,
    ADDRESS_AT = 12, /* of an address in the low bits of any slot */
    /* Slot 1: 6 bytes unused, mode, sealed, user count, referrer. */
    MODE_AT = 6,
    SEALED_AT = 7,
    USER_COUNT_AT = 8,
};

static void put_be(uint8_t *out, uint64_t value, size_t len) {
    for (size_t i = 0; i < len; i++) {
        size_t shift = 8 * (len - 1 - i);
        out[i] = (uint8_t)(shift < 64 ? value >> shift : 0);
    }
}

static uint64_t get_be(const uint8_t *bytes, size_t len) {
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) value = value << 8 | bytes[i];
    return value;
}

static bool all_zero(const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

/* ---- values ---- */

pbts_u256 pbts_reputation_word_pack(const pbts_reputation_word *word) {
    pbts_u256 packed = { 0 };
    put_be(packed.bytes + GENERATION_AT, word->generation, 4);
    put_be(packed.bytes + DOWN_AT, word->down_bytes, U112_LEN);
    put_be(packed.bytes + UP_AT, word->up_bytes, U112_LEN);
    return packed;
}

static bool read_u112(uint64_t *out, const uint8_t bytes[static U112_LEN]) {
    if (!all_zero(bytes, U112_LEN - 8)) return false;
    *out = get_be(bytes + U112_LEN - 8, 8);
    return true;
}

pbts_status pbts_reputation_word_unpack(pbts_reputation_word *out, const pbts_u256 *packed) {
    pbts_reputation_word word = { .generation =
                                      (uint32_t)get_be(packed->bytes + GENERATION_AT, 4) };
    if (!read_u112(&word.down_bytes, packed->bytes + DOWN_AT)) return PBTS_LIMIT;
    if (!read_u112(&word.up_bytes, packed->bytes + UP_AT)) return PBTS_LIMIT;
    *out = word;
    return PBTS_OK;
}

static pbts_eth_address slot_address(const pbts_u256 *slot) {
    pbts_eth_address address;
    memcpy(address.bytes, slot->bytes + ADDRESS_AT, sizeof address.bytes);
    return address;
}

pbts_status
pbts_reputation_state_unpack(pbts_reputation_state *out,
                             const pbts_u256 slots[static PBTS_REPUTATION_FIXED_SLOTS]) {
    const uint8_t *first = slots[PBTS_REPUTATION_SLOT_OWNER].bytes;
    const uint8_t *second = slots[PBTS_REPUTATION_SLOT_REFERRER].bytes;
    const pbts_u256 *successor = &slots[PBTS_REPUTATION_SLOT_SUCCESSOR];
    if (!all_zero(second, MODE_AT) || second[SEALED_AT] > 1) return PBTS_MALFORMED;
    if (second[MODE_AT] > PBTS_REPUTATION_ROOT) return PBTS_MALFORMED;
    if (!all_zero(successor->bytes, ADDRESS_AT)) return PBTS_MALFORMED;
    pbts_reputation_state state = {
        .owner = slot_address(&slots[PBTS_REPUTATION_SLOT_OWNER]),
        .sequence = get_be(first + SEQUENCE_AT, U48_LEN),
        .epoch = get_be(first + EPOCH_AT, U48_LEN),
        .referrer = slot_address(&slots[PBTS_REPUTATION_SLOT_REFERRER]),
        .user_count = (uint32_t)get_be(second + USER_COUNT_AT, 4),
        .sealed = second[SEALED_AT] == 1,
        .mode = (pbts_reputation_mode)second[MODE_AT],
        .successor = slot_address(successor),
    };
    memcpy(state.head.bytes, slots[PBTS_REPUTATION_SLOT_HEAD].bytes, sizeof state.head.bytes);
    memcpy(state.registrations.bytes, slots[PBTS_REPUTATION_SLOT_REGISTRATIONS].bytes,
           sizeof state.registrations.bytes);
    memcpy(state.root, slots[PBTS_REPUTATION_SLOT_ROOT].bytes, sizeof state.root);
    *out = state;
    return PBTS_OK;
}

void pbts_reputation_state_pack(pbts_u256 out[static PBTS_REPUTATION_FIXED_SLOTS],
                                const pbts_reputation_state *state) {
    assert(state->sequence <= PBTS_REPUTATION_U48_MAX && state->epoch <= PBTS_REPUTATION_U48_MAX);
    memset(out, 0, PBTS_REPUTATION_FIXED_SLOTS * sizeof out[0]);
    uint8_t *first = out[PBTS_REPUTATION_SLOT_OWNER].bytes;
    uint8_t *second = out[PBTS_REPUTATION_SLOT_REFERRER].bytes;
    put_be(first + EPOCH_AT, state->epoch, U48_LEN);
    put_be(first + SEQUENCE_AT, state->sequence, U48_LEN);
    memcpy(first + ADDRESS_AT, state->owner.bytes, sizeof state->owner.bytes);
    second[MODE_AT] = (uint8_t)state->mode;
    second[SEALED_AT] = state->sealed;
    put_be(second + USER_COUNT_AT, state->user_count, 4);
    memcpy(second + ADDRESS_AT, state->referrer.bytes, sizeof state->referrer.bytes);
    memcpy(out[PBTS_REPUTATION_SLOT_SUCCESSOR].bytes + ADDRESS_AT, state->successor.bytes,
           sizeof state->successor.bytes);
    memcpy(out[PBTS_REPUTATION_SLOT_HEAD].bytes, state->head.bytes, sizeof state->head.bytes);
    memcpy(out[PBTS_REPUTATION_SLOT_REGISTRATIONS].bytes, state->registrations.bytes,
           sizeof state->registrations.bytes);
    memcpy(out[PBTS_REPUTATION_SLOT_ROOT].bytes, state->root, sizeof state->root);
}

static pbts_u256 mapping_slot(const uint8_t key[static 32], uint64_t mapping) {
    pbts_u256 slot = pbts_u256_from_u64(mapping);
    return pbts_eth_mapping_slot(key, &slot);
}

pbts_u256 pbts_reputation_word_slot(const uint8_t uid_hash[static 32]) {
    return mapping_slot(uid_hash, PBTS_REPUTATION_SLOT_WORDS);
}

pbts_u256 pbts_reputation_key_hash_slot(const uint8_t uid_hash[static 32]) {
    return mapping_slot(uid_hash, PBTS_REPUTATION_SLOT_KEY_HASHES);
}

void pbts_reputation_iid(uint8_t out[static 32], uint64_t chain_id,
                         const pbts_eth_address *contract) {
    uint8_t message[sizeof "pbts/iid/1" - 1 + 8 + PBTS_ETH_ADDRESS_LEN];
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_write_text(&writer, "pbts/iid/1");
    pbts_write_u64(&writer, chain_id);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(contract->bytes));
    pbts_sha256(out, PBTS_SPAN_OF(message));
}

pbts_eth_hash pbts_reputation_head_next(const pbts_eth_hash *head, pbts_span batch) {
    uint8_t pair[2 * PBTS_ETH_HASH_LEN];
    memcpy(pair, head->bytes, PBTS_ETH_HASH_LEN);
    pbts_keccak256(pair + PBTS_ETH_HASH_LEN, batch);
    return pbts_eth_hash_of(PBTS_SPAN_OF(pair));
}

pbts_eth_hash pbts_reputation_registrations_next(const pbts_eth_hash *registrations,
                                                 const pbts_reputation_account *account) {
    uint8_t link[3 * 32 + 4];
    memcpy(link, registrations->bytes, 32);
    memcpy(link + 32, account->uid_hash, 32);
    pbts_sha256(link + 64, PBTS_SPAN_OF(account->public_key.bytes));
    put_be(link + 96, account->user_no, 4);
    return pbts_eth_hash_of(PBTS_SPAN_OF(link));
}

/* ---- rows ---- */

static void write_word(pbts_writer *writer, const pbts_reputation_account *account) {
    pbts_u256 packed = pbts_reputation_word_pack(&account->word);
    pbts_write_bytes(writer, PBTS_SPAN_OF(packed.bytes));
}

void pbts_reputation_register_row_write(pbts_writer *writer,
                                        const pbts_reputation_account *account) {
    pbts_write_bytes(writer, PBTS_SPAN_OF(account->uid_hash));
    write_word(writer, account);
    pbts_write_bytes(writer, PBTS_SPAN_OF(account->public_key.bytes));
    pbts_write_u32(writer, account->user_no);
}

void pbts_reputation_write_row_write(pbts_writer *writer, const pbts_reputation_account *account) {
    pbts_write_bytes(writer, PBTS_SPAN_OF(account->uid_hash));
    write_word(writer, account);
}

void pbts_reputation_adopt_row_write(pbts_writer *writer, const pbts_reputation_account *account) {
    pbts_write_bytes(writer, PBTS_SPAN_OF(account->uid_hash));
    pbts_write_bytes(writer, PBTS_SPAN_OF(account->public_key.bytes));
    pbts_write_u32(writer, account->user_no);
}

static pbts_status read_row(pbts_cursor *rows, pbts_reputation_account *out, bool has_word,
                            bool has_key) {
    pbts_reputation_account account = { 0 };
    pbts_u256 packed = { 0 };
    size_t len = 32 + (has_word ? 32u : 0) + (has_key ? PBTS_BLS_PUBLIC_LEN + 4u : 0);
    pbts_span row;
    if (pbts_cursor_left(rows) == 0) return PBTS_NEED_MORE;
    if (pbts_read_span(rows, &row, len) != PBTS_OK) return PBTS_MALFORMED;
    pbts_cursor fields = pbts_cursor_over(row);
    PBTS_TRY(pbts_read_bytes(&fields, account.uid_hash, 32));
    if (has_word) {
        PBTS_TRY(pbts_read_bytes(&fields, packed.bytes, 32));
        PBTS_TRY(pbts_reputation_word_unpack(&account.word, &packed));
    }
    if (has_key) {
        PBTS_TRY(pbts_read_bytes(&fields, account.public_key.bytes, PBTS_BLS_PUBLIC_LEN));
        PBTS_TRY(pbts_read_u32(&fields, &account.user_no));
    }
    *out = account;
    return PBTS_OK;
}

pbts_status pbts_reputation_register_row_read(pbts_cursor *rows, pbts_reputation_account *out) {
    return read_row(rows, out, true, true);
}

pbts_status pbts_reputation_write_row_read(pbts_cursor *rows, pbts_reputation_account *out) {
    return read_row(rows, out, true, false);
}

pbts_status pbts_reputation_adopt_row_read(pbts_cursor *rows, pbts_reputation_account *out) {
    return read_row(rows, out, false, true);
}

/* ---- calls ---- */

static pbts_abi_tuple open_call(pbts_writer *writer, const char *signature, size_t head_words) {
    uint8_t selector[PBTS_ABI_SELECTOR_LEN];
    pbts_abi_selector(selector, signature);
    pbts_write_bytes(writer, PBTS_SPAN_OF(selector));
    return pbts_abi_open(writer, head_words);
}

static pbts_abi_tuple open_batch(pbts_writer *writer, const char *signature, size_t head_words,
                                 uint64_t sequence, uint64_t epoch) {
    assert(sequence <= PBTS_REPUTATION_U48_MAX && epoch <= PBTS_REPUTATION_U48_MAX);
    pbts_abi_tuple call = open_call(writer, signature, head_words);
    pbts_abi_put_u64(&call, sequence);
    pbts_abi_put_u64(&call, epoch);
    return call;
}

static void call_rows(pbts_writer *writer, const char *signature, uint64_t sequence, uint64_t epoch,
                      pbts_span rows) {
    pbts_abi_tuple call = open_batch(writer, signature, 3, sequence, epoch);
    pbts_abi_put_bytes(&call, rows);
    pbts_abi_close(&call);
}

void pbts_reputation_call_register(pbts_writer *writer, uint64_t sequence, uint64_t epoch,
                                   pbts_span rows) {
    call_rows(writer, "register(uint48,uint48,bytes)", sequence, epoch, rows);
}

void pbts_reputation_call_write(pbts_writer *writer, uint64_t sequence, uint64_t epoch,
                                pbts_span rows) {
    call_rows(writer, "write(uint48,uint48,bytes)", sequence, epoch, rows);
}

void pbts_reputation_call_adopt(pbts_writer *writer, uint64_t sequence, uint64_t epoch,
                                pbts_span rows) {
    call_rows(writer, "adopt(uint48,uint48,bytes)", sequence, epoch, rows);
}

void pbts_reputation_call_write_root(pbts_writer *writer, uint64_t sequence, uint64_t epoch,
                                     uint32_t user_count, const uint8_t root[static 32],
                                     pbts_span data) {
    pbts_abi_tuple call =
        open_batch(writer, "writeRoot(uint48,uint48,uint32,bytes32,bytes)", 5, sequence, epoch);
    pbts_abi_put_u64(&call, user_count);
    pbts_abi_put_word(&call, root);
    pbts_abi_put_bytes(&call, data);
    pbts_abi_close(&call);
}

static void call_address(pbts_writer *writer, const char *signature,
                         const pbts_eth_address *address) {
    pbts_abi_tuple call = open_call(writer, signature, 1);
    pbts_abi_put_address(&call, address->bytes);
    pbts_abi_close(&call);
}

void pbts_reputation_call_seal(pbts_writer *writer, const pbts_eth_address *successor) {
    call_address(writer, "seal(address)", successor);
}

static void call_word(pbts_writer *writer, const char *signature, const uint8_t word[static 32]) {
    pbts_abi_tuple call = open_call(writer, signature, 1);
    pbts_abi_put_word(&call, word);
    pbts_abi_close(&call);
}

void pbts_reputation_call_account_of(pbts_writer *writer, const uint8_t uid_hash[static 32]) {
    call_word(writer, "accountOf(bytes32)", uid_hash);
}

void pbts_reputation_call_own_account_of(pbts_writer *writer, const uint8_t uid_hash[static 32]) {
    call_word(writer, "ownAccountOf(bytes32)", uid_hash);
}

/* ---- the factory ---- */

void pbts_reputation_factory_deploy(pbts_writer *writer, pbts_span code,
                                    const pbts_eth_address *verifier) {
    pbts_write_bytes(writer, code);
    pbts_abi_tuple arguments = pbts_abi_open(writer, 1);
    pbts_abi_put_address(&arguments, verifier->bytes);
    pbts_abi_close(&arguments);
}

void pbts_reputation_factory_call_create(pbts_writer *writer, const pbts_eth_address *referrer,
                                         pbts_span attestation) {
    pbts_abi_tuple call = open_call(writer, "createReputation(address,bytes)", 2);
    pbts_abi_put_address(&call, referrer->bytes);
    pbts_abi_put_bytes(&call, attestation);
    pbts_abi_close(&call);
}

void pbts_reputation_factory_call_is_reputation(pbts_writer *writer,
                                                const pbts_eth_address *contract) {
    call_address(writer, "isReputation(address)", contract);
}

void pbts_reputation_factory_call_created_count(pbts_writer *writer,
                                                const pbts_eth_address *owner) {
    call_address(writer, "createdCount(address)", owner);
}

static pbts_u256 address_slot(const pbts_eth_address *address, uint64_t mapping) {
    uint8_t key[32] = { 0 };
    memcpy(key + ADDRESS_AT, address->bytes, sizeof address->bytes);
    return mapping_slot(key, mapping);
}

pbts_u256 pbts_reputation_factory_is_reputation_slot(const pbts_eth_address *contract) {
    return address_slot(contract, PBTS_REPUTATION_FACTORY_SLOT_IS_REPUTATION);
}

pbts_u256 pbts_reputation_factory_created_count_slot(const pbts_eth_address *owner) {
    return address_slot(owner, PBTS_REPUTATION_FACTORY_SLOT_CREATED_COUNT);
}
