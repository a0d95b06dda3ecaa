/* Unit tests of ledger/verify.c: every damage of a small chain is found. */
#include "chain.h"

#include "hash/sha.h"
#include "ledger/entry.h"

enum { OWNER = 1, STRANGER = 2, INSTANCE = 0x11 };

/* A pbts_mem that fails at the n-th request and counts what is live. */
typedef struct {
    pbts_mem mem;
    size_t fail_at, asked, live;
} faulty_mem;

static void *faulty_alloc(pbts_mem *mem, size_t len) {
    faulty_mem *faulty = (faulty_mem *)(void *)mem;
    if (faulty->asked++ == faulty->fail_at) return NULL;
    faulty->live++;
    return malloc(len);
}

static void faulty_release(pbts_mem *mem, void *ptr) {
    ((faulty_mem *)(void *)mem)->live--;
    free(ptr);
}

static faulty_mem mem_failing_at(size_t n) {
    return (faulty_mem){ .mem = { .alloc = faulty_alloc, .release = faulty_release },
                         .fail_at = n };
}

typedef struct {
    pbts_status status;
    const char *problem;
    pbts_ledger_head head;
    pbts_bls_public owner;
    size_t attestation_len;
    size_t taken; /* entries that were added without a failure */
} verdict;

static verdict verify_in(pbts_mem *mem, const pbts_span *entries, size_t count) {
    verdict out = { .problem = NULL };
    pbts_ledger_verifier *verifier = NULL;
    pbts_ledger_params params;
    out.status = pbts_ledger_verifier_new(&verifier, mem);
    for (size_t i = 0; i < count && out.status == PBTS_OK; i++) {
        out.status = pbts_ledger_verifier_add(verifier, &out.problem, entries[i]);
        if (out.status == PBTS_OK) out.taken++;
    }
    if (out.status == PBTS_OK)
        out.status = pbts_ledger_verifier_finish(verifier, &out.problem, &out.head, &params);
    if (out.status == PBTS_OK) {
        out.owner = params.owner;
        out.attestation_len = params.attestation.len;
    }
    pbts_ledger_verifier_free(verifier);
    return out;
}

static verdict verify(const pbts_span *entries, size_t count) {
    return verify_in(pbts_mem_system(), entries, count);
}

static void expect_broken(const pbts_span *entries, size_t count, pbts_status want) {
    verdict got = verify(entries, count);
    assert_int_equal(got.status, want);
    assert_non_null(got.problem);
}

static void a_whole_chain_verifies_and_tells_its_head(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_ledger_params params = params_of(INSTANCE, OWNER);
    uint8_t hash[32];
    for (size_t count = 1; count <= c.count; count++) {
        verdict got = verify(c.entries, count);
        assert_int_equal(got.status, PBTS_OK);
        assert_int_equal(got.head.sequence, count - 1);
        pbts_sha256(hash, c.entries[count - 1]);
        assert_memory_equal(got.head.head_hash, hash, 32);
        assert_int_equal(got.head.sealed, count == 4);
        assert_memory_equal(got.owner.bytes, params.owner.bytes, 96);
        assert_int_equal(got.attestation_len, 5);
    }
    chain_free(&c);
}

static void no_entry_is_no_chain(void **state) {
    expect_broken(NULL, 0, PBTS_MALFORMED);
}

static void every_damaged_byte_is_found(void **state) {
    static const uint8_t FLIPS[] = { 0x01, 0x80, 0xFF };
    chain c = chain_small(INSTANCE, OWNER);
    for (size_t i = 0; i < c.count; i++) {
        uint8_t *bytes = (uint8_t *)(uintptr_t)c.entries[i].data;
        for (size_t at = 0; at < c.entries[i].len; at++) {
            for (size_t f = 0; f < sizeof FLIPS; f++) {
                bytes[at] ^= FLIPS[f];
                verdict got = verify(c.entries, c.count);
                bytes[at] ^= FLIPS[f];
                assert_true(got.status == PBTS_MALFORMED || got.status == PBTS_BAD_SIGNATURE);
                assert_non_null(got.problem);
            }
        }
    }
    assert_int_equal(verify(c.entries, c.count).status, PBTS_OK);
    chain_free(&c);
}

static void removed_swapped_and_repeated_entries_are_found(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    for (size_t gone = 0; gone + 1 < c.count; gone++) {
        pbts_span left[CHAIN_ENTRIES_MAX];
        size_t count = 0;
        for (size_t i = 0; i < c.count; i++)
            if (i != gone) left[count++] = c.entries[i];
        expect_broken(left, count, PBTS_MALFORMED);
    }
    for (size_t at = 0; at + 1 < c.count; at++) {
        pbts_span swapped[CHAIN_ENTRIES_MAX];
        memcpy(swapped, c.entries, sizeof swapped);
        swapped[at] = c.entries[at + 1];
        swapped[at + 1] = c.entries[at];
        expect_broken(swapped, c.count, PBTS_MALFORMED);
    }
    for (size_t twice = 0; twice < c.count; twice++) {
        pbts_span more[CHAIN_ENTRIES_MAX];
        size_t count = 0;
        for (size_t i = 0; i < c.count; i++) {
            more[count++] = c.entries[i];
            if (i == twice) more[count++] = c.entries[i];
        }
        expect_broken(more, count, PBTS_MALFORMED);
    }
    chain_free(&c);
}

static pbts_span build(const pbts_ledger_entry *entry, const pbts_ledger_account *rows,
                       uint8_t secret_number) {
    pbts_bls_secret secret = secret_of(secret_number);
    uint8_t *bytes;
    size_t len;
    assert_int_equal(pbts_ledger_entry_build(&bytes, &len, pbts_mem_system(), entry, rows, &secret),
                     PBTS_OK);
    return (pbts_span){ bytes, len };
}

/* An entry that fits after `before` in every way. */
static pbts_ledger_entry fitting_after(pbts_span before) {
    pbts_ledger_entry last;
    assert_int_equal(pbts_ledger_entry_decode(&last, NULL, before), PBTS_OK);
    pbts_ledger_entry next = { .kind = PBTS_LEDGER_WRITE, .row_count = 1 };
    next.sequence = last.sequence + 1;
    next.unix_time = last.unix_time;
    memcpy(next.iid, last.iid, 32);
    pbts_ledger_entry_hash(next.previous_hash, before);
    return next;
}

static void expect_next(chain *c, size_t after, const pbts_ledger_entry *entry, uint8_t signer,
                        pbts_status want) {
    pbts_ledger_account row = account_of(3, 1, 1);
    pbts_span entries[CHAIN_ENTRIES_MAX];
    memcpy(entries, c->entries, sizeof entries);
    entries[after + 1] = build(entry, &row, signer);
    if (want == PBTS_OK)
        assert_int_equal(verify(entries, after + 2).status, PBTS_OK);
    else
        expect_broken(entries, after + 2, want);
    span_free(entries[after + 1]);
}

static void a_well_signed_entry_that_does_not_fit_is_refused(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_ledger_entry entry = fitting_after(c.entries[2]);
    expect_next(&c, 2, &entry, OWNER, PBTS_OK);
    entry.sequence++;
    expect_next(&c, 2, &entry, OWNER, PBTS_MALFORMED);
    entry.sequence -= 2;
    expect_next(&c, 2, &entry, OWNER, PBTS_MALFORMED);
    entry = fitting_after(c.entries[2]);
    entry.previous_hash[31] ^= 1;
    expect_next(&c, 2, &entry, OWNER, PBTS_MALFORMED);
    entry = fitting_after(c.entries[2]);
    entry.iid[0] ^= 1;
    expect_next(&c, 2, &entry, OWNER, PBTS_MALFORMED);
    entry = fitting_after(c.entries[2]);
    entry.unix_time--;
    expect_next(&c, 2, &entry, OWNER, PBTS_MALFORMED);
    entry = fitting_after(c.entries[3]); /* after SEAL */
    expect_next(&c, 3, &entry, OWNER, PBTS_MALFORMED);
    chain_free(&c);
}

static void an_entry_of_another_signer_is_refused(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_ledger_entry entry = fitting_after(c.entries[2]);
    expect_next(&c, 2, &entry, STRANGER, PBTS_BAD_SIGNATURE);
    chain_free(&c);
}

static void an_init_signed_by_another_than_its_owner_is_refused(void **state) {
    pbts_ledger_entry entry = { .kind = PBTS_LEDGER_INIT, .unix_time = CHAIN_TIME };
    entry.params = params_of(INSTANCE, OWNER);
    pbts_span bytes = build(&entry, NULL, STRANGER);
    expect_broken(&bytes, 1, PBTS_BAD_SIGNATURE);
    span_free(bytes);
    bytes = build(&entry, NULL, OWNER);
    assert_int_equal(verify(&bytes, 1).status, PBTS_OK);
    span_free(bytes);
}

static void an_owner_key_that_is_no_point_is_refused(void **state) {
    pbts_ledger_entry entry = { .kind = PBTS_LEDGER_INIT, .unix_time = CHAIN_TIME };
    entry.params = params_of(INSTANCE, OWNER);
    memset(entry.params.owner.bytes, 0, 96);
    entry.params.owner.bytes[0] = 0xC0; /* infinity */
    pbts_span bytes = build(&entry, NULL, OWNER);
    expect_broken(&bytes, 1, PBTS_MALFORMED);
    span_free(bytes);
}

static void a_failure_is_kept(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    pbts_ledger_verifier *verifier;
    const char *problem = NULL, *again = NULL;
    pbts_ledger_head head;
    pbts_ledger_params params;
    assert_int_equal(pbts_ledger_verifier_new(&verifier, pbts_mem_system()), PBTS_OK);
    assert_int_equal(pbts_ledger_verifier_add(verifier, &problem, c.entries[0]), PBTS_OK);
    assert_int_equal(pbts_ledger_verifier_add(verifier, &problem, c.entries[2]), PBTS_MALFORMED);
    assert_int_equal(pbts_ledger_verifier_add(verifier, &again, c.entries[1]), PBTS_MALFORMED);
    assert_ptr_equal(problem, again);
    again = NULL;
    assert_int_equal(pbts_ledger_verifier_finish(verifier, &again, &head, &params), PBTS_MALFORMED);
    assert_ptr_equal(problem, again);
    pbts_ledger_verifier_free(verifier);
    pbts_ledger_verifier_free(NULL);
    chain_free(&c);
}

static void every_failing_allocation_is_reported_and_nothing_leaks(void **state) {
    chain c = chain_small(INSTANCE, OWNER);
    for (size_t n = 0;; n++) {
        faulty_mem mem = mem_failing_at(n);
        verdict got = verify_in(&mem.mem, c.entries, c.count);
        assert_int_equal(mem.live, 0);
        if (mem.asked <= n) {
            assert_int_equal(got.status, PBTS_OK);
            assert_int_equal(n, 2); /* the verifier and the attestation */
            break;
        }
        assert_int_equal(got.status, PBTS_NO_MEMORY);
    }
    faulty_mem mem = mem_failing_at(0);
    pbts_ledger_entry entry = { .kind = PBTS_LEDGER_SEAL, .sequence = 1 };
    pbts_bls_secret secret = secret_of(OWNER);
    uint8_t *bytes;
    size_t len;
    assert_int_equal(pbts_ledger_entry_build(&bytes, &len, &mem.mem, &entry, NULL, &secret),
                     PBTS_NO_MEMORY);
    chain_free(&c);
}

/* More entries than are summed at once: a bad signature is found in the full sum and in the rest.
 */
static void a_long_chain_is_checked_in_every_part(void **state) {
    enum { ENTRIES = 600 };
    static pbts_span entries[ENTRIES];
    static const size_t BAD_AT[] = { 0, 511, 512, ENTRIES - 1 };
    pbts_ledger_account row = account_of(1, 1, 1);
    pbts_ledger_entry entry = { .kind = PBTS_LEDGER_INIT, .unix_time = CHAIN_TIME };
    entry.params = params_of(INSTANCE, OWNER);
    memcpy(entry.iid, entry.params.iid, 32);
    entries[0] = build(&entry, NULL, OWNER);
    for (size_t i = 1; i < ENTRIES; i++) {
        entry = fitting_after(entries[i - 1]);
        entries[i] = build(&entry, &row, OWNER);
    }
    assert_int_equal(verify(entries, ENTRIES).status, PBTS_OK);
    for (size_t i = 0; i < sizeof BAD_AT / sizeof BAD_AT[0]; i++) {
        /* A stranger's entry in place of one, and honest ones up to it. */
        pbts_span kept = entries[BAD_AT[i]];
        assert_int_equal(pbts_ledger_entry_decode(&entry, NULL, kept), PBTS_OK);
        entries[BAD_AT[i]] = build(&entry, &row, STRANGER);
        verdict got = verify(entries, BAD_AT[i] + 1);
        assert_int_equal(got.status, PBTS_BAD_SIGNATURE);
        /* The 512th entry is refused when it is added, others at the end. */
        assert_int_equal(got.taken, BAD_AT[i] == 511 ? 511 : BAD_AT[i] + 1);
        span_free(entries[BAD_AT[i]]);
        entries[BAD_AT[i]] = kept;
    }
    for (size_t i = 0; i < ENTRIES; i++) span_free(entries[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_chain_verifies_and_tells_its_head),
        cmocka_unit_test(no_entry_is_no_chain),
        cmocka_unit_test(every_damaged_byte_is_found),
        cmocka_unit_test(removed_swapped_and_repeated_entries_are_found),
        cmocka_unit_test(a_well_signed_entry_that_does_not_fit_is_refused),
        cmocka_unit_test(an_entry_of_another_signer_is_refused),
        cmocka_unit_test(an_init_signed_by_another_than_its_owner_is_refused),
        cmocka_unit_test(an_owner_key_that_is_no_point_is_refused),
        cmocka_unit_test(a_failure_is_kept),
        cmocka_unit_test(every_failing_allocation_is_reported_and_nothing_leaks),
        cmocka_unit_test(a_long_chain_is_checked_in_every_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
