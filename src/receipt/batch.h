/* receipt/batch.h - check many receipts with one pairing product.
 *
 * Add receipts; each adds its hashed message to its signer's sum. Then one check: one Miller loop
 * per signer plus one, one final exponentiation. A batch that fails says only "some are bad": the
 * caller splits it. Source: DESIGN section 5, "Verification".
 */
#ifndef PBTS_RECEIPT_BATCH_H
#define PBTS_RECEIPT_BATCH_H

#include "base/mem.h"
#include "base/random.h"
#include "receipt/receipt.h"

enum { PBTS_BATCH_SIGNERS_MAX = 10000 };

typedef struct pbts_receipt_batch pbts_receipt_batch;

PBTS_MUST_USE pbts_status pbts_receipt_batch_new(pbts_receipt_batch **out, pbts_mem *mem);
void pbts_receipt_batch_free(pbts_receipt_batch *batch); /* NULL is a no-op */
void pbts_receipt_batch_clear(pbts_receipt_batch *batch);

/* Count `hashed` (from pbts_receipt_hash) as signed by `key`; the batch finds equal keys itself.
 * PBTS_LIMIT past the signers, PBTS_NO_MEMORY; nothing is counted then. `key` is copied. */
PBTS_MUST_USE pbts_status pbts_receipt_batch_add(pbts_receipt_batch *batch,
                                                 const pbts_bls_public_point *key,
                                                 const pbts_bls_g1_point *hashed);
/* Add a signature (of one receipt, or an aggregate of several added ones). */
void pbts_receipt_batch_add_signature(pbts_receipt_batch *batch,
                                      const pbts_bls_g1_point *signature);
/* The two in one for an independently submitted receipt, weighed with a random 64-bit coefficient
 * so that errors of different submitters cannot cancel. */
PBTS_MUST_USE pbts_status pbts_receipt_batch_add_weighed(pbts_receipt_batch *batch,
                                                         const pbts_bls_public_point *key,
                                                         const pbts_bls_g1_point *hashed,
                                                         const pbts_bls_g1_point *signature,
                                                         uint64_t weight);
/* PBTS_OK, PBTS_BAD_SIGNATURE. */
PBTS_MUST_USE pbts_status pbts_receipt_batch_verify(const pbts_receipt_batch *batch);
size_t pbts_receipt_batch_signers(const pbts_receipt_batch *batch);

#endif
