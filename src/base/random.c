#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

static pbts_status system_fill(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return PBTS_IO;
        out += got;
        len -= (size_t)got;
    }
    return PBTS_OK;
}

pbts_random *pbts_random_system(void) {
    /* As pbts_mem_system: stateless, so it can be constant. */
    static const pbts_random system_random = { system_fill };
    return (pbts_random *)&system_random;
}

pbts_status pbts_random_fill(pbts_random *random, uint8_t *out, size_t len) {
    return random->fill(random, out, len);
}
