/* Making, counting and unmaking of one swarm, and its way around the wheel. */
#include "tracker/swarm_state.h"

#include "base/assert.h"

static pbts_swarm **wheel_slot(const pbts_swarms *swarms, uint32_t due_s) {
    return &swarms->wheel[due_s & (swarms->wheel_len - 1)];
}

static void wheel_link(pbts_swarms *swarms, pbts_swarm *swarm, uint32_t due_s) {
    pbts_swarm **slot = wheel_slot(swarms, due_s);
    swarm->due_s = due_s;
    swarm->previous = NULL;
    swarm->next = *slot;
    if (*slot != NULL) (*slot)->previous = swarm;
    *slot = swarm;
}

static void wheel_unlink(pbts_swarms *swarms, pbts_swarm *swarm) {
    if (swarm->next != NULL) swarm->next->previous = swarm->previous;
    if (swarm->previous != NULL) {
        swarm->previous->next = swarm->next;
    } else {
        *wheel_slot(swarms, swarm->due_s) = swarm->next;
    }
}

pbts_swarm *pbts_swarm_new(pbts_swarms *swarms, pbts_swarm_entry *torrent) {
    pbts_swarm *swarm = pbts_swarm_heap_take_zeroed(&swarms->heap, sizeof *swarm);
    if (swarm == NULL) return NULL;
    swarm->torrent = torrent;
    swarm->visited_s = swarms->now_s;
    pbts_peer_set_init(&swarm->v4, PBTS_ENDPOINT4_LEN, swarms->user_seed);
    wheel_link(swarms, swarm, swarms->now_s + swarms->config.expire_after_s);
    torrent->swarm = swarm;
    return swarm;
}

pbts_peer_set *pbts_swarm_set(pbts_swarms *swarms, pbts_swarm *swarm, pbts_family family) {
    if (family == PBTS_IPV4) return &swarm->v4;
    if (swarm->v6 != NULL) return swarm->v6;
    swarm->v6 = pbts_swarm_heap_take(&swarms->heap, sizeof *swarm->v6);
    if (swarm->v6 != NULL) {
        pbts_peer_set_init(swarm->v6, PBTS_ENDPOINT6_LEN, swarms->user_seed);
    }
    return swarm->v6;
}

void pbts_swarm_free(pbts_swarms *swarms, pbts_swarm *swarm) {
    wheel_unlink(swarms, swarm);
    swarm->torrent->swarm = NULL;
    pbts_peer_set_deinit(&swarm->v4, &swarms->heap);
    if (swarm->v6 != NULL) pbts_peer_set_deinit(swarm->v6, &swarms->heap);
    pbts_swarm_heap_give(&swarms->heap, swarm->v6, sizeof *swarm->v6);
    pbts_swarm_heap_give(&swarms->heap, swarm, sizeof *swarm);
}

void pbts_swarm_tidy(pbts_swarms *swarms, pbts_swarm *swarm) {
    if (swarm->v6 != NULL && swarm->v6->array.count == 0) {
        pbts_peer_set_deinit(swarm->v6, &swarms->heap);
        pbts_swarm_heap_give(&swarms->heap, swarm->v6, sizeof *swarm->v6);
        swarm->v6 = NULL;
    }
    if (swarm->v4.array.count > 0) return;
    pbts_peer_set_deinit(&swarm->v4, &swarms->heap);
    if (swarm->v6 == NULL) pbts_swarm_free(swarms, swarm);
}

void pbts_swarm_count(pbts_swarms *swarms, pbts_swarm *swarm, uint8_t role, uint32_t change) {
    /* -1 is UINT32_MAX; unsigned wrap-around makes both directions one addition. */
    if (role == PBTS_PEER_SEEDER) {
        swarm->complete += change;
        swarms->seeders += (uint64_t)(int32_t)change;
    } else {
        swarm->incomplete += change;
    }
    swarms->peers += (uint64_t)(int32_t)change;
}

static void tell_host(pbts_swarms *swarms, pbts_peer_ident who, int change) {
    if (swarms->config.on_peer == NULL) return;
    uint32_t user_no = who.anon ? 0 : who.user;
    swarms->config.on_peer(swarms->config.host, user_no, change);
}

void pbts_swarm_drop(pbts_swarms *swarms, pbts_swarm *swarm, pbts_peer_set *set, uint32_t pos) {
    const pbts_peer_record *record = pbts_peer_set_record(set, pos);
    pbts_peer_ident who = pbts_peer_record_ident(record);
    if (record->flags & PBTS_PEER_PAIRED) {
        pbts_peer_set *other = pbts_swarm_other(swarm, set);
        uint32_t mate = pbts_peer_set_find(other, who);
        pbts_peer_set_record(other, mate)->flags &= (uint8_t)~PBTS_PEER_PAIRED;
    } else {
        pbts_swarm_count(swarms, swarm, record->flags & PBTS_PEER_ROLE, UINT32_MAX);
        tell_host(swarms, who, -1);
    }
    pbts_peer_set_remove(set, pos);
}

bool pbts_swarm_forget(pbts_swarms *swarms, pbts_swarm *swarm, pbts_peer_ident who) {
    pbts_peer_set *const sets[] = { &swarm->v4, swarm->v6 };
    bool was_there = false;
    for (size_t i = 0; i < 2; i++) {
        uint32_t pos = sets[i] != NULL ? pbts_peer_set_find(sets[i], who) : PBTS_PEER_NONE;
        if (pos == PBTS_PEER_NONE) continue;
        pbts_swarm_drop(swarms, swarm, sets[i], pos);
        was_there = true;
    }
    return was_there;
}

/* --- time --- */

uint32_t pbts_swarms_clock(pbts_swarms *swarms, uint64_t now_s) {
    uint64_t elapsed = now_s > swarms->start_s ? now_s - swarms->start_s : 0;
    if (elapsed > swarms->now_s) swarms->now_s = (uint32_t)elapsed;
    return swarms->now_s;
}

/* How long ago the oldest peer of a set that has one announced. */
static uint32_t oldest_age(const pbts_swarms *swarms, const pbts_swarm *swarm,
                           const pbts_peer_set *set) {
    uint16_t seen = pbts_peer_set_record(set, set->oldest)->seen;
    return (uint16_t)(swarm->visited_s - seen) + (swarms->now_s - swarm->visited_s);
}

static bool sweep_set(pbts_swarms *swarms, pbts_swarm *swarm, pbts_peer_set *set,
                      uint32_t *budget) {
    while (set->oldest != PBTS_PEER_NONE &&
           oldest_age(swarms, swarm, set) >= swarms->config.expire_after_s) {
        if (*budget == 0) return false;
        --*budget;
        pbts_peer_ident who = pbts_peer_record_ident(pbts_peer_set_record(set, set->oldest));
        pbts_swarm_drop(swarms, swarm, set, set->oldest);
        pbts_peer_set_trim(set, &swarms->heap, who);
    }
    return true;
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* When the oldest peer of a set expires; UINT32_MAX without peers. */
static uint32_t set_due(const pbts_swarms *swarms, const pbts_swarm *swarm,
                        const pbts_peer_set *set) {
    if (set == NULL || set->oldest == PBTS_PEER_NONE) return UINT32_MAX;
    uint32_t left = swarms->config.expire_after_s - oldest_age(swarms, swarm, set);
    return swarms->now_s + left;
}

bool pbts_swarm_sweep(pbts_swarms *swarms, pbts_swarm *swarm, uint32_t *budget) {
    if (swarm->due_s > swarms->now_s) return true;
    if (!sweep_set(swarms, swarm, &swarm->v4, budget)) return false;
    if (swarm->v6 != NULL && !sweep_set(swarms, swarm, swarm->v6, budget)) return false;
    uint32_t due = least(set_due(swarms, swarm, &swarm->v4), set_due(swarms, swarm, swarm->v6));
    if (due != UINT32_MAX) {
        swarm->visited_s = swarms->now_s;
        wheel_unlink(swarms, swarm);
        wheel_link(swarms, swarm, due);
    }
    pbts_swarm_tidy(swarms, swarm);
    return true;
}

/* Sweep what is due in one slot; a swarm there may be due a turn of the wheel later. */
static bool turn_slot(pbts_swarms *swarms, pbts_swarm *first, uint32_t *budget) {
    for (pbts_swarm *swarm = first, *next; swarm != NULL; swarm = next) {
        next = swarm->next;
        if (swarm->due_s > swarms->now_s) continue;
        if (*budget == 0) return false;
        --*budget;
        if (!pbts_swarm_sweep(swarms, swarm, budget)) return false;
    }
    return true;
}

bool pbts_swarms_tick(pbts_swarms *swarms, uint64_t now_s) {
    uint32_t now = pbts_swarms_clock(swarms, now_s);
    uint32_t budget = PBTS_SWARM_TICK_PEERS;
    /* After a long silence one turn meets every swarm. */
    if (now >= swarms->tick_s && now - swarms->tick_s >= swarms->wheel_len) {
        swarms->tick_s = now - swarms->wheel_len + 1;
    }
    for (; swarms->tick_s <= now; swarms->tick_s++) {
        if (!turn_slot(swarms, *wheel_slot(swarms, swarms->tick_s), &budget)) return true;
    }
    return false;
}
