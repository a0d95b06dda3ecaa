#include "peer/addresses.h"

#include "base/assert.h"

pbts_status pbts_addresses_init(pbts_addresses *list, pbts_mem *mem, uint64_t seed) {
    *list = (pbts_addresses){
        .mem = mem,
        .entries = pbts_alloc_array(mem, PBTS_ADDRESSES_MAX, sizeof(pbts_address)),
        .buckets = pbts_alloc_array(mem, PBTS_ADDRESS_BUCKETS, sizeof(uint16_t)),
        .bans = pbts_alloc_array(mem, PBTS_BANS_MAX, sizeof(pbts_addr)),
        .next_ms = UINT64_MAX,
        .prng = pbts_prng_seeded(seed),
    };
    if (!list->entries || !list->buckets || !list->bans) {
        pbts_addresses_deinit(list);
        return PBTS_NO_MEMORY;
    }
    list->seed = pbts_prng_next(&list->prng);
    for (int i = 0; i < PBTS_ADDRESS_BUCKETS; i++) list->buckets[i] = PBTS_ADDRESS_NONE;
    return PBTS_OK;
}

void pbts_addresses_deinit(pbts_addresses *list) {
    if (list->mem == NULL) return;
    pbts_release(list->mem, list->entries);
    pbts_release(list->mem, list->buckets);
    pbts_release(list->mem, list->bans);
    *list = (pbts_addresses){ .mem = NULL };
}

/* ---- look-up ---- */

static bool same_endpoint(const pbts_addr *a, const pbts_addr *b) {
    return a->port == b->port && pbts_addr_equal_ip(a, b);
}

static uint16_t *bucket_of(const pbts_addresses *list, const pbts_addr *addr) {
    uint64_t halves[2];
    memcpy(halves, addr->ip, sizeof halves);
    pbts_prng mix = pbts_prng_seeded(list->seed ^ halves[0]);
    mix.state ^= pbts_prng_next(&mix) ^ halves[1];
    mix.state ^= pbts_prng_next(&mix) ^ addr->port;
    return &list->buckets[pbts_prng_next(&mix) % PBTS_ADDRESS_BUCKETS];
}

uint16_t pbts_addresses_find(const pbts_addresses *list, const pbts_addr *addr) {
    uint16_t at = *bucket_of(list, addr);
    while (at != PBTS_ADDRESS_NONE && !same_endpoint(&list->entries[at].addr, addr)) {
        at = list->entries[at].next;
    }
    return at;
}

static void link_entry(pbts_addresses *list, uint16_t number) {
    uint16_t *bucket = bucket_of(list, &list->entries[number].addr);
    list->entries[number].next = *bucket;
    *bucket = number;
}

static void unlink_entry(pbts_addresses *list, uint16_t number) {
    uint16_t *at = bucket_of(list, &list->entries[number].addr);
    while (*at != number) at = &list->entries[*at].next;
    *at = list->entries[number].next;
}

/* ---- who is banned ---- */

bool pbts_addr_is_loopback(const pbts_addr *addr) {
    static const uint8_t LOOPBACK6[16] = { [15] = 1 };
    if (addr->family == PBTS_IPV4) return addr->ip[0] == 127;
    return memcmp(addr->ip, LOOPBACK6, sizeof LOOPBACK6) == 0;
}

static bool is_covered(const pbts_addr *ban, const pbts_addr *addr) {
    if (ban->family != addr->family || (ban->port != 0 && ban->port != addr->port)) return false;
    if (ban->port != 0 || addr->family == PBTS_IPV4) return pbts_addr_equal_ip(ban, addr);
    return memcmp(ban->ip, addr->ip, 8) == 0;
}

bool pbts_addresses_is_banned(const pbts_addresses *list, const pbts_addr *addr) {
    uint32_t count = list->bans_made < PBTS_BANS_MAX ? list->bans_made : PBTS_BANS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (is_covered(&list->bans[i], addr)) return true;
    }
    return false;
}

void pbts_addresses_ban(pbts_addresses *list, const pbts_addr *addr) {
    if (pbts_addresses_is_banned(list, addr)) return;
    pbts_addr ban = *addr;
    if (!pbts_addr_is_loopback(addr)) ban.port = 0;
    list->bans[list->bans_made++ % PBTS_BANS_MAX] = ban;
    /* Those already known are the first to be replaced. */
    for (uint32_t i = 0; i < list->count; i++) {
        if (is_covered(&ban, &list->entries[i].addr)) list->entries[i].fails = UINT8_MAX;
    }
}

/* ---- adding ---- */

static bool can_be_dialed(const pbts_addr *addr) {
    static const uint8_t NOWHERE[16];
    if (addr->port == 0 || memcmp(addr->ip, NOWHERE, sizeof NOWHERE) == 0) return false;
    if (addr->family == PBTS_IPV6) return addr->ip[0] != 0xFF;
    return addr->ip[0] != 0 && addr->ip[0] < 224; /* no multicast, nothing reserved */
}

/* Of those not in use the one with the most failures, hearsay before others. */
static uint16_t find_worst(const pbts_addresses *list) {
    uint16_t worst = PBTS_ADDRESS_NONE;
    for (uint32_t i = 0; i < list->count; i++) {
        const pbts_address *entry = &list->entries[i];
        if (entry->use != PBTS_ADDRESS_IDLE) continue;
        const pbts_address *other = worst == PBTS_ADDRESS_NONE ? NULL : &list->entries[worst];
        if (other == NULL || entry->fails > other->fails ||
            (entry->fails == other->fails && entry->hearsay && !other->hearsay)) {
            worst = (uint16_t)i;
        }
    }
    return worst;
}

static uint16_t take_room(pbts_addresses *list, bool hearsay) {
    if (list->count < PBTS_ADDRESSES_MAX) return (uint16_t)list->count++;
    uint16_t worst = find_worst(list);
    if (worst == PBTS_ADDRESS_NONE) return worst;
    const pbts_address *entry = &list->entries[worst];
    if (entry->fails == 0 && (hearsay || !entry->hearsay)) return PBTS_ADDRESS_NONE;
    unlink_entry(list, worst);
    return worst;
}

uint16_t pbts_addresses_add(pbts_addresses *list, const pbts_addr *given, bool hearsay,
                            uint64_t now_ms) {
    pbts_addr addr = pbts_addr_unmapped(given);
    if (!can_be_dialed(&addr) || pbts_addresses_is_banned(list, &addr)) return PBTS_ADDRESS_NONE;
    uint16_t number = pbts_addresses_find(list, &addr);
    if (number != PBTS_ADDRESS_NONE) {
        list->entries[number].hearsay = list->entries[number].hearsay && hearsay;
        return number;
    }
    number = take_room(list, hearsay);
    if (number == PBTS_ADDRESS_NONE) return number;
    list->entries[number] = (pbts_address){
        .addr = addr, .hearsay = hearsay, .next_ms = now_ms, .serial = ++list->last_serial
    };
    link_entry(list, number);
    if (now_ms < list->next_ms) list->next_ms = now_ms;
    return number;
}

/* ---- dialing ---- */

/* UINT8_MAX failures: banned. */
static bool may_dial(const pbts_address *entry, bool seeds_too) {
    return entry->use == PBTS_ADDRESS_IDLE && entry->fails < UINT8_MAX &&
           (seeds_too || !entry->is_seed);
}

static bool is_better(const pbts_address *a, const pbts_address *b) {
    if (a->fails != b->fails) return a->fails < b->fails;
    return !a->hearsay && b->hearsay;
}

bool pbts_addresses_next_dial(pbts_addresses *list, pbts_addr *out, bool seeds_too,
                              uint64_t now_ms) {
    if (now_ms < list->next_ms || list->dialing >= PBTS_DIALS_MAX || list->count == 0) return false;
    uint32_t start = pbts_prng_below(&list->prng, list->count);
    pbts_address *best = NULL;
    uint64_t next_ms = UINT64_MAX;
    for (uint32_t i = 0; i < list->count; i++) {
        pbts_address *entry = &list->entries[(start + i) % list->count];
        if (!may_dial(entry, seeds_too)) continue;
        if (entry->next_ms > now_ms) {
            if (entry->next_ms < next_ms) next_ms = entry->next_ms;
        } else if (best == NULL || is_better(entry, best)) {
            best = entry;
        }
    }
    if (best == NULL) {
        list->next_ms = next_ms;
        return false;
    }
    best->use = PBTS_ADDRESS_DIALING;
    list->dialing++;
    *out = best->addr;
    return true;
}

uint64_t pbts_addresses_deadline_ms(const pbts_addresses *list) {
    return list->dialing >= PBTS_DIALS_MAX ? UINT64_MAX : list->next_ms;
}

void pbts_addresses_recheck(pbts_addresses *list) {
    list->next_ms = list->count > 0 ? 0 : UINT64_MAX;
}

static void leave(pbts_addresses *list, pbts_address *entry) {
    list->dialing -= entry->use == PBTS_ADDRESS_DIALING;
}

void pbts_addresses_connected(pbts_addresses *list, uint16_t number) {
    pbts_address *entry = &list->entries[number];
    leave(list, entry);
    entry->use = PBTS_ADDRESS_CONNECTED;
}

static uint64_t backoff_ms(uint8_t fails) {
    uint64_t wait_ms = PBTS_DIAL_BACKOFF_MS;
    for (uint8_t i = 0; i < fails && wait_ms < PBTS_DIAL_BACKOFF_MAX_MS; i++) wait_ms *= 2;
    return wait_ms < PBTS_DIAL_BACKOFF_MAX_MS ? wait_ms : PBTS_DIAL_BACKOFF_MAX_MS;
}

void pbts_addresses_over(pbts_addresses *list, uint16_t number, bool failed, uint64_t now_ms) {
    pbts_address *entry = &list->entries[number];
    leave(list, entry);
    entry->use = PBTS_ADDRESS_IDLE;
    if (!failed) {
        if (entry->fails < UINT8_MAX) entry->fails = 0;
    } else if (entry->fails < UINT8_MAX - 1) {
        entry->fails++;
    }
    entry->next_ms = now_ms + backoff_ms(entry->fails);
    if (entry->next_ms < list->next_ms) list->next_ms = entry->next_ms;
}

void pbts_addresses_hurry(pbts_addresses *list, uint16_t number, uint64_t now_ms) {
    list->entries[number].next_ms = now_ms;
    if (now_ms < list->next_ms) list->next_ms = now_ms;
}

void pbts_addresses_exclude(pbts_addresses *list, uint16_t number) {
    list->entries[number].fails = UINT8_MAX;
}
