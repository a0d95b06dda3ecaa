/* Unit tests of ledger/claims_file.c. */
#include "chain.h"

#include "ledger/claims_file.h"

enum { OWNER = 1, STRANGER = 2, RECORDS = 3, TRAILER = PBTS_CLAIMS_TRAILER_LEN };

static const uint8_t IID[32] = { 4, 5, 6 };
static const uint8_t BITS[5] = { 0x80, 0, 1, 2, 0xF0 };

static pbts_claims_record record_of(uint8_t number) {
    pbts_claims_record record = { .period = 100u + number, .part = number };
    memset(record.receiver, number, 32);
    memset(record.sender, 0x40 | number, 32);
    memset(record.infohash, 0x80 | number, 20);
    record.bitmap = (pbts_span){ BITS, 1u + number };
    return record;
}

/* An exact-size heap copy of a file of `count` records. */
static pbts_span file_of(size_t count, uint8_t signer) {
    uint8_t buffer[1024];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_claims_encoder encoder;
    pbts_bls_secret secret = secret_of(signer);
    assert_int_equal(pbts_claims_encode_begin(&encoder, &writer), PBTS_OK);
    for (uint8_t i = 0; i < count; i++) {
        pbts_claims_record record = record_of(i);
        assert_int_equal(pbts_claims_encode_record(&encoder, &writer, &record), PBTS_OK);
    }
    assert_int_equal(pbts_claims_encode_end(&encoder, &writer, IID, 77, &secret), PBTS_OK);
    return span_copy(pbts_writer_span(&writer));
}

static pbts_status open_file(pbts_claims_file *out, pbts_span bytes) {
    pbts_bls_secret secret = secret_of(OWNER);
    pbts_bls_public owner;
    pbts_bls_public_point key;
    const char *problem = NULL;
    pbts_bls_public_of(&owner, &secret);
    assert_int_equal(pbts_bls_public_decode(&key, &owner), PBTS_OK);
    pbts_status status = pbts_claims_file_open(out, &problem, bytes, &key);
    assert_int_equal(status == PBTS_OK, problem == NULL);
    return status;
}

static void what_is_encoded_is_decoded(void **state) {
    for (size_t count = 0; count <= RECORDS; count++) {
        pbts_span bytes = file_of(count, OWNER);
        pbts_claims_file file;
        pbts_claims_record got;
        assert_int_equal(open_file(&file, bytes), PBTS_OK);
        assert_int_equal(file.count, count);
        assert_int_equal(file.claims, count);
        assert_int_equal(file.sequence, 77);
        assert_memory_equal(file.iid, IID, 32);
        for (uint8_t i = 0; i < count; i++) {
            pbts_claims_record want = record_of(i);
            assert_true(pbts_claims_file_next(&file, &got));
            assert_int_equal(got.period, want.period);
            assert_int_equal(got.part, want.part);
            assert_memory_equal(got.receiver, want.receiver, 32);
            assert_memory_equal(got.sender, want.sender, 32);
            assert_memory_equal(got.infohash, want.infohash, 20);
            assert_true(pbts_span_equal(got.bitmap, want.bitmap));
        }
        assert_false(pbts_claims_file_next(&file, &got));
        assert_int_equal(pbts_claims_file_end(&file), PBTS_OK);
        span_free(bytes);
    }
}

static void records_that_were_changed_after_the_check_are_noticed_at_the_end(void **state) {
    pbts_span bytes = file_of(RECORDS, OWNER);
    uint8_t *own = (uint8_t *)(uintptr_t)bytes.data;
    size_t from = sizeof PBTS_CLAIMS_FILE_MAGIC - 1;
    for (size_t at = from; at < bytes.len - PBTS_CLAIMS_TRAILER_LEN; at++) {
        pbts_claims_file file;
        pbts_claims_record got;
        assert_int_equal(open_file(&file, bytes), PBTS_OK);
        own[at] ^= 1;
        while (pbts_claims_file_next(&file, &got)) continue;
        assert_int_equal(pbts_claims_file_end(&file), PBTS_CORRUPT);
        own[at] ^= 1;
    }
    span_free(bytes);
}

static void a_record_of_lost_claims_is_told_from_all_others(void **state) {
    static const uint64_t epochs[] = { 0, 1, 488888, UINT64_MAX };
    uint8_t room[PBTS_CLAIMS_LOST_LEN];
    for (size_t i = 0; i < sizeof epochs / sizeof epochs[0]; i++) {
        uint64_t epoch = 7;
        pbts_claims_record record = pbts_claims_lost_record(room, epochs[i]);
        assert_true(pbts_claims_is_lost(&record, &epoch));
        assert_int_equal(epoch, epochs[i]);
        pbts_claims_record other = record;
        other.receiver[31] = 1;
        assert_false(pbts_claims_is_lost(&other, &epoch));
        other = record;
        other.sender[31] = 0xfe;
        assert_false(pbts_claims_is_lost(&other, &epoch));
        other = record;
        other.bitmap.len = 7;
        assert_false(pbts_claims_is_lost(&other, &epoch));
    }
    for (uint8_t i = 0; i < RECORDS; i++) {
        pbts_claims_record record = record_of(i);
        uint64_t epoch;
        assert_false(pbts_claims_is_lost(&record, &epoch));
    }
}

static void the_layout_is_the_documented_one(void **state) {
    pbts_span bytes = file_of(1, OWNER);
    const uint8_t *at = bytes.data;
    static const uint8_t period[4] = { 0, 0, 0, 100 },
                         len[4] = { 0, 0, 0, 1 }; /* part 0, one byte */
    static const uint8_t count[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };
    assert_int_equal(bytes.len, 13 + 4 + 32 + 32 + 20 + 4 + 1 + 8 + 32 + 32 + 8 + 48);
    assert_memory_equal(at, "pbts-claims1\n", 13);
    assert_memory_equal(at + 13, period, 4);
    assert_int_equal(at[17], 0x00);
    assert_int_equal(at[49], 0x40);
    assert_int_equal(at[81], 0x80);
    assert_memory_equal(at + 101, len, 4);
    assert_int_equal(at[105], 0x80);
    assert_memory_equal(at + 106, count, 8);
    assert_memory_equal(at + 106 + 8 + 32, IID, 32);
    assert_int_equal(at[106 + 8 + 32 + 32 + 7], 77);
    span_free(bytes);
}

static void every_shorter_file_is_refused(void **state) {
    pbts_span bytes = file_of(RECORDS, OWNER);
    for (size_t len = 0; len < bytes.len; len++) {
        pbts_claims_file file;
        pbts_span cut = span_copy((pbts_span){ bytes.data, len });
        pbts_status status = open_file(&file, cut);
        assert_int_equal(status, len < 13 + TRAILER ? PBTS_NEED_MORE : PBTS_BAD_SIGNATURE);
        span_free(cut);
    }
    span_free(bytes);
}

static void every_damaged_byte_is_found_and_changes_nothing(void **state) {
    pbts_span bytes = file_of(RECORDS, OWNER);
    uint8_t *data = (uint8_t *)(uintptr_t)bytes.data;
    for (size_t at = 0; at < bytes.len; at++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            pbts_claims_file file, before;
            memset(&file, 0x5A, sizeof file);
            memcpy(&before, &file, sizeof file);
            data[at] ^= (uint8_t)(1u << bit);
            pbts_status status = open_file(&file, bytes);
            data[at] ^= (uint8_t)(1u << bit);
            assert_true(status == PBTS_MALFORMED || status == PBTS_BAD_SIGNATURE);
            assert_memory_equal(&file, &before, sizeof file);
        }
    }
    span_free(bytes);
}

static void a_file_of_another_signer_is_refused(void **state) {
    pbts_span bytes = file_of(RECORDS, STRANGER);
    pbts_claims_file file;
    assert_int_equal(open_file(&file, bytes), PBTS_BAD_SIGNATURE);
    span_free(bytes);
}

/* A signed file whose records are `body` and whose trailer says `count`. */
static pbts_status open_crafted(pbts_span body, uint64_t count) {
    uint8_t buffer[1024];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_claims_encoder encoder;
    pbts_claims_file file;
    pbts_bls_secret secret = secret_of(OWNER);
    assert_int_equal(pbts_claims_encode_begin(&encoder, &writer), PBTS_OK);
    pbts_write_bytes(&writer, body);
    if (body.len > 0) pbts_sha256_update(&encoder.hash, body);
    encoder.count = count;
    assert_int_equal(pbts_claims_encode_end(&encoder, &writer, IID, 1, &secret), PBTS_OK);
    pbts_span bytes = span_copy(pbts_writer_span(&writer));
    pbts_status status = open_file(&file, bytes);
    span_free(bytes);
    return status;
}

static void a_signed_file_with_a_bad_record_is_refused(void **state) {
    pbts_span good = file_of(1, OWNER);
    uint8_t body[93 + 16];
    enum { PART_AT = 88, LEN_AT = 91, BODY_LEN = 93, SENDER_AT = 36, RECEIVER_AT = 4 };
    memcpy(body, good.data + 13, BODY_LEN);
    span_free(good);
    assert_int_equal(open_crafted((pbts_span){ body, BODY_LEN }, 1), PBTS_OK);
    assert_int_equal(open_crafted((pbts_span){ body, BODY_LEN }, 0), PBTS_MALFORMED);
    assert_int_equal(open_crafted((pbts_span){ body, BODY_LEN }, 2), PBTS_MALFORMED);
    assert_int_equal(open_crafted((pbts_span){ body, BODY_LEN - 1 }, 1), PBTS_MALFORMED);
    assert_int_equal(open_crafted((pbts_span){ body, 10 }, 1), PBTS_MALFORMED);
    body[LEN_AT] = 0; /* an empty bitmap */
    assert_int_equal(open_crafted((pbts_span){ body, BODY_LEN - 1 }, 1), PBTS_MALFORMED);
    body[LEN_AT] = 2;
    assert_int_equal(open_crafted((pbts_span){ body, BODY_LEN }, 1), PBTS_MALFORMED);
    body[LEN_AT] = 1;
    body[PART_AT + 1] = PBTS_CLAIMS_PARTS_MAX - 1;
    assert_int_equal(open_crafted((pbts_span){ body, BODY_LEN }, 1), PBTS_OK);
    body[PART_AT + 1] = PBTS_CLAIMS_PARTS_MAX;
    assert_int_equal(open_crafted((pbts_span){ body, BODY_LEN }, 1), PBTS_MALFORMED);
    body[PART_AT] = 1;
    body[PART_AT + 1] = 0;
    assert_int_equal(open_crafted((pbts_span){ body, BODY_LEN }, 1), PBTS_MALFORMED);
    body[PART_AT] = 0;
    memcpy(body + SENDER_AT, body + RECEIVER_AT, 32);
    assert_int_equal(open_crafted((pbts_span){ body, BODY_LEN }, 1), PBTS_MALFORMED);
}

static void bad_records_and_small_buffers_are_statuses(void **state) {
    static uint8_t bitmap[PBTS_CLAIMS_BITMAP_MAX + 1], buffer[2 * PBTS_CLAIMS_RECORD_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_claims_encoder encoder;
    pbts_claims_record record = record_of(1);
    assert_int_equal(pbts_claims_encode_begin(&encoder, &writer), PBTS_OK);
    size_t len = writer.len;
    record.bitmap = (pbts_span){ bitmap, PBTS_CLAIMS_BITMAP_MAX + 1 };
    assert_int_equal(pbts_claims_encode_record(&encoder, &writer, &record), PBTS_MALFORMED);
    record.bitmap.len = 0;
    assert_int_equal(pbts_claims_encode_record(&encoder, &writer, &record), PBTS_MALFORMED);
    record.bitmap.len = PBTS_CLAIMS_BITMAP_MAX;
    record.part = PBTS_CLAIMS_PARTS_MAX;
    assert_int_equal(pbts_claims_encode_record(&encoder, &writer, &record), PBTS_MALFORMED);
    assert_int_equal(writer.len, len);
    record.part--;
    assert_int_equal(pbts_claims_encode_record(&encoder, &writer, &record), PBTS_OK);
    assert_int_equal(writer.len, len + PBTS_CLAIMS_RECORD_MAX);
    writer = pbts_writer_over(buffer, PBTS_CLAIMS_RECORD_MAX - 1);
    assert_int_equal(pbts_claims_encode_record(&encoder, &writer, &record), PBTS_NO_SPACE);
    writer = pbts_writer_over(buffer, 5);
    assert_int_equal(pbts_claims_encode_begin(&encoder, &writer), PBTS_NO_SPACE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(records_that_were_changed_after_the_check_are_noticed_at_the_end),
        cmocka_unit_test(the_layout_is_the_documented_one),
        cmocka_unit_test(every_shorter_file_is_refused),
        cmocka_unit_test(every_damaged_byte_is_found_and_changes_nothing),
        cmocka_unit_test(a_file_of_another_signer_is_refused),
        cmocka_unit_test(a_signed_file_with_a_bad_record_is_refused),
        cmocka_unit_test(bad_records_and_small_buffers_are_statuses),
        cmocka_unit_test(a_record_of_lost_claims_is_told_from_all_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
