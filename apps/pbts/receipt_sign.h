/* receipt_sign.h - sign for pieces in any of the four forms: the bytes of a file of receipts. */
#ifndef PBTS_APPS_RECEIPT_SIGN_H
#define PBTS_APPS_RECEIPT_SIGN_H

#include "keyfile.h"
#include "receipt/receipt.h"

enum { RECEIPT_BATCH_PIECES = 10 }; /* by default; the paper's k */

/* Everything is borrowed. */
typedef struct {
    const pbts_metainfo *meta;
    const pbts_receipt *shared; /* iid, infohash, sender, receiver, epoch of all records */
    const keyfile *key;         /* the receiver's */
    pbts_span sender_uid;
    pbts_span pieces; /* the set to sign for, not empty */
    pbts_receipt_form form;
    uint32_t batch_pieces; /* of each BATCH receipt, 1 to PBTS_RECEIPT_BATCH_PIECES_MAX */
} receipt_signing;

/* "piece", "cumulative", "batch", "session"; and back, false: none of these. */
const char *receipt_form_name(pbts_receipt_form form);
bool receipt_form_parse(pbts_receipt_form *out, const char *name);
/* How many records it makes of `pieces` pieces. */
size_t receipt_sign_records(const receipt_signing *signing);
/* The file's bytes in `*out`, to be freed. Gives an exit code; says what is wrong. */
int receipt_sign(uint8_t **out, size_t *len, const receipt_signing *signing);

#endif
