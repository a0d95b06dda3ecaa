#include "tracker/peer_set.h"

#include "base/assert.h"

enum { SCAN_MAX = 16, INDEX_MIN = 8 }; /* hysteresis: the index comes past 16, goes at 8 */

void pbts_peer_set_init(pbts_peer_set *set, uint8_t endpoint_len, uint32_t seed) {
    *set = (pbts_peer_set){ .array = { .endpoint_len = endpoint_len },
                            .index = { .seed = seed },
                            .oldest = PBTS_PEER_NONE,
                            .newest = PBTS_PEER_NONE };
}

void pbts_peer_set_deinit(pbts_peer_set *set, pbts_swarm_heap *heap) {
    pbts_peer_index_deinit(&set->index, heap);
    pbts_peer_array_deinit(&set->array, heap);
    pbts_peer_set_init(set, set->array.endpoint_len, set->index.seed);
}

uint32_t pbts_peer_set_find(const pbts_peer_set *set, pbts_peer_ident who) {
    if (!pbts_peer_index_present(&set->index)) {
        for (uint32_t pos = 0; pos < set->array.count; pos++) {
            if (pbts_peer_record_is(pbts_peer_set_record(set, pos), who)) return pos;
        }
        return PBTS_PEER_NONE;
    }
    uint32_t hash = pbts_peer_index_hash(&set->index, who.user);
    pbts_index_probe probe = pbts_peer_index_probe(&set->index, hash);
    uint32_t pos;
    while ((pos = pbts_index_probe_next(&probe)) != PBTS_PEER_NONE) {
        if (pbts_peer_record_is(pbts_peer_set_record(set, pos), who)) break;
    }
    return pos;
}

static bool is_of_user(const pbts_peer_record *record, pbts_peer_ident who) {
    return record->user == who.user && (record->flags & PBTS_PEER_ANON) == who.anon;
}

size_t pbts_peer_set_of_user(const pbts_peer_set *set, uint32_t *out, size_t max,
                             pbts_peer_ident who) {
    size_t count = 0;
    if (!pbts_peer_index_present(&set->index)) {
        for (uint32_t pos = 0; pos < set->array.count && count < max; pos++) {
            if (is_of_user(pbts_peer_set_record(set, pos), who)) out[count++] = pos;
        }
        return count;
    }
    uint32_t hash = pbts_peer_index_hash(&set->index, who.user);
    pbts_index_probe probe = pbts_peer_index_probe(&set->index, hash);
    uint32_t pos;
    while (count < max && (pos = pbts_index_probe_next(&probe)) != PBTS_PEER_NONE) {
        if (is_of_user(pbts_peer_set_record(set, pos), who)) out[count++] = pos;
    }
    return count;
}

pbts_status pbts_peer_set_reserve(pbts_peer_set *set, pbts_swarm_heap *heap, pbts_peer_ident who) {
    PBTS_TRY(pbts_peer_array_reserve(&set->array, heap));
    if (set->array.count < SCAN_MAX && !pbts_peer_index_present(&set->index)) return PBTS_OK;
    if (!pbts_peer_index_present(&set->index)) {
        PBTS_TRY(pbts_peer_index_build(&set->index, &set->array, heap));
    }
    return pbts_peer_index_reserve(&set->index, &set->array, heap,
                                   pbts_peer_index_hash(&set->index, who.user));
}

/* --- the list by last announce --- */

static void unlink_record(pbts_peer_set *set, const pbts_peer_record *record) {
    if (record->older == PBTS_PEER_NONE) {
        set->oldest = record->newer;
    } else {
        pbts_peer_set_record(set, record->older)->newer = record->newer;
    }
    if (record->newer == PBTS_PEER_NONE) {
        set->newest = record->older;
    } else {
        pbts_peer_set_record(set, record->newer)->older = record->older;
    }
}

/* Let the neighbours that `record` names find it at `pos`. */
static void link_record(pbts_peer_set *set, const pbts_peer_record *record, uint32_t pos) {
    if (record->older == PBTS_PEER_NONE) {
        set->oldest = pos;
    } else {
        pbts_peer_set_record(set, record->older)->newer = pos;
    }
    if (record->newer == PBTS_PEER_NONE) {
        set->newest = pos;
    } else {
        pbts_peer_set_record(set, record->newer)->older = pos;
    }
}

void pbts_peer_set_touch(pbts_peer_set *set, uint32_t pos, uint16_t seen) {
    pbts_peer_record *record = pbts_peer_set_record(set, pos);
    record->seen = seen;
    if (set->newest == pos) return;
    unlink_record(set, record);
    record->older = set->newest;
    record->newer = PBTS_PEER_NONE;
    link_record(set, record, pos);
}

/* --- moving peers --- */

static uint32_t hash_at(const pbts_peer_set *set, uint32_t pos) {
    return pbts_peer_index_hash(&set->index, pbts_peer_set_record(set, pos)->user);
}

/* The index slot of `pos`, or NULL without an index. */
static uint32_t *slot_at(const pbts_peer_set *set, uint32_t pos) {
    if (!pbts_peer_index_present(&set->index)) return NULL;
    return pbts_peer_index_slot(&set->index, hash_at(set, pos), pos);
}

/* Copy the peer at `from` to the hole at `to`, leaving a hole at `from`. */
static void move_peer(pbts_peer_set *set, uint32_t from, uint32_t to) {
    if (from == to) return;
    uint32_t *slot = slot_at(set, from);
    if (slot != NULL) pbts_peer_index_repoint(slot, to);
    pbts_peer_record *record = pbts_peer_set_record(set, to);
    *record = *pbts_peer_set_record(set, from);
    memcpy(pbts_peer_array_endpoint(&set->array, to), pbts_peer_array_endpoint(&set->array, from),
           set->array.endpoint_len);
    link_record(set, record, to);
}

/* Let two peers trade places, keeping the order of the list. */
static void exchange(pbts_peer_set *set, uint32_t a, uint32_t b) {
    if (a == b) return;
    uint8_t endpoint[PBTS_ENDPOINT6_LEN];
    pbts_peer_record held = *pbts_peer_set_record(set, a);
    uint32_t *held_slot = slot_at(set, a);
    memcpy(endpoint, pbts_peer_array_endpoint(&set->array, a), set->array.endpoint_len);

    unlink_record(set, &held);
    move_peer(set, b, a);
    if (held.older == b) held.older = a;
    if (held.newer == b) held.newer = a;

    pbts_peer_record *record = pbts_peer_set_record(set, b);
    *record = held;
    memcpy(pbts_peer_array_endpoint(&set->array, b), endpoint, set->array.endpoint_len);
    link_record(set, record, b);
    if (held_slot != NULL) pbts_peer_index_repoint(held_slot, b);
}

uint32_t pbts_peer_set_insert(pbts_peer_set *set, pbts_peer_ident who, const uint8_t *endpoint,
                              uint8_t role, uint16_t seen) {
    assert(set->array.count < set->array.capacity);
    uint32_t pos = set->array.count++;
    if (role == 0) {
        /* The first seeder makes room at the end of the leechers. */
        move_peer(set, set->leechers, pos);
        pos = set->leechers++;
    }
    pbts_peer_record *record = pbts_peer_set_record(set, pos);
    *record = (pbts_peer_record){ .user = who.user,
                                  .key = who.key,
                                  .older = set->newest,
                                  .newer = PBTS_PEER_NONE,
                                  .seen = seen,
                                  .flags = role | who.anon };
    memcpy(pbts_peer_array_endpoint(&set->array, pos), endpoint, set->array.endpoint_len);
    link_record(set, record, pos);
    if (pbts_peer_index_present(&set->index)) {
        pbts_peer_index_insert(&set->index, hash_at(set, pos), pos);
    }
    return pos;
}

uint32_t pbts_peer_set_change_role(pbts_peer_set *set, uint32_t pos, uint8_t role) {
    pbts_peer_record *record = pbts_peer_set_record(set, pos);
    bool was_leecher = (record->flags & PBTS_PEER_ROLE) == 0;
    record->flags = (uint8_t)((record->flags & ~PBTS_PEER_ROLE) | role);
    if (was_leecher && role != 0) {
        exchange(set, pos, --set->leechers);
        return set->leechers;
    }
    if (!was_leecher && role == 0) {
        exchange(set, pos, set->leechers);
        return set->leechers++;
    }
    return pos;
}

void pbts_peer_set_remove(pbts_peer_set *set, uint32_t pos) {
    if (pbts_peer_index_present(&set->index)) {
        pbts_peer_index_remove(&set->index, &set->array, hash_at(set, pos), pos);
    }
    unlink_record(set, pbts_peer_set_record(set, pos));
    if (pos < set->leechers) {
        move_peer(set, --set->leechers, pos);
        pos = set->leechers;
    }
    move_peer(set, --set->array.count, pos);
}

void pbts_peer_set_trim(pbts_peer_set *set, pbts_swarm_heap *heap, pbts_peer_ident who) {
    if (pbts_peer_index_present(&set->index)) {
        if (set->array.count <= INDEX_MIN) {
            pbts_peer_index_deinit(&set->index, heap);
        } else {
            pbts_peer_index_trim(&set->index, &set->array, heap,
                                 pbts_peer_index_hash(&set->index, who.user));
        }
    }
    pbts_peer_array_trim(&set->array, heap);
}

static void check_peer(const pbts_peer_set *set, uint32_t pos) {
    const pbts_peer_record *record = pbts_peer_set_record(set, pos);
    assert(((record->flags & PBTS_PEER_ROLE) == 0) == (pos < set->leechers));
    assert((record->flags & PBTS_PEER_ROLE) != PBTS_PEER_ROLE);
    assert((record->older == PBTS_PEER_NONE) == (set->oldest == pos));
    assert((record->newer == PBTS_PEER_NONE) == (set->newest == pos));
    if (record->newer != PBTS_PEER_NONE) {
        assert(record->newer < set->array.count);
        assert(pbts_peer_set_record(set, record->newer)->older == pos);
    }
    assert(pbts_peer_set_find(set, pbts_peer_record_ident(record)) == pos);
}

void pbts_peer_set_check(const pbts_peer_set *set) {
    uint32_t count = set->array.count, listed = 0;
    assert(set->leechers <= count && count <= set->array.capacity);
    assert((count == 0) == (set->oldest == PBTS_PEER_NONE));
    assert((count == 0) == (set->newest == PBTS_PEER_NONE));
    assert(count <= SCAN_MAX || pbts_peer_index_present(&set->index));
    for (uint32_t pos = 0; pos < count; pos++) check_peer(set, pos);
    for (uint32_t pos = set->oldest; pos != PBTS_PEER_NONE; listed++) {
        assert(listed < count);
        pos = pbts_peer_set_record(set, pos)->newer;
    }
    assert(listed == count);
    if (pbts_peer_index_present(&set->index)) pbts_peer_index_check(&set->index, &set->array);
}
