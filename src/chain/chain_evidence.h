/* chain/chain_evidence.h - what beacon nodes said, kept so that somebody else can follow it: from
 * the trusted root to a block. Private to chain/. */
#ifndef PBTS_CHAIN_CHAIN_EVIDENCE_H
#define PBTS_CHAIN_CHAIN_EVIDENCE_H

#include "eth/portable_proof.h"

enum { PBTS_CHAIN_EVIDENCE_LEN_MAX = 4 << 20 }; /* of each part; 27 KiB a period */

typedef struct {
    uint8_t *bytes; /* malloc */
    size_t len, capacity;
} pbts_chain_evidence_part;

/* Zeroed: nothing. */
typedef struct {
    pbts_chain_evidence_part bootstrap, updates, finality,
        optimistic;                  /* SSZ; updates as in files */
    pbts_chain_evidence_part joined; /* what was given out last */
    uint16_t updates_len;
    bool is_broken; /* what the rest needs was left out: there was no room, or it was JSON */
} pbts_chain_evidence_log;

void pbts_chain_evidence_deinit(pbts_chain_evidence_log *log);
/* An answer that was right. */
void pbts_chain_evidence_note(pbts_chain_evidence_log *log, pbts_light_request_kind kind,
                              pbts_light_format format, pbts_span body);
/* What leads to this block, checked once more; borrowed until the next call. PBTS_NOT_FOUND:
 * nothing that was noted does, or the network has no name in files; PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_chain_evidence_make(
    pbts_chain_evidence_log *log, pbts_portable_evidence *out, const pbts_beacon_network *network,
    const uint8_t trusted_root[static PBTS_SSZ_CHUNK_LEN], const pbts_eth_hash *block_hash,
    uint64_t now_s);

#endif
