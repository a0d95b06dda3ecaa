/* control_path.h - where the daemon's socket is, for the daemon and for "pbts peer". */
#ifndef PBTS_APPS_CONTROL_PATH_H
#define PBTS_APPS_CONTROL_PATH_H

#include <limits.h>
#include <stdbool.h>

/* $XDG_RUNTIME_DIR/pbts-peer.sock, or else ~/.pbts-peer.sock. False: neither is set, or the path is
 * too long for a socket. */
bool control_default_path(char out[static PATH_MAX]);

#endif
