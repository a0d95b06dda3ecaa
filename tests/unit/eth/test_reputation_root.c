/* Unit tests of eth/reputation_root.c: against a naive twin that keeps an array by number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "eth/reputation_root.h"
#include "receipt/faulty_mem.h"

enum { NUMBERS = 40, BATCHES = 60, ROOM = 16384, USERS_MAX = 1000 };

static pbts_reputation_tree *new_tree(void) {
    pbts_reputation_tree *tree;
    assert_int_equal(pbts_reputation_tree_new(&tree, pbts_mem_system(), USERS_MAX), PBTS_OK);
    return tree;
}

static pbts_reputation_account user(uint32_t user_no) {
    pbts_reputation_account account = { .user_no = user_no };
    memset(account.uid_hash, (int)user_no, 32);
    memset(account.public_key.bytes, (int)user_no + 1, 96);
    return account;
}

/* In an exact-size copy, so that a byte too far is seen. */
static pbts_status apply(pbts_reputation_tree *tree, pbts_span data) {
    uint8_t *copy = malloc(data.len > 0 ? data.len : 1);
    memcpy(copy, data.data, data.len);
    pbts_status status = pbts_reputation_tree_apply(tree, (pbts_span){ copy, data.len });
    free(copy);
    return status;
}

/* ---- the twin ---- */

typedef struct {
    bool present[NUMBERS + 1];
    pbts_reputation_account accounts[NUMBERS + 1];
} twin;

static void twin_root(const twin *naive, uint8_t out[32]) {
    pbts_hash_tree hashes;
    pbts_hash_tree_init(&hashes);
    for (uint32_t no = 1; no <= NUMBERS; no++) {
        uint8_t leaf[100], key_hash[32];
        if (!naive->present[no]) continue;
        const pbts_reputation_account *account = &naive->accounts[no];
        pbts_u256 word = pbts_reputation_word_pack(&account->word);
        pbts_sha256(key_hash, PBTS_SPAN_OF(account->public_key.bytes));
        memcpy(leaf, account->uid_hash, 32);
        memcpy(leaf + 32, word.bytes, 32);
        memcpy(leaf + 64, key_hash, 32);
        memcpy(leaf + 96, (uint8_t[]){ 0, 0, 0, (uint8_t)no }, 4);
        pbts_hash_tree_add(&hashes, PBTS_SPAN_OF(leaf));
    }
    pbts_hash_tree_root(&hashes, out);
}

static size_t random_batch(twin *naive, const pbts_reputation_tree *tree, pbts_prng *prng,
                           uint8_t data[ROOM]) {
    pbts_writer writer = pbts_writer_over(data, ROOM);
    uint32_t previous = 0;
    for (uint32_t no = 1; no <= NUMBERS; no++) {
        if (pbts_prng_below(prng, 4) != 0) continue;
        if (!naive->present[no]) naive->accounts[no] = user(no);
        pbts_reputation_word *word = &naive->accounts[no].word;
        naive->present[no] = true;
        word->up_bytes += pbts_prng_next(prng) >> (10 + pbts_prng_below(prng, 54));
        word->down_bytes += pbts_prng_next(prng) >> (10 + pbts_prng_below(prng, 54));
        word->generation += pbts_prng_below(prng, 2);
        assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &naive->accounts[no], previous),
                         PBTS_OK);
        previous = no;
    }
    return writer.len;
}

static void replayed_data_give_the_same_accounts_and_root(void **state) {
    (void)state;
    static twin naive;
    pbts_prng prng = pbts_prng_seeded(1);
    pbts_reputation_tree *tree = new_tree(), *successor = new_tree();
    for (size_t batch = 0; batch < BATCHES; batch++) {
        static uint8_t data[ROOM];
        uint8_t root[32], expected[32], again[32];
        pbts_span span = { data, random_batch(&naive, tree, &prng, data) };
        assert_int_equal(apply(tree, span), PBTS_OK);
        assert_int_equal(apply(successor, span), PBTS_OK);
        twin_root(&naive, expected);
        pbts_reputation_tree_root(tree, root);
        pbts_reputation_tree_root(successor, again);
        assert_memory_equal(root, expected, 32);
        assert_memory_equal(again, expected, 32);
    }
    for (uint32_t no = 1; no <= NUMBERS; no++) {
        uint32_t index;
        const pbts_reputation_account *account = pbts_reputation_tree_find(tree, no, &index);
        assert_non_null(account);
        assert_true(account == pbts_reputation_tree_at(tree, index));
        assert_memory_equal(account, &naive.accounts[no], sizeof *account);
    }
    assert_int_equal(pbts_reputation_tree_count(tree), NUMBERS);
    assert_null(pbts_reputation_tree_find(tree, NUMBERS + 1, NULL));
    pbts_reputation_tree_free(tree);
    pbts_reputation_tree_free(successor);
}

static void an_account_is_proved_by_its_path(void **state) {
    (void)state;
    static twin naive;
    static uint8_t data[ROOM];
    pbts_prng prng = pbts_prng_seeded(2);
    pbts_reputation_tree *tree = new_tree();
    uint8_t root[32], leaf[PBTS_REPUTATION_LEAF_LEN];
    uint8_t path[PBTS_HASH_TREE_HEIGHT_MAX][PBTS_SHA256_LEN];
    size_t path_len;
    uint32_t index;
    assert_int_equal(apply(tree, (pbts_span){ data, random_batch(&naive, tree, &prng, data) }),
                     PBTS_OK);
    pbts_reputation_tree_root(tree, root);
    uint32_t count = pbts_reputation_tree_count(tree);
    for (uint32_t no = 1; no <= NUMBERS; no++) {
        pbts_status status = pbts_reputation_root_prove(tree, no, &index, path, &path_len);
        assert_int_equal(status, naive.present[no] ? PBTS_OK : PBTS_NOT_FOUND);
        if (status != PBTS_OK) continue;
        pbts_reputation_leaf(leaf, &naive.accounts[no]);
        assert_int_equal(pbts_hash_tree_check(root, count, index, PBTS_SPAN_OF(leaf),
                                              (const uint8_t(*)[32])path, path_len),
                         PBTS_OK);
        const uint8_t(*way)[32] = (const uint8_t(*)[32])path;
        pbts_reputation_account other = naive.accounts[no];
        assert_int_equal(pbts_reputation_root_verify(root, count, &other, index, way, path_len),
                         PBTS_OK);
        other.word.up_bytes++;
        assert_int_equal(pbts_reputation_root_verify(root, count, &other, index, way, path_len),
                         PBTS_MALFORMED);
        leaf[63] ^= 1; /* another total */
        assert_int_equal(pbts_hash_tree_check(root, count, index, PBTS_SPAN_OF(leaf),
                                              (const uint8_t(*)[32])path, path_len),
                         PBTS_MALFORMED);
    }
    pbts_reputation_tree_free(tree);
}

static void as_many_as_there_may_be_cost_12_bytes_each_and_one_more_is_refused(void **state) {
    (void)state;
    enum { USERS = USERS_MAX };
    static uint8_t data[(USERS + 1) * PBTS_REPUTATION_ROOT_ENTRY_MAX];
    pbts_reputation_tree *tree = new_tree();
    pbts_writer writer = pbts_writer_over(data, sizeof data);
    for (uint32_t no = 1; no <= USERS; no++) {
        pbts_reputation_account account = user(no);
        assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &account, no - 1), PBTS_OK);
    }
    pbts_reputation_account one_more = user(USERS + 1);
    size_t len = writer.len;
    assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &one_more, USERS), PBTS_OK);
    assert_int_equal(pbts_reputation_tree_apply(tree, pbts_writer_span(&writer)), PBTS_LIMIT);
    assert_int_equal(pbts_reputation_tree_apply(tree, (pbts_span){ data, len }), PBTS_OK);
    writer.len = 0;
    for (uint32_t no = 1; no <= USERS; no++) { /* 1 TiB each way since the last batch */
        pbts_reputation_account account = user(no);
        account.word.up_bytes = (UINT64_C(1) << 40) - no;
        account.word.down_bytes = (UINT64_C(1) << 40) - 1;
        assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &account, no - 1), PBTS_OK);
    }
    assert_int_equal(writer.len, USERS * 12);
    pbts_reputation_tree_free(tree);
}

/* Each bound of the short form: at it 12 bytes, beyond it the long form. */
static void what_fits_takes_12_bytes_and_what_does_not_still_goes(void **state) {
    (void)state;
    static const struct {
        uint32_t user_no;
        pbts_reputation_word by;
        bool is_short;
    } CASES[] = {
        { 1, { 0, 0, 0 }, true },
        { 0x8000, { 1, 1, 0 }, true },
        { 0x8001, { 1, 1, 0 }, false },
        { UINT32_MAX, { 1, 1, 0 }, false },
        { 1, { (UINT64_C(1) << 40) - 1, 0, 0 }, true },
        { 1, { UINT64_C(1) << 40, 0, 0 }, false },
        { 1, { 0, (UINT64_C(1) << 40) - 1, 0 }, true },
        { 1, { 0, UINT64_C(1) << 40, 0 }, false },
        { 1, { UINT64_MAX, UINT64_MAX, 0 }, false },
        { 1, { 1, 1, 1 }, false },
        { 1, { 1, 1, UINT32_MAX }, false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t data[PBTS_REPUTATION_ROOT_ENTRY_MAX];
        pbts_reputation_tree *tree = new_tree();
        pbts_reputation_account account = user(CASES[i].user_no);
        uint32_t user_no = 0;
        assert_int_equal(pbts_reputation_tree_set(tree, &account, 1), PBTS_OK);
        account.word = CASES[i].by;
        pbts_writer writer = pbts_writer_over(data, sizeof data);
        assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &account, 0), PBTS_OK);
        assert_int_equal(writer.len == PBTS_REPUTATION_ROOT_SHORT_LEN, CASES[i].is_short);
        assert_int_equal(apply(tree, pbts_writer_span(&writer)), PBTS_OK);
        assert_memory_equal(pbts_reputation_tree_at(tree, 0), &account, sizeof account);
        pbts_cursor numbers = pbts_cursor_over(pbts_writer_span(&writer));
        assert_int_equal(pbts_reputation_data_next(&numbers, &user_no), PBTS_OK);
        assert_int_equal(user_no, CASES[i].user_no);
        assert_int_equal(pbts_reputation_data_next(&numbers, &user_no), PBTS_NEED_MORE);
        pbts_reputation_tree_free(tree);
    }
}

static void a_tree_is_set_only_to_ascending_accounts_and_as_many_as_fit(void **state) {
    (void)state;
    static pbts_reputation_account accounts[USERS_MAX + 1];
    uint8_t root[32], after[32];
    pbts_reputation_tree *tree = new_tree();
    for (uint32_t i = 0; i <= USERS_MAX; i++) accounts[i] = user(i + 1);
    assert_int_equal(pbts_reputation_tree_set(tree, accounts, USERS_MAX), PBTS_OK);
    pbts_reputation_tree_root(tree, root);
    assert_int_equal(pbts_reputation_tree_set(tree, accounts, USERS_MAX + 1), PBTS_LIMIT);
    accounts[1].user_no = 1;
    assert_int_equal(pbts_reputation_tree_set(tree, accounts, 2), PBTS_MALFORMED);
    accounts[0].user_no = 0;
    assert_int_equal(pbts_reputation_tree_set(tree, accounts, 2), PBTS_MALFORMED);
    accounts[0].user_no = UINT32_MAX;
    accounts[1].user_no = 0;
    assert_int_equal(pbts_reputation_tree_set(tree, accounts, 2), PBTS_MALFORMED);
    pbts_reputation_tree_root(tree, after);
    assert_memory_equal(root, after, 32);
    assert_int_equal(pbts_reputation_tree_set(tree, NULL, 0), PBTS_OK);
    assert_int_equal(pbts_reputation_tree_count(tree), 0);
    pbts_reputation_tree_free(tree);
}

/* ---- what is refused ---- */

static void an_entry_of_another_user_or_that_goes_back_is_not_written(void **state) {
    (void)state;
    uint8_t data[512];
    pbts_reputation_tree *tree = new_tree();
    pbts_writer writer = pbts_writer_over(data, sizeof data);
    pbts_reputation_account account = user(5);
    account.word = (pbts_reputation_word){ 10, 20, 3 };
    assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &account, 0), PBTS_OK);
    assert_int_equal(pbts_reputation_tree_apply(tree, pbts_writer_span(&writer)), PBTS_OK);
    writer.len = 0;
    assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &account, 5), PBTS_MALFORMED);
    for (int field = 0; field < 2; field++) {
        pbts_reputation_account other = account;
        if (field == 0) other.uid_hash[0] ^= 1;
        if (field == 1) other.public_key.bytes[95] ^= 1;
        assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &other, 0), PBTS_MALFORMED);
    }
    pbts_writer narrow = pbts_writer_over(data, 2);
    assert_int_equal(pbts_reputation_tree_entry(tree, &narrow, &account, 0), PBTS_NO_SPACE);
    assert_true(writer.len == 0 && narrow.len == 0 && !narrow.failed);
    pbts_reputation_tree_free(tree);
}

static void values_that_fall_are_set_and_others_never_are(void **state) {
    (void)state;
    static const struct {
        pbts_reputation_word to;
        bool sets;
    } CASES[] = {
        { { 9, 20, 3 }, true },
        { { 10, 19, 3 }, true },
        { { 10, 20, 2 }, true },
        { { 0, 0, 0 }, true },
        { { UINT64_MAX, 0, UINT32_MAX }, true },
        { { 10, 20, 3 }, false },
        { { 11, 21, 4 }, false },
        { { UINT64_MAX, UINT64_MAX, UINT32_MAX }, false },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t data[2 * PBTS_REPUTATION_ROOT_ENTRY_MAX];
        pbts_reputation_tree *tree = new_tree();
        pbts_reputation_account accounts[2] = { user(5), user(7) };
        accounts[0].word = (pbts_reputation_word){ 10, 20, 3 };
        assert_int_equal(pbts_reputation_tree_set(tree, accounts, 2), PBTS_OK);
        accounts[0].word = CASES[i].to;
        pbts_writer writer = pbts_writer_over(data, sizeof data);
        assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &accounts[0], 0), PBTS_OK);
        assert_int_equal((data[0] & 0x80) != 0 && (data[1] & 4) != 0, CASES[i].sets);
        pbts_reputation_account third = user(9); /* somebody new, by the other way to apply */
        if (i % 2 == 0)
            assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &third, 5), PBTS_OK);
        assert_int_equal(apply(tree, pbts_writer_span(&writer)), PBTS_OK);
        assert_int_equal(pbts_reputation_tree_count(tree), i % 2 == 0 ? 3 : 2);
        assert_memory_equal(pbts_reputation_tree_at(tree, 0), &accounts[0], sizeof accounts[0]);
        assert_memory_equal(pbts_reputation_tree_at(tree, 1), &accounts[1], sizeof accounts[1]);
        /* Once more, it does not fall. */
        if (CASES[i].sets && i % 2 == 1)
            assert_int_equal(apply(tree, pbts_writer_span(&writer)), PBTS_MALFORMED);
        pbts_reputation_tree_free(tree);
    }
}

static void bad_data_change_nothing(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } CASES[] = {
        { "\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", 11 },     /* cut short */
        { "\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01", 12 }, /* user 2, who is not there */
        { "\x80", 1 },
        { "\x80\x00", 2 },
        { "\x80\x00\x00\x01\x01", 5 },                          /* fits into a short one */
        { "\x80\x00\x00\x81\x80\x80\x80\x80\x80\x00\x01", 11 }, /* not the shortest form */
        { "\x80\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 14 }, /* above 2^64 - 1 */
        { "\x80\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00", 14 }, /* 65 bits */
        { "\x80\x02\x00\x00\x00\x00", 6 },                                  /* grows by nothing */
        { "\x80\x02\x00\x00\x00\xff\xff\xff\xff\x0f", 10 },     /* generation above 2^32 - 1 */
        { "\x80\x08\x00\x80\x80\x80\x80\x80\x80\x01\x00", 11 }, /* a flag that is not there */
        { "\x80\x04\x01\x00\x00", 5 },                          /* sets user 2, who is not there */
        { "\x80\x06\x00\x01\x01\x01", 6 },                      /* sets what is there */
        { "\x80\x06\x00\x02\x01\x01", 6 },                      /* sets more */
        { "\x80\x06\x00\x00\x01\x00", 6 },                      /* a generation of nothing */
        { "\xc0\x02\x00\x00\x00\x01", 6 },
        { "\x80\x00\xff\xff\xff\xff\x0f\x00\x00", 9 }, /* user 2^32 */
        { "\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00", 14 },
        { "\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\x80\x00\xfe\xff\xff\xff\x0f\x00\x00",
          21 },
    };
    uint8_t data[512], before[32], after[32], new_and_set[2 + 1 + 32 + 96 + 2] = { 0x80, 5, 3 };
    pbts_reputation_tree *tree = new_tree();
    pbts_writer writer = pbts_writer_over(data, sizeof data);
    pbts_reputation_account account = user(1);
    account.word = (pbts_reputation_word){ 1, 1, 1 };
    assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &account, 0), PBTS_OK);
    for (size_t cut = 1; cut < writer.len; cut++) {
        assert_int_equal(apply(tree, (pbts_span){ data, cut }), PBTS_MALFORMED);
    }
    assert_int_equal(apply(tree, pbts_writer_span(&writer)), PBTS_OK);
    assert_int_equal(apply(tree, pbts_writer_span(&writer)), PBTS_MALFORMED); /* new again */
    pbts_reputation_tree_root(tree, before);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_span bytes = { (const uint8_t *)CASES[i].bytes, CASES[i].len };
        if (apply(tree, bytes) != PBTS_MALFORMED) fail_msg("case %d", (int)i);
    }
    assert_int_equal(apply(tree, PBTS_SPAN_OF(new_and_set)), PBTS_MALFORMED);
    pbts_reputation_tree_root(tree, after);
    assert_memory_equal(before, after, 32);
    pbts_reputation_tree_free(tree);
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    uint8_t data[512];
    uint8_t path[PBTS_HASH_TREE_HEIGHT_MAX][PBTS_SHA256_LEN];
    for (size_t n = 0; n < 3; n++) {
        faulty_mem mem = mem_failing_at(n);
        pbts_reputation_tree *tree = NULL;
        pbts_writer writer = pbts_writer_over(data, sizeof data);
        pbts_reputation_account account = user(1);
        size_t path_len;
        uint32_t index;
        pbts_status status = pbts_reputation_tree_new(&tree, &mem.mem, USERS_MAX);
        assert_int_equal(status, n == 0 ? PBTS_NO_MEMORY : PBTS_OK);
        if (n == 0) continue;
        assert_int_equal(pbts_reputation_tree_entry(tree, &writer, &account, 0), PBTS_OK);
        status = pbts_reputation_tree_apply(tree, pbts_writer_span(&writer));
        assert_int_equal(status, n == 1 ? PBTS_NO_MEMORY : PBTS_OK);
        assert_int_equal(pbts_reputation_tree_count(tree), n == 1 ? 0 : 1);
        if (n == 2) {
            assert_int_equal(pbts_reputation_root_prove(tree, 1, &index, path, &path_len),
                             PBTS_NO_MEMORY);
        }
        pbts_reputation_tree_free(tree);
        assert_int_equal(mem.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replayed_data_give_the_same_accounts_and_root),
        cmocka_unit_test(an_account_is_proved_by_its_path),
        cmocka_unit_test(as_many_as_there_may_be_cost_12_bytes_each_and_one_more_is_refused),
        cmocka_unit_test(what_fits_takes_12_bytes_and_what_does_not_still_goes),
        cmocka_unit_test(a_tree_is_set_only_to_ascending_accounts_and_as_many_as_fit),
        cmocka_unit_test(an_entry_of_another_user_or_that_goes_back_is_not_written),
        cmocka_unit_test(values_that_fall_are_set_and_others_never_are),
        cmocka_unit_test(bad_data_change_nothing),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
