#include "dht/dht_table.h"

#include "base/assert.h"
#include "base/random.h"
#include "hash/sha.h"

enum { CAPACITY_STEP = 32, CHAINS_FIRST = 32, NO_BUCKET = PBTS_DHT_ID_BITS };

void pbts_dht_table_init(pbts_dht_table *table, pbts_mem *mem, const pbts_dht_id *own,
                         uint16_t contacts_max, uint16_t prefix_max, uint64_t seed) {
    assert(contacts_max >= CAPACITY_STEP && contacts_max <= PBTS_DHT_CONTACTS_MAX);
    *table = (pbts_dht_table){ .mem = mem,
                               .own = *own,
                               .contacts_max = contacts_max,
                               .free = PBTS_DHT_NONE,
                               .prefix_max = prefix_max,
                               .seed = seed };
}

void pbts_dht_table_deinit(pbts_dht_table *table) {
    pbts_release(table->mem, table->contacts);
    pbts_release(table->mem, table->chains);
    pbts_release(table->mem, table->buckets);
    pbts_release(table->mem, table->denials);
}

/* ---- chains: from an id to its contact ---- */

static uint16_t *chain_of(const pbts_dht_table *table, const pbts_dht_id *id) {
    uint64_t head;
    memcpy(&head, id->bytes, sizeof head);
    pbts_prng hash = pbts_prng_seeded(head ^ table->seed);
    return &table->chains[(pbts_prng_next(&hash) >> 32) & (table->chain_count - 1u)];
}

static uint16_t number_of(const pbts_dht_table *table, const pbts_dht_contact *contact) {
    return (uint16_t)(contact - table->contacts);
}

pbts_dht_contact *pbts_dht_table_find(const pbts_dht_table *table, const pbts_dht_id *id) {
    if (table->capacity == 0) return NULL;
    for (uint16_t i = *chain_of(table, id); i != PBTS_DHT_NONE; i = table->contacts[i].next) {
        if (pbts_dht_id_equal(&table->contacts[i].member.id, id)) return &table->contacts[i];
    }
    return NULL;
}

static void link_contact(pbts_dht_table *table, uint16_t number) {
    uint16_t *chain = chain_of(table, &table->contacts[number].member.id);
    table->contacts[number].next = *chain;
    *chain = number;
}

static void unlink_contact(pbts_dht_table *table, uint16_t number) {
    uint16_t *at = chain_of(table, &table->contacts[number].member.id);
    while (*at != number) at = &table->contacts[*at].next;
    *at = table->contacts[number].next;
}

/* As many chains as contacts, at least. */
static pbts_status grow_chains(pbts_dht_table *table, uint32_t capacity) {
    uint32_t count = table->chain_count ? table->chain_count : CHAINS_FIRST;
    while (count < capacity) count *= 2;
    if (count == table->chain_count) return PBTS_OK;
    uint16_t *chains = pbts_alloc_array(table->mem, count, sizeof *chains);
    if (chains == NULL) return PBTS_NO_MEMORY;
    pbts_release(table->mem, table->chains);
    table->chains = chains;
    table->chain_count = (uint16_t)count;
    for (uint32_t i = 0; i < count; i++) chains[i] = PBTS_DHT_NONE;
    for (uint16_t i = 0; i < table->capacity; i++) link_contact(table, i); /* all are in use */
    return PBTS_OK;
}

/* A contact is large and most nodes have few hundred: in small steps, not by doubling. */
static pbts_status grow(pbts_dht_table *table) {
    uint32_t capacity = table->capacity + CAPACITY_STEP;
    assert(capacity < PBTS_DHT_CONTACTS_MAX + CAPACITY_STEP && table->free == PBTS_DHT_NONE);
    PBTS_TRY(grow_chains(table, capacity));
    pbts_dht_contact *contacts =
        pbts_resize_array(table->mem, table->contacts, capacity, sizeof *contacts);
    if (contacts == NULL) return PBTS_NO_MEMORY;
    table->contacts = contacts;
    for (uint32_t i = capacity; i-- > table->capacity;) {
        contacts[i] = (pbts_dht_contact){ .next = table->free, .bucket = NO_BUCKET };
        table->free = (uint16_t)i;
    }
    table->capacity = (uint16_t)capacity;
    return PBTS_OK;
}

/* ---- buckets ---- */

static pbts_status make_bucket(pbts_dht_table *table, unsigned number, uint64_t now_ms) {
    if (number < table->bucket_count) return PBTS_OK;
    pbts_dht_bucket *buckets =
        pbts_resize_array(table->mem, table->buckets, number + 1, sizeof *buckets);
    if (buckets == NULL) return PBTS_NO_MEMORY;
    for (unsigned i = table->bucket_count; i <= number; i++) {
        buckets[i] = (pbts_dht_bucket){ .refreshed_ms = now_ms };
    }
    table->buckets = buckets;
    table->bucket_count = (uint8_t)(number + 1);
    return PBTS_OK;
}

/* Whether another contact of this address prefix may come into the bucket. */
static bool prefix_has_room(const pbts_dht_table *table, const pbts_dht_bucket *bucket,
                            const pbts_addr *addr) {
    if (table->prefix_max == 0 || pbts_dht_addr_is_private(addr)) return true;
    uint64_t prefix = pbts_dht_prefix(addr);
    unsigned same = 0;
    for (unsigned i = 0; i < bucket->count; i++) {
        same += pbts_dht_prefix(&table->contacts[bucket->contacts[i]].addr) == prefix;
    }
    return same < table->prefix_max;
}

static void unplace(pbts_dht_table *table, pbts_dht_contact *contact) {
    if (contact->bucket == NO_BUCKET) return;
    pbts_dht_bucket *bucket = &table->buckets[contact->bucket];
    uint16_t number = number_of(table, contact);
    unsigned at = 0;
    while (bucket->contacts[at] != number) at++;
    bucket->contacts[at] = bucket->contacts[--bucket->count];
    contact->bucket = NO_BUCKET;
    table->placed--;
}

/* Into its bucket, if there is room. */
static void place(pbts_dht_table *table, pbts_dht_contact *contact, uint64_t now_ms) {
    unsigned number = pbts_dht_id_common_bits(&table->own, &contact->member.id);
    if (number == PBTS_DHT_ID_BITS || make_bucket(table, number, now_ms) != PBTS_OK) return;
    pbts_dht_bucket *bucket = &table->buckets[number];
    if (bucket->count == PBTS_DHT_K || !prefix_has_room(table, bucket, &contact->addr)) return;
    bucket->contacts[bucket->count++] = number_of(table, contact);
    contact->bucket = (uint8_t)number;
    table->placed++;
}

static pbts_dht_contact *oldest_of(const pbts_dht_table *table, const pbts_dht_bucket *bucket) {
    pbts_dht_contact *oldest = NULL;
    for (unsigned i = 0; i < bucket->count; i++) {
        pbts_dht_contact *contact = &table->contacts[bucket->contacts[i]];
        if (oldest == NULL || contact->seen_ms < oldest->seen_ms) oldest = contact;
    }
    return oldest;
}

/* The one seen last of those that wait for a place in this bucket. */
static void refill(pbts_dht_table *table, unsigned number, uint64_t now_ms) {
    pbts_dht_contact *best = NULL;
    for (uint16_t i = 0; i < table->capacity; i++) {
        pbts_dht_contact *contact = &table->contacts[i];
        if (!contact->was_heard || contact->bucket != NO_BUCKET || contact->fails > 0) continue;
        if (now_ms - contact->seen_ms >= PBTS_DHT_STALE_MS) continue;
        if (pbts_dht_id_common_bits(&table->own, &contact->member.id) != number) continue;
        if (best == NULL || contact->seen_ms > best->seen_ms) best = contact;
    }
    if (best != NULL) place(table, best, now_ms);
}

/* ---- contacts ---- */

static void forget(pbts_dht_table *table, pbts_dht_contact *contact) {
    unplace(table, contact);
    uint16_t number = number_of(table, contact);
    unlink_contact(table, number);
    *contact = (pbts_dht_contact){ .next = table->free, .bucket = NO_BUCKET };
    table->free = number;
    table->count--;
}

static bool is_worth_less(const pbts_dht_contact *a, const pbts_dht_contact *b) {
    return a->was_heard != b->was_heard ? b->was_heard : a->seen_ms < b->seen_ms;
}

/* The least recently seen without a bucket makes room; before all who was never heard, of whom
 * others showed the certificates. */
static pbts_status make_room(pbts_dht_table *table) {
    if (table->count < table->contacts_max) {
        return table->free == PBTS_DHT_NONE ? grow(table) : PBTS_OK;
    }
    pbts_dht_contact *least = NULL;
    for (uint16_t i = 0; i < table->capacity; i++) {
        pbts_dht_contact *contact = &table->contacts[i];
        if (!contact->in_use || contact->bucket != NO_BUCKET) continue;
        if (least == NULL || is_worth_less(contact, least)) least = contact;
    }
    if (least == NULL) return PBTS_LIMIT;
    forget(table, least);
    return PBTS_OK;
}

pbts_status pbts_dht_table_add(pbts_dht_table *table, pbts_dht_contact **out,
                               const pbts_dht_member *member,
                               const pbts_dht_certificate_hash *certificate, const pbts_addr *addr,
                               uint64_t now_ms) {
    if (pbts_dht_id_equal(&member->id, &table->own)) return PBTS_EXISTS;
    pbts_dht_contact *contact = pbts_dht_table_find(table, &member->id);
    if (contact == NULL) {
        PBTS_TRY(make_room(table));
        uint16_t number = table->free;
        contact = &table->contacts[number];
        table->free = contact->next;
        *contact = (pbts_dht_contact){ .addr = *addr,
                                       .seen_ms = now_ms,
                                       .token_ms = UINT64_MAX,
                                       .bucket = NO_BUCKET,
                                       .in_use = true };
        contact->member.id = member->id;
        pbts_dht_budget_member_init(&contact->budget, now_ms);
        link_contact(table, number);
        table->count++;
    }
    if (memcmp(contact->member.session_key, member->session_key, PBTS_DHT_SESSION_KEY_LEN) != 0) {
        contact->has_ours = false; /* it may have started anew */
    }
    contact->member = *member;
    contact->certificate = *certificate;
    *out = contact;
    return PBTS_OK;
}

bool pbts_dht_table_seen(pbts_dht_table *table, pbts_dht_contact *contact, const pbts_addr *addr,
                         uint64_t now_ms, pbts_dht_contact **stale) {
    contact->seen_ms = now_ms;
    contact->was_heard = true;
    contact->fails = 0;
    if (!pbts_dht_addr_equal(&contact->addr, addr)) {
        unplace(table, contact); /* its new prefix may have no room */
        contact->addr = *addr;
        contact->token_ms = UINT64_MAX;
    }
    if (contact->bucket != NO_BUCKET) return false;
    place(table, contact, now_ms);
    if (contact->bucket != NO_BUCKET) return false;
    unsigned number = pbts_dht_id_common_bits(&table->own, &contact->member.id);
    if (number >= table->bucket_count) return false;
    pbts_dht_contact *oldest = oldest_of(table, &table->buckets[number]);
    if (oldest == NULL || now_ms - oldest->seen_ms < PBTS_DHT_STALE_MS) return false;
    *stale = oldest;
    return true;
}

/* Source: Vitter, "Random Sampling with a Reservoir" (1985), algorithm R. */
void pbts_dht_table_draw(pbts_dht_table *table, pbts_dht_contact *contact, pbts_prng *prng,
                         uint64_t now_ms) {
    unsigned number = pbts_dht_id_common_bits(&table->own, &contact->member.id);
    if (number >= table->bucket_count) return;
    pbts_dht_bucket *bucket = &table->buckets[number];
    if (bucket->drawn < bucket->count) bucket->drawn = bucket->count;
    if (bucket->drawn < UINT16_MAX) bucket->drawn++;
    if (contact->bucket != NO_BUCKET || bucket->count < PBTS_DHT_K) return;
    uint32_t at = pbts_prng_below(prng, bucket->drawn);
    if (at >= PBTS_DHT_K) return;
    pbts_dht_contact *leaves = &table->contacts[bucket->contacts[at]];
    unplace(table, leaves);
    place(table, contact, now_ms);
    if (contact->bucket == NO_BUCKET) place(table, leaves, now_ms); /* of its prefix are enough */
}

void pbts_dht_table_failed(pbts_dht_table *table, pbts_dht_contact *contact, uint64_t now_ms) {
    contact->token_ms = UINT64_MAX; /* it may have started anew, without its secrets */
    if (contact->fails < PBTS_DHT_FAILS_MAX) contact->fails++;
    if (contact->fails < PBTS_DHT_FAILS_MAX || contact->bucket == NO_BUCKET) return;
    unsigned number = contact->bucket;
    unplace(table, contact);
    refill(table, number, now_ms);
}

void pbts_dht_table_expire(pbts_dht_table *table, uint64_t now_s) {
    for (uint16_t i = 0; i < table->capacity; i++) {
        pbts_dht_contact *contact = &table->contacts[i];
        if (contact->in_use && contact->member.expires_s <= now_s) forget(table, contact);
    }
}

void pbts_dht_table_rename(pbts_dht_table *table, const pbts_dht_id *own, uint64_t now_ms) {
    for (uint16_t i = 0; i < table->capacity; i++) {
        if (!table->contacts[i].in_use) continue;
        unplace(table, &table->contacts[i]);
        table->contacts[i].has_ours = false;
    }
    table->own = *own;
    for (uint16_t i = 0; i < table->capacity; i++) {
        pbts_dht_contact *contact = &table->contacts[i];
        if (contact->was_heard && contact->fails < PBTS_DHT_FAILS_MAX) {
            place(table, contact, now_ms);
        }
    }
    for (unsigned i = 0; i < table->bucket_count; i++) table->buckets[i].refreshed_ms = now_ms;
}

/* ---- questions ---- */

typedef struct {
    const pbts_dht_table *table;
    const pbts_dht_id *target;
    const pbts_dht_contact **out;
    size_t count, max;
} selection;

/* Keep the closest, in order. */
static void select_contact(selection *chosen, const pbts_dht_contact *contact) {
    size_t at = chosen->count;
    while (at > 0 && pbts_dht_id_compare(chosen->target, &contact->member.id,
                                         &chosen->out[at - 1]->member.id) < 0) {
        at--;
    }
    if (at == chosen->max) return;
    size_t kept = chosen->count < chosen->max ? chosen->count : chosen->max - 1;
    memmove(&chosen->out[at + 1], &chosen->out[at], (kept - at) * sizeof *chosen->out);
    chosen->out[at] = contact;
    chosen->count = kept + 1;
}

static void select_bucket(selection *chosen, unsigned number) {
    const pbts_dht_bucket *bucket = &chosen->table->buckets[number];
    for (unsigned i = 0; i < bucket->count; i++) {
        const pbts_dht_contact *contact = &chosen->table->contacts[bucket->contacts[i]];
        if (contact->fails == 0) select_contact(chosen, contact);
    }
}

/* Where `p` bits of target and our id are the same, whoever is in bucket p shares more than p bits
 * with the target, those in later buckets exactly p, and those in bucket j < p exactly j. */
size_t pbts_dht_table_closest(const pbts_dht_table *table, const pbts_dht_id *target,
                              const pbts_dht_contact **out, size_t max) {
    selection chosen = { table, target, out, 0, max };
    unsigned common = pbts_dht_id_common_bits(&table->own, target);
    if (max == 0) return 0;
    if (common < table->bucket_count) select_bucket(&chosen, common);
    if (chosen.count < max) {
        for (unsigned i = common + 1; i < table->bucket_count; i++) select_bucket(&chosen, i);
    }
    unsigned i = common < table->bucket_count ? common : table->bucket_count;
    while (i-- > 0 && chosen.count < max) select_bucket(&chosen, i);
    return chosen.count;
}

pbts_dht_contact *pbts_dht_table_oldest(const pbts_dht_table *table) {
    pbts_dht_contact *oldest = NULL;
    for (unsigned i = 0; i < table->bucket_count; i++) {
        pbts_dht_contact *contact = oldest_of(table, &table->buckets[i]);
        if (contact == NULL) continue;
        if (oldest == NULL || contact->seen_ms < oldest->seen_ms) oldest = contact;
    }
    return oldest;
}

bool pbts_dht_table_stale_bucket(const pbts_dht_table *table, unsigned *bucket, uint64_t now_ms) {
    for (unsigned i = 0; i < table->bucket_count; i++) {
        if (now_ms - table->buckets[i].refreshed_ms < PBTS_DHT_STALE_MS) continue;
        *bucket = i;
        return true;
    }
    return false;
}

void pbts_dht_table_refreshed(pbts_dht_table *table, const pbts_dht_id *target, uint64_t now_ms) {
    unsigned number = pbts_dht_id_common_bits(&table->own, target);
    if (number < table->bucket_count) table->buckets[number].refreshed_ms = now_ms;
}

/* ---- counters and denials ---- */

bool pbts_dht_contact_counter_is_new(const pbts_dht_contact *contact, uint64_t counter,
                                     uint64_t now_s) {
    if (counter >> PBTS_DHT_COUNTER_BITS > now_s + PBTS_DHT_COUNTER_AHEAD_S) return false;
    if (counter <= contact->counters[PBTS_DHT_COUNTERS - 1]) return false;
    for (unsigned i = 0; i < PBTS_DHT_COUNTERS; i++) {
        if (contact->counters[i] == counter) return false;
    }
    return true;
}

void pbts_dht_contact_note_counter(pbts_dht_contact *contact, uint64_t counter) {
    unsigned at = PBTS_DHT_COUNTERS - 1;
    for (; at > 0 && contact->counters[at - 1] < counter; at--) {
        contact->counters[at] = contact->counters[at - 1];
    }
    contact->counters[at] = counter;
}

void pbts_dht_certificate_hash_of(pbts_dht_certificate_hash *out, pbts_span certificate) {
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_sha256(digest, certificate);
    memcpy(out->bytes, digest, sizeof out->bytes);
}

bool pbts_dht_table_is_denied(const pbts_dht_table *table,
                              const pbts_dht_certificate_hash *certificate, uint64_t now_ms) {
    for (size_t i = 0; table->denials != NULL && i < PBTS_DHT_DENIALS; i++) {
        if (table->denials[i].until_ms > now_ms &&
            memcmp(&table->denials[i].certificate, certificate, sizeof *certificate) == 0) {
            return true;
        }
    }
    return false;
}

void pbts_dht_table_deny(pbts_dht_table *table, const pbts_dht_certificate_hash *certificate,
                         uint64_t now_ms) {
    if (table->denials == NULL) {
        table->denials = pbts_alloc_array(table->mem, PBTS_DHT_DENIALS, sizeof *table->denials);
        if (table->denials == NULL) return; /* it will be verified again */
    }
    size_t at = table->denials_made++ % PBTS_DHT_DENIALS;
    table->denials[at].certificate = *certificate;
    table->denials[at].until_ms = now_ms + PBTS_DHT_DENIAL_MS;
}

bool pbts_dht_table_is_sound(const pbts_dht_table *table) {
    unsigned in_use = 0, in_buckets = 0, placed = 0;
    for (uint16_t i = 0; i < table->capacity; i++) {
        const pbts_dht_contact *contact = &table->contacts[i];
        if (!contact->in_use) continue;
        in_use++;
        if (pbts_dht_table_find(table, &contact->member.id) != contact) return false;
        placed += contact->bucket != NO_BUCKET;
    }
    for (unsigned b = 0; b < table->bucket_count; b++) {
        const pbts_dht_bucket *bucket = &table->buckets[b];
        if (bucket->count > PBTS_DHT_K) return false;
        for (unsigned i = 0; i < bucket->count; i++, in_buckets++) {
            const pbts_dht_contact *contact = &table->contacts[bucket->contacts[i]];
            if (!contact->in_use || contact->bucket != b) return false;
            if (pbts_dht_id_common_bits(&table->own, &contact->member.id) != b) return false;
        }
    }
    return in_use == table->count && in_buckets == placed && placed == table->placed &&
           in_use <= table->contacts_max;
}
