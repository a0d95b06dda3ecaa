/* Lookups, and what is done with their result. */
#include "base/assert.h"
#include "dht/dht_parts.h"

pbts_dht_operation *pbts_dht_operation_of(pbts_dht *dht, uint32_t number) {
    for (uint32_t i = 0; number != 0 && i < PBTS_DHT_OPERATIONS_MAX; i++) {
        if (dht->operations[i] != NULL && dht->operations[i]->number == number) {
            return dht->operations[i];
        }
    }
    return NULL;
}

static void free_operation(pbts_dht *dht, uint32_t slot) {
    pbts_dht_operation *operation = dht->operations[slot];
    pbts_dht_lookup_deinit(&operation->lookup);
    pbts_release(dht->mem, operation->record);
    pbts_release(dht->mem, operation->checked);
    pbts_release(dht->mem, operation->told);
    pbts_release(dht->mem, operation);
    dht->operations[slot] = NULL;
    dht->operation_count--;
}

void pbts_dht_operations_free(pbts_dht *dht) {
    for (uint32_t i = 0; i < PBTS_DHT_OPERATIONS_MAX; i++) {
        if (dht->operations[i] != NULL) free_operation(dht, i);
    }
}

/* ---- records of a get ---- */

static bool was_checked(pbts_dht_operation *operation, pbts_span bytes, uint64_t *out) {
    pbts_dht_certificate_hash hash;
    pbts_dht_certificate_hash_of(&hash, bytes);
    memcpy(out, hash.bytes, sizeof *out);
    for (uint32_t i = 0; i < operation->checked_count; i++) {
        if (operation->checked[i] == *out) return true;
    }
    return false;
}

static bool make_lists(pbts_dht *dht, pbts_dht_operation *operation) {
    if (operation->checked == NULL) {
        operation->checked =
            pbts_alloc_array(dht->mem, PBTS_DHT_GET_CHECKS_MAX, sizeof *operation->checked);
    }
    if (operation->told == NULL) {
        operation->told =
            pbts_alloc_array(dht->mem, PBTS_DHT_GET_RECORDS_MAX, sizeof *operation->told);
    }
    return operation->checked != NULL && operation->told != NULL;
}

/* Whether it is the newest of its owner so far; then it is noted. */
static bool is_newest(pbts_dht_operation *operation, const pbts_dht_record *record) {
    for (uint32_t i = 0; i < operation->told_count; i++) {
        pbts_dht_told *told = &operation->told[i];
        if (memcmp(told->owner, record->owner, sizeof told->owner) != 0) continue;
        if (told->sequence >= record->sequence) return false;
        told->sequence = record->sequence;
        return true;
    }
    if (operation->told_count == PBTS_DHT_GET_RECORDS_MAX) return false;
    pbts_dht_told *told = &operation->told[operation->told_count++];
    memcpy(told->owner, record->owner, sizeof told->owner);
    told->sequence = record->sequence;
    return true;
}

/* What an honest node may give, too, because its clock is another, or it has not heard what we
 * have. */
static bool may_be_honest(pbts_status status) {
    return status == PBTS_STALE || status == PBTS_DENIED ||
           pbts_status_class(status) == PBTS_RESOURCE;
}

/* `from` NULL: it is ours. False: the record is bad, and so is who gave it. */
static bool take_record(pbts_dht *dht, pbts_dht_operation *operation, pbts_span bytes,
                        const pbts_addr *from) {
    pbts_dht_record record;
    uint64_t hash;
    if (!make_lists(dht, operation) || was_checked(operation, bytes, &hash)) return true;
    if (operation->checked_count == PBTS_DHT_GET_CHECKS_MAX) return true;
    pbts_status status =
        dht->trust.ops->verify_record(dht->trust.self, &record, bytes, dht->now.unix_s);
    operation->checked[operation->checked_count++] = hash;
    if (status != PBTS_OK) return may_be_honest(status);
    if (!pbts_dht_id_equal(&record.key, &operation->lookup.target)) return false;
    if (record.expires_s <= dht->now.unix_s) return true;
    if (from != NULL && !pbts_dht_addr_may_name(from, &record.addr)) return true;
    if (!is_newest(operation, &record) || record.stopped) return true;
    pbts_dht_event *event = pbts_dht_push_event(dht);
    if (event == NULL) return true;
    event->kind = PBTS_DHT_RECORD;
    event->operation = operation->number;
    event->record = record;
    operation->records++;
    return true;
}

static void take_own_records(pbts_dht *dht, pbts_dht_operation *operation) {
    pbts_span own[PBTS_DHT_ANSWER_RECORDS_MAX];
    size_t count = pbts_dht_records_sample(&dht->records, &operation->lookup.target, own,
                                           PBTS_DHT_ANSWER_RECORDS_MAX, SIZE_MAX, 0, &dht->prng,
                                           dht->now.unix_s);
    for (size_t i = 0; i < count; i++) (void)take_record(dht, operation, own[i], NULL);
}

/* ---- the end ---- */

static void end(pbts_dht *dht, pbts_dht_operation *operation) {
    uint32_t slot = 0;
    while (dht->operations[slot] != operation) slot++;
    if (operation->aim == PBTS_DHT_TO_REFRESH) {
        uint32_t number = operation->number;
        pbts_dht_id target = operation->lookup.target;
        free_operation(dht, slot);
        pbts_dht_upkeep_ended(dht, number, &target);
        return;
    }
    pbts_dht_event *event = pbts_dht_push_event(dht);
    if (event != NULL) {
        uint16_t closest[PBTS_DHT_K];
        const pbts_dht_lookup *lookup = &operation->lookup;
        event->operation = operation->number;
        event->stored = operation->stored;
        event->records = operation->records;
        event->rounds = lookup->rounds;
        event->queries = lookup->queries;
        event->node_count =
            (uint32_t)pbts_dht_lookup_closest(lookup, closest, PBTS_DHT_K, dht->prefix_max);
        for (uint32_t i = 0; i < event->node_count; i++) {
            const pbts_dht_candidate *node = &lookup->candidates[closest[i]];
            event->nodes[i] = (pbts_dht_node){ node->id, node->addr };
        }
    }
    free_operation(dht, slot);
}

/* ---- announce ---- */

/* We are among the closest: others will ask us. */
static void keep_own(pbts_dht *dht, pbts_dht_operation *operation, const uint16_t *closest,
                     size_t count) {
    const pbts_dht_lookup *lookup = &operation->lookup;
    pbts_dht_record record;
    pbts_span bytes = { operation->record, operation->record_len };
    if (count == PBTS_DHT_K &&
        pbts_dht_id_compare(&lookup->target, &dht->id, &lookup->candidates[closest[count - 1]].id) >
            0) {
        return;
    }
    const pbts_addr *own = &dht->own[dht->own[0].port == 0];
    pbts_addr from = { .family = PBTS_IPV4 };
    if (own->port != 0) from = *own;
    if (dht->trust.ops->verify_record(dht->trust.self, &record, bytes, dht->now.unix_s) !=
        PBTS_OK) {
        return;
    }
    pbts_status status =
        pbts_dht_records_put(&dht->records, &record, bytes, &from, dht->now.unix_s);
    operation->stored += status == PBTS_OK;
}

/* Who keeps records sees them, and who may only seed is to be told of nobody. */
static bool may_keep(const pbts_dht *dht, const pbts_dht_id *id) {
    const pbts_dht_contact *contact = pbts_dht_table_find(&dht->table, id);
    return contact != NULL && !contact->member.seeds_only; /* who is forgotten may be one */
}

static void hand_out(pbts_dht *dht, pbts_dht_operation *operation) {
    uint16_t closest[PBTS_DHT_K];
    pbts_dht_lookup *lookup = &operation->lookup;
    size_t count = pbts_dht_lookup_closest(lookup, closest, PBTS_DHT_K, dht->prefix_max);
    keep_own(dht, operation, closest, count);
    for (size_t i = 0; i < count; i++) {
        const pbts_dht_candidate *node = &lookup->candidates[closest[i]];
        if (!may_keep(dht, &node->id)) continue;
        pbts_dht_question question = { .purpose = PBTS_DHT_FOR_ANNOUNCE,
                                       .method = PBTS_DHT_PUT,
                                       .addr = node->addr,
                                       .id = &node->id,
                                       .operation = operation->number };
        operation->puts_waiting += pbts_dht_ask(dht, &question) == PBTS_OK;
    }
}

/* ---- the lookup ---- */

/* Ask whom there is to ask; go on when there is nobody. */
static void pump(pbts_dht *dht, pbts_dht_operation *operation) {
    pbts_dht_lookup *lookup = &operation->lookup;
    uint16_t number;
    while (pbts_dht_lookup_next(lookup, &number)) {
        const pbts_dht_candidate *candidate = &lookup->candidates[number];
        pbts_dht_question question = { .purpose = PBTS_DHT_FOR_LOOKUP,
                                       .method = operation->aim == PBTS_DHT_TO_GET ? PBTS_DHT_GET
                                                                                   : PBTS_DHT_FIND,
                                       .addr = candidate->addr,
                                       .id = &candidate->id,
                                       .operation = operation->number,
                                       .candidate = number };
        if (pbts_dht_ask(dht, &question) != PBTS_OK) {
            dht->stats.shed++;
            pbts_dht_lookup_failed(lookup, number);
        }
    }
    if (!pbts_dht_lookup_is_over(lookup) || operation->looked_up) return;
    operation->looked_up = true;
    if (operation->aim == PBTS_DHT_TO_ANNOUNCE) hand_out(dht, operation);
    if (operation->puts_waiting == 0) end(dht, operation);
}

static void begin(pbts_dht *dht, pbts_dht_operation *operation) {
    const pbts_dht_contact *closest[PBTS_DHT_K];
    pbts_dht_lookup *lookup = &operation->lookup;
    size_t count = pbts_dht_table_closest(&dht->table, &lookup->target, closest, PBTS_DHT_K);
    for (size_t i = 0; i < count; i++) {
        if (pbts_dht_lookup_begin(lookup, &closest[i]->member.id, &closest[i]->addr,
                                  (uint8_t)(i % PBTS_DHT_PATHS)) != PBTS_OK) {
            dht->stats.shed++;
        }
    }
    pbts_dht_table_refreshed(&dht->table, &lookup->target, dht->now.mono_ms);
}

pbts_status pbts_dht_operation_start(pbts_dht *dht, uint32_t *number, pbts_dht_aim aim,
                                     const pbts_dht_id *target, pbts_span record) {
    uint32_t slot = 0;
    while (slot < PBTS_DHT_OPERATIONS_MAX && dht->operations[slot] != NULL) slot++;
    if (slot == PBTS_DHT_OPERATIONS_MAX) return PBTS_BUSY;
    pbts_dht_operation *operation = pbts_alloc(dht->mem, sizeof *operation);
    if (operation == NULL) return PBTS_NO_MEMORY;
    if (record.len > 0) {
        operation->record = pbts_alloc(dht->mem, record.len);
        if (operation->record == NULL) {
            pbts_release(dht->mem, operation);
            return PBTS_NO_MEMORY;
        }
        memcpy(operation->record, record.data, record.len);
        operation->record_len = record.len;
    }
    pbts_dht_lookup_init(&operation->lookup, dht->mem, &dht->id, target);
    operation->aim = aim;
    do {
        operation->number = ++dht->operations_made;
    } while (operation->number == 0);
    dht->operations[slot] = operation;
    dht->operation_count++;
    *number = operation->number;
    if (aim == PBTS_DHT_TO_GET) take_own_records(dht, operation);
    begin(dht, operation);
    pump(dht, operation);
    return PBTS_OK;
}

static void read_names(pbts_dht *dht, pbts_dht_lookup *lookup, uint16_t candidate, pbts_span nodes,
                       pbts_family family) {
    const pbts_addr from = lookup->candidates[candidate].addr;
    size_t count = nodes.len / pbts_dht_node_len(family);
    for (size_t i = 0; i < count; i++) {
        pbts_dht_id id;
        pbts_addr addr;
        pbts_dht_node_decode(&id, &addr, nodes, family, i);
        if (!pbts_dht_can_reach(dht, &addr) || !pbts_dht_addr_may_name(&from, &addr)) continue;
        pbts_dht_lookup_name(lookup, candidate, &id, &addr);
    }
}

void pbts_dht_operation_heard(pbts_dht *dht, const pbts_dht_pending *pending,
                              const pbts_dht_packet *packet) {
    pbts_dht_operation *operation = pbts_dht_operation_of(dht, pending->operation);
    assert(operation != NULL); /* it ends when nothing is under way */
    if (pending->purpose == PBTS_DHT_FOR_ANNOUNCE) {
        operation->stored += packet != NULL;
        if (--operation->puts_waiting == 0) end(dht, operation);
        return;
    }
    if (packet == NULL) {
        pbts_dht_lookup_failed(&operation->lookup, pending->candidate);
    } else {
        pbts_dht_lookup_answered(&operation->lookup, pending->candidate);
        read_names(dht, &operation->lookup, pending->candidate, packet->nodes4, PBTS_IPV4);
        read_names(dht, &operation->lookup, pending->candidate, packet->nodes6, PBTS_IPV6);
        for (size_t i = 0; operation->aim == PBTS_DHT_TO_GET && i < packet->record_count; i++) {
            if (!take_record(dht, operation, packet->records[i], &pending->addr)) break;
        }
    }
    pump(dht, operation);
}

void pbts_dht_operation_slow(pbts_dht *dht, const pbts_dht_pending *pending) {
    pbts_dht_operation *operation = pbts_dht_operation_of(dht, pending->operation);
    assert(operation != NULL);
    pbts_dht_lookup_slow(&operation->lookup, pending->candidate);
    pump(dht, operation);
}

/* ---- what the owner asks for ---- */

pbts_status pbts_dht_find(pbts_dht *dht, uint32_t *operation, const pbts_dht_id *target,
                          pbts_moment now) {
    dht->now = now;
    return pbts_dht_operation_start(dht, operation, PBTS_DHT_TO_FIND, target,
                                    (pbts_span){ NULL, 0 });
}

pbts_status pbts_dht_get(pbts_dht *dht, uint32_t *operation, const pbts_dht_id *key,
                         pbts_moment now) {
    dht->now = now;
    return pbts_dht_operation_start(dht, operation, PBTS_DHT_TO_GET, key, (pbts_span){ NULL, 0 });
}

pbts_status pbts_dht_announce(pbts_dht *dht, uint32_t *operation, const pbts_dht_id *key,
                              pbts_span record, pbts_moment now) {
    assert(record.len > 0 && record.len <= PBTS_DHT_RECORD_MAX);
    dht->now = now;
    return pbts_dht_operation_start(dht, operation, PBTS_DHT_TO_ANNOUNCE, key, record);
}
