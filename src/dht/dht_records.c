#include "dht/dht_records.h"

#include "base/assert.h"

enum { NOT_THERE = UINT32_MAX, COUNT_PLACES = 8192 };

void pbts_dht_records_init(pbts_dht_records *records, pbts_mem *mem, const pbts_dht_id *own,
                           uint32_t max, uint64_t seed) {
    assert(max > 0 && max <= PBTS_DHT_RECORDS_MAX);
    *records = (pbts_dht_records){ .mem = mem, .own = *own, .max = max, .seed = seed };
}

void pbts_dht_records_deinit(pbts_dht_records *records) {
    for (uint32_t i = 0; i < records->count; i++) {
        pbts_release(records->mem, records->items[i].bytes);
    }
    pbts_release(records->mem, records->items);
}

static void drop(pbts_dht_records *records, uint32_t number) {
    pbts_release(records->mem, records->items[number].bytes);
    records->items[number] = records->items[--records->count];
}

void pbts_dht_records_expire(pbts_dht_records *records, uint64_t now_s) {
    for (uint32_t i = records->count; i-- > 0;) {
        if (records->items[i].record.expires_s <= now_s) drop(records, i);
    }
}

static bool is_of_owner(const pbts_dht_record *a, const pbts_dht_record *b) {
    return memcmp(a->owner, b->owner, sizeof a->owner) == 0;
}

static bool is_same(const pbts_dht_record *a, const pbts_dht_record *b) {
    return pbts_dht_id_equal(&a->key, &b->key) && is_of_owner(a, b);
}

static uint32_t find(const pbts_dht_records *records, const pbts_dht_record *record) {
    for (uint32_t i = 0; i < records->count; i++) {
        if (is_same(&records->items[i].record, record)) return i;
    }
    return NOT_THERE;
}

typedef struct {
    uint32_t of_owner, of_key, of_prefix;
} quotas;

/* Puts are rare and behind a signature: counting costs less than keeping counts. */
static quotas count_others(const pbts_dht_records *records, const pbts_dht_record *record,
                           uint64_t prefix) {
    quotas others = { 0 };
    for (uint32_t i = 0; i < records->count; i++) {
        const pbts_dht_stored *item = &records->items[i];
        if (is_same(&item->record, record)) continue;
        others.of_owner += is_of_owner(&item->record, record);
        others.of_key += pbts_dht_id_equal(&item->record.key, &record->key);
        others.of_prefix += item->prefix == prefix;
    }
    return others;
}

static uint32_t count_of_owner(const pbts_dht_records *records, const uint32_t *numbers,
                               uint32_t number_count, const pbts_dht_record *record) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < number_count; i++) {
        count += is_of_owner(&records->items[numbers[i]].record, record);
    }
    return count;
}

/* Neighbours of somebody could use up what his prefix may have: who has most of it loses one. */
static bool make_prefix_room(pbts_dht_records *records, const pbts_dht_record *record,
                             uint64_t prefix) {
    uint32_t numbers[PBTS_DHT_RECORDS_OF_PREFIX], count = 0, victim_at = NOT_THERE;
    for (uint32_t i = 0; i < records->count && count < PBTS_DHT_RECORDS_OF_PREFIX; i++) {
        if (records->items[i].prefix == prefix) numbers[count++] = i;
    }
    uint32_t most = count_of_owner(records, numbers, count, record) + 1;
    for (uint32_t i = 0; i < count; i++) {
        const pbts_dht_record *other = &records->items[numbers[i]].record;
        uint32_t others = count_of_owner(records, numbers, count, other);
        if (others <= most) continue;
        most = others;
        victim_at = numbers[i];
    }
    if (victim_at == NOT_THERE) return false;
    drop(records, victim_at);
    return true;
}

static pbts_status check_quotas(pbts_dht_records *records, const pbts_dht_record *record,
                                uint64_t prefix) {
    quotas others = count_others(records, record, prefix);
    bool fits = others.of_owner < PBTS_DHT_RECORDS_OF_OWNER &&
                others.of_key < PBTS_DHT_RECORDS_OF_KEY &&
                (others.of_prefix < PBTS_DHT_RECORDS_OF_PREFIX ||
                 make_prefix_room(records, record, prefix));
    return fits ? PBTS_OK : PBTS_LIMIT;
}

/* How many records owners have, by keyed hash: owners that share a place share the count. */
typedef struct {
    uint64_t seed;
    uint16_t of[COUNT_PLACES];
} owner_counts;

static uint16_t *count_of(owner_counts *counts, const pbts_dht_record *record) {
    uint64_t head;
    memcpy(&head, record->owner, sizeof head);
    pbts_prng hash = pbts_prng_seeded(head ^ counts->seed);
    return &counts->of[(pbts_prng_next(&hash) >> 32) % COUNT_PLACES];
}

/* Of the owner who has most, the farthest key. */
static uint32_t victim(const pbts_dht_records *records, owner_counts *counts) {
    uint32_t worst = 0;
    uint16_t most = 0;
    for (uint32_t i = 0; i < records->count; i++) {
        const pbts_dht_record *record = &records->items[i].record;
        uint16_t count = *count_of(counts, record);
        bool is_farther =
            pbts_dht_id_compare(&records->own, &record->key, &records->items[worst].record.key) > 0;
        if (count < most || (count == most && !is_farther)) continue;
        most = count;
        worst = i;
    }
    return worst;
}

/* The newcomer counts as if it were there. */
static pbts_status make_room(pbts_dht_records *records, const pbts_dht_record *record) {
    if (records->count < records->max) return PBTS_OK;
    owner_counts *counts = pbts_alloc(records->mem, sizeof *counts);
    if (counts == NULL) return PBTS_NO_MEMORY;
    counts->seed = records->seed;
    for (uint32_t i = 0; i < records->count; i++) {
        (*count_of(counts, &records->items[i].record))++;
    }
    uint32_t own = ++*count_of(counts, record);
    uint32_t worst = victim(records, counts);
    const pbts_dht_record *other = &records->items[worst].record;
    uint32_t others = *count_of(counts, other);
    pbts_release(records->mem, counts);
    bool is_closer = pbts_dht_id_compare(&records->own, &record->key, &other->key) < 0;
    assert(others >= own); /* it counts his others, or is one of a single record */
    if (others == own && !is_closer) return PBTS_FULL;
    drop(records, worst);
    return PBTS_OK;
}

static pbts_status grow(pbts_dht_records *records) {
    if (records->count < records->capacity) return PBTS_OK;
    uint32_t capacity = records->capacity ? 2 * records->capacity : 8;
    if (capacity > records->max) capacity = records->max;
    pbts_dht_stored *items =
        pbts_resize_array(records->mem, records->items, capacity, sizeof *items);
    if (items == NULL) return PBTS_NO_MEMORY;
    records->items = items;
    records->capacity = capacity;
    return PBTS_OK;
}

pbts_status pbts_dht_records_put(pbts_dht_records *records, const pbts_dht_record *record,
                                 pbts_span bytes, const pbts_addr *from, uint64_t now_s) {
    assert(bytes.len > 0 && bytes.len <= PBTS_DHT_RECORD_MAX);
    uint64_t prefix = pbts_dht_prefix(from);
    if (record->expires_s <= now_s || record->expires_s - now_s > PBTS_DHT_RECORD_LIFE_MAX_S) {
        return PBTS_STALE;
    }
    uint32_t before = find(records, record);
    if (before != NOT_THERE && records->items[before].record.sequence >= record->sequence) {
        return PBTS_STALE;
    }
    PBTS_TRY(check_quotas(records, record, prefix));
    before = find(records, record); /* another may have made room */
    pbts_dht_stored stored = { *record, prefix, NULL, 0 };
    if (!record->stopped) {
        stored.bytes = pbts_alloc(records->mem, bytes.len);
        if (stored.bytes == NULL) return PBTS_NO_MEMORY;
        memcpy(stored.bytes, bytes.data, bytes.len);
        stored.len = (uint16_t)bytes.len;
    }
    if (before != NOT_THERE) {
        pbts_release(records->mem, records->items[before].bytes);
        records->items[before] = stored;
        return PBTS_OK;
    }
    pbts_status status = make_room(records, record);
    if (status == PBTS_OK) status = grow(records);
    if (status != PBTS_OK) {
        pbts_release(records->mem, stored.bytes);
        return status;
    }
    records->items[records->count++] = stored;
    return PBTS_OK;
}

size_t pbts_dht_records_sample(const pbts_dht_records *records, const pbts_dht_id *key,
                               pbts_span *out, size_t max, size_t bytes_max, size_t overhead,
                               pbts_prng *prng, uint64_t now_s) {
    const pbts_dht_stored *under[PBTS_DHT_RECORDS_OF_KEY];
    uint32_t found = 0;
    size_t count = 0, used = 0;
    for (uint32_t i = 0; i < records->count && found < PBTS_DHT_RECORDS_OF_KEY; i++) {
        const pbts_dht_stored *item = &records->items[i];
        if (item->bytes == NULL || item->record.expires_s <= now_s) continue;
        if (pbts_dht_id_equal(&item->record.key, key)) under[found++] = item;
    }
    for (uint32_t i = 0; i < found && count < max; i++) {
        uint32_t chosen = i + pbts_prng_below(prng, found - i);
        const pbts_dht_stored *item = under[chosen];
        under[chosen] = under[i];
        if (used + item->len + overhead > bytes_max) continue;
        used += item->len + overhead;
        out[count++] = (pbts_span){ item->bytes, item->len };
    }
    return count;
}
