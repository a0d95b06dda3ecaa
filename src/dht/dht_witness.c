/* Where we are: a node is told by its owner, or by those who answer. Nobody is asked: the address
 * that an answer was sent to is part of it. */
#include "dht/dht_parts.h"

/* ---- who says what ---- */

/* A member is one witness, and so is an address. */
static bool is_same_witness(const pbts_dht_witness *witness, const pbts_addr *from,
                            const pbts_dht_id *id) {
    return pbts_addr_equal_ip(&witness->witness, from) || pbts_dht_id_equal(&witness->id, id);
}

static unsigned count_of(const pbts_dht *dht, pbts_family family) {
    uint32_t given = dht->testimonies[family == PBTS_IPV6];
    return given < PBTS_DHT_WITNESSES ? given : PBTS_DHT_WITNESSES;
}

void pbts_dht_note_testimony(pbts_dht *dht, const pbts_addr *from, const pbts_dht_id *id,
                             const pbts_addr *seen) {
    unsigned family = from->family == PBTS_IPV6;
    if (seen->family != from->family || !pbts_dht_addr_usable(seen)) return;
    pbts_dht_witness *list = dht->witnesses[family];
    unsigned count = count_of(dht, from->family), at = 0;
    while (at < count && !is_same_witness(&list[at], from, id)) at++;
    if (at == count) at = dht->testimonies[family]++ % PBTS_DHT_WITNESSES;
    list[at] = (pbts_dht_witness){ *id, *from, *seen };
}

bool pbts_dht_seen_as(const pbts_dht *dht, pbts_addr *out, pbts_family family) {
    const pbts_dht_witness *list = dht->witnesses[family == PBTS_IPV6];
    unsigned count = count_of(dht, family);
    for (unsigned i = 0; i < count; i++) {
        unsigned agree = 0;
        for (unsigned j = 0; j < count; j++) {
            agree += pbts_dht_addr_equal(&list[i].seen, &list[j].seen);
        }
        if (agree < 2 || 2 * agree <= count) continue;
        *out = list[i].seen;
        return true;
    }
    return false;
}

/* ---- what was sent there ---- */

static bool is_same_scope(const pbts_addr *a, const pbts_addr *b) {
    return pbts_dht_addr_may_name(a, b) && pbts_dht_addr_may_name(b, a);
}

/* Whether three of four of those who know us by an address of that scope, and two at least, know
 * another host than this one. Ports are not compared: a NAT may change them at any time. */
static bool is_surely_another(const pbts_dht *dht, const pbts_addr *to) {
    const pbts_dht_witness *list = dht->witnesses[to->family == PBTS_IPV6];
    unsigned count = count_of(dht, to->family);
    for (unsigned i = 0; i < count; i++) {
        unsigned agree = 0, all = 0;
        if (!is_same_scope(&list[i].seen, to) || pbts_dht_addr_same_host(&list[i].seen, to)) {
            continue;
        }
        for (unsigned j = 0; j < count; j++) {
            agree += pbts_dht_addr_same_host(&list[i].seen, &list[j].seen);
            all += is_same_scope(&list[j].seen, to);
        }
        if (agree >= 2 && 4 * agree >= 3 * all) return true;
    }
    return false;
}

bool pbts_dht_is_for_us(const pbts_dht *dht, const pbts_addr *from, const pbts_addr *to) {
    const pbts_addr *own = &dht->own[to->family == PBTS_IPV6];
    if (!pbts_dht_addr_may_name(from, to)) return false;
    /* Behind a NAT what we were told is of another scope than what others know. */
    if (own->port != 0 && is_same_scope(own, to)) return pbts_dht_addr_equal(own, to);
    return !is_surely_another(dht, to);
}
