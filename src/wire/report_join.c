#include "wire/report_join.h"

#include "base/assert.h"

static pbts_party party_of(pbts_span uid, const pbts_bls_public *key) {
    if (uid.len > 0) return (pbts_party){ .uid = uid };
    return (pbts_party){ .has_key = true, .key = *key };
}

pbts_statement pbts_statement_of(const pbts_receipt_record *record) {
    const pbts_receipt *receipt = &record->receipt;
    pbts_statement statement = { .form = receipt->form,
                                 .has_iid = true,
                                 .epoch = receipt->epoch,
                                 .receiver = party_of(record->receiver_uid, &receipt->receiver),
                                 .sender = party_of(record->sender_uid, &receipt->sender),
                                 .piece_index = receipt->piece_index,
                                 .bitmap = receipt->bitmap,
                                 .session = receipt->session,
                                 .piece_signatures = receipt->piece_signatures,
                                 .has_signature = true,
                                 .signature = record->signature };
    memcpy(statement.iid, receipt->iid, sizeof statement.iid);
    memcpy(statement.infohash, receipt->infohash, sizeof statement.infohash);
    return statement;
}

/* ---- which belong together ---- */

static bool same_party(const pbts_party *a, const pbts_party *b) {
    if (a->has_key != b->has_key) return false;
    if (a->has_key) return memcmp(&a->key, &b->key, sizeof a->key) == 0;
    return pbts_span_equal(a->uid, b->uid);
}

static bool is_joinable(const pbts_statement *s) {
    size_t pieces = pbts_piece_set_count(s->bitmap);
    return s->form == PBTS_FORM_SESSION && pieces > 0 &&
           s->piece_signatures.len == pieces * PBTS_SECP256K1_SIGNATURE_LEN;
}

static bool same_certificate(const pbts_statement *a, const pbts_statement *b) {
    const pbts_receipt_session *x = &a->session, *y = &b->session;
    return memcmp(x->id, y->id, sizeof x->id) == 0 &&
           memcmp(&x->key, &y->key, sizeof x->key) == 0 && x->expires == y->expires &&
           a->has_signature == b->has_signature &&
           (!a->has_signature || memcmp(&a->signature, &b->signature, sizeof a->signature) == 0);
}

static bool belong_together(const pbts_statement *a, const pbts_statement *b) {
    return same_certificate(a, b) && a->epoch == b->epoch && a->bitmap.len == b->bitmap.len &&
           memcmp(a->infohash, b->infohash, sizeof a->infohash) == 0 && a->has_iid == b->has_iid &&
           (!a->has_iid || memcmp(a->iid, b->iid, sizeof a->iid) == 0) &&
           same_party(&a->receiver, &b->receiver) && same_party(&a->sender, &b->sender);
}

/* One of the joined ones in the making. Sessions come in runs, so the search begins at the end;
 * at worst, all of another session, it is 10,000 steps for each of 10,000. */
typedef struct {
    uint32_t first, last; /* of those given; the chain in `next` leads from one to the other */
    uint32_t members;     /* 1: it stays as it is */
    uint32_t pieces;      /* of all members; a piece of several counts for each. 0: joins nobody */
} group;

/* What is needed while joining. */
typedef struct {
    const pbts_statement *given;
    group *groups;
    uint32_t *next;  /* of each given: the next member of its group */
    uint32_t *owner; /* of each piece of the group in hand: who has it */
} joiner;

static void add_to_groups(pbts_joined *out, joiner *j, uint32_t at) {
    const pbts_statement *given = j->given;
    uint32_t pieces = pbts_piece_set_count(given[at].bitmap);
    bool joinable = is_joinable(&given[at]);
    for (size_t i = out->count; joinable && i-- > 0;) {
        group *g = &j->groups[i];
        if (g->pieces == 0 || g->pieces + pieces > PBTS_RECEIPT_SESSION_PIECES_MAX) continue;
        if (!belong_together(&given[g->first], &given[at])) continue;
        j->next[g->last] = at;
        g->last = at;
        g->members++;
        g->pieces += pieces;
        out->places[at] = (uint32_t)i;
        return;
    }
    out->places[at] = (uint32_t)out->count;
    j->groups[out->count++] = (group){ at, at, 1, joinable ? pieces : 0 };
}

/* ---- putting them together ---- */

/* The signature of piece `index`, which the statement has. */
static const uint8_t *signature_of(const pbts_statement *s, uint32_t index) {
    size_t place = pbts_piece_set_count((pbts_span){ s->bitmap.data, index / 8 });
    for (uint32_t i = index / 8 * 8; i < index; i++) place += pbts_piece_set_has(s->bitmap.data, i);
    return s->piece_signatures.data + place * PBTS_SECP256K1_SIGNATURE_LEN;
}

static size_t room_of(const group *g, const pbts_statement *given) {
    if (g->members == 1) return 0;
    return given[g->first].bitmap.len + (size_t)g->pieces * PBTS_SECP256K1_SIGNATURE_LEN;
}

/* The set of all members; the first that has a piece owns it. */
static void unite(uint8_t *set, joiner *j, const group *g) {
    for (uint32_t member = g->first;; member = j->next[member]) {
        for (uint32_t i = 0; pbts_piece_set_next(j->given[member].bitmap, &i); i++) {
            if (pbts_piece_set_has(set, i)) continue;
            pbts_piece_set_add(set, i);
            j->owner[i] = member;
        }
        if (member == g->last) return;
    }
}

/* Set and signatures go to `room`, which is zero. Returns the end of what was written. */
static uint8_t *join_group(pbts_statement *out, uint8_t *room, joiner *j, const group *g) {
    size_t set_len = out->bitmap.len;
    uint8_t *end = room + set_len;
    unite(room, j, g);
    out->bitmap = (pbts_span){ room, set_len };
    out->piece_signatures.data = end;
    for (uint32_t i = 0; pbts_piece_set_next(out->bitmap, &i); i++) {
        memcpy(end, signature_of(&j->given[j->owner[i]], i), PBTS_SECP256K1_SIGNATURE_LEN);
        end += PBTS_SECP256K1_SIGNATURE_LEN;
    }
    out->piece_signatures.len = (size_t)(end - out->piece_signatures.data);
    return end;
}

static pbts_status join_all(pbts_joined *out, joiner *j) {
    size_t room_len = 0, set_len_max = 0;
    for (size_t i = 0; i < out->count; i++) {
        const group *g = &j->groups[i];
        size_t set_len = j->given[g->first].bitmap.len;
        room_len += room_of(g, j->given);
        if (g->members > 1 && set_len > set_len_max) set_len_max = set_len;
    }
    out->statements = pbts_alloc_array(out->mem, out->count, sizeof *out->statements);
    out->room = pbts_alloc(out->mem, room_len);
    j->owner = pbts_alloc_array(out->mem, 8 * set_len_max, sizeof *j->owner);
    if (!out->statements || !out->room || !j->owner) return PBTS_NO_MEMORY;
    uint8_t *room = out->room;
    for (size_t i = 0; i < out->count; i++) {
        out->statements[i] = j->given[j->groups[i].first];
        if (j->groups[i].members == 1) continue;
        room = join_group(&out->statements[i], room, j, &j->groups[i]);
    }
    return PBTS_OK;
}

pbts_status pbts_statements_join(pbts_joined *out, pbts_mem *mem, const pbts_statement *given,
                                 size_t count) {
    joiner j = { .given = given };
    pbts_joined joined = { .mem = mem };
    pbts_status status = PBTS_NO_MEMORY;
    assert(count <= PBTS_REPORT_STATEMENTS_MAX);
    j.groups = pbts_alloc_array(mem, count, sizeof *j.groups);
    j.next = pbts_alloc_array(mem, count, sizeof *j.next);
    joined.places = pbts_alloc_array(mem, count, sizeof *joined.places);
    if (j.groups && j.next && joined.places) {
        for (uint32_t i = 0; i < count; i++) add_to_groups(&joined, &j, i);
        status = join_all(&joined, &j);
    }
    pbts_release(mem, j.groups);
    pbts_release(mem, j.next);
    pbts_release(mem, j.owner);
    if (status == PBTS_OK) {
        *out = joined;
    } else {
        pbts_joined_free(&joined);
    }
    return status;
}

void pbts_joined_free(pbts_joined *joined) {
    if (joined->mem == NULL) return;
    pbts_release(joined->mem, joined->statements);
    pbts_release(joined->mem, joined->places);
    pbts_release(joined->mem, joined->room);
    *joined = (pbts_joined){ 0 };
}
