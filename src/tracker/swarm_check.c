/* Every invariant of a pbts_swarms, recomputed from scratch: for tests, linear in all it holds. */
#include "base/assert.h"
#include "tracker/swarm_state.h"

typedef struct {
    uint64_t swarms, peers, seeders, bytes;
} totals;

/* Seconds since the record announced; within the swarm's reach by the invariant of visited_s. */
static uint32_t age_of(const pbts_swarms *swarms, const pbts_swarm *swarm,
                       const pbts_peer_record *record) {
    uint32_t at_visit = (uint16_t)(swarm->visited_s - record->seen);
    assert(at_visit < swarms->config.expire_after_s);
    return at_visit + (swarms->now_s - swarm->visited_s);
}

/* The list goes from old to young, and nobody is due before the swarm is. */
static void check_ages(const pbts_swarms *swarms, const pbts_swarm *swarm,
                       const pbts_peer_set *set) {
    uint32_t older_age = UINT32_MAX;
    for (uint32_t pos = set->oldest; pos != PBTS_PEER_NONE;) {
        const pbts_peer_record *record = pbts_peer_set_record(set, pos);
        uint32_t age = age_of(swarms, swarm, record);
        assert(age <= older_age);
        assert(swarms->now_s - age + swarms->config.expire_after_s >= swarm->due_s);
        older_age = age;
        pos = record->newer;
    }
}

static void check_user(const pbts_swarms *swarms, const pbts_peer_set *set, uint32_t pos) {
    uint32_t found[PBTS_SWARM_PEERS_PER_USER_LIMIT + 1];
    const pbts_peer_record *record = pbts_peer_set_record(set, pos);
    pbts_peer_ident who = pbts_peer_record_ident(record);
    if (who.anon) return;
    size_t count = pbts_peer_set_of_user(set, found, PBTS_SWARM_PEERS_PER_USER_LIMIT + 1, who);
    assert(count <= swarms->config.peers_per_user_max);
    for (size_t i = 0; i < count; i++) {
        if (found[i] == pos) continue;
        assert(memcmp(pbts_peer_array_endpoint(&set->array, found[i]),
                      pbts_peer_array_endpoint(&set->array, pos), set->array.endpoint_len) != 0);
    }
}

/* Check one set and count the identities that are not also in `before`. */
static void check_set(const pbts_swarms *swarms, const pbts_swarm *swarm, const pbts_peer_set *set,
                      const pbts_peer_set *other, bool is_second, totals *swarm_totals) {
    pbts_peer_set_check(set);
    check_ages(swarms, swarm, set);
    assert(set->array.count <= swarms->config.peers_max);
    for (uint32_t pos = 0; pos < set->array.count; pos++) {
        const pbts_peer_record *record = pbts_peer_set_record(set, pos);
        uint32_t mate = PBTS_PEER_NONE;
        if (other != NULL) mate = pbts_peer_set_find(other, pbts_peer_record_ident(record));
        assert((mate != PBTS_PEER_NONE) == ((record->flags & PBTS_PEER_PAIRED) != 0));
        if (mate != PBTS_PEER_NONE) {
            assert(pbts_peer_set_record(other, mate)->flags == record->flags);
        }
        check_user(swarms, set, pos);
        if (is_second && mate != PBTS_PEER_NONE) continue;
        swarm_totals->peers++;
        swarm_totals->seeders += record->flags & PBTS_PEER_SEEDER;
    }
    swarm_totals->bytes += pbts_peer_array_bytes(&set->array) + pbts_peer_index_bytes(&set->index);
}

static void check_swarm(const pbts_swarms *swarms, const pbts_swarm *swarm, totals *sum) {
    totals own = { .bytes = sizeof *swarm };
    check_set(swarms, swarm, &swarm->v4, swarm->v6, false, &own);
    if (swarm->v6 != NULL) {
        assert(swarm->v6->array.count > 0);
        check_set(swarms, swarm, swarm->v6, &swarm->v4, true, &own);
        own.bytes += sizeof *swarm->v6;
    }
    assert(own.peers > 0);
    assert(swarm->complete == own.seeders && swarm->incomplete == own.peers - own.seeders);
    sum->swarms++;
    sum->peers += own.peers;
    sum->seeders += own.seeders;
    sum->bytes += own.bytes;
}

/* The wheel did not pass by: what was due before its place is met on the way to now. */
static bool is_ahead(const pbts_swarms *swarms, uint32_t due_s) {
    if (due_s >= swarms->tick_s) return true;
    if (swarms->tick_s > swarms->now_s) return false;
    uint32_t steps = (due_s - swarms->tick_s) & (swarms->wheel_len - 1);
    return steps <= swarms->now_s - swarms->tick_s ||
           swarms->now_s - swarms->tick_s >= swarms->wheel_len;
}

static void check_wheel(const pbts_swarms *swarms, uint64_t swarms_expected) {
    uint64_t linked = 0;
    for (uint32_t slot = 0; slot < swarms->wheel_len; slot++) {
        const pbts_swarm *previous = NULL;
        for (const pbts_swarm *swarm = swarms->wheel[slot]; swarm != NULL; swarm = swarm->next) {
            assert(swarm->previous == previous);
            assert((swarm->due_s & (swarms->wheel_len - 1)) == slot);
            assert(is_ahead(swarms, swarm->due_s));
            assert(swarm->torrent->swarm == swarm);
            previous = swarm;
            linked++;
        }
    }
    assert(linked == swarms_expected);
}

void pbts_swarms_check(const pbts_swarms *swarms) {
    totals sum = { .bytes = sizeof *swarms + swarms->wheel_len * sizeof *swarms->wheel +
                            pbts_swarm_table_bytes(&swarms->torrents) };
    pbts_swarm_table_check(&swarms->torrents);
    uint32_t unstored = 0;
    for (uint32_t i = 0; i < swarms->torrents.count; i++) {
        const pbts_swarm_entry *torrent = pbts_swarm_table_at(&swarms->torrents, i);
        if (torrent->swarm != NULL) check_swarm(swarms, torrent->swarm, &sum);
        unstored += torrent->downloaded != torrent->stored;
    }
    assert(unstored == swarms->unstored);
    assert(sum.peers == swarms->peers && sum.seeders == swarms->seeders);
    assert(sum.bytes == swarms->heap.used_bytes);
    check_wheel(swarms, sum.swarms);
}
