/* The naive twin of pbts_swarms: unordered arrays, everything looked for from the start. */
#ifndef PBTS_TEST_TRACKER_SWARM_TWIN_H
#define PBTS_TEST_TRACKER_SWARM_TWIN_H

#include <stdlib.h>

#include "tracker/swarm.h"

enum { TWIN_RECORDS = 20000, TWIN_TORRENTS = 8, TWIN_USERS = 64 };

typedef struct {
    uint32_t torrent, user, client; /* identity within a torrent: (user, client) */
    pbts_addr addr;
    uint64_t seen_s;
    bool seeder, partial;
} twin_record;

typedef struct {
    uint32_t expire_s, per_user_max, peers_max;
    twin_record record[TWIN_RECORDS];
    size_t count;
    uint32_t downloaded[TWIN_TORRENTS];
    uint64_t now_s;
} swarm_twin;

static inline bool twin_same(const twin_record *a, const twin_record *b) {
    return a->torrent == b->torrent && a->user == b->user && a->client == b->client;
}

static inline void twin_delete(swarm_twin *t, size_t i) {
    t->record[i] = t->record[--t->count];
}

static inline void twin_forget(swarm_twin *t, const twin_record *who) {
    const twin_record held = *who; /* `who` may lie in the array */
    for (size_t i = t->count; i-- > 0;) {
        if (twin_same(&t->record[i], &held)) twin_delete(t, i);
    }
}

static inline void twin_expire(swarm_twin *t, uint64_t now_s) {
    if (now_s > t->now_s) t->now_s = now_s;
    for (size_t i = t->count; i-- > 0;) {
        if (t->now_s - t->record[i].seen_s >= t->expire_s) twin_delete(t, i);
    }
}

static inline twin_record *twin_find(swarm_twin *t, const twin_record *who, int family) {
    for (size_t i = 0; i < t->count; i++) {
        bool right_family = family == 0 || (int)t->record[i].addr.family == family;
        if (right_family && twin_same(&t->record[i], who)) return &t->record[i];
    }
    return NULL;
}

/* Whether record i stands for its identity in the counts: of two families, IPv4 does. */
static inline bool twin_is_counted(const swarm_twin *t, size_t i) {
    if (t->record[i].addr.family == PBTS_IPV4) return true;
    for (size_t j = 0; j < t->count; j++) {
        if (t->record[j].addr.family == PBTS_IPV4 && twin_same(&t->record[j], &t->record[i])) {
            return false;
        }
    }
    return true;
}

/* The last moment at which the identity of record i announced. */
static inline uint64_t twin_last_seen(const swarm_twin *t, size_t i) {
    uint64_t last = 0;
    for (size_t j = 0; j < t->count; j++) {
        if (!twin_same(&t->record[j], &t->record[i])) continue;
        if (t->record[j].seen_s > last) last = t->record[j].seen_s;
    }
    return last;
}

/* Whose place a new peer takes: a peer of the user at its endpoint, else, when the identity is new
 * and the user at the limit, the user's longest silent one. NULL: nobody's. */
static inline twin_record *twin_victim(swarm_twin *t, const twin_record *who, bool is_new) {
    twin_record *oldest = NULL;
    uint64_t oldest_seen = UINT64_MAX;
    uint32_t identities = 0;
    if (who->user == 0) return NULL;
    for (size_t i = 0; i < t->count; i++) {
        twin_record *r = &t->record[i];
        if (r->torrent != who->torrent || r->user != who->user || r->client == who->client)
            continue;
        bool same_ip = pbts_addr_equal_ip(&r->addr, &who->addr);
        if (same_ip && r->addr.port == who->addr.port) return r;
        if (!twin_is_counted(t, i)) continue;
        identities++;
        uint64_t seen = twin_last_seen(t, i);
        if (seen >= oldest_seen) continue;
        oldest_seen = seen;
        oldest = r;
    }
    return is_new && identities >= t->per_user_max ? oldest : NULL;
}

static inline uint32_t twin_family_count(const swarm_twin *t, uint32_t torrent, int family) {
    uint32_t count = 0;
    for (size_t i = 0; i < t->count; i++) {
        count += t->record[i].torrent == torrent && (int)t->record[i].addr.family == family;
    }
    return count;
}

static inline pbts_status twin_enter(swarm_twin *t, const twin_record *who, bool known_only) {
    bool is_new = twin_find(t, who, 0) == NULL;
    twin_record *known = twin_find(t, who, (int)who->addr.family);
    if (is_new && known_only) return PBTS_DENIED;
    twin_record *victim = twin_victim(t, who, is_new);
    bool full = twin_family_count(t, who->torrent, (int)who->addr.family) >= t->peers_max;
    if (known == NULL && full &&
        (victim == NULL || twin_find(t, victim, (int)who->addr.family) == NULL)) {
        return PBTS_BUSY;
    }
    if (victim != NULL) twin_forget(t, victim);
    known = twin_find(t, who, (int)who->addr.family);
    if (known != NULL) {
        *known = *who;
    } else {
        if (t->count == TWIN_RECORDS) abort();
        t->record[t->count++] = *who;
    }
    return PBTS_OK;
}

static inline pbts_status twin_announce(swarm_twin *t, const twin_record *who, bool completed,
                                        bool known_only, bool seeder_stays) {
    const twin_record *before = twin_find(t, who, 0);
    bool was_seeder = before != NULL && before->seeder;
    if (seeder_stays && was_seeder && !who->seeder) return PBTS_DENIED;
    pbts_status status = twin_enter(t, who, known_only);
    if (status != PBTS_OK) return status;
    if (completed && who->seeder && !was_seeder) t->downloaded[who->torrent]++;
    for (size_t i = 0; i < t->count; i++) {
        if (!twin_same(&t->record[i], who)) continue;
        t->record[i].seeder = who->seeder;
        t->record[i].partial = who->partial;
    }
    return PBTS_OK;
}

#endif
