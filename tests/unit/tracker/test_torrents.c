/* Registering torrents, and the sizes and hashes that credit is counted by. */
#include "hash/sha.h"
#include "tracker/rows.h"
#include "world.h"

static pbts_refusal add(world *w, uint32_t *number, uint32_t user_no, const pbts_metainfo *meta) {
    pbts_commit *commit = world_begin(w);
    return world_end(commit, pbts_commit_torrent(commit, number, user_no, meta));
}

static void a_hybrid_is_known_by_both_infohashes(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 0);
    size_t at = world_add_torrent(w, PBTS_TORRENT_HYBRID);
    pbts_torrent by_v1, by_v2;
    const pbts_metainfo *meta = w->torrents[at];
    for (int restarted = 0; restarted < 2; restarted++) {
        assert_int_equal(pbts_tracker_torrent(w->tracker, &by_v1, pbts_metainfo_infohash_v1(meta)),
                         PBTS_OK);
        assert_int_equal(pbts_tracker_torrent(w->tracker, &by_v2, pbts_metainfo_infohash_v2(meta)),
                         PBTS_OK);
        assert_int_equal(by_v1.torrent_no, 1);
        assert_int_equal(by_v2.torrent_no, 1);
        assert_true(by_v1.has_v1 && by_v1.has_v2);
        assert_int_equal(by_v1.total_bytes, WORLD_TOTAL);
        assert_int_equal(by_v1.piece_count, WORLD_PIECES);
        assert_int_equal(by_v1.piece_length, WORLD_PIECE);
        assert_int_equal(by_v1.uploader_no, w->users[0].number);
        assert_int_equal(by_v1.added_unix_s, WORLD_START);
        assert_int_equal(by_v1.name_len, 8);
        assert_memory_equal(by_v1.name, "torrent0", 8);
        assert_memory_equal(by_v1.infohash_v2, pbts_metainfo_infohash_v2_full(meta), 32);
        pbts_scrape_entry entries[2] = { 0 };
        char passkey[PBTS_PASSKEY_LEN + 1];
        size_t found = 0;
        memcpy(entries[0].infohash, pbts_metainfo_infohash_v1(meta), 20);
        memcpy(entries[1].infohash, pbts_metainfo_infohash_v2(meta), 20);
        pbts_tracker_passkey(w->tracker, passkey, 1);
        assert_int_equal(
            pbts_tracker_scrape(w->tracker, &found, entries, 2, pbts_span_text(passkey), w->now),
            PBTS_REFUSAL_NONE);
        assert_int_equal(found, 2);
        world_restart(w);
    }
    uint32_t number;
    assert_int_equal(add(w, &number, 1, meta), PBTS_REFUSAL_TORRENT_EXISTS);
    world_free(w);
}

static void an_infohash_is_registered_once(void **state) {
    (void)state;
    world *w = world_new(NULL, 2, 1);
    uint32_t number = 0;
    assert_int_equal(add(w, &number, w->users[1].number, w->torrents[0]),
                     PBTS_REFUSAL_TORRENT_EXISTS);
    pbts_metainfo *other = world_metainfo("other", PBTS_TORRENT_V2);
    pbts_commit *commit = world_begin(w); /* nor twice in one commit */
    assert_int_equal(pbts_commit_torrent(commit, &number, 1, other), PBTS_REFUSAL_NONE);
    assert_int_equal(number, 2);
    assert_int_equal(pbts_commit_torrent(commit, &number, 2, other), PBTS_REFUSAL_TORRENT_EXISTS);
    pbts_commit_abort(commit);
    pbts_torrent found;
    assert_int_equal(pbts_tracker_torrent(w->tracker, &found, pbts_metainfo_infohash(other)),
                     PBTS_NOT_FOUND);
    assert_int_equal(add(w, &number, 1, other), PBTS_REFUSAL_NONE);
    assert_int_equal(number, 2); /* of the aborted one nothing is left */
    pbts_metainfo_free(other);
    world_free(w);
}

/* A finished metainfo with private=1 rewritten as private=0. */
static pbts_metainfo *public_twin(const pbts_metainfo *meta) {
    pbts_span bytes = pbts_metainfo_bytes(meta);
    uint8_t *copy = malloc(bytes.len);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    uint8_t *at = memmem(copy, bytes.len, "7:privatei1e", 12);
    assert_non_null(at);
    at[10] = '0';
    pbts_metainfo *twin = NULL;
    assert_int_equal(
        pbts_metainfo_parse(&twin, NULL, pbts_mem_system(), (pbts_span){ copy, bytes.len }),
        PBTS_OK);
    free(copy);
    return twin;
}

static void a_public_torrent_is_refused(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    uint32_t number;
    pbts_metainfo *twin = public_twin(w->torrents[0]);
    assert_int_equal(add(w, &number, 1, twin), PBTS_REFUSAL_TORRENT_PUBLIC);
    assert_int_equal(add(w, &number, 0, twin), PBTS_REFUSAL_TORRENT_PUBLIC);
    pbts_metainfo_free(twin);
    world_free(w);
}

static void a_user_registers_so_many_torrents_and_no_more(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.uploads_per_user_max = 2;
    world *w = world_new(&policy, 2, 2);
    uint32_t number = 0;
    pbts_metainfo *third = world_metainfo("third", PBTS_TORRENT_V1);
    world_restart(w);
    assert_int_equal(add(w, &number, 1, third), PBTS_REFUSAL_TOO_MANY_UPLOADS);
    assert_int_equal(add(w, &number, 77, third), PBTS_REFUSAL_UNKNOWN_USER);
    assert_int_equal(add(w, &number, 2, w->torrents[0]), PBTS_REFUSAL_TORRENT_EXISTS);
    assert_int_equal(add(w, &number, 2, third), PBTS_REFUSAL_NONE); /* refusals did not count */
    pbts_metainfo *fourth = world_metainfo("fourth", PBTS_TORRENT_V1);
    assert_int_equal(add(w, &number, 0, fourth), PBTS_REFUSAL_NONE); /* an administrator */
    assert_int_equal(number, 4);
    pbts_metainfo_free(third);
    pbts_metainfo_free(fourth);
    world_free(w);
}

/* A .torrent of exactly so many bytes; they are those of its name that fill it up. */
static pbts_metainfo *metainfo_of(size_t len) {
    enum { PIECES = 3265, AROUND = 86 };
    static uint8_t bytes[70000];
    char head[128], name[200];
    pbts_metainfo *meta;
    memset(name, 'n', sizeof name);
    size_t rest = len - PIECES * 20 - AROUND;
    assert_true(rest >= 100 && rest <= sizeof name);
    int head_len = snprintf(head, sizeof head, "d4:infod6:lengthi%llue4:name%zu:",
                            (unsigned long long)PIECES * WORLD_PIECE, rest);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_bytes(&writer, (pbts_span){ (const uint8_t *)head, (size_t)head_len });
    pbts_write_bytes(&writer, (pbts_span){ (const uint8_t *)name, rest });
    pbts_write_text(&writer, "12:piece lengthi16384e6:pieces65300:");
    for (size_t i = 0; i < PIECES * 20; i++) pbts_write_u8(&writer, (uint8_t)i);
    pbts_write_text(&writer, "7:privatei1eee");
    assert_int_equal(writer.len, len);
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), pbts_writer_span(&writer)),
                     PBTS_OK);
    return meta;
}

static void a_large_torrent_counts_as_several(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.uploads_per_user_max = 2;
    world *w = world_new(&policy, 2, 1); /* user 1 has one */
    uint32_t number = 0;
    pbts_metainfo *fits = metainfo_of(64 * 1024), *large = metainfo_of(64 * 1024 + 1);
    assert_int_equal(add(w, &number, 1, large), PBTS_REFUSAL_TOO_MANY_UPLOADS);
    assert_int_equal(add(w, &number, 1, fits), PBTS_REFUSAL_NONE);
    assert_int_equal(add(w, &number, 2, large), PBTS_REFUSAL_NONE);
    policy.uploads_per_user_max = 1; /* less than there are */
    assert_int_equal(pbts_tracker_policy_set(w->tracker, &policy), PBTS_OK);
    pbts_metainfo *third = world_metainfo("third", PBTS_TORRENT_V1);
    assert_int_equal(add(w, &number, 2, third), PBTS_REFUSAL_TOO_MANY_UPLOADS);
    pbts_metainfo_free(fits);
    pbts_metainfo_free(large);
    pbts_metainfo_free(third);
    world_free(w);
}

static void the_metainfo_comes_back_byte_for_byte(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 1);
    uint8_t *bytes;
    size_t len;
    world_restart(w);
    assert_int_equal(pbts_tracker_metainfo(w->tracker, &bytes, &len, pbts_mem_system(), 1),
                     PBTS_OK);
    pbts_span want = pbts_metainfo_bytes(w->torrents[0]);
    assert_int_equal(len, want.len);
    assert_memory_equal(bytes, want.data, len);
    pbts_release(pbts_mem_system(), bytes);
    assert_int_equal(pbts_tracker_metainfo(w->tracker, &bytes, &len, pbts_mem_system(), 2),
                     PBTS_NOT_FOUND);
    world_free(w);
}

static void the_list_is_in_order_and_goes_on_after_a_number(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 4);
    pbts_torrent list[8];
    size_t count = 77;
    assert_int_equal(pbts_tracker_torrents(w->tracker, list, &count, 8, 0), PBTS_OK);
    assert_int_equal(count, 4);
    for (uint32_t i = 0; i < 4; i++) assert_int_equal(list[i].torrent_no, i + 1);
    assert_int_equal(pbts_tracker_torrents(w->tracker, list, &count, 2, 1), PBTS_OK);
    assert_int_equal(count, 2);
    assert_int_equal(list[0].torrent_no, 2);
    assert_int_equal(list[1].torrent_no, 3);
    assert_int_equal(pbts_tracker_torrents(w->tracker, list, &count, 8, 4), PBTS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(pbts_tracker_torrents(w->tracker, list, &count, 0, 0), PBTS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(pbts_tracker_torrents(w->tracker, list, &count, 8, UINT32_MAX), PBTS_LIMIT);
    world_free(w);
}

/* ---- piece rows ---- */

/* A folder of files of these sizes. */
static pbts_metainfo *folder_of(pbts_torrent_version version, const uint64_t *sizes, size_t count) {
    pbts_torrent_options options = { .version = version,
                                     .piece_length = WORLD_PIECE,
                                     .name = pbts_span_text("folder") };
    pbts_torrent_builder *builder;
    pbts_metainfo *meta;
    pbts_span bytes;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    for (size_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "file%02zu", i);
        uint8_t *content = calloc(1, sizes[i] + 1);
        assert_non_null(content);
        memset(content, (int)i + 1, sizes[i]);
        assert_int_equal(pbts_torrent_builder_begin_file(builder, pbts_span_text(name), sizes[i]),
                         PBTS_OK);
        assert_int_equal(pbts_torrent_builder_add(builder, (pbts_span){ content, sizes[i] }),
                         PBTS_OK);
        free(content);
    }
    assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes), PBTS_OK);
    pbts_torrent_builder_free(builder);
    return meta;
}

static uint64_t naive_bytes(const pbts_metainfo *meta, const uint8_t *bits) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < pbts_metainfo_piece_count(meta); i++) {
        if (pbts_piece_set_has(bits, i)) bytes += pbts_metainfo_piece_bytes(meta, i);
    }
    return bytes;
}

static void compare_pieces(world *w, uint32_t number, const pbts_metainfo *meta) {
    uint8_t have[PBTS_PIECE_HASH_LEN], want[PBTS_PIECE_HASH_LEN], bits[64];
    pbts_pieces pieces;
    pbts_txn *txn;
    pbts_prng prng = pbts_prng_seeded(number);
    uint32_t count = pbts_metainfo_piece_count(meta);
    pbts_span set = { bits, pbts_piece_set_len(count) };
    assert_true(set.len <= sizeof bits);
    assert_int_equal(pbts_txn_begin(&txn, w->store, false), PBTS_OK);
    assert_int_equal(pbts_pieces_get(txn, &pieces, number), PBTS_OK);
    assert_int_equal(pieces.piece_count, count);
    assert_int_equal(pieces.has_v1, pbts_metainfo_has_v1(meta));
    assert_int_equal(pieces.has_v2, pbts_metainfo_has_v2(meta));
    for (uint32_t i = 0; i < count; i++) {
        for (int v2 = 0; v2 < 2; v2++) {
            if (!(v2 ? pieces.has_v2 : pieces.has_v1)) continue;
            pbts_pieces_hash(have, &pieces, v2, i);
            pbts_metainfo_piece_hash(want, meta, v2, i);
            assert_memory_equal(have, want, sizeof have);
        }
        memset(bits, 0, sizeof bits);
        pbts_piece_set_add(bits, i);
        assert_int_equal(pbts_pieces_bytes(&pieces, 0, set), pbts_metainfo_piece_bytes(meta, i));
    }
    for (size_t round = 0; round < 200; round++) {
        memset(bits, 0, sizeof bits);
        for (uint32_t i = 0; i < count; i++) {
            if (pbts_prng_below(&prng, 3) > 0) pbts_piece_set_add(bits, i);
        }
        assert_int_equal(pbts_pieces_bytes(&pieces, 0, set), naive_bytes(meta, bits));
    }
    memset(bits, 0, sizeof bits);
    for (uint32_t i = 0; i < count; i++) pbts_piece_set_add(bits, i);
    assert_int_equal(pbts_pieces_bytes(&pieces, 0, set), pbts_metainfo_total_bytes(meta));
    pbts_txn_abort(txn);
}

static void credit_is_the_files_real_bytes_in_every_version(void **state) {
    (void)state;
    const uint64_t sizes[] = {
        1, WORLD_PIECE,        WORLD_PIECE + 1, 3 * WORLD_PIECE, 50000, WORLD_PIECE - 1,
        7, 2 * WORLD_PIECE + 5
    };
    const pbts_torrent_version versions[] = { PBTS_TORRENT_V1, PBTS_TORRENT_V2,
                                              PBTS_TORRENT_HYBRID };
    world *w = world_new(NULL, 1, 0);
    uint32_t number = 0;
    for (size_t v = 0; v < 3; v++) {
        for (size_t count = 1; count <= 8; count++) {
            pbts_metainfo *meta = folder_of(versions[v], sizes, count);
            assert_int_equal(add(w, &number, 0, meta), PBTS_REFUSAL_NONE);
            compare_pieces(w, number, meta);
            pbts_metainfo_free(meta);
        }
    }
    assert_int_equal(number, 24);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hybrid_is_known_by_both_infohashes),
        cmocka_unit_test(an_infohash_is_registered_once),
        cmocka_unit_test(a_public_torrent_is_refused),
        cmocka_unit_test(a_user_registers_so_many_torrents_and_no_more),
        cmocka_unit_test(a_large_torrent_counts_as_several),
        cmocka_unit_test(the_metainfo_comes_back_byte_for_byte),
        cmocka_unit_test(the_list_is_in_order_and_goes_on_after_a_number),
        cmocka_unit_test(credit_is_the_files_real_bytes_in_every_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
