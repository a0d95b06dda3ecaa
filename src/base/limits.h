/* base/limits.h - limits that more than one module must agree on. */
#ifndef PBTS_BASE_LIMITS_H
#define PBTS_BASE_LIMITS_H

enum {
    /* Users of one instance have the numbers 1 to PBTS_USERS_MAX - 1. A contract has no more, so
     * that a fresh machine can load them all: some 800 MB while it does. */
    PBTS_USERS_MAX = 1 << 22,
};

#endif
