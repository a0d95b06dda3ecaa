/* key_kms.h - key_trk from a key service, for key_source = kms: any t of its n nodes give it for
 * evidence that this guest may have it, and t - 1 know nothing of it. The same lineage and
 * generation have the same key on whatever machine; docs/kms.md.
 */
#ifndef PBTS_TRACKER_KEY_KMS_H
#define PBTS_TRACKER_KEY_KMS_H

#include "key_source.h"

/* One conversation: a nonce of each node, one quote, the shares. Nodes that lie are named in the
 * log. PBTS_BUSY: no evidence, or too few good shares, yet; PBTS_CORRUPT: kms_members, kms_public,
 * kms_threshold or tee_collateral, said; PBTS_IO, PBTS_NO_MEMORY. */
key_source_fetch key_kms_fetch;

#endif
