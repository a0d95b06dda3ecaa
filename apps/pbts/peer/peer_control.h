/* peer_control.h - one question to a running `pbts-peer daemon`, over its control socket
 * (apps/pbts-peer/control.h has the words). */
#ifndef PBTS_APPS_PEER_CONTROL_H
#define PBTS_APPS_PEER_CONTROL_H

#include <jansson.h>

/* Send `take` and wait for the answer, a new reference, which says that all went well. `path`: the
 * socket, NULL for the usual one. Gives an exit code; says what is wrong, in the daemon's words
 * when it refused. */
int peer_ask(json_t **out, const char *path, json_t *take);

#endif
