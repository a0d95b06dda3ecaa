/* base/lock.h - the seam by which a host with threads guards a core that has none.
 *
 * A core numbers the parts of its state that may be worked on side by side and calls enter and
 * leave around each; a single-threaded host passes NULL functions. Locks never nest.
 */
#ifndef PBTS_BASE_LOCK_H
#define PBTS_BASE_LOCK_H

typedef struct {
    void (*enter)(void *host, unsigned part);
    void (*leave)(void *host, unsigned part);
    void *host;
} pbts_lock;

static inline void pbts_lock_enter(const pbts_lock *lock, unsigned part) {
    if (lock->enter) lock->enter(lock->host, part);
}
static inline void pbts_lock_leave(const pbts_lock *lock, unsigned part) {
    if (lock->leave) lock->leave(lock->host, part);
}

#endif
