#include "http_guard.h"

#include <stdlib.h>
#include <sys/socket.h>

void http_guards_init(struct http_guards *guards) {
    guards->first = NULL;
    pthread_mutex_init(&guards->lock, NULL);
}

void http_guards_deinit(struct http_guards *guards) {
    pthread_mutex_destroy(&guards->lock);
}

void http_guard_expect(struct http_guard *guard, unsigned seconds, uint64_t now_us) {
    if (guard == NULL) return;
    uint64_t deadline = seconds == 0 ? UINT64_MAX : now_us + (uint64_t)seconds * 1000000u;
    atomic_store_explicit(&guard->deadline_us, deadline, memory_order_relaxed);
}

struct http_guard *http_guard_new(struct http_guards *guards, int fd, uint64_t now_us) {
    struct http_guard *guard = calloc(1, sizeof *guard);
    if (guard == NULL) return NULL;
    guard->fd = fd;
    http_guard_expect(guard, HTTP_HEAD_DEADLINE_S, now_us);
    pthread_mutex_lock(&guards->lock);
    guard->next = guards->first;
    guard->link = &guards->first;
    if (guard->next != NULL) guard->next->link = &guard->next;
    guards->first = guard;
    pthread_mutex_unlock(&guards->lock);
    return guard;
}

void http_guard_release(struct http_guards *guards, struct http_guard *guard) {
    if (guard == NULL) return;
    pthread_mutex_lock(&guards->lock);
    *guard->link = guard->next;
    if (guard->next != NULL) guard->next->link = guard->link;
    pthread_mutex_unlock(&guards->lock);
    free(guard);
}

unsigned http_guards_sweep(struct http_guards *guards, uint64_t now_us) {
    unsigned late = 0;
    /* Under the lock, so that no descriptor is closed and given to somebody else meanwhile. */
    pthread_mutex_lock(&guards->lock);
    for (struct http_guard *guard = guards->first; guard != NULL; guard = guard->next) {
        if (atomic_load_explicit(&guard->deadline_us, memory_order_relaxed) > now_us) continue;
        (void)shutdown(guard->fd, SHUT_RDWR); /* its thread sees the end and closes it */
        http_guard_expect(guard, 0, now_us);
        late++;
    }
    pthread_mutex_unlock(&guards->lock);
    return late;
}
