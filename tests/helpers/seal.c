/* Seals the ledger of a stopped tracker for good: seal DATA SUCCESSOR_IID_HEX. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec/text.h"
#include "ledger/ledger.h"

static bool read_key(pbts_bls_secret *out, const char *data) {
    char path[4096], line[65] = { 0 };
    (void)snprintf(path, sizeof path, "%s/tracker.key", data);
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    size_t got = fread(line, 1, 64, file);
    (void)fclose(file);
    return pbts_hex_decode_exact(out->bytes, sizeof out->bytes,
                                 (pbts_span){ (uint8_t *)line, got }) == PBTS_OK;
}

static pbts_status seal(const char *data, const uint8_t successor[static 32],
                        const pbts_bls_secret *key) {
    char path[4096];
    pbts_store *store;
    pbts_txn *txn;
    pbts_store_config config = { .size_max_bytes = (uint64_t)1 << 30 };
    (void)snprintf(path, sizeof path, "%s/store", data);
    PBTS_TRY(pbts_store_open(&store, path, &config));
    pbts_status status = pbts_txn_begin(&txn, store, true);
    if (status == PBTS_OK) {
        status = pbts_ledger_seal(txn, successor, key, (uint64_t)time(NULL));
        if (status == PBTS_OK)
            status = pbts_txn_commit(txn);
        else
            pbts_txn_abort(txn);
    }
    pbts_store_close(store);
    return status;
}

int main(int argc, char **argv) {
    pbts_bls_secret key;
    uint8_t successor[32];
    if (argc != 3 || !read_key(&key, argv[1]) ||
        pbts_hex_decode_exact(successor, sizeof successor, pbts_span_text(argv[2])) != PBTS_OK) {
        (void)fprintf(stderr, "usage: seal DATA SUCCESSOR_IID_HEX\n");
        return 2;
    }
    pbts_status status = seal(argv[1], successor, &key);
    if (status != PBTS_OK) (void)fprintf(stderr, "seal: %s\n", pbts_status_text(status));
    return status == PBTS_OK ? 0 : 1;
}
