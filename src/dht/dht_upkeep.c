/* Joining, and keeping the table true: Kademlia, section 2.3. */
#include "dht/dht_parts.h"

enum { SPARSE = PBTS_DHT_K / 2 };

static const pbts_span NO_RECORD = { NULL, 0 };

/* ---- bootstrap ---- */

static uint32_t bootstrap_count(const pbts_dht *dht) {
    return dht->bootstraps_added < PBTS_DHT_BOOTSTRAPS_MAX ? dht->bootstraps_added
                                                           : PBTS_DHT_BOOTSTRAPS_MAX;
}

static void ask_addr(pbts_dht *dht, const pbts_addr *addr) {
    pbts_dht_question question = { .purpose = PBTS_DHT_FOR_CONTACT,
                                   .method = PBTS_DHT_PING,
                                   .addr = *addr };
    if (!pbts_dht_can_reach(dht, addr)) return;
    if (pbts_dht_ask(dht, &question) != PBTS_OK) dht->stats.shed++;
}

static void ask_bootstraps(pbts_dht *dht) {
    uint32_t count = bootstrap_count(dht);
    dht->bootstrap_ms = UINT64_MAX;
    for (uint32_t i = 0; i < PBTS_DHT_BOOTSTRAPS_AT_ONCE && dht->bootstrap_next < count; i++) {
        ask_addr(dht, &dht->bootstraps[dht->bootstrap_next++]);
    }
    if (dht->bootstrap_next < count) {
        dht->bootstrap_ms = dht->now.mono_ms + PBTS_DHT_BOOTSTRAP_MS;
    }
}

void pbts_dht_add_bootstrap(pbts_dht *dht, const pbts_addr *addr, pbts_moment now) {
    dht->now = now;
    uint32_t at = dht->bootstraps_added++ % PBTS_DHT_BOOTSTRAPS_MAX;
    dht->bootstraps[at] = pbts_addr_unmapped(addr);
    if (dht->table.placed > 0) return;
    if (dht->bootstraps_added <= PBTS_DHT_BOOTSTRAPS_AT_ONCE) {
        dht->bootstrap_next = dht->bootstraps_added;
        ask_addr(dht, &dht->bootstraps[at]);
    } else if (dht->bootstrap_ms == UINT64_MAX) {
        dht->bootstrap_ms = now.mono_ms + PBTS_DHT_BOOTSTRAP_MS;
    }
}

/* ---- joining and refreshing ---- */

static void refresh(pbts_dht *dht, const pbts_dht_id *target) {
    if (pbts_dht_operation_start(dht, &dht->upkeep_operation, PBTS_DHT_TO_REFRESH, target,
                                 NO_RECORD) != PBTS_OK) {
        dht->upkeep_operation = 0;
    }
}

/* Any id of a bucket: one bit other than ours, anything behind it. */
static pbts_dht_id id_in_bucket(pbts_dht *dht, unsigned bucket) {
    pbts_dht_id id;
    for (unsigned i = 0; i < PBTS_DHT_ID_LEN; i++) {
        uint8_t random = (uint8_t)pbts_prng_below(&dht->prng, 256);
        unsigned own_bits = bucket >= 8 * i ? bucket - 8 * i : 0; /* of this byte */
        unsigned mask = own_bits >= 8 ? 0xFFu : (0xFF00u >> own_bits) & 0xFFu;
        id.bytes[i] = (uint8_t)((dht->id.bytes[i] & mask) | (random & ~mask));
    }
    uint8_t bit = (uint8_t)(0x80u >> bucket % 8);
    id.bytes[bucket / 8] =
        (uint8_t)((id.bytes[bucket / 8] & ~bit) | (~dht->id.bytes[bucket / 8] & bit));
    return id;
}

/* Buckets that should be fuller than they are: those before the one of our tenth neighbour. */
static void fill_next(pbts_dht *dht) {
    const pbts_dht_contact *closest[SPARSE];
    size_t count = pbts_dht_table_closest(&dht->table, &dht->id, closest, SPARSE);
    if (count < SPARSE) return;
    unsigned depth = pbts_dht_id_common_bits(&dht->id, &closest[SPARSE - 1]->member.id);
    while (dht->fill_bucket < depth && dht->table.buckets[dht->fill_bucket].count >= SPARSE) {
        dht->fill_bucket++;
    }
    if (dht->fill_bucket < depth) {
        pbts_dht_id target = id_in_bucket(dht, dht->fill_bucket++);
        refresh(dht, &target);
    } else if (!dht->looked_again) {
        dht->looked_again = true;
        refresh(dht, &dht->id);
    }
}

void pbts_dht_upkeep_heard(pbts_dht *dht) {
    if (dht->is_joined || dht->upkeep_operation != 0 || dht->table.placed == 0) return;
    if (dht->join_ms == UINT64_MAX) dht->join_ms = dht->now.mono_ms + PBTS_DHT_JOIN_MS;
}

void pbts_dht_upkeep_ended(pbts_dht *dht, uint32_t number, const pbts_dht_id *target) {
    if (number != dht->upkeep_operation) return;
    dht->upkeep_operation = 0;
    if (!dht->is_joined) {
        if (dht->table.placed == 0 || !pbts_dht_id_equal(target, &dht->id)) return;
        pbts_dht_event *event = pbts_dht_push_event(dht);
        if (event != NULL) event->kind = PBTS_DHT_JOINED;
        dht->is_joined = true;
        dht->looked_again = false;
        dht->fill_bucket = 0;
    }
    fill_next(dht);
}

/* ---- the timer ---- */

/* Whoever was not heard of for long is asked, one at a time. */
static void check_oldest(pbts_dht *dht) {
    pbts_dht_contact *oldest = pbts_dht_table_oldest(&dht->table);
    if (oldest == NULL || dht->now.mono_ms - oldest->seen_ms < PBTS_DHT_STALE_MS) return;
    pbts_dht_id id = oldest->member.id;
    pbts_dht_question question = {
        .purpose = PBTS_DHT_FOR_CONTACT, .method = PBTS_DHT_PING, .addr = oldest->addr, .id = &id
    };
    if (pbts_dht_ask(dht, &question) != PBTS_OK) dht->stats.shed++;
}

void pbts_dht_upkeep(pbts_dht *dht) {
    uint64_t now_ms = dht->now.mono_ms;
    if (dht->bootstrap_ms <= now_ms) {
        dht->bootstrap_ms = UINT64_MAX;
        if (dht->table.placed == 0) ask_bootstraps(dht);
    }
    if (dht->join_ms <= now_ms) {
        dht->join_ms = UINT64_MAX;
        if (!dht->is_joined && dht->upkeep_operation == 0) refresh(dht, &dht->id);
    }
    if (dht->upkeep_ms > now_ms) return;
    dht->upkeep_ms =
        now_ms + PBTS_DHT_UPKEEP_MS / 2 + pbts_prng_below(&dht->prng, PBTS_DHT_UPKEEP_MS);
    pbts_dht_table_expire(&dht->table, dht->now.unix_s);
    pbts_dht_records_expire(&dht->records, dht->now.unix_s);
    if (dht->table.placed == 0) {
        dht->is_joined = false;
        dht->bootstrap_next = 0;
        ask_bootstraps(dht);
        return;
    }
    check_oldest(dht);
    unsigned bucket;
    if (dht->upkeep_operation != 0) return;
    if (!dht->is_joined) {
        pbts_dht_upkeep_heard(dht);
    } else if (pbts_dht_table_stale_bucket(&dht->table, &bucket, now_ms)) {
        pbts_dht_id target = id_in_bucket(dht, bucket);
        refresh(dht, &target);
    }
}

uint64_t pbts_dht_upkeep_deadline_ms(const pbts_dht *dht) {
    uint64_t first_ms = dht->bootstrap_ms < dht->upkeep_ms ? dht->bootstrap_ms : dht->upkeep_ms;
    return first_ms < dht->join_ms ? first_ms : dht->join_ms;
}
