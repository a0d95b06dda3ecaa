#include "dht/dht_lookup.h"

#include "base/assert.h"

enum { CAPACITY_FIRST = 64 };

void pbts_dht_lookup_init(pbts_dht_lookup *lookup, pbts_mem *mem, const pbts_dht_id *own,
                          const pbts_dht_id *target) {
    *lookup = (pbts_dht_lookup){ .mem = mem, .target = *target, .own = *own };
}

void pbts_dht_lookup_deinit(pbts_dht_lookup *lookup) {
    pbts_release(lookup->mem, lookup->candidates);
    pbts_release(lookup->mem, lookup->order);
    pbts_release(lookup->mem, lookup->free);
}

/* ---- candidates ---- */

static pbts_status grow(pbts_dht_lookup *lookup) {
    uint16_t capacity = lookup->capacity ? (uint16_t)(2 * lookup->capacity) : CAPACITY_FIRST;
    if (capacity > PBTS_DHT_CANDIDATES_MAX) return PBTS_LIMIT;
    pbts_mem *mem = lookup->mem;
    void *candidates =
        pbts_resize_array(mem, lookup->candidates, capacity, sizeof *lookup->candidates);
    if (candidates != NULL) lookup->candidates = candidates;
    void *order = pbts_resize_array(mem, lookup->order, capacity, sizeof *lookup->order);
    if (order != NULL) lookup->order = order;
    void *unused = pbts_resize_array(mem, lookup->free, capacity, sizeof *lookup->free);
    if (unused != NULL) lookup->free = unused;
    if (candidates == NULL || order == NULL || unused == NULL) return PBTS_NO_MEMORY;
    lookup->capacity = capacity;
    return PBTS_OK;
}

/* Where in the order an id is or would be. */
static uint16_t place_of(const pbts_dht_lookup *lookup, const pbts_dht_id *id) {
    uint16_t low = 0, high = lookup->count;
    while (low < high) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        const pbts_dht_id *other = &lookup->candidates[lookup->order[middle]].id;
        if (pbts_dht_id_compare(&lookup->target, other, id) < 0) {
            low = (uint16_t)(middle + 1);
        } else {
            high = middle;
        }
    }
    return low;
}

static bool addr_has_room(const pbts_dht_lookup *lookup, const pbts_addr *addr) {
    unsigned same = 0, same_ip = 0;
    bool is_public = !pbts_dht_addr_is_private(addr);
    for (uint16_t i = 0; i < lookup->count; i++) {
        const pbts_addr *other = &lookup->candidates[lookup->order[i]].addr;
        if (memcmp(other->ip, addr->ip, 4) != 0) continue; /* most are of other networks */
        same += other->port == addr->port && pbts_dht_addr_equal(other, addr);
        same_ip += is_public && pbts_dht_addr_same_host(other, addr);
    }
    return same < PBTS_DHT_SAME_ADDR_MAX && same_ip < PBTS_DHT_SAME_HOST_MAX;
}

static pbts_status add(pbts_dht_lookup *lookup, uint16_t *number, const pbts_dht_id *id,
                       const pbts_addr *addr) {
    uint16_t place = place_of(lookup, id);
    unsigned others = 0; /* who named an id first may have named a wrong address */
    for (uint16_t i = place; i < lookup->count; i++) {
        const pbts_dht_candidate *other = &lookup->candidates[lookup->order[i]];
        if (!pbts_dht_id_equal(&other->id, id)) break;
        *number = lookup->order[i];
        if (pbts_dht_addr_equal(&other->addr, addr)) return PBTS_EXISTS;
        others += other->progress != PBTS_DHT_FAILED;
    }
    if (others >= PBTS_DHT_SAME_ID_MAX || !addr_has_room(lookup, addr)) return PBTS_LIMIT;
    if (lookup->free_count == 0 && lookup->made == lookup->capacity) PBTS_TRY(grow(lookup));
    *number = lookup->free_count > 0 ? lookup->free[--lookup->free_count] : lookup->made++;
    lookup->candidates[*number] =
        (pbts_dht_candidate){ .id = *id, .addr = *addr, .from = { PBTS_DHT_NONE, PBTS_DHT_NONE } };
    memmove(&lookup->order[place + 1], &lookup->order[place],
            (size_t)(lookup->count - place) * sizeof *lookup->order);
    lookup->order[place] = *number;
    lookup->count++;
    return PBTS_OK;
}

pbts_status pbts_dht_lookup_begin(pbts_dht_lookup *lookup, const pbts_dht_id *id,
                                  const pbts_addr *addr, uint8_t path) {
    uint16_t number;
    assert(path < PBTS_DHT_PATHS);
    PBTS_TRY(add(lookup, &number, id, addr));
    lookup->candidates[number].paths = (uint8_t)(1u << path);
    return PBTS_OK;
}

/* ---- whom to ask ---- */

static bool is_waited_for(const pbts_dht_candidate *candidate) {
    return candidate->progress == PBTS_DHT_ASKED || candidate->progress == PBTS_DHT_SLOW;
}

/* The closest not asked yet, while fewer than K of those that may answer are closer. */
static bool closest_of_path(const pbts_dht_lookup *lookup, uint8_t path, uint16_t *number) {
    unsigned closer = 0;
    for (uint16_t i = 0; i < lookup->count && closer < PBTS_DHT_K; i++) {
        const pbts_dht_candidate *candidate = &lookup->candidates[lookup->order[i]];
        if ((candidate->paths >> path & 1) == 0 || candidate->progress == PBTS_DHT_FAILED) continue;
        if (candidate->progress == PBTS_DHT_NEW) {
            *number = lookup->order[i];
            return true;
        }
        closer++;
    }
    return false;
}

/* The closest name, not asked yet, from a node of which too few names were asked. Those that two
 * others named before do not count: liars name the same few everywhere, who are asked already. */
static bool name_to_follow(const pbts_dht_lookup *lookup, uint16_t number, uint16_t *next) {
    const pbts_dht_candidate *node = &lookup->candidates[number];
    unsigned followed = 0;
    bool found = false;
    for (unsigned i = 0; i < node->named_count && followed < PBTS_DHT_FOLLOWED; i++) {
        const pbts_dht_candidate *named = &lookup->candidates[node->named[i]];
        bool is_asked = is_waited_for(named) || named->progress == PBTS_DHT_ANSWERED;
        followed += is_asked && (named->from[0] == number || named->from[1] == number);
        if (named->progress != PBTS_DHT_NEW || found) continue;
        *next = node->named[i];
        found = true;
    }
    return found && followed < PBTS_DHT_FOLLOWED;
}

/* As many of each depth: names of names of names would be thousands in a large network. */
static bool followed_of_path(pbts_dht_lookup *lookup, uint8_t path, uint16_t *number) {
    for (uint16_t i = 0; i < lookup->count; i++) {
        const pbts_dht_candidate *node = &lookup->candidates[lookup->order[i]];
        if (node->progress != PBTS_DHT_ANSWERED || node->path != path) continue;
        unsigned depth = node->depth < PBTS_DHT_DEPTHS ? node->depth : PBTS_DHT_DEPTHS - 1u;
        if (lookup->followed[path][depth] == PBTS_DHT_FOLLOWED_OF_DEPTH) continue;
        if (!name_to_follow(lookup, lookup->order[i], number)) continue;
        lookup->followed[path][depth]++;
        return true;
    }
    return false;
}

/* The contacts to begin with are asked all: liars among the first to answer name so many closer
 * ones that the others' turn would never come. */
static bool own_of_path(const pbts_dht_lookup *lookup, uint8_t path, uint16_t *number) {
    for (uint16_t i = 0; i < lookup->count; i++) {
        const pbts_dht_candidate *candidate = &lookup->candidates[lookup->order[i]];
        bool is_own = candidate->depth == 0 && (candidate->paths >> path & 1) != 0;
        if (!is_own || candidate->progress != PBTS_DHT_NEW) continue;
        *number = lookup->order[i];
        return true;
    }
    return false;
}

static bool next_of_path(pbts_dht_lookup *lookup, uint8_t path, uint16_t *number) {
    bool closest_first = lookup->closest_next[path];
    lookup->closest_next[path] = !closest_first;
    if (closest_first && closest_of_path(lookup, path, number)) return true;
    return own_of_path(lookup, path, number) || followed_of_path(lookup, path, number) ||
           closest_of_path(lookup, path, number);
}

bool pbts_dht_lookup_next(pbts_dht_lookup *lookup, uint16_t *number) {
    if (lookup->queries == PBTS_DHT_QUERIES_MAX) return false;
    for (unsigned i = 0; i < PBTS_DHT_PATHS; i++) {
        uint8_t path = (uint8_t)i;
        if (lookup->asked[path] == PBTS_DHT_ALPHA) continue;
        if (!next_of_path(lookup, path, number)) continue;
        pbts_dht_candidate *candidate = &lookup->candidates[*number];
        assert(candidate->progress == PBTS_DHT_NEW);
        candidate->progress = PBTS_DHT_ASKED;
        candidate->path = path;
        lookup->asked[path]++;
        lookup->waiting++;
        lookup->queries++;
        return true;
    }
    return false;
}

/* ---- what became of it ---- */

static pbts_dht_candidate *waited_for(pbts_dht_lookup *lookup, uint16_t number) {
    assert(number < lookup->made && is_waited_for(&lookup->candidates[number]));
    return &lookup->candidates[number];
}

static void no_longer_asked(pbts_dht_lookup *lookup, pbts_dht_candidate *candidate,
                            pbts_dht_progress progress) {
    if (candidate->progress == PBTS_DHT_ASKED) lookup->asked[candidate->path]--;
    if (progress != PBTS_DHT_SLOW) lookup->waiting--;
    candidate->progress = (uint8_t)progress;
}

void pbts_dht_lookup_slow(pbts_dht_lookup *lookup, uint16_t number) {
    pbts_dht_candidate *candidate = waited_for(lookup, number);
    if (candidate->progress == PBTS_DHT_ASKED) no_longer_asked(lookup, candidate, PBTS_DHT_SLOW);
}

/* Names that nobody else gave and nobody was asked for go; nothing else refers to them. */
static void drop_names(pbts_dht_lookup *lookup, uint16_t liar) {
    uint16_t kept = 0;
    for (uint16_t i = 0; i < lookup->count; i++) {
        uint16_t number = lookup->order[i];
        const pbts_dht_candidate *candidate = &lookup->candidates[number];
        bool is_sole = candidate->from[0] == liar && candidate->from[1] == PBTS_DHT_NONE;
        if (is_sole && candidate->progress == PBTS_DHT_NEW) {
            lookup->free[lookup->free_count++] = number;
        } else {
            lookup->order[kept++] = number;
        }
    }
    lookup->count = kept;
    lookup->candidates[liar].named_count = 0;
}

static void judge(pbts_dht_lookup *lookup, const pbts_dht_candidate *candidate) {
    bool answered = candidate->progress == PBTS_DHT_ANSWERED;
    for (unsigned i = 0; i < 2; i++) {
        uint16_t number = candidate->from[i];
        if (number == PBTS_DHT_NONE) continue;
        pbts_dht_candidate *referrer = &lookup->candidates[number];
        uint8_t *names = answered ? &referrer->good_names : &referrer->bad_names;
        if (*names < UINT8_MAX) (*names)++;
        if (referrer->is_liar || referrer->bad_names < PBTS_DHT_BAD_NAMES_MAX) continue;
        if (referrer->bad_names <= 3 * referrer->good_names) continue;
        referrer->is_liar = true;
        drop_names(lookup, number);
    }
}

void pbts_dht_lookup_failed(pbts_dht_lookup *lookup, uint16_t number) {
    pbts_dht_candidate *candidate = waited_for(lookup, number);
    no_longer_asked(lookup, candidate, PBTS_DHT_FAILED);
    judge(lookup, candidate);
}

void pbts_dht_lookup_answered(pbts_dht_lookup *lookup, uint16_t number) {
    pbts_dht_candidate *candidate = waited_for(lookup, number);
    no_longer_asked(lookup, candidate, PBTS_DHT_ANSWERED);
    if (candidate->depth >= lookup->rounds) lookup->rounds = (uint8_t)(candidate->depth + 1);
    judge(lookup, candidate);
}

/* Among the closest names of a node, in order. */
static void note_name(pbts_dht_lookup *lookup, pbts_dht_candidate *node, uint16_t number) {
    unsigned at = node->named_count;
    const pbts_dht_id *id = &lookup->candidates[number].id;
    for (unsigned i = 0; i < node->named_count; i++) {
        if (node->named[i] == number) return;
    }
    while (at > 0 && pbts_dht_id_compare(&lookup->target, id,
                                         &lookup->candidates[node->named[at - 1]].id) < 0) {
        at--;
    }
    if (at == PBTS_DHT_NAMED_KEPT) return;
    unsigned kept =
        node->named_count < PBTS_DHT_NAMED_KEPT ? node->named_count : PBTS_DHT_NAMED_KEPT - 1u;
    memmove(&node->named[at + 1], &node->named[at], (kept - at) * sizeof *node->named);
    node->named[at] = number;
    node->named_count = (uint8_t)(kept + 1);
}

void pbts_dht_lookup_name(pbts_dht_lookup *lookup, uint16_t number, const pbts_dht_id *id,
                          const pbts_addr *addr) {
    uint16_t named = PBTS_DHT_NONE;
    if (lookup->candidates[number].is_liar || pbts_dht_id_equal(id, &lookup->own)) return;
    if (!pbts_dht_addr_usable(addr)) return;
    pbts_status status = add(lookup, &named, id, addr);
    if (status != PBTS_OK && status != PBTS_EXISTS) return;
    if (named == number) return; /* itself */
    pbts_dht_candidate *node = &lookup->candidates[number];
    pbts_dht_candidate *candidate = &lookup->candidates[named];
    candidate->paths |= (uint8_t)(1u << node->path);
    if (status == PBTS_OK) candidate->depth = (uint8_t)(node->depth + (node->depth < UINT8_MAX));
    if (candidate->from[0] == PBTS_DHT_NONE && status == PBTS_OK) {
        candidate->from[0] = number;
    } else if (candidate->from[0] != number && candidate->from[1] == PBTS_DHT_NONE) {
        candidate->from[1] = number;
    }
    note_name(lookup, node, named);
}

size_t pbts_dht_lookup_closest(const pbts_dht_lookup *lookup, uint16_t *numbers, size_t max,
                               unsigned prefix_max) {
    size_t count = 0;
    for (uint16_t i = 0; i < lookup->count && count < max; i++) {
        const pbts_dht_candidate *candidate = &lookup->candidates[lookup->order[i]];
        if (candidate->progress != PBTS_DHT_ANSWERED) continue;
        if (count > 0 &&
            pbts_dht_id_equal(&lookup->candidates[numbers[count - 1]].id, &candidate->id)) {
            continue; /* the same at its other address */
        }
        unsigned same = 0;
        bool is_limited = prefix_max > 0 && !pbts_dht_addr_is_private(&candidate->addr);
        for (size_t j = 0; is_limited && j < count; j++) {
            same += pbts_dht_prefix(&lookup->candidates[numbers[j]].addr) ==
                    pbts_dht_prefix(&candidate->addr);
        }
        if (!is_limited || same < prefix_max) numbers[count++] = lookup->order[i];
    }
    return count;
}
