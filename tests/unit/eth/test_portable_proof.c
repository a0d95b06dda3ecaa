/* Unit tests of eth/portable_proof.c and portable_evidence.c: what a file proves, and that no byte
 * of it can be changed into another truth. */
#include "eth/portable_proof.h"

#include "eth/chain_model.h"
#include "eth/factory_code.h"
#include "eth/light_chain.h"
#include "eth/reputation_root.h"
#include "hash/sha.h"

enum { FILE_MAX = 64 * 1024, USERS = 20 };

/* One block with a contract of 20 users. */
typedef struct {
    trie storage, state;
    trie_entry entries[PBTS_REPUTATION_FIXED_SLOTS + 2 * USERS], accounts[3];
    uint8_t header[PBTS_ETH_HEADER_LEN_MAX];
    size_t header_len;
    pbts_reputation_state contract;
    pbts_reputation_tree *tree; /* root mode; else NULL */
    uint8_t path[PBTS_HASH_TREE_HEIGHT_MAX][PBTS_SHA256_LEN];
} world;

static const pbts_eth_address CONTRACT = { { 0xc0, 1 } };
static const pbts_reputation_word WORD = { 5000000000, 123456789, 3 };

static void user_hash(uint8_t out[static 32], uint32_t user) {
    memset(out, (int)user + 1, 32);
}

static void put_users(world *w, size_t *len) {
    for (uint32_t user = 0; user < USERS; user++) {
        uint8_t uid_hash[32];
        pbts_u256 key_hash = pbts_u256_from_u64(1000 + user), slot;
        pbts_u256 word = pbts_reputation_word_pack(&WORD);
        user_hash(uid_hash, user);
        slot = pbts_reputation_word_slot(uid_hash);
        model_slot(w->entries, len, &slot, &word);
        slot = pbts_reputation_key_hash_slot(uid_hash);
        model_slot(w->entries, len, &slot, &key_hash);
    }
}

static void make_tree(world *w) {
    pbts_reputation_account users[USERS];
    assert_int_equal(pbts_reputation_tree_new(&w->tree, pbts_mem_system(), USERS), PBTS_OK);
    for (uint32_t user = 0; user < USERS; user++) {
        users[user] = (pbts_reputation_account){ .user_no = 10 * user + 1, .word = WORD };
        user_hash(users[user].uid_hash, user);
        memset(users[user].public_key.bytes, (int)(100 + user), 96);
    }
    assert_int_equal(pbts_reputation_tree_set(w->tree, users, USERS), PBTS_OK);
    pbts_reputation_tree_root(w->tree, w->contract.root);
}

static world *new_world(pbts_reputation_mode mode, const uint8_t *code_hash) {
    world *w = calloc(1, sizeof *w);
    pbts_u256 slots[PBTS_REPUTATION_FIXED_SLOTS];
    pbts_eth_hash code;
    pbts_eth_address other = { { 0xee } }, third = { { 0x11 } };
    size_t len = 0;
    assert_non_null(w);
    memcpy(code.bytes, code_hash, sizeof code.bytes);
    w->contract = (pbts_reputation_state){
        .owner = { { 0xaa } }, .sequence = 7, .epoch = 400000, .user_count = USERS, .mode = mode
    };
    if (mode == PBTS_REPUTATION_ROOT) make_tree(w);
    pbts_reputation_state_pack(slots, &w->contract);
    for (uint64_t i = 0; i < PBTS_REPUTATION_FIXED_SLOTS; i++) {
        pbts_u256 slot = pbts_u256_from_u64(i);
        model_slot(w->entries, &len, &slot, &slots[i]);
    }
    if (mode != PBTS_REPUTATION_ROOT) put_users(w, &len);
    w->storage = trie_new(w->entries, len);
    model_account(&w->accounts[0], &CONTRACT, 1, &w->storage.hash, &code);
    model_account(&w->accounts[1], &other, 1, &PBTS_ETH_EMPTY_TRIE, &PBTS_ETH_EMPTY_CODE);
    model_account(&w->accounts[2], &third, 2, &PBTS_ETH_EMPTY_TRIE, &PBTS_ETH_EMPTY_CODE);
    w->state = trie_new(w->accounts, 3);
    pbts_eth_header header = { .form = PBTS_ETH_HEADER_PRAGUE,
                               .state_root = w->state.hash,
                               .number = 1234,
                               .timestamp_s = 1700000000 };
    pbts_writer writer = pbts_writer_over(w->header, sizeof w->header);
    assert_int_equal(pbts_eth_header_encode(&writer, &header), PBTS_OK);
    w->header_len = writer.len;
    return w;
}

static world *plain_world(void) {
    return new_world(PBTS_REPUTATION_SLOTS, pbts_eth_reputation_code_hash());
}

static world *root_world(void) {
    return new_world(PBTS_REPUTATION_ROOT, pbts_eth_reputation_code_hash());
}

static void free_world(world *w) {
    pbts_reputation_tree_free(w->tree);
    trie_free_node(w->storage.root);
    trie_free_node(w->state.root);
    free(w);
}

static void fill_path(pbts_portable_path *out, const trie *tree, pbts_span key) {
    uint8_t path[32];
    pbts_keccak256(path, key);
    out->nodes_len = trie_prove(tree, PBTS_SPAN_OF(path), out->nodes);
}

static pbts_portable_proof proof_of(const world *w, const pbts_eth_address *contract,
                                    uint32_t user) {
    pbts_portable_proof out = { .chain_id = 31337,
                                .contract = *contract,
                                .header = { w->header, w->header_len },
                                .endpoints = pbts_span_text("http://a http://b") };
    pbts_u256 keys[PBTS_PORTABLE_SLOTS];
    user_hash(out.uid_hash, user);
    pbts_portable_proof_keys(keys, out.uid_hash);
    fill_path(&out.account, &w->state, PBTS_SPAN_OF(contract->bytes));
    for (size_t i = 0; i < PBTS_PORTABLE_SLOTS; i++)
        fill_path(&out.slots[i], &w->storage, PBTS_SPAN_OF(keys[i].bytes));
    return out;
}

static pbts_portable_proof root_proof_of(world *w, uint32_t user) {
    pbts_portable_proof out = proof_of(w, &CONTRACT, user);
    pbts_portable_leaf *leaf = &out.leaf;
    const pbts_reputation_account *account =
        pbts_reputation_tree_find(w->tree, 10 * user + 1, NULL);
    assert_non_null(account);
    *leaf = (pbts_portable_leaf){ .given = true,
                                  .word = account->word,
                                  .public_key = account->public_key,
                                  .user_no = account->user_no,
                                  .path = (const uint8_t(*)[PBTS_SHA256_LEN])w->path };
    assert_int_equal(pbts_reputation_root_prove(w->tree, account->user_no, &leaf->index, w->path,
                                                &leaf->path_len),
                     PBTS_OK);
    return out;
}

static void seal_file(uint8_t *file, size_t len) {
    pbts_sha256(file + len - PBTS_SHA256_LEN, (pbts_span){ file, len - PBTS_SHA256_LEN });
}

static size_t write_file(uint8_t *out, const pbts_portable_proof *proof) {
    pbts_writer writer = pbts_writer_over(out, FILE_MAX);
    assert_int_equal(pbts_portable_proof_encode(&writer, proof), PBTS_OK);
    return writer.len;
}

/* From a copy of exactly its length. */
static pbts_status read_file(pbts_portable_facts *facts, pbts_portable_proof *proof,
                             const uint8_t *file, size_t len) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, file, len);
    pbts_status status = pbts_portable_proof_decode(proof, (pbts_span){ copy, len });
    if (status == PBTS_OK) status = pbts_portable_proof_verify(facts, proof);
    free(copy);
    return status;
}

static void a_user_who_is_there_is_proved_with_totals_and_key(void **state) {
    (void)state;
    static uint8_t file[FILE_MAX];
    world *w = plain_world();
    pbts_portable_proof proof = proof_of(w, &CONTRACT, 4), read;
    pbts_portable_facts facts;
    size_t len = write_file(file, &proof);
    assert_int_equal(read_file(&facts, &read, file, len), PBTS_OK);
    pbts_u256 key_hash = pbts_u256_from_u64(1004);
    pbts_eth_hash hash = pbts_eth_hash_of((pbts_span){ w->header, w->header_len });
    assert_true(facts.present && facts.block_number == 1234 && facts.timestamp_s == 1700000000);
    assert_true(pbts_eth_hash_equal(&facts.block_hash, &hash));
    assert_true(facts.word.up_bytes == WORD.up_bytes && facts.word.down_bytes == WORD.down_bytes);
    assert_int_equal(facts.word.generation, 3);
    assert_memory_equal(facts.key_hash, key_hash.bytes, 32);
    assert_memory_equal(&facts.contract, &w->contract, sizeof facts.contract);
    assert_true(read.chain_id == 31337 && pbts_eth_address_equal(&read.contract, &CONTRACT));
    free_world(w);
}

static void a_user_who_is_not_there_is_proved_absent(void **state) {
    (void)state;
    static uint8_t file[FILE_MAX];
    world *w = plain_world();
    pbts_portable_proof proof = proof_of(w, &CONTRACT, 77), read;
    pbts_portable_facts facts;
    assert_int_equal(read_file(&facts, &read, file, write_file(file, &proof)), PBTS_OK);
    assert_false(facts.present);
    assert_true(facts.word.up_bytes == 0 && facts.word.down_bytes == 0);
    free_world(w);
}

/* The checksum is made to fit, as a forger would: what is still accepted says the same of the same
 * user, or names another user, contract or chain, which the reader compares. Those who are named
 * otherwise cannot be proved with these nodes. */
static void change_every_byte(const world *w, const pbts_portable_proof *true_proof) {
    static uint8_t file[FILE_MAX];
    pbts_portable_proof proof = *true_proof, read;
    pbts_portable_facts facts, want;
    size_t len = write_file(file, &proof), accepted = 0;
    assert_int_equal(read_file(&want, &read, file, len), PBTS_OK);
    for (size_t i = 0; i < len; i++) {
        file[i] ^= (uint8_t)(1 << (i % 8));
        assert_int_not_equal(read_file(&facts, &read, file, len), PBTS_OK);
        if (i < len - PBTS_SHA256_LEN) seal_file(file, len);
        if (i < len - PBTS_SHA256_LEN && read_file(&facts, &read, file, len) == PBTS_OK) {
            accepted++;
            bool other_block = !pbts_eth_hash_equal(&facts.block_hash, &want.block_hash);
            assert_true(other_block || memcmp(&facts, &want, sizeof facts) == 0);
            assert_memory_equal(read.uid_hash, proof.uid_hash, 32);
            assert_true(pbts_eth_address_equal(&read.contract, &CONTRACT));
        }
        file[i] ^= (uint8_t)(1 << (i % 8));
        seal_file(file, len);
    }
    /* Chain id, endpoints, and fields of the header, which make it another block. */
    assert_true(accepted > 8 && accepted < sizeof "http://a http://b" + 8 + w->header_len);
}

static void no_byte_can_be_changed_into_another_truth(void **state) {
    (void)state;
    world *slots = plain_world(), *root = root_world();
    pbts_portable_proof of_slots = proof_of(slots, &CONTRACT, 4);
    pbts_portable_proof of_root = root_proof_of(root, 4);
    change_every_byte(slots, &of_slots);
    change_every_byte(root, &of_root);
    free_world(slots);
    free_world(root);
}

static size_t leaf_len(const pbts_portable_proof *proof) {
    return 1 + 8 + 8 + 4 + 96 + 4 + 4 + 1 + proof->leaf.path_len * PBTS_SHA256_LEN;
}

static void cut_everywhere(const pbts_portable_proof *proof) {
    static uint8_t file[FILE_MAX];
    pbts_portable_proof read;
    pbts_portable_facts facts;
    size_t len = write_file(file, proof);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_not_equal(read_file(&facts, &read, file, cut), PBTS_OK);
        if (cut < sizeof PBTS_PORTABLE_PROOF_MAGIC - 1 + PBTS_SHA256_LEN) continue;
        uint8_t sum[PBTS_SHA256_LEN];
        memcpy(sum, file + cut - sizeof sum, sizeof sum);
        seal_file(file, cut);
        bool without_leaf = proof->leaf.given && cut == len - leaf_len(proof);
        assert_int_equal(read_file(&facts, &read, file, cut),
                         without_leaf ? PBTS_DENIED : PBTS_MALFORMED);
        memcpy(file + cut - sizeof sum, sum, sizeof sum);
    }
    memmove(file + len - PBTS_SHA256_LEN + 1, file + len - PBTS_SHA256_LEN, PBTS_SHA256_LEN);
    seal_file(file, len + 1);
    assert_int_equal(read_file(&facts, &read, file, len + 1), PBTS_MALFORMED);
}

static void every_truncation_and_any_more_is_refused(void **state) {
    (void)state;
    world *slots = plain_world(), *root = root_world();
    pbts_portable_proof of_slots = proof_of(slots, &CONTRACT, 4);
    pbts_portable_proof of_root = root_proof_of(root, 4);
    cut_everywhere(&of_slots);
    cut_everywhere(&of_root);
    free_world(slots);
    free_world(root);
}

static void every_user_under_a_root_is_proved_with_totals_and_key(void **state) {
    (void)state;
    static uint8_t file[FILE_MAX];
    world *w = root_world();
    for (uint32_t user = 0; user < USERS; user++) {
        pbts_portable_proof proof = root_proof_of(w, user), read;
        pbts_portable_facts facts;
        uint8_t key_hash[PBTS_SHA256_LEN];
        pbts_sha256(key_hash, PBTS_SPAN_OF(proof.leaf.public_key.bytes));
        assert_int_equal(read_file(&facts, &read, file, write_file(file, &proof)), PBTS_OK);
        assert_true(facts.present && facts.contract.mode == PBTS_REPUTATION_ROOT);
        assert_true(facts.word.up_bytes == WORD.up_bytes);
        assert_true(facts.word.down_bytes == WORD.down_bytes);
        assert_int_equal(facts.word.generation, WORD.generation);
        assert_memory_equal(facts.key_hash, key_hash, sizeof key_hash);
        assert_memory_equal(read.uid_hash, proof.uid_hash, 32);
    }
    free_world(w);
}

static void a_leaf_counts_under_its_own_root_alone(void **state) {
    (void)state;
    pbts_portable_facts facts;
    world *slots = plain_world(), *root = root_world();
    pbts_portable_proof proof = root_proof_of(root, 4);
    pbts_portable_leaf leaf = proof.leaf;
    user_hash(proof.uid_hash, 5); /* with nodes of 5 that show empty slots, as those of 4 do */
    proof.slots[PBTS_REPUTATION_FIXED_SLOTS] =
        proof_of(root, &CONTRACT, 5).slots[PBTS_REPUTATION_FIXED_SLOTS];
    proof.slots[PBTS_REPUTATION_FIXED_SLOTS + 1] =
        proof_of(root, &CONTRACT, 5).slots[PBTS_REPUTATION_FIXED_SLOTS + 1];
    assert_int_equal(pbts_portable_proof_verify(&facts, &proof), PBTS_MALFORMED);
    proof = root_proof_of(root, 4);
    proof.leaf.index++;
    assert_int_equal(pbts_portable_proof_verify(&facts, &proof), PBTS_MALFORMED);
    proof = root_proof_of(root, 4);
    proof.leaf.word.up_bytes++;
    assert_int_equal(pbts_portable_proof_verify(&facts, &proof), PBTS_MALFORMED);
    for (uint32_t user = 4; user < 78; user += 73) { /* there, and absent */
        proof = proof_of(slots, &CONTRACT, user);
        proof.leaf = leaf;
        assert_int_equal(pbts_portable_proof_verify(&facts, &proof), PBTS_MALFORMED);
    }
    free_world(slots);
    free_world(root);
}

static void an_unknown_mark_before_the_leaf_is_refused(void **state) {
    (void)state;
    static uint8_t file[FILE_MAX];
    world *w = root_world();
    pbts_portable_proof proof = root_proof_of(w, 4), read;
    size_t len = write_file(file, &proof);
    uint8_t *mark = file + len - PBTS_SHA256_LEN - leaf_len(&proof);
    assert_int_equal(*mark, 1);
    *mark = 2;
    seal_file(file, len);
    assert_int_equal(pbts_portable_proof_decode(&read, (pbts_span){ file, len }), PBTS_MALFORMED);
    free_world(w);
}

static void a_path_has_at_most_32_hashes(void **state) {
    (void)state;
    static uint8_t file[FILE_MAX];
    static const uint8_t long_path[PBTS_HASH_TREE_HEIGHT_MAX + 1][PBTS_SHA256_LEN];
    world *w = root_world();
    pbts_portable_proof proof = root_proof_of(w, 4), read;
    pbts_writer writer = pbts_writer_over(file, sizeof file);
    proof.leaf.path = long_path;
    proof.leaf.path_len = PBTS_HASH_TREE_HEIGHT_MAX + 1;
    assert_int_equal(pbts_portable_proof_encode(&writer, &proof), PBTS_LIMIT);
    proof.leaf.path_len--;
    size_t len = write_file(file, &proof);
    assert_int_equal(pbts_portable_proof_decode(&read, (pbts_span){ file, len }), PBTS_OK);
    assert_int_equal(read.leaf.path_len, PBTS_HASH_TREE_HEIGHT_MAX);
    uint8_t *count = file + len - PBTS_SHA256_LEN - sizeof long_path + PBTS_SHA256_LEN - 1;
    assert_int_equal(*count, PBTS_HASH_TREE_HEIGHT_MAX);
    ++*count;
    seal_file(file, len + PBTS_SHA256_LEN);
    assert_int_equal(pbts_portable_proof_decode(&read, (pbts_span){ file, len + PBTS_SHA256_LEN }),
                     PBTS_LIMIT);
    free_world(w);
}

static void an_address_without_a_reputation_proves_nothing(void **state) {
    (void)state;
    pbts_portable_facts facts;
    const pbts_eth_address nowhere = { { 0x77 } }, person = { { 0x11 } };
    world *w = plain_world();
    pbts_portable_proof proof = proof_of(w, &nowhere, 4);
    assert_int_equal(pbts_portable_proof_verify(&facts, &proof), PBTS_NOT_FOUND);
    proof = proof_of(w, &person, 4);
    assert_int_equal(pbts_portable_proof_verify(&facts, &proof), PBTS_NOT_FOUND);
    free_world(w);
    pbts_eth_hash foreign = pbts_eth_hash_of(pbts_span_text("another contract's code"));
    w = new_world(PBTS_REPUTATION_SLOTS, foreign.bytes);
    proof = proof_of(w, &CONTRACT, 4);
    assert_int_equal(pbts_portable_proof_verify(&facts, &proof), PBTS_DENIED);
    free_world(w);
    w = new_world(PBTS_REPUTATION_ROOT, pbts_eth_reputation_code_hash());
    proof = proof_of(w, &CONTRACT, 4);
    assert_int_equal(pbts_portable_proof_verify(&facts, &proof), PBTS_DENIED);
    free_world(w);
}

static void another_users_nodes_do_not_prove_this_one(void **state) {
    (void)state;
    pbts_portable_facts facts;
    world *w = plain_world();
    pbts_portable_proof proof = proof_of(w, &CONTRACT, 4), other = proof_of(w, &CONTRACT, 5);
    proof.slots[PBTS_REPUTATION_FIXED_SLOTS] = other.slots[PBTS_REPUTATION_FIXED_SLOTS];
    assert_int_equal(pbts_portable_proof_verify(&facts, &proof), PBTS_MALFORMED);
    proof = proof_of(w, &CONTRACT, 4);
    user_hash(proof.uid_hash, 5);
    assert_int_equal(pbts_portable_proof_verify(&facts, &proof), PBTS_MALFORMED);
    free_world(w);
}

static void parts_have_limits(void **state) {
    (void)state;
    static uint8_t file[FILE_MAX], text[PBTS_PORTABLE_ENDPOINTS_LEN_MAX + 1];
    world *w = plain_world();
    pbts_portable_proof proof = proof_of(w, &CONTRACT, 4), read;
    pbts_portable_facts facts;
    pbts_writer writer = pbts_writer_over(file, sizeof file);
    memset(text, 'x', sizeof text);
    proof.endpoints = (pbts_span){ text, sizeof text };
    assert_int_equal(pbts_portable_proof_encode(&writer, &proof), PBTS_LIMIT);
    proof.endpoints.len--;
    size_t len = write_file(file, &proof);
    assert_int_equal(read_file(&facts, &read, file, len), PBTS_OK);
    assert_int_equal(read.endpoints.len, PBTS_PORTABLE_ENDPOINTS_LEN_MAX);
    writer = pbts_writer_over(file, len - 1);
    assert_int_equal(pbts_portable_proof_encode(&writer, &proof), PBTS_NO_SPACE);
    uint8_t *huge = calloc(1, PBTS_PORTABLE_PROOF_LEN_MAX + 1);
    assert_non_null(huge);
    assert_int_equal(
        pbts_portable_proof_decode(&read, (pbts_span){ huge, PBTS_PORTABLE_PROOF_LEN_MAX + 1 }),
        PBTS_LIMIT);
    assert_int_equal(
        pbts_portable_proof_decode(&read, (pbts_span){ huge, PBTS_PORTABLE_PROOF_LEN_MAX }),
        PBTS_MALFORMED);
    free(huge);
    free_world(w);
}

/* ---- evidence: a chain of the tests' own, in Capella ---- */

typedef struct {
    pbts_beacon_network network;
    pbts_portable_evidence evidence;
    pbts_eth_hash finalized, optimistic; /* execution blocks */
    uint64_t now_s;
    message bootstrap;
    uint8_t updates[2 * CHAIN_MESSAGE_MAX];
} light_world;

static pbts_eth_hash execution_hash(const pbts_light_header *header) {
    pbts_eth_hash out;
    memcpy(out.bytes, header->execution.block_hash.bytes, sizeof out.bytes);
    return out;
}

static void add_update(light_world *w, pbts_writer *writer, uint64_t attested, uint64_t finalized,
                       uint32_t signers) {
    static pbts_light_update update;
    message m;
    chain_update(&update, &w->network, attested, finalized, true, signers);
    encode_update(&m, &w->network, PBTS_LIGHT_FULL_UPDATE, &update);
    pbts_portable_update part = { PBTS_LIGHT_FULL_UPDATE, span_of_message(&m) };
    pbts_portable_update_write(writer, &part);
    w->evidence.updates_len++;
    w->evidence.updates = pbts_writer_span(writer);
    w->finalized = execution_hash(&update.finalized);
    w->optimistic = execution_hash(&update.attested);
    w->now_s = at_slot(&w->network, update.signature_slot);
}

static light_world *new_light_world(uint32_t signers) {
    light_world *w = calloc(1, sizeof *w);
    static pbts_light_bootstrap bootstrap;
    assert_non_null(w);
    w->network = minimal_network(PBTS_BEACON_DENEB);
    pbts_ssz_chunk root = chain_root(&w->network, 8);
    chain_bootstrap(&bootstrap, &w->network, 8);
    encode_bootstrap(&w->bootstrap, &w->network, &bootstrap);
    w->evidence = (pbts_portable_evidence){ .kind = PBTS_PORTABLE_COMMITTEES,
                                            .bootstrap = span_of_message(&w->bootstrap) };
    memcpy(w->evidence.trusted_root, root.bytes, sizeof root.bytes);
    pbts_writer writer = pbts_writer_over(w->updates, sizeof w->updates);
    add_update(w, &writer, 40, 16, CHAIN_MEMBERS);
    add_update(w, &writer, 64 + 40, 64 + 16, signers);
    return w;
}

static pbts_status check_light(const light_world *w, const pbts_eth_hash *block) {
    return pbts_portable_proof_evidence_verify(&w->evidence, block, w->evidence.trusted_root,
                                               &w->network, pbts_mem_system(), w->now_s);
}

static void sync_committees_vouch_for_the_block_that_they_signed(void **state) {
    (void)state;
    light_world *w = new_light_world(CHAIN_MEMBERS);
    pbts_eth_hash other = w->finalized;
    other.bytes[31] ^= 1;
    assert_int_equal(check_light(w, &w->finalized), PBTS_OK);
    assert_int_equal(check_light(w, &w->optimistic), PBTS_OK);
    assert_int_equal(check_light(w, &other), PBTS_BAD_SIGNATURE);
    w->now_s -= 60;
    assert_int_equal(check_light(w, &w->finalized), PBTS_STALE);
    w->now_s += UINT64_C(10) * 365 * 24 * 3600;
    assert_int_equal(check_light(w, &w->finalized), PBTS_OK);
    uint8_t another[32] = { 1 };
    assert_int_equal(pbts_portable_proof_evidence_verify(&w->evidence, &w->finalized, another,
                                                         &w->network, pbts_mem_system(), w->now_s),
                     PBTS_DENIED);
    w->evidence.kind = PBTS_PORTABLE_NO_EVIDENCE;
    assert_int_equal(check_light(w, &w->finalized), PBTS_NOT_FOUND);
    free(w);
}

/* Every part takes part; each try costs milliseconds, so not every byte. */
static void damaged_evidence_proves_nothing(void **state) {
    (void)state;
    light_world *w = new_light_world(CHAIN_MEMBERS);
    pbts_eth_hash block = w->finalized;
    for (size_t i = 0; i < w->bootstrap.len; i += 31) {
        w->bootstrap.bytes[i] ^= 4;
        assert_int_not_equal(check_light(w, &block), PBTS_OK);
        w->bootstrap.bytes[i] ^= 4;
    }
    for (size_t i = 0; i < w->evidence.updates.len; i += 211) {
        w->updates[i] ^= 4;
        assert_int_not_equal(check_light(w, &block), PBTS_OK);
        w->updates[i] ^= 4;
    }
    assert_int_equal(check_light(w, &block), PBTS_OK);
    free(w);
}

static void a_minority_of_the_committee_is_not_enough(void **state) {
    (void)state;
    light_world *w = new_light_world(CHAIN_MEMBERS * 2 / 3);
    assert_int_equal(check_light(w, &w->finalized), PBTS_BAD_SIGNATURE);
    free(w);
}

static void check_evidence_in_file(world *w, pbts_portable_proof proof) {
    static uint8_t file[FILE_MAX];
    light_world *light = new_light_world(CHAIN_MEMBERS);
    pbts_portable_proof read;
    pbts_portable_facts facts;
    proof.evidence = light->evidence;
    proof.evidence.network = PBTS_PORTABLE_HOODI;
    size_t len = write_file(file, &proof);
    assert_int_equal(pbts_portable_proof_decode(&read, (pbts_span){ file, len }), PBTS_OK);
    assert_int_equal(read.evidence.network, PBTS_PORTABLE_HOODI);
    assert_int_equal(read.evidence.updates_len, 2);
    light->evidence = read.evidence;
    assert_int_equal(check_light(light, &light->finalized), PBTS_OK);
    assert_int_equal(read_file(&facts, &read, file, len), PBTS_OK);
    assert_true(facts.present && facts.word.up_bytes == WORD.up_bytes);
    for (size_t i = len - PBTS_SHA256_LEN; i-- > 200;) { /* the lengths and counts in between */
        file[i] ^= 0x81;
        seal_file(file, len);
        (void)read_file(&(pbts_portable_facts){ 0 }, &read, file, len);
        file[i] ^= 0x81;
    }
    free_world(w);
    free(light);
}

static void evidence_travels_in_the_file(void **state) {
    (void)state;
    world *w = plain_world();
    check_evidence_in_file(w, proof_of(w, &CONTRACT, 4));
}

static void evidence_travels_beside_a_leaf(void **state) {
    (void)state;
    world *w = root_world();
    check_evidence_in_file(w, root_proof_of(w, 4));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_who_is_there_is_proved_with_totals_and_key),
        cmocka_unit_test(a_user_who_is_not_there_is_proved_absent),
        cmocka_unit_test(no_byte_can_be_changed_into_another_truth),
        cmocka_unit_test(every_truncation_and_any_more_is_refused),
        cmocka_unit_test(an_address_without_a_reputation_proves_nothing),
        cmocka_unit_test(another_users_nodes_do_not_prove_this_one),
        cmocka_unit_test(every_user_under_a_root_is_proved_with_totals_and_key),
        cmocka_unit_test(a_leaf_counts_under_its_own_root_alone),
        cmocka_unit_test(an_unknown_mark_before_the_leaf_is_refused),
        cmocka_unit_test(a_path_has_at_most_32_hashes),
        cmocka_unit_test(parts_have_limits),
        cmocka_unit_test(sync_committees_vouch_for_the_block_that_they_signed),
        cmocka_unit_test(damaged_evidence_proves_nothing),
        cmocka_unit_test(a_minority_of_the_committee_is_not_enough),
        cmocka_unit_test(evidence_travels_in_the_file),
        cmocka_unit_test(evidence_travels_beside_a_leaf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
