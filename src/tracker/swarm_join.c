/* One peer joins or refreshes: who it is, whom it replaces, and what changes in the counts. */
#include "base/assert.h"
#include "tracker/swarm_state.h"

/* The announcing peer and the two sets of its swarm. */
typedef struct {
    pbts_swarms *swarms;
    pbts_swarm *swarm;
    pbts_peer_set *own;   /* of the family that it announces on */
    pbts_peer_set *other; /* or NULL */
    pbts_peer_ident who;
    uint8_t role;
    uint8_t endpoint[PBTS_ENDPOINT6_LEN];
} visitor;

pbts_peer_ident pbts_swarm_ident(const pbts_swarms *swarms, uint32_t user_no,
                                 const uint8_t peer_id[static 20]) {
    uint64_t hash = pbts_swarm_mix20(swarms->peer_seed, peer_id);
    if (user_no == 0)
        return (pbts_peer_ident){ (uint32_t)(hash >> 32), (uint32_t)hash, PBTS_PEER_ANON };
    return (pbts_peer_ident){ user_no, (uint32_t)hash, 0 };
}

static void compact_endpoint(uint8_t out[static PBTS_ENDPOINT6_LEN], const pbts_addr *addr) {
    size_t ip_len = pbts_addr_ip_len(addr->family);
    memcpy(out, addr->ip, ip_len);
    out[ip_len] = (uint8_t)(addr->port >> 8);
    out[ip_len + 1] = (uint8_t)addr->port;
}

static uint8_t role_of(const pbts_swarm_update *update) {
    if (update->seeder) return PBTS_PEER_SEEDER;
    return update->partial_seeder ? PBTS_PEER_PARTIAL : 0;
}

static uint32_t mate_of(const visitor *v) {
    return v->other != NULL ? pbts_peer_set_find(v->other, v->who) : PBTS_PEER_NONE;
}

static bool is_at_endpoint(const visitor *v, uint32_t pos) {
    const uint8_t *endpoint = pbts_peer_array_endpoint(&v->own->array, pos);
    return memcmp(endpoint, v->endpoint, v->own->array.endpoint_len) == 0;
}

/* Another peer of the same user at the same endpoint: a client that restarted with a new peer id.
 * The visitor itself is not there: it is new, or known elsewhere.
 * An anonymous peer has no user by whom that could be known. */
static bool find_predecessor(const visitor *v, pbts_peer_ident *victim) {
    uint32_t mine[PBTS_SWARM_PEERS_PER_USER_LIMIT];
    if (v->who.anon) return false;
    size_t count = pbts_peer_set_of_user(v->own, mine, PBTS_SWARM_PEERS_PER_USER_LIMIT, v->who);
    for (size_t i = 0; i < count; i++) {
        const pbts_peer_record *record = pbts_peer_set_record(v->own, mine[i]);
        if (!is_at_endpoint(v, mine[i])) continue;
        *victim = pbts_peer_record_ident(record);
        return true;
    }
    return false;
}

/* Seconds since the identity at set[pos] announced on any family. Everything here is younger than
 * expire_after_s, so 16 bits tell. */
static uint16_t identity_age(const visitor *v, const pbts_peer_set *set, uint32_t pos) {
    const pbts_peer_record *record = pbts_peer_set_record(set, pos);
    uint16_t age = (uint16_t)(v->swarms->now_s - record->seen);
    if (!(record->flags & PBTS_PEER_PAIRED)) return age;
    const pbts_peer_set *other = pbts_swarm_other(v->swarm, set);
    uint32_t mate = pbts_peer_set_find(other, pbts_peer_record_ident(record));
    uint16_t mate_age = (uint16_t)(v->swarms->now_s - pbts_peer_set_record(other, mate)->seen);
    return mate_age < age ? mate_age : age;
}

/* At the limit of peers of one user: the one that was silent for longest. */
static bool find_oldest_beyond_limit(const visitor *v, pbts_peer_ident *victim) {
    const pbts_peer_set *const sets[] = { v->own, v->other };
    uint32_t found[PBTS_SWARM_PEERS_PER_USER_LIMIT];
    uint32_t identities = 0;
    int oldest = -1;
    if (v->who.anon) return false;
    for (size_t s = 0; s < 2 && sets[s] != NULL; s++) {
        size_t count =
            pbts_peer_set_of_user(sets[s], found, PBTS_SWARM_PEERS_PER_USER_LIMIT, v->who);
        for (size_t i = 0; i < count; i++) {
            const pbts_peer_record *record = pbts_peer_set_record(sets[s], found[i]);
            if (s == 1 && (record->flags & PBTS_PEER_PAIRED)) continue; /* counted in the first */
            identities++;
            int age = identity_age(v, sets[s], found[i]);
            if (age <= oldest) continue;
            oldest = age;
            *victim = pbts_peer_record_ident(record);
        }
    }
    return identities >= v->swarms->config.peers_per_user_max;
}

/* Give an identity another role, in both families. Returns the new position of own[pos]. */
static uint32_t change_role(const visitor *v, uint32_t pos, uint32_t mate) {
    pbts_peer_set *known_in = pos != PBTS_PEER_NONE ? v->own : v->other;
    uint32_t known_at = pos != PBTS_PEER_NONE ? pos : mate;
    uint8_t before = pbts_peer_set_record(known_in, known_at)->flags & PBTS_PEER_ROLE;
    if (before == v->role) return pos;
    pbts_swarm_count(v->swarms, v->swarm, before, UINT32_MAX);
    pbts_swarm_count(v->swarms, v->swarm, v->role, 1);
    if (mate != PBTS_PEER_NONE) pbts_peer_set_change_role(v->other, mate, v->role);
    return pos != PBTS_PEER_NONE ? pbts_peer_set_change_role(v->own, pos, v->role) : pos;
}

static uint32_t refresh(const visitor *v, uint32_t pos) {
    if (!is_at_endpoint(v, pos)) {
        pbts_peer_ident victim = { 0 };
        if (find_predecessor(v, &victim)) {
            (void)pbts_swarm_forget(v->swarms, v->swarm, victim);
            pos = pbts_peer_set_find(v->own, v->who);
        }
        memcpy(pbts_peer_array_endpoint(&v->own->array, pos), v->endpoint,
               v->own->array.endpoint_len);
    }
    const pbts_peer_record *record = pbts_peer_set_record(v->own, pos);
    if ((record->flags & PBTS_PEER_ROLE) != v->role) {
        uint32_t mate = record->flags & PBTS_PEER_PAIRED ? mate_of(v) : PBTS_PEER_NONE;
        pos = change_role(v, pos, mate);
    }
    pbts_peer_set_touch(v->own, pos, (uint16_t)v->swarms->now_s);
    return pos;
}

/* Enter the peer; room was reserved. */
static uint32_t enter(const visitor *v) {
    uint32_t mate = mate_of(v);
    uint32_t pos =
        pbts_peer_set_insert(v->own, v->who, v->endpoint, v->role, (uint16_t)v->swarms->now_s);
    if (mate != PBTS_PEER_NONE) {
        pbts_peer_set_record(v->own, pos)->flags |= PBTS_PEER_PAIRED;
        pbts_peer_set_record(v->other, mate)->flags |= PBTS_PEER_PAIRED;
        (void)change_role(v, PBTS_PEER_NONE, mate);
        return pos;
    }
    pbts_swarm_count(v->swarms, v->swarm, v->role, 1);
    if (v->swarms->config.on_peer != NULL) {
        v->swarms->config.on_peer(v->swarms->config.host, v->who.anon ? 0 : v->who.user, 1);
    }
    return pos;
}

static pbts_status join(const visitor *v, uint32_t *pos, bool known_only) {
    pbts_peer_ident victim = { 0 };
    bool is_new = mate_of(v) == PBTS_PEER_NONE;
    if (is_new && known_only) return PBTS_DENIED;
    bool evicts = find_predecessor(v, &victim);
    if (!evicts && is_new) evicts = find_oldest_beyond_limit(v, &victim);
    if (v->own->array.count >= v->swarms->config.peers_max &&
        !(evicts && pbts_peer_set_find(v->own, victim) != PBTS_PEER_NONE)) {
        return PBTS_BUSY;
    }
    PBTS_TRY(pbts_peer_set_reserve(v->own, &v->swarms->heap, v->who));
    if (evicts) (void)pbts_swarm_forget(v->swarms, v->swarm, victim);
    *pos = enter(v);
    return PBTS_OK;
}

/* Whether this identity is a seeder before its announce counts. */
static bool is_known_seeder(const visitor *v, uint32_t pos) {
    const pbts_peer_set *set = pos != PBTS_PEER_NONE ? v->own : v->other;
    if (pos == PBTS_PEER_NONE) pos = mate_of(v);
    if (pos == PBTS_PEER_NONE) return false;
    return pbts_peer_set_record(set, pos)->flags & PBTS_PEER_SEEDER;
}

static void count_download(pbts_swarms *swarms, pbts_swarm_entry *torrent) {
    if (torrent->downloaded == UINT32_MAX) return;
    if (torrent->downloaded == torrent->stored) swarms->unstored++;
    torrent->downloaded++;
}

pbts_status pbts_swarm_join(pbts_swarms *swarms, pbts_swarm *swarm, uint32_t *pos,
                            pbts_peer_ident who, const pbts_swarm_update *update) {
    visitor v = { .swarms = swarms, .swarm = swarm, .who = who, .role = role_of(update) };
    compact_endpoint(v.endpoint, &update->addr);
    v.own = pbts_swarm_set(swarms, swarm, update->addr.family);
    if (v.own == NULL) return PBTS_NO_MEMORY;
    v.other = pbts_swarm_other(swarm, v.own);

    uint32_t known = pbts_peer_set_find(v.own, who);
    bool known_seeder = is_known_seeder(&v, known);
    if (update->seeder_stays && known_seeder && !update->seeder) return PBTS_DENIED;
    bool downloads = update->completed && update->seeder && !known_seeder;
    if (known != PBTS_PEER_NONE) {
        *pos = refresh(&v, known);
    } else {
        PBTS_TRY(join(&v, pos, update->known_only));
    }
    if (downloads) count_download(swarms, swarm->torrent);
    return PBTS_OK;
}
