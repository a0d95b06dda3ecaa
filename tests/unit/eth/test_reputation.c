/* Unit tests of eth/reputation.c and eth/reputation_events.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/abi.h"
#include "codec/text.h"
#include "eth/reputation_events.h"
#include "hash/keccak.h"
#include "hash/sha.h"

static pbts_reputation_account sample(uint8_t seed) {
    pbts_reputation_account account = {
        .user_no = 0x01020300u + seed,
        .word = { .up_bytes = UINT64_C(0x1122334455667788) + seed,
                  .down_bytes = UINT64_C(0x99AABBCCDDEEFF00) + seed,
                  .generation = 0xA1B2C300u + seed },
    };
    memset(account.uid_hash, seed, sizeof account.uid_hash);
    for (size_t i = 0; i < sizeof account.public_key.bytes; i++) {
        account.public_key.bytes[i] = (uint8_t)(i + seed);
    }
    return account;
}

/* ---- words and slots ---- */

static void a_word_has_generation_down_and_up_from_its_highest_byte(void **state) {
    (void)state;
    pbts_reputation_account account = sample(0);
    static const uint8_t EXPECTED[32] = { 0xA1, 0xB2, 0xC3, 0x00, 0,    0,    0,    0,
                                          0,    0,    0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE,
                                          0xFF, 0x00, 0,    0,    0,    0,    0,    0,
                                          0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };
    pbts_u256 packed = pbts_reputation_word_pack(&account.word);
    pbts_reputation_word again;
    assert_memory_equal(packed.bytes, EXPECTED, 32);
    assert_int_equal(pbts_reputation_word_unpack(&again, &packed), PBTS_OK);
    assert_true(again.up_bytes == account.word.up_bytes);
    assert_true(again.down_bytes == account.word.down_bytes);
    assert_int_equal(again.generation, account.word.generation);
}

static void a_total_of_more_than_64_bits_is_refused(void **state) {
    (void)state;
    static const size_t HIGH_BYTES[] = { 4, 9, 18, 23 };
    pbts_reputation_word word = { 0 };
    for (size_t i = 0; i < 4; i++) {
        pbts_u256 packed = { 0 };
        packed.bytes[HIGH_BYTES[i]] = 1;
        assert_int_equal(pbts_reputation_word_unpack(&word, &packed), PBTS_LIMIT);
    }
}

static void the_fixed_slots_are_packed_as_solidity_does(void **state) {
    (void)state;
    pbts_u256 slots[PBTS_REPUTATION_FIXED_SLOTS];
    pbts_reputation_state in = { .sequence = 0x0102030405060708 & PBTS_REPUTATION_U48_MAX,
                                 .epoch = 0x00000A0B0C0D0E0F & PBTS_REPUTATION_U48_MAX,
                                 .user_count = 0x21222324,
                                 .sealed = true,
                                 .mode = PBTS_REPUTATION_ROOT },
                          out;
    memset(in.owner.bytes, 0x0A, 20);
    memset(in.referrer.bytes, 0x0B, 20);
    memset(in.successor.bytes, 0x0C, 20);
    memset(in.head.bytes, 0x0D, 32);
    memset(in.registrations.bytes, 0x0E, 32);
    memset(in.root, 0x0F, 32);
    pbts_reputation_state_pack(slots, &in);
    static const uint8_t FIRST[12] = { 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
                                       0x03, 0x04, 0x05, 0x06, 0x07, 0x08 };
    static const uint8_t SECOND[12] = { 0, 0, 0, 0, 0, 0, 2, 1, 0x21, 0x22, 0x23, 0x24 };
    assert_memory_equal(slots[0].bytes, FIRST, 12);
    assert_memory_equal(slots[0].bytes + 12, in.owner.bytes, 20);
    assert_memory_equal(slots[1].bytes, SECOND, 12);
    assert_memory_equal(slots[1].bytes + 12, in.referrer.bytes, 20);
    assert_memory_equal(slots[2].bytes + 12, in.successor.bytes, 20);
    assert_memory_equal(slots[3].bytes, in.head.bytes, 32);
    assert_memory_equal(slots[4].bytes, in.registrations.bytes, 32);
    assert_memory_equal(slots[5].bytes, in.root, 32);
    assert_int_equal(pbts_reputation_state_unpack(&out, slots), PBTS_OK);
    assert_true(out.sequence == in.sequence && out.epoch == in.epoch);
    assert_true(out.user_count == in.user_count && out.sealed && out.mode == in.mode);
    assert_memory_equal(out.owner.bytes, in.owner.bytes, 20);
    assert_memory_equal(out.referrer.bytes, in.referrer.bytes, 20);
    assert_memory_equal(out.successor.bytes, in.successor.bytes, 20);
    assert_memory_equal(out.head.bytes, in.head.bytes, 32);
    assert_memory_equal(out.registrations.bytes, in.registrations.bytes, 32);
    assert_memory_equal(out.root, in.root, 32);
}

static void bits_that_no_contract_sets_are_malformed(void **state) {
    (void)state;
    static const struct {
        size_t slot, byte;
        uint8_t value;
    } CASES[] = {
        { 1, 0, 1 }, { 1, 5, 0x80 }, { 1, 6, 3 }, { 1, 7, 2 }, { 2, 0, 1 }, { 2, 11, 1 }
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_u256 slots[PBTS_REPUTATION_FIXED_SLOTS] = { 0 };
        pbts_reputation_state out;
        slots[CASES[i].slot].bytes[CASES[i].byte] = CASES[i].value;
        assert_int_equal(pbts_reputation_state_unpack(&out, slots), PBTS_MALFORMED);
    }
}

static void a_users_slots_are_hashes_of_uid_hash_and_mapping(void **state) {
    (void)state;
    uint8_t key[64] = { 0 }, expected[32];
    memset(key, 0x42, 32);
    key[63] = 6;
    pbts_keccak256(expected, PBTS_SPAN_OF(key));
    assert_memory_equal(pbts_reputation_word_slot(key).bytes, expected, 32);
    key[63] = 7;
    pbts_keccak256(expected, PBTS_SPAN_OF(key));
    assert_memory_equal(pbts_reputation_key_hash_slot(key).bytes, expected, 32);
    pbts_eth_address contract;
    memset(contract.bytes, 0x42, 20);
    memset(key, 0, 12);
    memset(key + 32, 0, 32);
    pbts_keccak256(expected, PBTS_SPAN_OF(key));
    assert_memory_equal(pbts_reputation_factory_is_reputation_slot(&contract).bytes, expected, 32);
    key[63] = 1;
    pbts_keccak256(expected, PBTS_SPAN_OF(key));
    assert_memory_equal(pbts_reputation_factory_created_count_slot(&contract).bytes, expected, 32);
}

static void the_iid_names_chain_and_contract(void **state) {
    (void)state;
    static const uint8_t MESSAGE[] = "pbts/iid/1\0\0\0\0\0\0\x7A\x69"
                                     "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24";
    pbts_eth_address contract;
    uint8_t iid[32], expected[32];
    for (size_t i = 0; i < 20; i++) contract.bytes[i] = (uint8_t)(i + 1);
    pbts_reputation_iid(iid, 31337, &contract);
    pbts_sha256(expected, (pbts_span){ MESSAGE, sizeof MESSAGE - 1 });
    assert_memory_equal(iid, expected, 32);
}

static void heads_and_registrations_are_chains(void **state) {
    (void)state;
    pbts_eth_hash head = { { 1 } };
    uint8_t pair[64] = { 1 }, link[100] = { 1 }, expected[32];
    pbts_reputation_account account = sample(7);
    pbts_keccak256(pair + 32, pbts_span_text("rows"));
    pbts_keccak256(expected, PBTS_SPAN_OF(pair));
    assert_memory_equal(pbts_reputation_head_next(&head, pbts_span_text("rows")).bytes, expected,
                        32);
    memset(link + 32, 7, 32);
    pbts_sha256(link + 64, PBTS_SPAN_OF(account.public_key.bytes));
    memcpy(link + 96, "\x01\x02\x03\x07", 4);
    pbts_keccak256(expected, PBTS_SPAN_OF(link));
    assert_memory_equal(pbts_reputation_registrations_next(&head, &account).bytes, expected, 32);
}

/* ---- rows and calls ---- */

typedef void (*row_writer)(pbts_writer *, const pbts_reputation_account *);
typedef pbts_status (*row_reader)(pbts_cursor *, pbts_reputation_account *);

static void check_rows(row_writer put, row_reader get, size_t len, bool has_word, bool has_key) {
    uint8_t bytes[2 * PBTS_REPUTATION_REGISTER_ROW_LEN];
    pbts_writer rows = pbts_writer_over(bytes, sizeof bytes);
    pbts_reputation_account one = sample(1), two = sample(2), out;
    put(&rows, &one);
    put(&rows, &two);
    assert_int_equal(rows.len, 2 * len);
    pbts_cursor cursor = pbts_cursor_over(pbts_writer_span(&rows));
    assert_int_equal(get(&cursor, &out), PBTS_OK);
    assert_int_equal(get(&cursor, &out), PBTS_OK);
    assert_memory_equal(out.uid_hash, two.uid_hash, 32);
    assert_true(out.word.up_bytes == (has_word ? two.word.up_bytes : 0));
    assert_int_equal(out.user_no, has_key ? two.user_no : 0);
    assert_int_equal(out.public_key.bytes[95], has_key ? 97 : 0);
    assert_int_equal(get(&cursor, &out), PBTS_NEED_MORE);
    for (size_t cut = 1; cut < len; cut++) {
        uint8_t *copy = malloc(cut);
        memcpy(copy, bytes, cut);
        cursor = pbts_cursor_over((pbts_span){ copy, cut });
        assert_int_equal(get(&cursor, &out), PBTS_MALFORMED);
        free(copy);
    }
}

static void rows_are_read_as_they_were_written(void **state) {
    (void)state;
    check_rows(pbts_reputation_register_row_write, pbts_reputation_register_row_read, 164, true,
               true);
    check_rows(pbts_reputation_write_row_write, pbts_reputation_write_row_read, 64, true, false);
    check_rows(pbts_reputation_adopt_row_write, pbts_reputation_adopt_row_read, 132, false, true);
}

/* Selectors by ethers 6 from the ABI that solc 0.8.37 gives for contracts/. */
#define SELECTOR_WRITE "f0542c5a"
#define SELECTOR_REGISTER "f3507d3d"
#define SELECTOR_ADOPT "21a19d8b"
#define SELECTOR_WRITE_ROOT "88d7979b"
#define SELECTOR_SEAL "e0d760f8"
#define SELECTOR_ACCOUNT_OF "0b61a887"
#define SELECTOR_OWN_ACCOUNT_OF "a9def1e9"
#define SELECTOR_CREATE "372e3ff5"
#define SELECTOR_IS_REPUTATION "d56a608f"
#define SELECTOR_CREATED_COUNT "56127f6d"

static void check_call(const char *hex, pbts_writer *call) {
    uint8_t expected[512];
    size_t len = strlen(hex) / 2;
    assert_int_equal(pbts_hex_decode_exact(expected, len, pbts_span_text(hex)), PBTS_OK);
    assert_false(call->failed);
    assert_int_equal(call->len, len);
    assert_memory_equal(call->data, expected, len);
    call->len = 0;
}

#define Z8 "0000000000000000"
#define Z24 Z8 Z8 Z8
static void calls_are_selector_and_arguments(void **state) {
    (void)state;
    uint8_t bytes[512], word[32] = { 0 };
    pbts_eth_address address = { { 0 } };
    pbts_writer call = pbts_writer_over(bytes, sizeof bytes);
    address.bytes[19] = 0x99;
    word[31] = 0x77;
    pbts_span rows = { (const uint8_t *)"\xAA\xBB\xCC", 3 };
    pbts_reputation_call_write(&call, 5, 6, rows);
    check_call(SELECTOR_WRITE Z24 "0000000000000005" Z24 "0000000000000006" Z24
                                  "0000000000000060" Z24 "0000000000000003"
                                  "aabbcc0000000000" Z24,
               &call);
    pbts_reputation_call_register(&call, 5, 6, rows);
    check_call(SELECTOR_REGISTER Z24 "0000000000000005" Z24 "0000000000000006" Z24
                                     "0000000000000060" Z24 "0000000000000003"
                                     "aabbcc0000000000" Z24,
               &call);
    pbts_reputation_call_adopt(&call, 5, 6, rows);
    check_call(SELECTOR_ADOPT Z24 "0000000000000005" Z24 "0000000000000006" Z24
                                  "0000000000000060" Z24 "0000000000000003"
                                  "aabbcc0000000000" Z24,
               &call);
    pbts_reputation_call_write_root(&call, 5, 6, 7, word, rows);
    check_call(SELECTOR_WRITE_ROOT Z24 "0000000000000005" Z24 "0000000000000006" Z24
                                       "0000000000000007" Z24 "0000000000000077" Z24
                                       "00000000000000a0" Z24 "0000000000000003"
                                       "aabbcc0000000000" Z24,
               &call);
    pbts_reputation_call_seal(&call, &address);
    check_call(SELECTOR_SEAL Z24 "0000000000000099", &call);
    pbts_reputation_call_account_of(&call, word);
    check_call(SELECTOR_ACCOUNT_OF Z24 "0000000000000077", &call);
    pbts_reputation_call_own_account_of(&call, word);
    check_call(SELECTOR_OWN_ACCOUNT_OF Z24 "0000000000000077", &call);
    pbts_reputation_factory_call_create(&call, &address, rows);
    check_call(SELECTOR_CREATE Z24 "0000000000000099" Z24 "0000000000000040" Z24 "0000000000000003"
                                   "aabbcc0000000000" Z24,
               &call);
    pbts_reputation_factory_call_is_reputation(&call, &address);
    check_call(SELECTOR_IS_REPUTATION Z24 "0000000000000099", &call);
    pbts_reputation_factory_call_created_count(&call, &address);
    check_call(SELECTOR_CREATED_COUNT Z24 "0000000000000099", &call);
    pbts_reputation_factory_deploy(&call, rows, &address);
    check_call("aabbcc" Z24 "0000000000000099", &call);
}

/* ---- events ---- */

static pbts_eth_log make_log(pbts_reputation_event_kind kind, size_t topics_len, pbts_span data) {
    pbts_eth_log log = { .topics_len = topics_len, .data = data };
    log.topics[0] = pbts_reputation_event_topic(kind);
    for (size_t i = 1; i < topics_len; i++) log.topics[i].bytes[31] = (uint8_t)(0x10 + i);
    return log;
}

static pbts_status decode_exact(pbts_reputation_event *out, pbts_eth_log log) {
    uint8_t *copy = malloc(log.data.len > 0 ? log.data.len : 1);
    if (log.data.len > 0) memcpy(copy, log.data.data, log.data.len);
    log.data.data = copy;
    pbts_status status = pbts_reputation_event_decode(out, &log);
    free(copy);
    return status;
}

static void a_registration_is_read_with_its_key(void **state) {
    (void)state;
    uint8_t data[512];
    pbts_reputation_account account = sample(3);
    pbts_reputation_event event;
    for (size_t key_len = 95; key_len <= 96; key_len++) {
        pbts_writer writer = pbts_writer_over(data, sizeof data);
        pbts_abi_tuple tuple = pbts_abi_open(&writer, 2);
        pbts_abi_put_u64(&tuple, account.user_no);
        pbts_abi_put_bytes(&tuple, (pbts_span){ account.public_key.bytes, key_len });
        pbts_eth_log log = make_log(PBTS_REPUTATION_REGISTERED, 2, pbts_writer_span(&writer));
        assert_int_equal(decode_exact(&event, log), key_len == 96 ? PBTS_OK : PBTS_MALFORMED);
        for (size_t cut = 0; key_len == 96 && cut < writer.len; cut++) {
            log.data.len = cut;
            assert_int_equal(decode_exact(&event, log), PBTS_MALFORMED);
        }
    }
    assert_int_equal(event.kind, PBTS_REPUTATION_REGISTERED);
    assert_int_equal(event.registered.user_no, account.user_no);
    assert_int_equal(event.registered.uid_hash[31], 0x11);
    assert_memory_equal(event.registered.public_key.bytes, account.public_key.bytes, 96);
}

static void the_other_events_are_read(void **state) {
    (void)state;
    uint8_t data[128] = { 0 };
    pbts_reputation_event event;
    data[31] = 5;
    data[63] = 6;
    data[95] = 7;
    data[127] = 8;
    assert_int_equal(decode_exact(&event, make_log(PBTS_REPUTATION_WRITTEN, 1, PBTS_SPAN_OF(data))),
                     PBTS_OK);
    assert_true(event.written.sequence == 5 && event.written.epoch == 6);
    assert_true(event.written.count == 7 && event.written.head.bytes[31] == 8);
    data[25] = 1; /* above 48 bits */
    assert_int_equal(decode_exact(&event, make_log(PBTS_REPUTATION_WRITTEN, 1, PBTS_SPAN_OF(data))),
                     PBTS_MALFORMED);
    data[25] = 0;
    assert_int_equal(
        decode_exact(&event, make_log(PBTS_REPUTATION_ROOT_WRITTEN, 1, (pbts_span){ data, 64 })),
        PBTS_OK);
    assert_true(event.root_written.sequence == 5 && event.root_written.root[31] == 6);
    pbts_eth_log sealed = make_log(PBTS_REPUTATION_SEALED, 2, (pbts_span){ 0 });
    assert_int_equal(decode_exact(&event, sealed), PBTS_OK);
    assert_int_equal(event.sealed.successor.bytes[19], 0x11);
    sealed.topics[1].bytes[0] = 1; /* no address */
    assert_int_equal(decode_exact(&event, sealed), PBTS_MALFORMED);
    pbts_eth_log created = make_log(PBTS_REPUTATION_CREATED, 4, (pbts_span){ 0 });
    assert_int_equal(decode_exact(&event, created), PBTS_OK);
    assert_int_equal(event.created.reputation.bytes[19], 0x11);
    assert_int_equal(event.created.owner.bytes[19], 0x12);
    assert_int_equal(event.created.referrer.bytes[19], 0x13);
}

static void logs_of_others_are_not_found_and_wrong_topics_malformed(void **state) {
    (void)state;
    pbts_reputation_event event;
    pbts_eth_log log = make_log(PBTS_REPUTATION_SEALED, 1, (pbts_span){ 0 });
    assert_int_equal(decode_exact(&event, log), PBTS_MALFORMED);
    log.topics[0].bytes[0] ^= 1;
    assert_int_equal(decode_exact(&event, log), PBTS_NOT_FOUND);
    log.topics_len = 0;
    assert_int_equal(decode_exact(&event, log), PBTS_NOT_FOUND);
}

/* ---- reverts ---- */

static void a_revert_says_what_the_contract_says(void **state) {
    (void)state;
    static const struct {
        const char *signature;
        pbts_reputation_revert_kind kind;
        size_t words;
    } CASES[] = {
        { "NotOwner()", PBTS_REVERT_NOT_OWNER, 0 },
        { "AlreadySealed()", PBTS_REVERT_ALREADY_SEALED, 0 },
        { "WrongSequence(uint48)", PBTS_REVERT_WRONG_SEQUENCE, 1 },
        { "EpochFell(uint48)", PBTS_REVERT_EPOCH_FELL, 1 },
        { "WrongMode(uint8)", PBTS_REVERT_WRONG_MODE, 1 },
        { "BadLength(uint256)", PBTS_REVERT_BAD_LENGTH, 1 },
        { "UserExists(bytes32)", PBTS_REVERT_USER_EXISTS, 1 },
        { "UnknownUser(bytes32)", PBTS_REVERT_UNKNOWN_USER, 1 },
        { "KeyMismatch(bytes32)", PBTS_REVERT_KEY_MISMATCH, 1 },
        { "TooManyUsers()", PBTS_REVERT_TOO_MANY_USERS, 0 },
        { "NoReferrer()", PBTS_REVERT_NO_REFERRER, 0 },
        { "ReferrerFailed(address)", PBTS_REVERT_REFERRER_FAILED, 1 },
        { "UnknownReferrer(address)", PBTS_REVERT_UNKNOWN_REFERRER, 1 },
        { "AttestationRefused()", PBTS_REVERT_ATTESTATION_REFUSED, 0 },
        { "VerifierHasNoCode(address)", PBTS_REVERT_VERIFIER_HAS_NO_CODE, 1 },
        { "Error(string)", PBTS_REVERT_UNKNOWN, 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t data[37] = { 0 };
        pbts_abi_selector(data, CASES[i].signature);
        data[35] = 0x2A;
        size_t len = 4 + 32 * CASES[i].words;
        pbts_reputation_revert revert = pbts_reputation_revert_decode((pbts_span){ data, len });
        assert_int_equal(revert.kind, CASES[i].kind);
        if (revert.has_uid_hash) assert_int_equal(revert.uid_hash[31], 0x2A);
        bool has_number =
            revert.kind >= PBTS_REVERT_WRONG_SEQUENCE && revert.kind <= PBTS_REVERT_BAD_LENGTH;
        assert_true(revert.number == (has_number ? 0x2A : 0));
        assert_non_null(pbts_reputation_revert_text(revert.kind));
        revert = pbts_reputation_revert_decode((pbts_span){ data, len + 1 });
        assert_int_equal(revert.kind, PBTS_REVERT_UNKNOWN);
        revert = pbts_reputation_revert_decode((pbts_span){ data, len - 1 });
        assert_int_equal(revert.kind, PBTS_REVERT_UNKNOWN);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_has_generation_down_and_up_from_its_highest_byte),
        cmocka_unit_test(a_total_of_more_than_64_bits_is_refused),
        cmocka_unit_test(the_fixed_slots_are_packed_as_solidity_does),
        cmocka_unit_test(bits_that_no_contract_sets_are_malformed),
        cmocka_unit_test(a_users_slots_are_hashes_of_uid_hash_and_mapping),
        cmocka_unit_test(the_iid_names_chain_and_contract),
        cmocka_unit_test(heads_and_registrations_are_chains),
        cmocka_unit_test(rows_are_read_as_they_were_written),
        cmocka_unit_test(calls_are_selector_and_arguments),
        cmocka_unit_test(a_registration_is_read_with_its_key),
        cmocka_unit_test(the_other_events_are_read),
        cmocka_unit_test(logs_of_others_are_not_found_and_wrong_topics_malformed),
        cmocka_unit_test(a_revert_says_what_the_contract_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
