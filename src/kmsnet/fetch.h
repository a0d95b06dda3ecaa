/* kmsnet/fetch.h - a tracker's conversation with the key service over HTTPS, start to end: the core
 * is kms/client.h, this asks.
 *
 * Every node is asked at once, its TLS key pinned; who is silent is waited for until `timeout_ms`,
 * and as soon as t good shares are there the result is. Blocks; takes a thread of its own or is
 * called before there are others.
 */
#ifndef PBTS_KMSNET_FETCH_H
#define PBTS_KMSNET_FETCH_H

#include "kms/client.h"
#include "kms/members.h"

enum { PBTS_KMS_FETCH_WORD_MAX = 64 };

/* Evidence for `report_data`: a quote and its collateral, borrowed until the next call or the end
 * of the fetch. Any status but PBTS_OK ends the fetch with it. */
typedef struct {
    void *host;
    pbts_status (*make)(void *host, pbts_span *quote, pbts_collateral_files *collateral,
                        const uint8_t report_data[static PBTS_REPORT_DATA_LEN]);
} pbts_kms_evidence;

typedef struct {
    const pbts_kms_members *members;
    pbts_kms_client_config client; /* `nodes` is that of the members */
    pbts_kms_evidence evidence;
    uint32_t timeout_ms; /* of each of the two rounds */
    pbts_random *random;
    bool (*should_stop)(void); /* NULL: never; asked ten times a second: wait for nobody any more */
} pbts_kms_fetch_config;

/* What came of each node, for people. */
typedef struct {
    struct {
        pbts_kms_conduct conduct;
        char said[PBTS_KMS_FETCH_WORD_MAX]; /* why it refused, or what was wrong on the way; "" */
    } nodes[PBTS_KMS_NODES_MAX];
} pbts_kms_fetch_report;

/* `report` is always written. PBTS_OK; PBTS_IO: fewer than t nodes were reached; PBTS_DENIED: they
 * were, but fewer than t gave a share, see the report; PBTS_BAD_SIGNATURE: pbts_kms_client_key;
 * PBTS_MALFORMED, PBTS_LIMIT: the configuration, or the evidence is no quote for what was asked;
 * PBTS_NO_MEMORY; and what the evidence gives. Nothing secret is in the report. */
PBTS_MUST_USE pbts_status pbts_kms_fetch_key(uint8_t out[static PBTS_KMS_KEY_TRK_LEN],
                                             pbts_kms_fetch_report *report,
                                             const pbts_kms_fetch_config *config);
/* The same for a statement. */
PBTS_MUST_USE pbts_status pbts_kms_fetch_signature(pbts_bls_signature *out,
                                                   pbts_kms_fetch_report *report,
                                                   const pbts_kms_fetch_config *config);

#endif
