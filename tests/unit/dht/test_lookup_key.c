/* Unit tests of dht/lookup_key.c: who can know a key, and that clocks meet. */
#include "base/epoch.h"
#include "dht/lookup_key.h"
#include "trust_kit.h"

static const char INFO[] =
    "d6:lengthi1e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";

static pbts_dht_torrent_secret secret_of(const char *info) {
    pbts_dht_torrent_secret secret;
    pbts_dht_torrent_secret_of(&secret, pbts_span_text(info));
    return secret;
}

static void a_key_is_the_documented_hash(void **state) {
    (void)state;
    uint8_t text[200], digest[32], iid[32];
    memset(iid, 0x11, sizeof iid);
    pbts_dht_torrent_secret secret = secret_of(INFO);
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    pbts_write_text(&writer, "pbts/dht/torrent/1");
    pbts_write_text(&writer, INFO);
    pbts_sha256(digest, pbts_writer_span(&writer));
    assert_memory_equal(secret.bytes, digest, sizeof digest);
    writer = pbts_writer_over(text, sizeof text);
    pbts_write_text(&writer, "pbts/dht/key/1");
    pbts_write_bytes(&writer, PBTS_SPAN_OF(iid));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(secret.bytes));
    pbts_write_u64(&writer, 500000);
    pbts_sha256(digest, pbts_writer_span(&writer));
    pbts_dht_id key;
    pbts_dht_lookup_key(&key, iid, &secret, 500000);
    assert_memory_equal(key.bytes, digest, sizeof key.bytes);
}

/* Also when the infohash is known: it does not go in. */
static void another_epoch_instance_or_torrent_has_another_key(void **state) {
    (void)state;
    uint8_t iid[32] = { 1 }, other_iid[32] = { 2 };
    pbts_dht_torrent_secret secret = secret_of(INFO), other = secret_of("d4:name1:ye");
    pbts_dht_id key, found;
    pbts_dht_lookup_key(&key, iid, &secret, 7);
    pbts_dht_lookup_key(&found, iid, &secret, 8);
    assert_memory_not_equal(&key, &found, sizeof key);
    pbts_dht_lookup_key(&found, other_iid, &secret, 7);
    assert_memory_not_equal(&key, &found, sizeof key);
    pbts_dht_lookup_key(&found, iid, &other, 7);
    assert_memory_not_equal(&key, &found, sizeof key);
    pbts_dht_lookup_key(&found, iid, &secret, 7);
    assert_memory_equal(&key, &found, sizeof key);
}

static void announces_begin_before_the_epoch_does(void **state) {
    (void)state;
    uint64_t epochs[PBTS_DHT_KEYS_MAX];
    const uint64_t start = UINT64_C(500000) * PBTS_EPOCH_SECONDS;
    assert_int_equal(pbts_dht_announce_epochs(epochs, start), 1);
    assert_true(epochs[0] == 500000);
    assert_int_equal(pbts_dht_announce_epochs(epochs, start + 3600 - PBTS_DHT_EARLY_S - 1), 1);
    assert_int_equal(pbts_dht_announce_epochs(epochs, start + 3600 - PBTS_DHT_EARLY_S), 2);
    assert_true(epochs[0] == 500000 && epochs[1] == 500001);
    assert_int_equal(pbts_dht_announce_epochs(epochs, start + 3599), 2);
}

static void questions_go_to_the_neighbour_near_a_change(void **state) {
    (void)state;
    uint64_t epochs[PBTS_DHT_KEYS_MAX];
    const uint64_t start = UINT64_C(500000) * PBTS_EPOCH_SECONDS;
    assert_int_equal(pbts_dht_lookup_epochs(epochs, start), 2);
    assert_true(epochs[0] == 500000 && epochs[1] == 499999);
    assert_int_equal(pbts_dht_lookup_epochs(epochs, start + PBTS_DHT_LATE_S - 1), 2);
    assert_int_equal(pbts_dht_lookup_epochs(epochs, start + PBTS_DHT_LATE_S), 1);
    assert_int_equal(pbts_dht_lookup_epochs(epochs, start + 3600 - PBTS_DHT_LATE_S - 1), 1);
    assert_int_equal(pbts_dht_lookup_epochs(epochs, start + 3600 - PBTS_DHT_LATE_S), 2);
    assert_true(epochs[0] == 500000 && epochs[1] == 500001);
    assert_int_equal(pbts_dht_lookup_epochs(epochs, 0), 1);
    assert_true(epochs[0] == 0);
}

/* Whoever announces now is found now by a clock that is a bit wrong, either way. */
static void clocks_that_differ_meet_at_every_moment(void **state) {
    (void)state;
    const uint64_t start = UINT64_C(500000) * PBTS_EPOCH_SECONDS;
    for (uint64_t at = start; at < start + 2 * PBTS_EPOCH_SECONDS; at += 1) {
        uint64_t announced[PBTS_DHT_KEYS_MAX], asked[PBTS_DHT_KEYS_MAX];
        size_t announced_len = pbts_dht_announce_epochs(announced, at);
        for (int skew = 1 - PBTS_DHT_LATE_S; skew < PBTS_DHT_LATE_S; skew += 23) {
            size_t asked_len = pbts_dht_lookup_epochs(asked, at + (uint64_t)(int64_t)skew);
            bool meet = false;
            for (size_t i = 0; i < announced_len; i++) {
                for (size_t j = 0; j < asked_len; j++) meet = meet || announced[i] == asked[j];
            }
            if (!meet) fail_msg("%d s into the hour, %d s off", (int)(at - start), skew);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_the_documented_hash),
        cmocka_unit_test(another_epoch_instance_or_torrent_has_another_key),
        cmocka_unit_test(announces_begin_before_the_epoch_does),
        cmocka_unit_test(questions_go_to_the_neighbour_near_a_change),
        cmocka_unit_test(clocks_that_differ_meet_at_every_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
