/* tee_service.h - attestation (tee = …): one thread that has evidence made, and a verifier for
 * evidence that others bring.
 *
 * Making evidence takes the kernel or an agent from milliseconds to half a minute, so it waits in a
 * short queue for a thread of its own; neither announces nor the REST pool wait for it. Verifying
 * takes a few milliseconds and is done on the REST pool, one at a time.
 */
#ifndef PBTS_TRACKER_TEE_SERVICE_H
#define PBTS_TRACKER_TEE_SERVICE_H

#include "attest/binding.h"
#include "attest/verify.h"
#include "tee/tee.h"
#include "tracker/tracker.h"

struct app;
struct tee_service;

enum { TEE_QUEUE_MAX = 32 };

/* One piece of evidence to be made; the caller's storage, borrowed until `done`. */
struct tee_job {
    uint8_t report_data[PBTS_REPORT_DATA_LEN];
    pbts_status status;         /* out */
    pbts_tee_evidence evidence; /* out, when OK; the caller frees it */
    char problem[PBTS_TEE_PROBLEM_MAX];
    void (*done)(void *host, struct tee_job *job); /* on the service's thread */
    void *host;
    struct tee_job *next; /* the queue's */
};

/* Said in the log why not: PBTS_IO, PBTS_CORRUPT (policy or collateral), PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status tee_service_start(struct tee_service **out, struct app *app);
/* NONE: `done` will be called. OVERLOADED (queue full, stopping, or there is no TEE): it will not.
 */
pbts_refusal tee_service_submit(struct tee_service *service, struct tee_job *job);
/* End what runs, refuse what waits and comes. */
void tee_service_stop(struct tee_service *service); /* NULL is a no-op */
void tee_service_free(struct tee_service *service); /* after stop; NULL is a no-op */

/* Read policy and collateral again; when they are bad, keep the old ones and say so in the log. */
void tee_service_reload(struct tee_service *service);
/* Whether there is something to verify with, and under whose root it is done. */
bool tee_service_can_verify(const struct tee_service *service);
/* As pbts_attest_verify, by the configured policy with this report_data. */
PBTS_MUST_USE pbts_status tee_service_verify(struct tee_service *service, pbts_attest_verdict *out,
                                             pbts_span quote,
                                             const uint8_t report_data[static PBTS_REPORT_DATA_LEN],
                                             uint64_t now_s);

/* What this instance's evidence is bound to; the nonce is left as it is. */
void tee_service_bind(pbts_binding *out, struct app *app);

struct tee_status {
    pbts_tee_kind kind;
    bool simulated, can_verify;
    uint64_t made, failed, last_unix_s; /* last: when evidence was made */
    bool has_info;                      /* dstack's agent said what runs */
    pbts_dstack_info info;
    char problem[PBTS_TEE_PROBLEM_MAX]; /* of the last that failed; empty: the last did not */
};
void tee_service_look(struct tee_service *service, struct tee_status *out);

#endif
