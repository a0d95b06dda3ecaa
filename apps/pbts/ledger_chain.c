/* ledger_chain.c - an export is read twice: once to verify it whole, once to put it. */
#include "ledger_chain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger_walk.h"
#include "tracker/tracker.h"

int ledger_map_open(ledger_map *out, const char *path) {
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code = LEDGER_OK;
    if (fd < 0) return ledger_fail(LEDGER_IO, path, strerror(errno));
    *out = (ledger_map){ .path = path };
    if (fstat(fd, &file) != 0) {
        code = ledger_fail(LEDGER_IO, path, strerror(errno));
    } else if (!S_ISREG(file.st_mode)) {
        code = ledger_fail(LEDGER_IO, path, "is not a regular file");
    } else if (file.st_size > 0) {
        void *at = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
            code = ledger_fail(LEDGER_IO, path, strerror(errno));
        else
            out->bytes = (pbts_span){ at, (size_t)file.st_size };
    }
    (void)close(fd);
    return code;
}

void ledger_map_close(ledger_map *map) {
    if (map->bytes.len > 0) (void)munmap((void *)(uintptr_t)map->bytes.data, map->bytes.len);
    *map = (ledger_map){ .path = NULL };
}

static int refuse_entry(const ledger_chain *chain, const char *problem) {
    char why[256];
    (void)snprintf(why, sizeof why, "entry %" PRIu64 ": %s", chain->entries, problem);
    return ledger_fail(LEDGER_BAD, chain->map.path, why);
}

static int refuse(const ledger_chain *chain, pbts_status status, const char *problem) {
    if (status == PBTS_NO_MEMORY) return ledger_fail_status(chain->map.path, status);
    return refuse_entry(chain, problem);
}

static int finish(ledger_chain *chain, pbts_ledger_verifier *verifier) {
    const char *problem = "";
    pbts_cursor file;
    pbts_span first;
    pbts_ledger_entry init;
    pbts_ledger_params params;
    pbts_status status = pbts_ledger_verifier_finish(verifier, &problem, &chain->head, &params);
    if (status != PBTS_OK) return refuse(chain, status, problem);
    /* Its own parameters end with the verifier; the same bytes are in the file. */
    if (pbts_ledger_file_open(&file, chain->map.bytes) != PBTS_OK ||
        pbts_ledger_file_next(&file, &first) != PBTS_OK ||
        pbts_ledger_entry_decode(&init, &problem, first) != PBTS_OK)
        return refuse_entry(chain, problem);
    chain->params = init.params;
    return LEDGER_OK;
}

static int verify(ledger_chain *chain, pbts_ledger_verifier *verifier) {
    pbts_cursor file;
    pbts_span entry;
    pbts_status status;
    if (pbts_ledger_file_open(&file, chain->map.bytes) != PBTS_OK)
        return ledger_fail(LEDGER_BAD, chain->map.path, "this is no ledger export");
    for (; (status = pbts_ledger_file_next(&file, &entry)) == PBTS_OK; chain->entries++) {
        const char *problem = "";
        status = pbts_ledger_verifier_add(verifier, &problem, entry);
        if (status != PBTS_OK) return refuse(chain, status, problem);
    }
    if (status == PBTS_NEED_MORE) return refuse_entry(chain, "the file is cut short");
    if (status != PBTS_NOT_FOUND) return refuse_entry(chain, "impossible length");
    return finish(chain, verifier);
}

int ledger_chain_open(ledger_chain *out, const char *path) {
    pbts_ledger_verifier *verifier = NULL;
    *out = (ledger_chain){ .entries = 0 };
    int code = ledger_map_open(&out->map, path);
    if (code != LEDGER_OK) return code;
    pbts_status status = pbts_ledger_verifier_new(&verifier, pbts_mem_system());
    code = status == PBTS_OK ? verify(out, verifier) : ledger_fail_status(path, status);
    pbts_ledger_verifier_free(verifier);
    if (code != LEDGER_OK) ledger_chain_close(out);
    return code;
}

void ledger_chain_close(ledger_chain *chain) {
    ledger_map_close(&chain->map);
}

pbts_status ledger_chain_restore(const ledger_chain *chain, pbts_txn *txn) {
    pbts_cursor file;
    pbts_span entry;
    pbts_status status;
    PBTS_TRY(pbts_ledger_file_open(&file, chain->map.bytes));
    while ((status = pbts_ledger_file_next(&file, &entry)) == PBTS_OK)
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
pbts_status ledger_chain_put_referrer(const ledger_chain *chain, pbts_txn *txn) {
    pbts_cursor file;
    pbts_span entry;
    pbts_status status;
    PBTS_TRY(pbts_ledger_file_open(&file, chain->map.bytes));
    while ((status = pbts_ledger_file_next(&file, &entry)) == PBTS_OK)
        PBTS_TRY(put_rows(txn, entry));
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

static int check_claims(ledger_claims *claims, const ledger_chain *chain) {
    const char *problem = "", *path = claims->map.path;
    pbts_bls_public_point owner;
    pbts_status status = pbts_bls_public_decode(&owner, &chain->params.owner);
    if (status == PBTS_OK)
        status = pbts_claims_file_open(&claims->file, &problem, claims->map.bytes, &owner);
    if (status != PBTS_OK) return ledger_fail(LEDGER_BAD, path, problem);
    if (memcmp(claims->file.iid, chain->params.iid, sizeof claims->file.iid) != 0)
        return ledger_fail(LEDGER_BAD, path, "these are the claims of another instance");
    if (claims->file.sequence == chain->head.sequence) return LEDGER_OK;
    char why[160];
    (void)snprintf(why, sizeof why,
                   "these claims are of entry %" PRIu64 ", the ledger ends with %" PRIu64
                   ": export both together",
                   claims->file.sequence, chain->head.sequence);
    return ledger_fail(LEDGER_BAD, path, why);
}

int ledger_claims_open(ledger_claims *out, const char *path, const ledger_chain *chain) {
    *out = (ledger_claims){ .map.path = NULL };
    int code = ledger_map_open(&out->map, path);
    if (code != LEDGER_OK) return code;
    code = check_claims(out, chain);
    if (code != LEDGER_OK) ledger_claims_close(out);
    return code;
}

void ledger_claims_close(ledger_claims *claims) {
    ledger_map_close(&claims->map);
}

pbts_status ledger_claims_put(const ledger_claims *claims, pbts_txn *txn) {
    pbts_claims_file file = claims->file;
    pbts_claims_record record;
    while (pbts_claims_file_next(&file, &record))
        PBTS_TRY(pbts_tracker_old_claim_put(txn, record.period, record.receiver, record.sender,
                                            record.infohash, record.bitmap));
    return PBTS_OK;
}
