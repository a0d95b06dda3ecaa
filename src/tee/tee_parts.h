/* tee/tee_parts.h - what the sources of evidence share. Private. */
#ifndef PBTS_TEE_TEE_PARTS_H
#define PBTS_TEE_TEE_PARTS_H

#include <stdatomic.h>

#include "attest/simulator.h"
#include "tee/tee.h"

struct pbts_tee {
    pbts_tee_kind kind;
    uint32_t patience_ms;
    char path[PBTS_TEE_PATH_MAX]; /* empty: the usual one */
    char problem[PBTS_TEE_PROBLEM_MAX];
    atomic_bool stopped;
    int wake;            /* eventfd; readable once stopped */
    pbts_dstack_api api; /* what the agent spoke last */
    pbts_simulator *simulator;
};

/* "what: why", or what errno `error` means where `why` is NULL. */
void pbts_tee_complain(pbts_tee *tee, const char *what, const char *why, int error);
/* Sleep; less when stopped. */
void pbts_tee_rest(pbts_tee *tee, uint32_t ms);
/* A copy. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_tee_take(pbts_tee_evidence *out, pbts_span bytes, pbts_span log);

/* One source each (tee_tsm.c, tee_agent.c). */
PBTS_MUST_USE pbts_status pbts_tee_generate_tsm(pbts_tee *tee, pbts_tee_evidence *out,
                                                const uint8_t *report_data, const char *provider);
PBTS_MUST_USE pbts_status pbts_tee_generate_dstack(pbts_tee *tee, pbts_tee_evidence *out,
                                                   const uint8_t *report_data);

#endif
