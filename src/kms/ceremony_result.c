/* What a set of qualified dealers gives, and whether a quorum of votes agrees on it. */
#include "base/assert.h"
#include "base/secret.h"
#include "kms/ceremony_state.h"

size_t pbts_kms_said_count(const pbts_kms_ceremony *c, pbts_kms_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < c->group->nodes; i++) count += pbts_kms_has_said(c, kind, i);
    return count;
}

static bool is_in(uint32_t qualified, size_t i) {
    return (qualified >> i & 1) != 0;
}

/* ---- the public part ---- */

static pbts_status add_point(pbts_bls_public_point *sum, bool *is_empty,
                             const pbts_bls_public_point *point) {
    if (!*is_empty) return pbts_bls_public_add(sum, point);
    *sum = *point;
    *is_empty = false;
    return PBTS_OK;
}

/* Node i + 1's public share: of the base, and what every dealer adds. */
static pbts_status sum_share(pbts_kms_public *out, const pbts_kms_ceremony *c, uint32_t qualified,
                             size_t i) {
    bool is_empty = c->epoch == 1;
    pbts_bls_public_point part;
    if (!is_empty) out->shares[i] = c->base.public.shares[i];
    for (size_t dealer = 0; dealer < c->group->nodes; dealer++) {
        if (!is_in(qualified, dealer)) continue;
        PBTS_TRY(pbts_kms_dealing_public(&part, &c->taken[dealer].dealing, i + 1));
        PBTS_TRY(add_point(&out->shares[i], &is_empty, &part));
    }
    return PBTS_OK;
}

/* P: the sum of the constant coefficients, or what it was. */
static pbts_status sum_group(pbts_kms_public *out, const pbts_kms_ceremony *c, uint32_t qualified) {
    bool is_empty = true;
    if (c->epoch > 1) {
        out->group = c->base.public.group;
        return PBTS_OK;
    }
    for (size_t dealer = 0; dealer < c->group->nodes; dealer++) {
        if (!is_in(qualified, dealer)) continue;
        PBTS_TRY(add_point(&out->group, &is_empty, &c->taken[dealer].dealing.coefficients[0]));
    }
    return PBTS_OK;
}

pbts_status pbts_kms_result_public(pbts_kms_public *out, const pbts_kms_ceremony *c,
                                   uint32_t qualified) {
    size_t dealers = 0;
    memset(out, 0, sizeof *out);
    out->epoch = c->epoch;
    for (size_t i = 0; i < c->group->nodes; i++) {
        if (!is_in(qualified, i)) continue;
        dealers++;
        if (!pbts_kms_has_said(c, PBTS_KMS_DEAL, i)) return PBTS_NEED_MORE;
        if (c->taken[i].dealing.dealer == 0) return PBTS_MALFORMED; /* no points */
    }
    if (dealers < c->group->threshold) return PBTS_MALFORMED;
    PBTS_TRY(sum_group(out, c, qualified));
    for (size_t i = 0; i < c->group->nodes; i++) PBTS_TRY(sum_share(out, c, qualified, i));
    return PBTS_OK;
}

void pbts_kms_result_digest(uint8_t out[static PBTS_KMS_HASH_LEN], const pbts_kms_ceremony *c,
                            const pbts_kms_public *public, uint32_t qualified) {
    uint8_t buffer[128], digest[PBTS_KMS_HASH_LEN];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_kms_public_digest(digest, public, c->group->nodes);
    pbts_write_text(&writer, "pbts-kms-result-v1");
    pbts_write_bytes(&writer, PBTS_SPAN_OF(c->transcript));
    pbts_write_u32(&writer, qualified);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(digest));
    pbts_sha256(out, pbts_writer_span(&writer));
}

/* ---- votes ---- */

static bool is_abort(const uint8_t vote[static PBTS_KMS_HASH_LEN]) {
    static const uint8_t ABORT[PBTS_KMS_HASH_LEN] = { 0 };
    return memcmp(vote, ABORT, sizeof ABORT) == 0;
}

static size_t votes_like(const pbts_kms_ceremony *c, size_t voter) {
    size_t count = 0;
    for (size_t i = 0; i < c->group->nodes; i++) {
        count += pbts_kms_has_said(c, PBTS_KMS_VOTE, i) && c->qualified[i] == c->qualified[voter] &&
                 memcmp(c->votes[i], c->votes[voter], PBTS_KMS_HASH_LEN) == 0;
    }
    return count;
}

/* Our share: of the base, and what every qualified dealer gave us. */
static bool sum_secret(pbts_bls_secret *out, const pbts_kms_ceremony *c, uint32_t qualified) {
    bool is_empty = c->epoch == 1;
    if (!is_empty && !c->base.has_share) return false;
    if (!is_empty) *out = c->base.share;
    for (size_t i = 0; i < c->group->nodes; i++) {
        if (!is_in(qualified, i)) continue;
        if (!c->taken[i].is_ours) return false;
        if (is_empty) {
            *out = c->taken[i].share;
            is_empty = false;
        } else if (pbts_bls_secret_add(out, &c->taken[i].share) != PBTS_OK) {
            return false;
        }
    }
    return true;
}

static void certify(pbts_kms_ceremony *c, size_t voter) {
    uint8_t digest[PBTS_KMS_HASH_LEN];
    pbts_kms_public public;
    uint32_t qualified = c->qualified[voter];
    if (pbts_kms_result_public(&public, c, qualified) != PBTS_OK) return;
    pbts_kms_result_digest(digest, c, &public, qualified);
    if (memcmp(digest, c->votes[voter], sizeof digest) != 0) return;
    c->key.public = public;
    c->key.has_share = sum_secret(&c->key.share, c, qualified);
    c->key_qualified = qualified;
    c->outcome = PBTS_KMS_CERTIFIED;
    pbts_wipe(&c->secrets, sizeof c->secrets);
}

void pbts_kms_result_update(pbts_kms_ceremony *c) {
    size_t quorum = pbts_kms_group_quorum(c->group);
    size_t unheard = c->group->nodes - pbts_kms_said_count(c, PBTS_KMS_VOTE), best = 0;
    if (c->outcome == PBTS_KMS_CERTIFIED) return;
    for (size_t i = 0; i < c->group->nodes; i++) {
        if (!pbts_kms_has_said(c, PBTS_KMS_VOTE, i) || is_abort(c->votes[i])) continue;
        size_t count = votes_like(c, i);
        if (count > best) best = count;
        if (count < quorum) continue;
        certify(c, i); /* or later, with the dealings */
        return;
    }
    if (best + unheard < quorum) c->outcome = PBTS_KMS_FAILED;
}
