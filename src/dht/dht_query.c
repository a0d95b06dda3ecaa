/* Our own questions, and whom to believe. */
#include "base/assert.h"
#include "dht/dht_parts.h"

/* ---- asking ---- */

/* Greater than all before, also of a life before, and the clock's: whoever had our key for a moment
 * cannot be far ahead. What was ahead of the clock by too much was taken by nobody. */
uint64_t pbts_dht_next_counter(pbts_dht *dht) {
    uint64_t first = dht->now.unix_s << PBTS_DHT_COUNTER_BITS;
    uint64_t past = (dht->now.unix_s + PBTS_DHT_COUNTER_AHEAD_S) << PBTS_DHT_COUNTER_BITS;
    bool follows = dht->counter >= first && dht->counter < past;
    dht->counter = follows ? dht->counter + 1 : first;
    return dht->counter;
}

static void send_query(pbts_dht *dht, pbts_dht_pending *pending) {
    pbts_dht_packet packet = { .kind = PBTS_DHT_QUERY,
                               .method = PBTS_DHT_HELLO,
                               .transaction = pending->transaction };
    pending->due_ms = dht->now.mono_ms + PBTS_DHT_QUERY_TIMEOUT_MS;
    if (!pending->has_token) {
        pbts_dht_send_packet(dht, &pending->addr, &packet, NULL, SIZE_MAX);
        return;
    }
    packet.method = (pbts_dht_method)pending->method;
    packet.is_signed = packet.has_token = true;
    memcpy(packet.token, pending->token, sizeof packet.token);
    packet.counter = pbts_dht_next_counter(dht);
    if (pending->with_certificate) {
        packet.certificate = (pbts_span){ dht->certificate, dht->certificate_len };
        packet.beacon = pbts_dht_beacon(dht);
    }
    const pbts_dht_contact *contact =
        pending->has_id ? pbts_dht_table_find(&dht->table, &pending->id) : NULL;
    packet.wants_certificate = contact == NULL || contact->member.expires_s <= dht->now.unix_s;
    const pbts_dht_operation *operation = pbts_dht_operation_of(dht, pending->operation);
    assert(operation != NULL || packet.method == PBTS_DHT_PING);
    if (packet.method == PBTS_DHT_FIND || packet.method == PBTS_DHT_GET) {
        packet.has_target = true;
        packet.target = operation->lookup.target;
    }
    if (packet.method == PBTS_DHT_PUT) {
        packet.record = (pbts_span){ operation->record, operation->record_len };
    }
    pbts_dht_send_packet(dht, &pending->addr, &packet, NULL, SIZE_MAX);
}

static pbts_status make_room(pbts_dht *dht) {
    if (dht->pending_count < dht->pending_capacity) return PBTS_OK;
    if (dht->pending_capacity == PBTS_DHT_PENDING_MAX) return PBTS_BUSY;
    uint32_t capacity = dht->pending_capacity ? 2 * dht->pending_capacity : 8;
    pbts_dht_pending *pending =
        pbts_resize_array(dht->mem, dht->pending, capacity, sizeof *pending);
    if (pending == NULL) return PBTS_NO_MEMORY;
    dht->pending = pending;
    dht->pending_capacity = capacity;
    return PBTS_OK;
}

pbts_status pbts_dht_ask(pbts_dht *dht, const pbts_dht_question *question) {
    pbts_dht_pending pending = { .addr = question->addr,
                                 .has_id = question->id != NULL,
                                 .with_certificate = true,
                                 .method = (uint8_t)question->method,
                                 .purpose = (uint8_t)question->purpose,
                                 .candidate = question->candidate,
                                 .operation = question->operation };
    PBTS_TRY(make_room(dht));
    PBTS_TRY(
        pbts_random_fill(dht->random, (uint8_t *)&pending.transaction, sizeof pending.transaction));
    if (question->id != NULL) {
        pending.id = *question->id;
        const pbts_dht_contact *contact = pbts_dht_table_find(&dht->table, question->id);
        if (contact != NULL && pbts_dht_addr_equal(&contact->addr, &pending.addr)) {
            pending.with_certificate = !contact->has_ours;
            pending.has_token = contact->token_ms != UINT64_MAX &&
                                dht->now.mono_ms - contact->token_ms < PBTS_DHT_TOKEN_KEPT_MS;
            memcpy(pending.token, contact->token, sizeof pending.token);
        }
    }
    pbts_dht_pending *slot = &dht->pending[dht->pending_count++];
    *slot = pending;
    send_query(dht, slot);
    return PBTS_OK;
}

/* ---- what became of it ---- */

static pbts_dht_pending take(pbts_dht *dht, uint32_t number) {
    pbts_dht_pending pending = dht->pending[number];
    dht->pending[number] = dht->pending[--dht->pending_count];
    return pending;
}

/* `packet` NULL: there is no answer, or none that counts. */
static void finish(pbts_dht *dht, const pbts_dht_pending *pending, const pbts_dht_packet *packet) {
    if (pending->purpose != PBTS_DHT_FOR_CONTACT) {
        pbts_dht_operation_heard(dht, pending, packet);
    }
    if (packet != NULL) pbts_dht_upkeep_heard(dht);
}

/* Whoever named a wrong address for somebody's id must not cost him his place. */
static void charge(pbts_dht *dht, const pbts_dht_pending *pending) {
    if (!pending->has_id) return;
    pbts_dht_contact *contact = pbts_dht_table_find(&dht->table, &pending->id);
    if (contact != NULL && pbts_dht_addr_equal(&contact->addr, &pending->addr)) {
        pbts_dht_table_failed(&dht->table, contact, dht->now.mono_ms);
    }
}

void pbts_dht_query_timeouts(pbts_dht *dht) {
    for (uint32_t i = 0; i < dht->pending_count;) {
        pbts_dht_pending *pending = &dht->pending[i];
        if (pending->due_ms > dht->now.mono_ms) {
            i++;
        } else if (!pending->is_second) {
            pending->is_second = true;
            send_query(dht, pending);
            pbts_dht_pending copy = *pending; /* others may be asked now */
            if (copy.purpose == PBTS_DHT_FOR_LOOKUP) pbts_dht_operation_slow(dht, &copy);
            i++;
        } else {
            pbts_dht_pending over = take(dht, i);
            charge(dht, &over);
            finish(dht, &over, NULL);
        }
    }
}

uint64_t pbts_dht_query_deadline_ms(const pbts_dht *dht) {
    uint64_t first_ms = UINT64_MAX;
    for (uint32_t i = 0; i < dht->pending_count; i++) {
        if (dht->pending[i].due_ms < first_ms) first_ms = dht->pending[i].due_ms;
    }
    return first_ms;
}

/* ---- epochs ---- */

pbts_span pbts_dht_beacon(const pbts_dht *dht) {
    const pbts_dht_trust_ops *ops = dht->trust.ops;
    return ops->beacon != NULL ? ops->beacon(dht->trust.self) : (pbts_span){ NULL, 0 };
}

bool pbts_dht_learn_beacon(pbts_dht *dht, pbts_span beacon) {
    const pbts_dht_trust_ops *ops = dht->trust.ops;
    if (beacon.len == 0 || ops->learn_beacon == NULL) return true;
    pbts_status status = ops->learn_beacon(dht->trust.self, beacon, dht->now.unix_s);
    if (status != PBTS_OK) return status != PBTS_BAD_SIGNATURE && status != PBTS_MALFORMED;
    pbts_dht_event *event = pbts_dht_push_event(dht);
    if (event != NULL) event->kind = PBTS_DHT_EPOCH;
    return true;
}

/* ---- whom to believe ---- */

static bool may_verify(pbts_dht *dht, const pbts_addr *from, pbts_dht_contact *known) {
    uint64_t now_ms = dht->now.mono_ms;
    if (known != NULL && !pbts_dht_budget_may_renew(&known->budget, now_ms)) return false;
    return pbts_dht_budget_certificate(&dht->budget, from, known == NULL, now_ms);
}

/* What the certificate in the packet says; false when it says nothing. A bad one is remembered. */
static bool verify_certificate(pbts_dht *dht, const pbts_addr *from, const pbts_dht_packet *packet,
                               const pbts_dht_certificate_hash *hash, bool solicited,
                               pbts_dht_member *member, pbts_dht_doubt *doubt) {
    uint64_t now_ms = dht->now.mono_ms;
    pbts_dht_contact *known = pbts_dht_table_find(&dht->table, &packet->from);
    if (pbts_dht_table_is_denied(&dht->table, hash, now_ms)) {
        dht->stats.bad_certificates++;
        return false;
    }
    if (!solicited && !may_verify(dht, from, known)) {
        dht->stats.over_budget++;
        return false;
    }
    dht->stats.certificates++;
    pbts_status status = dht->trust.ops->verify_certificate(dht->trust.self, member,
                                                            packet->certificate, dht->now.unix_s);
    /* Another's: whoever shows it is bad, and it is not, or one could have its owner shut out. */
    bool is_forged = status == PBTS_OK && !pbts_dht_id_equal(&member->id, &packet->from);
    if (status == PBTS_OK && member->expires_s <= dht->now.unix_s) status = PBTS_STALE;
    if (status == PBTS_OK && !is_forged) return true;
    dht->stats.bad_certificates++;
    if (status == PBTS_STALE) {
        *doubt = PBTS_DHT_STALE_CERTIFICATE;
        is_forged = !pbts_dht_learn_beacon(dht, packet->beacon);
        if (!solicited && !is_forged) {
            pbts_dht_budget_was_stale(&dht->budget, from, known == NULL, now_ms);
        }
    } else if (pbts_status_class(status) == PBTS_REJECT) {
        is_forged = true;
        pbts_dht_table_deny(&dht->table, hash, now_ms);
    }
    if (is_forged && !solicited) pbts_dht_budget_was_bad(&dht->budget, from, now_ms);
    return false;
}

static bool check_signature(pbts_dht *dht, const pbts_dht_member *member, pbts_span datagram,
                            const pbts_dht_packet *packet, const pbts_dht_id *asker) {
    static const pbts_dht_id NOBODY = { { 0 } };
    uint8_t digest[PBTS_DHT_DIGEST_LEN];
    pbts_dht_packet_digest(digest, dht->iid, asker != NULL ? asker : &NOBODY, datagram,
                           packet->signature_at);
    dht->stats.signatures++;
    if (dht->trust.ops->verify_packet(dht->trust.self, member, digest,
                                      datagram.data + packet->signature_at)) {
        return true;
    }
    dht->stats.bad_signatures++;
    return false;
}

/* Ids are known to all, so anybody with many addresses can send what has to be checked and is
 * nobody's. A member at its own address is told from that: it answered there or asked. */
static bool is_stranger(const pbts_dht_contact *contact, const pbts_addr *from) {
    return !contact->was_heard || !pbts_dht_addr_equal(&contact->addr, from);
}

bool pbts_dht_may_ask(pbts_dht *dht, const pbts_addr *from, const pbts_dht_packet *query) {
    pbts_dht_contact *contact = pbts_dht_table_find(&dht->table, &query->from);
    if (contact == NULL || is_stranger(contact, from)) {
        return pbts_dht_budget_packet(&dht->budget, from, dht->now.mono_ms);
    }
    return pbts_dht_budget_member_packet(&contact->budget, dht->now.mono_ms);
}

/* Certificates are not secret: who shows another's does what who shows a bad one does. */
static void charge_prefix(pbts_dht *dht, const pbts_addr *from, bool is_strange,
                          bool showed_anothers) {
    uint64_t now_ms = dht->now.mono_ms;
    if (is_strange) pbts_dht_budget_strange_signature(&dht->budget, from, now_ms);
    if (showed_anothers) pbts_dht_budget_was_bad(&dht->budget, from, now_ms);
}

static void seen(pbts_dht *dht, pbts_dht_contact *contact, const pbts_addr *from) {
    pbts_dht_contact *stale;
    if (!pbts_dht_table_seen(&dht->table, contact, from, dht->now.mono_ms, &stale)) return;
    pbts_dht_id id = stale->member.id;
    stale->seen_ms = dht->now.mono_ms; /* asked once for all who would like its place */
    pbts_dht_question question = {
        .purpose = PBTS_DHT_FOR_CONTACT, .method = PBTS_DHT_PING, .addr = stale->addr, .id = &id
    };
    if (pbts_dht_ask(dht, &question) != PBTS_OK) dht->stats.shed++;
}

pbts_dht_contact *pbts_dht_believe(pbts_dht *dht, const pbts_addr *from, pbts_span datagram,
                                   const pbts_dht_packet *packet, const pbts_dht_id *asker,
                                   pbts_dht_doubt *doubt) {
    pbts_dht_member member;
    pbts_dht_certificate_hash hash;
    *doubt = PBTS_DHT_NO_HELP;
    /* Answers say what is known of that, and are judged once it is sure whose they are. */
    if (pbts_dht_id_equal(&packet->from, &dht->id) ||
        (asker == NULL && !pbts_dht_is_for_us(dht, from, &packet->to))) {
        dht->stats.misdirected++;
        return NULL;
    }
    pbts_dht_contact *contact = pbts_dht_table_find(&dht->table, &packet->from);
    bool is_known = contact != NULL && contact->member.expires_s > dht->now.unix_s;
    bool is_new = packet->certificate.len > 0;
    if (is_new) {
        pbts_dht_certificate_hash_of(&hash, packet->certificate);
        is_new = !is_known || memcmp(&hash, &contact->certificate, sizeof hash) != 0;
    }
    if (!is_known && !is_new) {
        *doubt = PBTS_DHT_NO_CERTIFICATE;
        return NULL;
    }
    /* Whatever certificate it brings, or a copied one would bring an old one back. */
    static const pbts_dht_contact UNKNOWN = { .next = 0 };
    if (asker == NULL && !pbts_dht_contact_counter_is_new(contact != NULL ? contact : &UNKNOWN,
                                                          packet->counter, dht->now.unix_s)) {
        dht->stats.replays++;
        return NULL;
    }
    if (!is_new) {
        member = contact->member;
    } else if (!verify_certificate(dht, from, packet, &hash, asker != NULL, &member, doubt)) {
        return NULL;
    }
    bool is_strange = asker == NULL && !is_new && is_stranger(contact, from);
    if (is_strange && !pbts_dht_budget_stranger(&dht->budget, from, dht->now.mono_ms)) {
        dht->stats.over_budget++;
        return NULL;
    }
    /* A verdict on somebody new is kept even if it was not him who showed the certificate, so that
     * showing it again costs nothing; what we know of somebody changes only by his own hand. */
    if (!is_known && pbts_dht_table_add(&dht->table, &contact, &member, &hash, from,
                                        dht->now.mono_ms) != PBTS_OK) {
        dht->stats.shed++;
        return NULL;
    }
    bool is_signed = check_signature(dht, &member, datagram, packet, asker);
    if (asker == NULL) charge_prefix(dht, from, is_strange, is_new && !is_signed);
    if (!is_signed) {
        /* Another machine of the same user may have been heard since. */
        if (packet->certificate.len == 0) *doubt = PBTS_DHT_NO_CERTIFICATE;
        return NULL;
    }
    if (asker == NULL && is_new && is_known) pbts_dht_budget_renewed(&contact->budget);
    if (asker != NULL) pbts_dht_note_testimony(dht, from, &packet->from, &packet->to);
    if (asker != NULL && !pbts_dht_is_for_us(dht, from, &packet->to)) {
        dht->stats.misdirected++;
        return NULL;
    }
    if (is_new && pbts_dht_table_add(&dht->table, &contact, &member, &hash, from,
                                     dht->now.mono_ms) != PBTS_OK) {
        return NULL;
    }
    if (asker == NULL) pbts_dht_contact_note_counter(contact, packet->counter);
    seen(dht, contact, from);
    return contact;
}

/* ---- answers ---- */

/* The same question again, with what was asked for. Bounded, so that no two nodes keep each other
 * busy for ever. */
static void take_turn(pbts_dht *dht, pbts_dht_pending *pending) {
    if (pending->turns == PBTS_DHT_TURNS_MAX) return;
    pending->turns++;
    pending->is_second = false; /* that far it came */
    send_query(dht, pending);
}

static void receive_error(pbts_dht *dht, uint32_t number, const pbts_dht_packet *packet) {
    pbts_dht_pending *pending = &dht->pending[number];
    switch (packet->error) {
    case PBTS_DHT_WANT_TOKEN:
        memcpy(pending->token, packet->token, sizeof pending->token);
        pending->has_token = true;
        take_turn(dht, pending);
        break;
    case PBTS_DHT_WANT_CERTIFICATE:
        if (!pending->has_token) break;
        pending->with_certificate = true;
        take_turn(dht, pending);
        break;
    case PBTS_DHT_OTHER_EPOCH:
    case PBTS_DHT_REFUSED: {
        if (!pending->has_token) break;
        (void)pbts_dht_learn_beacon(dht, packet->beacon);
        pbts_dht_pending over = take(dht, number);
        finish(dht, &over, NULL);
        break;
    }
    }
}

static void receive_signed(pbts_dht *dht, uint32_t number, const pbts_addr *from,
                           pbts_span datagram, const pbts_dht_packet *packet) {
    pbts_dht_doubt doubt;
    const pbts_dht_pending *pending = &dht->pending[number];
    if (pending->has_id && !pbts_dht_id_equal(&packet->from, &pending->id)) {
        pbts_dht_pending over = take(dht, number); /* somebody else lives there now */
        charge(dht, &over);
        finish(dht, &over, NULL);
        return;
    }
    uint64_t transaction = pending->transaction;
    pbts_dht_contact *contact = pbts_dht_believe(dht, from, datagram, packet, &dht->id, &doubt);
    /* Believing may have asked somebody else: the pending ones may have moved. */
    for (number = 0; dht->pending[number].transaction != transaction; number++) {
    }
    if (contact == NULL) {
        pbts_dht_pending over = take(dht, number);
        finish(dht, &over, NULL);
        return;
    }
    if (!contact->has_ours && !dht->looked_again) {
        pbts_dht_table_draw(&dht->table, contact, &dht->prng, dht->now.mono_ms);
    }
    contact->has_ours = true;
    if (packet->has_token) {
        memcpy(contact->token, packet->token, sizeof contact->token);
        contact->token_ms = dht->now.mono_ms;
    }
    pbts_dht_pending answered = take(dht, number);
    finish(dht, &answered, packet);
}

void pbts_dht_receive_answer(pbts_dht *dht, const pbts_addr *from, pbts_span datagram,
                             const pbts_dht_packet *packet) {
    uint32_t number = 0;
    while (number < dht->pending_count && dht->pending[number].transaction != packet->transaction) {
        number++;
    }
    if (number == dht->pending_count || !pbts_dht_addr_equal(&dht->pending[number].addr, from)) {
        dht->stats.unexpected++;
        return;
    }
    pbts_dht_pending *pending = &dht->pending[number];
    if (packet->kind == PBTS_DHT_ERROR) {
        receive_error(dht, number, packet);
    } else if (packet->is_signed && pending->has_token) {
        receive_signed(dht, number, from, datagram, packet);
    } else if (!packet->is_signed && !pending->has_token) {
        memcpy(pending->token, packet->token, sizeof pending->token);
        pending->has_token = true;
        take_turn(dht, pending);
    } else {
        dht->stats.unexpected++;
    }
}
