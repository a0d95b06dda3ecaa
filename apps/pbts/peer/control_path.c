#include "peer/control_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

bool control_default_path(char out[static PATH_MAX]) {
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
    int len = -1;
    if (runtime != NULL && runtime[0] == '/') {
        len = snprintf(out, PATH_MAX, "%s/pbts-peer.sock", runtime);
    } else if (home != NULL && home[0] == '/') {
        len = snprintf(out, PATH_MAX, "%s/.pbts-peer.sock", home);
    }
    return len > 0 && (size_t)len < sizeof((struct sockaddr_un *)0)->sun_path;
}
