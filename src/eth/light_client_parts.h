/* eth/light_client_parts.h - private to the light client: the client itself. */
#ifndef PBTS_ETH_LIGHT_CLIENT_PARTS_H
#define PBTS_ETH_LIGHT_CLIENT_PARTS_H

#include "eth/light_store.h"

typedef struct {
    uint32_t silent, lagging, wrong; /* times in a row; a good answer makes them 0 */
    uint64_t asked_again_s;          /* not before that */
} pbts_light_server;

struct pbts_light_client {
    pbts_light_config config; /* its network is that of the store */
    pbts_light_store store;
    pbts_light_server servers[PBTS_LIGHT_SERVERS_MAX];
    bool is_waiting; /* for the answer to `request` */
    pbts_light_request request;
    uint64_t asked[PBTS_LIGHT_OPTIMISTIC + 1];    /* the number of the last request of each kind */
    uint64_t updates_s, finality_s, optimistic_s; /* when to ask for these again */
    uint64_t clock_s;                             /* the time of the last call */
    union {                                       /* one answer being looked at */
        pbts_light_update update;
        pbts_light_bootstrap bootstrap;
    } scratch;
};

/* PBTS_OK, PBTS_NOT_FOUND: not bootstrapped, or PBTS_STALE: what is known has become too old. */
PBTS_MUST_USE pbts_status pbts_light_client_check_age(const pbts_light_client *client,
                                                      uint64_t now_s);
/* Whether a block of this slot is older than age_max_s. */
bool pbts_light_is_too_old(const pbts_light_client *client, uint64_t slot, uint64_t now_s);

#endif
