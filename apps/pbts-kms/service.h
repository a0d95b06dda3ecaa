/* service.h - what the threads of a node share: its key and ceremony, its gate, behind one mutex;
 * counters. */
#ifndef PBTS_KMS_SERVICE_H
#define PBTS_KMS_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "config.h"
#include "keeper.h"
#include "kms/gate.h"

enum { SERVICE_LINEAGES_MAX = 64 };

typedef struct {
    atomic_uint_fast64_t hellos, answered, refused, limited, gossip_served, gossip_asked,
        gossip_failed, simulated;
    atomic_uint_fast64_t refusals[PBTS_KMS_REFUSAL_COUNT];
} service_counters;

typedef struct {
    kms_config config;
    size_t number;
    uint16_t port;
    int directory;        /* the data directory, held with flock; -1 */
    pthread_mutex_t lock; /* of all below but the counters */
    kms_keeper keeper;
    pbts_kms_node *node;
    pbts_kms_nonces nonces;
    pbts_kms_gate gate;
    pbts_kms_lineage *lineages;
    size_t lineages_len;
    uint64_t lineages_stamp_ns;                /* when the folder changed last */
    pbts_kms_fault faults[PBTS_KMS_NODES_MAX]; /* that were logged */
    service_counters counters;
} kms_service;

/* Open the data directory and go on where it stopped. An exit code, and what is wrong is said. */
int service_open(kms_service *out, const kms_config *config);
void service_close(kms_service *service);

/* Each takes the lock. */
void service_tick(kms_service *service);
void service_ask(kms_service *service, pbts_writer *question);
PBTS_MUST_USE pbts_status service_gossip(kms_service *service, pbts_writer *answer,
                                         pbts_span question);
void service_hear(kms_service *service, pbts_span answer);
PBTS_MUST_USE pbts_status service_hello(kms_service *service, pbts_writer *out);
PBTS_MUST_USE pbts_status service_answer(kms_service *service, pbts_writer *out,
                                         pbts_kms_verdict *verdict, pbts_span request);
/* Key generation, or a refresh. PBTS_EXISTS: there is a key already; PBTS_NOT_FOUND: none yet;
 * otherwise of pbts_kms_node_begin. */
PBTS_MUST_USE pbts_status service_begin(kms_service *service, bool refresh);
/* Lines "name value" for people and scripts; no secret. */
void service_status(kms_service *service, pbts_writer *out);
void service_metrics(kms_service *service, pbts_writer *out);

#endif
