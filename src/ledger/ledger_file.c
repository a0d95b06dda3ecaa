#include "ledger/ledger_file.h"

static pbts_status fail(const char **problem, pbts_status status, const char *text) {
    *problem = text;
    return status;
}

static pbts_status verify_entries(pbts_ledger_file *file, const char **problem,
                                  pbts_ledger_verifier *verifier) {
    pbts_cursor in, rows;
    pbts_span entry;
    uint32_t count;
    pbts_status status = pbts_ledger_file_open(&in, file->bytes);
    if (status != PBTS_OK) return fail(problem, PBTS_MALFORMED, "this is no ledger export");
    for (; (status = pbts_ledger_file_next(&in, &entry)) == PBTS_OK; file->entries++) {
        PBTS_TRY(pbts_ledger_verifier_add(verifier, problem, entry));
        *problem = "its rows do not decode";
        PBTS_TRY(pbts_ledger_entry_rows(entry, &rows, &count));
        file->rows += count;
    }
    if (status == PBTS_NEED_MORE) return fail(problem, status, "the file is cut short");
    if (status != PBTS_NOT_FOUND) return fail(problem, status, "an entry has an impossible length");
    return PBTS_OK;
}

/* What was verified; the attestation alone, which would end with the verifier, is the file's. */
static pbts_status keep_params(pbts_ledger_file *file, const char **problem,
                               const pbts_ledger_params *verified) {
    pbts_cursor in;
    pbts_span bytes;
    pbts_ledger_entry entry;
    *problem = "the first entry does not decode";
    PBTS_TRY(pbts_ledger_file_open(&in, file->bytes));
    PBTS_TRY(pbts_ledger_file_next(&in, &bytes));
    PBTS_TRY(pbts_ledger_entry_decode(&entry, problem, bytes));
    file->params = *verified;
    file->params.attestation = entry.params.attestation;
    return PBTS_OK;
}

pbts_status pbts_ledger_file_verify(pbts_ledger_file *out, const char **problem, uint64_t *entry,
                                    pbts_mem *mem, pbts_span bytes) {
    pbts_ledger_file file = { .bytes = bytes };
    pbts_ledger_verifier *verifier;
    pbts_ledger_params params;
    *entry = 0;
    *problem = "there is not enough memory";
    PBTS_TRY(pbts_ledger_verifier_new(&verifier, mem));
    pbts_status status = verify_entries(&file, problem, verifier);
    if (status == PBTS_OK)
        status = pbts_ledger_verifier_finish(verifier, problem, &file.head, &params);
    if (status == PBTS_OK) status = keep_params(&file, problem, &params);
    pbts_ledger_verifier_free(verifier);
    if (status == PBTS_OK)
        *out = file;
    else
        *entry = file.entries;
    return status;
}

static bool has_lost_after(pbts_claims_file claims, uint64_t epoch) {
    pbts_claims_record record;
    uint64_t lost;
    while (pbts_claims_file_next(&claims, &record)) {
        if (pbts_claims_is_lost(&record, &lost) && lost > epoch) return true;
    }
    return false;
}

pbts_status pbts_ledger_file_claims(pbts_claims_file *out, const char **problem,
                                    const pbts_ledger_file *ledger, pbts_span claims,
                                    uint64_t lost_max_epoch) {
    pbts_bls_public_point owner;
    pbts_claims_file file;
    *problem = "the ledger's owner is no valid key";
    PBTS_TRY(pbts_bls_public_decode(&owner, &ledger->params.owner));
    PBTS_TRY(pbts_claims_file_open(&file, problem, claims, &owner));
    if (memcmp(file.iid, ledger->params.iid, sizeof file.iid) != 0)
        return fail(problem, PBTS_MALFORMED, "these are the claims of another instance");
    if (file.sequence != ledger->head.sequence)
        return fail(problem, PBTS_MALFORMED,
                    "claims and ledger are of different moments: export both together");
    if (has_lost_after(file, lost_max_epoch))
        return fail(
            problem, PBTS_MALFORMED,
            "they say that claims of hours to come were lost, so that no receipt would count "
            "until then: take the ledger over without them");
    *out = file;
    return PBTS_OK;
}

/* ---- putting ----
 *
 * Whoever gave the file may still write to it. So entries are copied before they are looked at, and
 * the copies must lead to the head that was verified. */

static pbts_status follow(uint8_t hash[static 32], pbts_span entry) {
    pbts_ledger_entry decoded;
    PBTS_TRY(pbts_ledger_entry_decode(&decoded, NULL, entry));
    if (memcmp(decoded.previous_hash, hash, sizeof decoded.previous_hash) != 0) return PBTS_CORRUPT;
    pbts_ledger_entry_hash(hash, entry);
    return PBTS_OK;
}

typedef pbts_status (*put_entry)(pbts_txn *txn, pbts_span entry);

static pbts_status put_all(pbts_txn *txn, const pbts_ledger_file *file, put_entry put,
                           uint8_t copy[static PBTS_LEDGER_ENTRY_MAX]) {
    pbts_cursor in;
    pbts_span entry;
    pbts_status status;
    uint8_t hash[sizeof file->head.head_hash] = { 0 };
    PBTS_TRY(pbts_ledger_file_open(&in, file->bytes));
    while ((status = pbts_ledger_file_next(&in, &entry)) == PBTS_OK) {
        memcpy(copy, entry.data, entry.len);
        entry.data = copy;
        PBTS_TRY(follow(hash, entry));
        PBTS_TRY(put(txn, entry));
    }
    if (status != PBTS_NOT_FOUND) return status;
    return memcmp(hash, file->head.head_hash, sizeof hash) == 0 ? PBTS_OK : PBTS_CORRUPT;
}

static pbts_status put_copies(pbts_txn *txn, const pbts_ledger_file *file, put_entry put) {
    uint8_t *copy = pbts_alloc(pbts_mem_system(), PBTS_LEDGER_ENTRY_MAX);
    if (copy == NULL) return PBTS_NO_MEMORY;
    pbts_status status = put_all(txn, file, put, copy);
    pbts_release(pbts_mem_system(), copy);
    return status;
}

pbts_status pbts_ledger_file_restore(pbts_txn *txn, const pbts_ledger_file *file) {
    return put_copies(txn, file, pbts_ledger_restore);
}

static pbts_status put_rows(pbts_txn *txn, pbts_span entry) {
    pbts_cursor rows;
    uint32_t count;
    PBTS_TRY(pbts_ledger_entry_rows(entry, &rows, &count));
    for (uint32_t i = 0; i < count; i++) {
        pbts_ledger_account row;
        PBTS_TRY(pbts_ledger_row_decode(&row, &rows));
        PBTS_TRY(pbts_ledger_referrer_put(txn, &row));
    }
    return PBTS_OK;
}

/* Values are absolute: a later row of an account replaces the earlier one. */
pbts_status pbts_ledger_file_put_referrer(pbts_txn *txn, const pbts_ledger_file *file) {
    return put_copies(txn, file, put_rows);
}
