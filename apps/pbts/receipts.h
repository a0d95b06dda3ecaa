/* receipts.h - a file of receipts, read whole; or the journal that a pbts-peer keeps of those that
 * it took (peer/journal.h), of which the waiting and the refused are read. */
#ifndef PBTS_APPS_RECEIPTS_H
#define PBTS_APPS_RECEIPTS_H

#include <jansson.h>

#include "peer/journal.h"

enum { RECEIPTS_FILE_MAX = 64 << 20, RECEIPTS_MAX = 100000 };

typedef struct {
    uint8_t *bytes; /* the records borrow from it */
    pbts_receipt_record *records;
    size_t count;
    pbts_journal *journal; /* the records borrow from it instead; NULL: a file of receipts */
    char (*refusals)[PBTS_JOURNAL_REASON_MAX + 1]; /* of a journal's records; "": it waits */
} receipts;

/* Gives an exit code; says which record is bad. */
int receipts_load(receipts *out, const char *path);
void receipts_free(receipts *all);

/* Fill `all` from a journal's bytes; an exit code. */
bool receipts_are_journal(pbts_span bytes);
int receipts_load_journal(receipts *all, pbts_span bytes, const char *path);

/* NULL: all signatures are good; else what is not, static. */
const char *receipt_record_problem(const pbts_receipt_record *record);
uint32_t receipt_record_pieces(const pbts_receipt_record *record);
/* Who, for people: the uid, or the start of the key. Valid until the next call but three. */
const char *receipt_party_name(pbts_span uid, const pbts_bls_public *key);
json_t *receipt_record_json(const pbts_receipt_record *record);
void receipt_record_print(const pbts_receipt_record *record);

#endif
