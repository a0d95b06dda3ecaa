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

/* The verifier's parameters end with it; those of the file's own first entry stay. */
static pbts_status read_params(pbts_ledger_file *file, const char **problem) {
    pbts_cursor in;
    pbts_span bytes;
    pbts_ledger_entry entry;
    *problem = "the first entry does not decode";
    PBTS_TRY(pbts_ledger_file_open(&in, file->bytes));
    PBTS_TRY(pbts_ledger_file_next(&in, &bytes));
    PBTS_TRY(pbts_ledger_entry_decode(&entry, problem, bytes));
    file->params = entry.params;
    return PBTS_OK;
}

pbts_status pbts_ledger_file_verify(pbts_ledger_file *out, const char **problem, uint64_t *entry,
                                    pbts_mem *mem, pbts_span bytes) {
    pbts_ledger_file file = { .bytes = bytes };
    pbts_ledger_verifier *verifier;
    pbts_ledger_params ended;
    *entry = 0;
    *problem = "there is not enough memory";
    PBTS_TRY(pbts_ledger_verifier_new(&verifier, mem));
    pbts_status status = verify_entries(&file, problem, verifier);
    if (status == PBTS_OK)
        status = pbts_ledger_verifier_finish(verifier, problem, &file.head, &ended);
    if (status == PBTS_OK) status = read_params(&file, problem);
    pbts_ledger_verifier_free(verifier);
    if (status == PBTS_OK)
        *out = file;
    else
        *entry = file.entries;
    return status;
}

pbts_status pbts_ledger_file_claims(pbts_claims_file *out, const char **problem,
                                    const pbts_ledger_file *ledger, pbts_span claims) {
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
    *out = file;
    return PBTS_OK;
}

pbts_status pbts_ledger_file_restore(pbts_txn *txn, const pbts_ledger_file *file) {
    pbts_cursor in;
    pbts_span entry;
    pbts_status status;
    PBTS_TRY(pbts_ledger_file_open(&in, file->bytes));
    while ((status = pbts_ledger_file_next(&in, &entry)) == PBTS_OK)
        PBTS_TRY(pbts_ledger_restore(txn, entry));
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
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
    pbts_cursor in;
    pbts_span entry;
    pbts_status status;
    PBTS_TRY(pbts_ledger_file_open(&in, file->bytes));
    while ((status = pbts_ledger_file_next(&in, &entry)) == PBTS_OK) PBTS_TRY(put_rows(txn, entry));
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}
