#include "disk.h"

#include <signal.h>

static void queue_init(disk_queue *queue) {
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_put(disk_queue *queue, disk_job *job) {
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
}

static disk_job *queue_take(disk_queue *queue) {
    disk_job *job = queue->first;
    if (job == NULL) return NULL;
    queue->first = job->next;
    if (queue->first == NULL) queue->end = &queue->first;
    return job;
}

static disk_job *wait_for_job(disk *d) {
    disk_job *job;
    (void)pthread_mutex_lock(&d->lock);
    while ((job = queue_take(&d->waiting)) == NULL && !d->stopping) {
        (void)pthread_cond_wait(&d->wake, &d->lock);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return job;
}

static void *work(void *host) {
    disk *d = host;
    disk_job *job;
    while ((job = wait_for_job(d)) != NULL) {
        job->run(job);
        (void)pthread_mutex_lock(&d->lock);
        queue_put(&d->ended, job);
        (void)pthread_mutex_unlock(&d->lock);
        (void)uv_async_send(&d->woken);
    }
    return NULL;
}

static void take_ended(disk *d) {
    disk_job *job;
    for (;;) {
        (void)pthread_mutex_lock(&d->lock);
        job = queue_take(&d->ended);
        (void)pthread_mutex_unlock(&d->lock);
        if (job == NULL) return;
        d->under_way--;
        job->done(job);
    }
}

static void on_woken(uv_async_t *handle) {
    take_ended(handle->data);
}

/* Signals are for the loop. */
static int start_thread(disk *d) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&d->thread, NULL, work, d);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

bool disk_start(disk *d, uv_loop_t *loop) {
    *d = (disk){ .stopping = false };
    queue_init(&d->waiting);
    queue_init(&d->ended);
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_cond_init(&d->wake, NULL);
    if (uv_async_init(loop, &d->woken, on_woken) != 0) return false;
    d->woken.data = d;
    d->thread_runs = start_thread(d) == 0;
    return d->thread_runs;
}

void disk_give(disk *d, disk_job *job) {
    d->under_way++;
    (void)pthread_mutex_lock(&d->lock);
    queue_put(&d->waiting, job);
    (void)pthread_cond_signal(&d->wake);
    (void)pthread_mutex_unlock(&d->lock);
}

void disk_stop(disk *d) {
    (void)pthread_mutex_lock(&d->lock);
    d->stopping = true;
    (void)pthread_cond_signal(&d->wake);
    (void)pthread_mutex_unlock(&d->lock);
    (void)pthread_join(d->thread, NULL);
    d->thread_runs = false;
    take_ended(d);
    uv_close((uv_handle_t *)&d->woken, NULL);
}
