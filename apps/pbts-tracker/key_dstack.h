/* key_dstack.h - key_trk from the guest agent of a dstack machine, for key_source = dstack: the
 * same application gets the same key on whatever machine it runs.
 *
 *   key_trk = HKDF-SHA-256(the agent's key for the path "pbts/key_trk", info
 * "pbts/key_trk/dstack/1")
 */
#ifndef PBTS_TRACKER_KEY_DSTACK_H
#define PBTS_TRACKER_KEY_DSTACK_H

#include "key_source.h"

/* From the socket tee_path. PBTS_BUSY: no agent, or no good answer, yet. */
key_source_fetch key_dstack_fetch;

#endif
