/* ledger/entry.h - writing of entries, private to ledger/. Layout: ledger.h. */
#ifndef PBTS_LEDGER_ENTRY_H
#define PBTS_LEDGER_ENTRY_H

#include "base/writer.h"
#include "ledger/ledger.h"

enum {
    PBTS_LEDGER_HEADER_LEN = 93,     /* up to and with the row count */
    PBTS_LEDGER_INIT_BODY_LEN = 139, /* without the attestation */
    PBTS_LEDGER_SEAL_BODY_LEN = 32,
};

void pbts_ledger_row_encode(pbts_writer *writer, const pbts_ledger_account *row);

/* Build and sign one entry in one block of memory, which the caller releases. Of `entry` the fields
 * before the body and, by kind, params or successor_iid are used; `rows` are those of a WRITE.
 * PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_ledger_entry_build(uint8_t **out, size_t *out_len, pbts_mem *mem,
                                                  const pbts_ledger_entry *entry,
                                                  const pbts_ledger_account *rows,
                                                  const pbts_bls_secret *secret);

#endif
