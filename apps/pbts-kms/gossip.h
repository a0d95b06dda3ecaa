/* gossip.h - the thread that asks the other nodes, and keeps the node's time. */
#ifndef PBTS_KMS_GOSSIP_H
#define PBTS_KMS_GOSSIP_H

#include "service.h"

typedef struct kms_gossip kms_gossip;

/* PBTS_NO_MEMORY, PBTS_IO. */
PBTS_MUST_USE pbts_status gossip_start(kms_gossip **out, kms_service *service);
void gossip_stop(kms_gossip *gossip); /* NULL is a no-op */

#endif
