#include "dht/dht_budget.h"

#include "base/random.h"
#include "dht/dht_id.h"

enum { WHOLE = 1000, IPV6_PREFIX_SHIFT = 16 /* from /48 to /32 */ };

void pbts_dht_budget_member_init(pbts_dht_budget_slot *member, uint64_t now_ms) {
    *member = (pbts_dht_budget_slot){ now_ms, PBTS_DHT_PACKETS_BURST * WHOLE,
                                      PBTS_DHT_CERTIFICATES_BURST * WHOLE };
}

void pbts_dht_budget_init(pbts_dht_budget *budget, pbts_mem *mem, uint64_t seed, uint64_t now_ms) {
    *budget = (pbts_dht_budget){ .mem = mem, .seed = seed };
    for (size_t i = 0; i < 2; i++) {
        budget->all[i] = (pbts_dht_budget_all){ .filled_ms = now_ms,
                                                .newcomers = PBTS_DHT_NEWCOMERS_BURST * WHOLE,
                                                .renewals = PBTS_DHT_RENEWALS_BURST * WHOLE,
                                                .records = PBTS_DHT_RECORDS_BURST * WHOLE,
                                                .strangers = PBTS_DHT_STRANGERS_BURST * WHOLE };
    }
}

void pbts_dht_budget_deinit(pbts_dht_budget *budget) {
    pbts_release(budget->mem, budget->slots[0]);
    pbts_release(budget->mem, budget->slots[1]);
}

/* ---- buckets ---- */

/* What there is after so many milliseconds more; a thousandth per millisecond is one per second. */
static uint32_t fill(uint32_t tokens, uint64_t elapsed_ms, uint32_t per_s, uint32_t burst) {
    uint64_t full = (uint64_t)burst * WHOLE;
    if (elapsed_ms >= full / per_s) return (uint32_t)full;
    uint64_t filled = tokens + elapsed_ms * per_s;
    return (uint32_t)(filled < full ? filled : full);
}

static bool take(uint32_t *tokens) {
    if (*tokens < WHOLE) return false;
    *tokens -= WHOLE;
    return true;
}

static void take_more(uint32_t *tokens, uint32_t count) {
    *tokens -= *tokens < count * WHOLE ? *tokens : count * WHOLE;
}

static void fill_slot(pbts_dht_budget_slot *slot, uint64_t now_ms) {
    uint64_t elapsed_ms = now_ms - slot->filled_ms;
    slot->packets = fill(slot->packets, elapsed_ms, PBTS_DHT_PACKETS_PER_S, PBTS_DHT_PACKETS_BURST);
    slot->certificates = fill(slot->certificates, elapsed_ms, PBTS_DHT_CERTIFICATES_PER_S,
                              PBTS_DHT_CERTIFICATES_BURST);
    slot->filled_ms = now_ms;
}

static pbts_dht_budget_slot *slot_of(pbts_dht_budget *budget, const pbts_addr *addr,
                                     uint64_t now_ms) {
    bool is_ipv6 = addr->family == PBTS_IPV6;
    pbts_dht_budget_slot **slots = &budget->slots[is_ipv6];
    if (*slots == NULL) {
        *slots = pbts_alloc_array(budget->mem, PBTS_DHT_BUDGET_SLOTS, sizeof **slots);
        if (*slots == NULL) return NULL;
        for (size_t i = 0; i < PBTS_DHT_BUDGET_SLOTS; i++) {
            pbts_dht_budget_member_init(&(*slots)[i], now_ms);
        }
    }
    uint64_t prefix = pbts_dht_prefix(addr) >> (is_ipv6 ? IPV6_PREFIX_SHIFT : 0);
    pbts_prng hash = pbts_prng_seeded(prefix ^ budget->seed);
    pbts_dht_budget_slot *slot = &(*slots)[(pbts_prng_next(&hash) >> 32) % PBTS_DHT_BUDGET_SLOTS];
    fill_slot(slot, now_ms);
    return slot;
}

static pbts_dht_budget_all *all_of(pbts_dht_budget *budget, const pbts_addr *addr,
                                   uint64_t now_ms) {
    pbts_dht_budget_all *all = &budget->all[addr->family == PBTS_IPV6];
    uint64_t elapsed_ms = now_ms - all->filled_ms;
    all->newcomers =
        fill(all->newcomers, elapsed_ms, PBTS_DHT_NEWCOMERS_PER_S, PBTS_DHT_NEWCOMERS_BURST);
    all->renewals =
        fill(all->renewals, elapsed_ms, PBTS_DHT_RENEWALS_PER_S, PBTS_DHT_RENEWALS_BURST);
    all->records = fill(all->records, elapsed_ms, PBTS_DHT_RECORDS_PER_S, PBTS_DHT_RECORDS_BURST);
    all->strangers =
        fill(all->strangers, elapsed_ms, PBTS_DHT_STRANGERS_PER_S, PBTS_DHT_STRANGERS_BURST);
    all->filled_ms = now_ms;
    return all;
}

/* ---- charges ---- */

bool pbts_dht_budget_packet(pbts_dht_budget *budget, const pbts_addr *addr, uint64_t now_ms) {
    pbts_dht_budget_slot *slot = slot_of(budget, addr, now_ms);
    return slot != NULL && take(&slot->packets);
}

bool pbts_dht_budget_member_packet(pbts_dht_budget_slot *member, uint64_t now_ms) {
    fill_slot(member, now_ms);
    return take(&member->packets);
}

bool pbts_dht_budget_certificate(pbts_dht_budget *budget, const pbts_addr *addr, bool is_newcomer,
                                 uint64_t now_ms) {
    pbts_dht_budget_slot *slot = slot_of(budget, addr, now_ms);
    pbts_dht_budget_all *all = all_of(budget, addr, now_ms);
    if (slot == NULL || slot->certificates < WHOLE) return false;
    return take(is_newcomer ? &all->newcomers : &all->renewals) && take(&slot->certificates);
}

bool pbts_dht_budget_record(pbts_dht_budget *budget, pbts_dht_budget_slot *member,
                            const pbts_addr *addr, uint64_t now_ms) {
    fill_slot(member, now_ms);
    if (member->certificates < WHOLE) return false;
    return take(&all_of(budget, addr, now_ms)->records) && take(&member->certificates);
}

bool pbts_dht_budget_stranger(pbts_dht_budget *budget, const pbts_addr *addr, uint64_t now_ms) {
    return take(&all_of(budget, addr, now_ms)->strangers);
}

/* ---- afterwards ---- */

void pbts_dht_budget_was_bad(pbts_dht_budget *budget, const pbts_addr *addr, uint64_t now_ms) {
    pbts_dht_budget_slot *slot = slot_of(budget, addr, now_ms);
    if (slot != NULL) take_more(&slot->certificates, PBTS_DHT_BAD_CERTIFICATE_COST - 1);
}

void pbts_dht_budget_was_stale(pbts_dht_budget *budget, const pbts_addr *addr, bool is_newcomer,
                               uint64_t now_ms) {
    pbts_dht_budget_all *all = all_of(budget, addr, now_ms);
    *(is_newcomer ? &all->newcomers : &all->renewals) += WHOLE; /* was taken in this moment */
}

void pbts_dht_budget_strange_signature(pbts_dht_budget *budget, const pbts_addr *addr,
                                       uint64_t now_ms) {
    pbts_dht_budget_slot *slot = slot_of(budget, addr, now_ms);
    if (slot != NULL) take_more(&slot->packets, PBTS_DHT_STRANGE_SIGNATURE_COST - 1);
}

void pbts_dht_budget_bad_record(pbts_dht_budget_slot *member) {
    take_more(&member->certificates, PBTS_DHT_BAD_CERTIFICATE_COST - 1);
}

bool pbts_dht_budget_may_renew(pbts_dht_budget_slot *member, uint64_t now_ms) {
    fill_slot(member, now_ms);
    return member->certificates >= PBTS_DHT_RENEWAL_COST * WHOLE;
}

void pbts_dht_budget_renewed(pbts_dht_budget_slot *member) {
    take_more(&member->certificates, PBTS_DHT_RENEWAL_COST);
}
