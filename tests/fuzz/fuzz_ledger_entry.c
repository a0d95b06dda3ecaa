/* libFuzzer target: a ledger entry, and an export file of entries put through the verifier. */
#include <stdlib.h>

#include "ledger/entry.h"

static void require(bool truth) {
    if (!truth) abort();
}

/* What decodes spans its input exactly, and its rows write back to the same bytes. */
static void check_entry(pbts_span bytes) {
    pbts_ledger_entry entry;
    pbts_ledger_account row;
    uint8_t buffer[PBTS_LEDGER_ROW_LEN];
    pbts_cursor rows;
    uint32_t count;
    const char *problem = NULL;
    if (pbts_ledger_entry_decode(&entry, &problem, bytes) != PBTS_OK) {
        require(problem != NULL);
        return;
    }
    require(entry.message.data == bytes.data);
    require(entry.message.len + PBTS_BLS_SIGNATURE_LEN == bytes.len);
    require(pbts_ledger_entry_rows(bytes, &rows, &count) == PBTS_OK);
    for (; count > 0; count--) {
        pbts_span raw = { rows.next, PBTS_LEDGER_ROW_LEN };
        pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
        require(pbts_ledger_row_decode(&row, &rows) == PBTS_OK);
        pbts_ledger_row_encode(&writer, &row);
        require(pbts_span_equal(raw, pbts_writer_span(&writer)));
    }
    require(pbts_cursor_left(&rows) == 0);
}

static void check_file(pbts_span bytes) {
    pbts_cursor file;
    pbts_span entry;
    pbts_ledger_verifier *verifier;
    pbts_ledger_head head;
    pbts_ledger_params params;
    const char *problem = NULL;
    if (pbts_ledger_file_open(&file, bytes) != PBTS_OK) return;
    if (pbts_ledger_verifier_new(&verifier, pbts_mem_system()) != PBTS_OK) return;
    pbts_status status = PBTS_OK;
    while (status == PBTS_OK && pbts_ledger_file_next(&file, &entry) == PBTS_OK) {
        check_entry(entry);
        status = pbts_ledger_verifier_add(verifier, &problem, entry);
    }
    if (status == PBTS_OK) status = pbts_ledger_verifier_finish(verifier, &problem, &head, &params);
    require((status == PBTS_OK) == (problem == NULL));
    pbts_ledger_verifier_free(verifier);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_span bytes = { data, len };
    check_entry(bytes);
    check_file(bytes);
    return 0;
}
