/* What a node says next: at most one message of each kind, when it knows enough or time is up. */
#include "base/secret.h"
#include "kms/ceremony_state.h"

static pbts_kms_message head(const pbts_kms_ceremony *c, pbts_kms_kind kind) {
    pbts_kms_message message = {
        .kind = kind, .epoch = c->epoch, .attempt = c->attempt, .sender = c->number
    };
    if (kind != PBTS_KMS_COMMIT) memcpy(message.transcript, c->transcript, sizeof c->transcript);
    return message;
}

static pbts_status send(const pbts_kms_ceremony *c, pbts_writer *out,
                        const pbts_kms_message *message) {
    pbts_kms_message_encode(out, message, c->group, &c->identity);
    return pbts_writer_status(out);
}

static pbts_status commit(const pbts_kms_ceremony *c, pbts_writer *out) {
    pbts_kms_message message = head(c, PBTS_KMS_COMMIT), deal = head(c, PBTS_KMS_DEAL);
    pbts_bls_g1_point reader;
    pbts_kms_dealing_show(&deal, &c->secrets);
    pbts_kms_dealing_hash(message.hash, c->group, &deal);
    memcpy(message.base, c->base_digest, sizeof message.base);
    pbts_bls_g1_generator(&reader);
    pbts_bls_g1_times(&reader, &reader, &c->secrets.reader);
    pbts_bls_signature_encode(&message.reader1, &reader);
    pbts_bls_public_of(&message.reader2, &c->secrets.reader);
    return send(c, out, &message);
}

static pbts_status deal(const pbts_kms_ceremony *c, pbts_writer *out) {
    pbts_kms_message message = head(c, PBTS_KMS_DEAL);
    PBTS_TRY(pbts_kms_dealing_make(&message, &c->secrets, c->group, c->readers1));
    return send(c, out, &message);
}

static pbts_status ack(const pbts_kms_ceremony *c, pbts_writer *out) {
    pbts_kms_message message = head(c, PBTS_KMS_ACK);
    for (size_t i = 0; i < c->group->nodes; i++) {
        const pbts_kms_taken *taken = &c->taken[i];
        if (!pbts_kms_has_said(c, PBTS_KMS_DEAL, i) || taken->is_bad) {
            message.verdicts[i] = PBTS_KMS_ABSENT; /* another one than ours may be good */
        } else if (!taken->is_ours) {
            message.verdicts[i] = PBTS_KMS_COMPLAINT;
            pbts_bls_signature_encode(&message.opened[i], &taken->opened_key);
            pbts_sha256(message.about[i], pbts_kms_ceremony_said(c, PBTS_KMS_DEAL, i + 1));
        }
    }
    return send(c, out, &message);
}

static pbts_status give_up(const pbts_kms_ceremony *c, pbts_writer *out) {
    pbts_kms_message message = head(c, PBTS_KMS_VOTE);
    return send(c, out, &message);
}

/* Everybody whose dealing is here and was not found wrong, unless somebody had not got it in time:
 * who had not can complain no more, and may have been given a bad share. */
static uint32_t qualified(const pbts_kms_ceremony *c) {
    uint32_t set = 0, out = c->missed;
    for (int kind = 0; kind < PBTS_KMS_KINDS; kind++) out |= c->said_twice[kind];
    for (size_t i = 0; i < c->group->nodes; i++) {
        bool is_good =
            pbts_kms_has_said(c, PBTS_KMS_DEAL, i) && !c->taken[i].is_bad && c->taken[i].is_ours;
        if (is_good) set |= UINT32_C(1) << i;
    }
    return set & ~out;
}

/* Somebody committed twice: others may know another transcript, and would never hear of ours. Until
 * the vote it goes on, to complain where it must. */
static bool is_split(const pbts_kms_ceremony *c) {
    return c->said_twice[PBTS_KMS_COMMIT] != 0;
}

static pbts_status vote(const pbts_kms_ceremony *c, pbts_writer *out) {
    pbts_kms_message message = head(c, PBTS_KMS_VOTE);
    pbts_kms_public public;
    message.qualified = qualified(c);
    if (is_split(c)) return give_up(c, out);
    if (pbts_kms_result_public(&public, c, message.qualified) != PBTS_OK) return give_up(c, out);
    pbts_kms_result_digest(message.digest, c, &public, message.qualified);
    return send(c, out, &message);
}

/* Somebody complained of a dealing that we have not got: who complained shows it, or lied. */
static bool is_in_doubt(const pbts_kms_ceremony *c) {
    return (c->doubted & ~c->said_twice[PBTS_KMS_DEAL]) != 0;
}

/* A refresh takes the old shares away, so all must have said that they have new ones; or who lies
 * would take the share of who died. */
pbts_status pbts_kms_ceremony_next(pbts_kms_ceremony *c, pbts_writer *out, uint64_t now_ms) {
    size_t self = c->number - 1, nodes = c->group->nodes;
    if (c->outcome != PBTS_KMS_RUNNING || pbts_kms_has_said(c, PBTS_KMS_VOTE, self))
        return PBTS_NOT_FOUND;
    if (!pbts_kms_has_said(c, PBTS_KMS_COMMIT, self)) return commit(c, out);
    if (!c->has_transcript) {
        return now_ms >= c->commit_deadline_ms ? give_up(c, out) : PBTS_NOT_FOUND;
    }
    if (!pbts_kms_has_said(c, PBTS_KMS_DEAL, self)) return deal(c, out);
    bool all_dealt = pbts_kms_said_count(c, PBTS_KMS_DEAL) == nodes;
    if (!pbts_kms_has_said(c, PBTS_KMS_ACK, self)) {
        return all_dealt || now_ms >= c->deal_deadline_ms ? ack(c, out) : PBTS_NOT_FOUND;
    }
    if (pbts_kms_said_count(c, PBTS_KMS_ACK) == nodes && !is_in_doubt(c)) return vote(c, out);
    if (now_ms < c->ack_deadline_ms) return PBTS_NOT_FOUND;
    return c->epoch == 1 ? vote(c, out) : give_up(c, out);
}
