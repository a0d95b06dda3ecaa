/* server.h - the node's HTTPS port, for nodes and trackers, and its socket for the operator.
 *
 *   POST /kms/v1/gossip    nodes only: the client's key must be one of the group's
 *   POST /kms/v1/hello     a nonce, and who has which public key
 *   POST /kms/v1/request   evidence in, a sealed share out
 *   GET  /health, /metrics
 *
 * and on the socket DATA/control: POST /dkg, POST /refresh, GET /status, GET /metrics.
 * Refusals are text: a word, a newline, a sentence. There are 256 connections, 32 of an address;
 * each ends after 30 seconds.
 */
#ifndef PBTS_KMS_SERVER_H
#define PBTS_KMS_SERVER_H

#include "service.h"

typedef struct kms_server kms_server;

/* An exit code, and what is wrong is said. Tells the port in service->port. */
int server_start(kms_server **out, kms_service *service);
/* End connections that last too long. Call about once a second. */
void server_tick(kms_server *server);
void server_stop(kms_server *server); /* NULL is a no-op */

#endif
