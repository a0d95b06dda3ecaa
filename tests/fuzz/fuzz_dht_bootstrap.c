/* libFuzzer target: files of known nodes decode or are refused; what is taken is as the invariant
 * says and has one encoding. Damage is found by a hash, so the target puts the right one into every
 * input. */
#include <stdlib.h>

#include "dht/bootstrap_cache.h"
#include "dht/dht_id.h"
#include "dht/signed_record.h"
#include "hash/sha.h"

enum { HASH_AT = 12, BODY_AT = HASH_AT + PBTS_SHA256_LEN };

static void require(bool truth) {
    if (!truth) abort();
}

static void check_invariant(const pbts_dht_bootstrap *cache) {
    require(cache->count <= PBTS_DHT_BOOTSTRAP_MAX);
    for (size_t i = 0; i < cache->count; i++) {
        const pbts_dht_bootstrap_node *node = &cache->nodes[i];
        require(pbts_dht_addr_usable(&node->addr));
        require(i == 0 || cache->nodes[i - 1].seen_s >= node->seen_s);
        for (size_t j = 0; j < i; j++) {
            require(!pbts_addr_equal_ip(&cache->nodes[j].addr, &node->addr) ||
                    cache->nodes[j].addr.port != node->addr.port);
        }
    }
}

static void check_encoding(const pbts_dht_bootstrap *cache, pbts_span bytes) {
    static uint8_t again[PBTS_DHT_BOOTSTRAP_LEN_MAX];
    pbts_writer writer = pbts_writer_over(again, sizeof again);
    pbts_dht_bootstrap_encode(&writer, cache);
    require(pbts_span_equal(pbts_writer_span(&writer), bytes));
}

/* Whatever is noted next. */
static void note_some(pbts_dht_bootstrap *cache, pbts_span bytes) {
    for (size_t i = 0; i + 19 <= bytes.len && i < 190; i += 19) {
        pbts_addr addr = { .family = bytes.data[i] & 1 ? PBTS_IPV4 : PBTS_IPV6,
                           .port = bytes.data[i + 17] };
        memcpy(addr.ip, bytes.data + i + 1, pbts_addr_ip_len(addr.family));
        pbts_dht_bootstrap_note(cache, &addr, bytes.data[i + 18]);
        check_invariant(cache);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static pbts_dht_bootstrap cache;
    uint8_t *copy = malloc(len > 0 ? len : 1);
    require(copy != NULL);
    if (len > 0) memcpy(copy, data, len);
    if (len >= BODY_AT) {
        pbts_sha256(copy + HASH_AT, (pbts_span){ copy + BODY_AT, len - BODY_AT });
    }
    pbts_span bytes = { copy, len };
    if (pbts_dht_bootstrap_decode(&cache, bytes) == PBTS_OK) {
        check_invariant(&cache);
        check_encoding(&cache, bytes);
        note_some(&cache, bytes);
    }
    free(copy);
    return 0;
}
