/* ledger/verify.c - check a chain of entries from its first to its last.
 *
 * Signatures are summed without weights: every message differs (it holds its sequence), so by the
 * security of BLS aggregation no sum verifies unless the owner signed every message in it. Errors
 * that cancel between two signatures need both to be re-signed, because each entry holds the hash
 * of the one before, signature included.
 */
#include "ledger/ledger.h"

#include "base/assert.h"

enum { SUM_ENTRIES_MAX = 512 };

struct pbts_ledger_verifier {
    pbts_mem *mem;
    bool begun;
    pbts_status status; /* the first failure; kept */
    const char *problem;
    pbts_ledger_head head;
    pbts_ledger_params params; /* its attestation is our copy */
    uint8_t *attestation;
    pbts_bls_public_point owner;
    unsigned summed; /* < SUM_ENTRIES_MAX between calls */
    pbts_bls_g1_point messages, signatures;
};

static void sums_clear(pbts_ledger_verifier *verifier) {
    verifier->summed = 0;
    pbts_bls_g1_zero(&verifier->messages);
    pbts_bls_g1_zero(&verifier->signatures);
}

pbts_status pbts_ledger_verifier_new(pbts_ledger_verifier **out, pbts_mem *mem) {
    pbts_ledger_verifier *verifier = pbts_alloc(mem, sizeof *verifier);
    if (verifier == NULL) return PBTS_NO_MEMORY;
    verifier->mem = mem;
    verifier->status = PBTS_OK;
    sums_clear(verifier);
    *out = verifier;
    return PBTS_OK;
}

void pbts_ledger_verifier_free(pbts_ledger_verifier *verifier) {
    if (verifier == NULL) return;
    pbts_release(verifier->mem, verifier->attestation);
    pbts_release(verifier->mem, verifier);
}

static pbts_status fail(pbts_ledger_verifier *verifier, pbts_status status, const char *problem) {
    verifier->status = status;
    verifier->problem = problem;
    return status;
}

static pbts_status sums_verify(pbts_ledger_verifier *verifier) {
    if (verifier->summed == 0) return PBTS_OK;
    pbts_status status =
        pbts_bls_verify_sums(&verifier->owner, &verifier->messages, 1, &verifier->signatures);
    if (status != PBTS_OK)
        return fail(verifier, status,
                    "a signature does not verify (of this entry or one of the 511 before)");
    sums_clear(verifier);
    return PBTS_OK;
}

static pbts_status signature_add(pbts_ledger_verifier *verifier, const pbts_ledger_entry *entry) {
    pbts_bls_g1_point point;
    if (pbts_bls_signature_decode(&point, &entry->signature) != PBTS_OK)
        return fail(verifier, PBTS_BAD_SIGNATURE, "the signature is not a point of the group");
    pbts_bls_g1_add(&verifier->signatures, &point);
    pbts_bls_hash(&point, PBTS_BLS_LEDGER, entry->message);
    pbts_bls_g1_add(&verifier->messages, &point);
    verifier->summed++;
    return verifier->summed == SUM_ENTRIES_MAX ? sums_verify(verifier) : PBTS_OK;
}

static pbts_status init_take(pbts_ledger_verifier *verifier, const pbts_ledger_entry *entry) {
    const pbts_ledger_params *params = &entry->params;
    if (pbts_bls_public_decode(&verifier->owner, &params->owner) != PBTS_OK)
        return fail(verifier, PBTS_MALFORMED, "the owner's key is not a point of the group");
    verifier->attestation = pbts_alloc(verifier->mem, params->attestation.len);
    if (verifier->attestation == NULL) return fail(verifier, PBTS_NO_MEMORY, "out of memory");
    size_t len = params->attestation.len;
    if (len > 0) memcpy(verifier->attestation, params->attestation.data, len);
    verifier->params = *params;
    verifier->params.attestation = (pbts_span){ verifier->attestation, len };
    return PBTS_OK;
}

/* Whether the entry may follow the head; NULL, or why not. */
static const char *chain_problem(const pbts_ledger_verifier *verifier,
                                 const pbts_ledger_entry *entry) {
    const pbts_ledger_head *head = &verifier->head;
    if (!verifier->begun)
        return entry->kind == PBTS_LEDGER_INIT ? NULL : "the first entry is not INIT";
    if (head->sealed) return "an entry after SEAL";
    if (entry->kind == PBTS_LEDGER_INIT) return "a second INIT";
    if (entry->sequence != head->sequence + 1) return "the sequence has a gap or goes back";
    if (memcmp(entry->previous_hash, head->head_hash, sizeof head->head_hash) != 0)
        return "the hash of the entry before is another";
    if (memcmp(entry->iid, verifier->params.iid, sizeof entry->iid) != 0)
        return "the entry is another instance's";
    if (entry->unix_time < head->unix_time) return "time goes back";
    return NULL;
}

static void head_move(pbts_ledger_head *head, const pbts_ledger_entry *entry, pbts_span bytes) {
    head->sequence = entry->sequence;
    head->unix_time = entry->unix_time;
    head->epoch = entry->epoch;
    head->sealed = entry->kind == PBTS_LEDGER_SEAL;
    memcpy(head->successor_iid, entry->successor_iid, sizeof head->successor_iid);
    pbts_ledger_entry_hash(head->head_hash, bytes);
}

static pbts_status entry_add(pbts_ledger_verifier *verifier, pbts_span bytes) {
    pbts_ledger_entry entry;
    const char *problem = NULL;
    if (pbts_ledger_entry_decode(&entry, &problem, bytes) != PBTS_OK)
        return fail(verifier, PBTS_MALFORMED, problem);
    problem = chain_problem(verifier, &entry);
    if (problem != NULL) return fail(verifier, PBTS_MALFORMED, problem);
    if (!verifier->begun) PBTS_TRY(init_take(verifier, &entry));
    verifier->begun = true;
    head_move(&verifier->head, &entry, bytes);
    return signature_add(verifier, &entry);
}

pbts_status pbts_ledger_verifier_add(pbts_ledger_verifier *verifier, const char **problem,
                                     pbts_span entry) {
    pbts_status status = verifier->status;
    if (status == PBTS_OK) status = entry_add(verifier, entry);
    if (status != PBTS_OK) *problem = verifier->problem;
    return status;
}

static pbts_status finish(pbts_ledger_verifier *verifier) {
    if (verifier->status != PBTS_OK) return verifier->status;
    if (!verifier->begun) return fail(verifier, PBTS_MALFORMED, "there is no entry");
    return sums_verify(verifier);
}

pbts_status pbts_ledger_verifier_finish(pbts_ledger_verifier *verifier, const char **problem,
                                        pbts_ledger_head *head, pbts_ledger_params *params) {
    pbts_status status = finish(verifier);
    if (status != PBTS_OK) {
        assert(verifier->problem != NULL);
        *problem = verifier->problem;
        return status;
    }
    *head = verifier->head;
    *params = verifier->params;
    return PBTS_OK;
}
