/* disk.h - one thread for what may wait for a disk or takes long to compute: hashing, writing,
 * syncing. Jobs run in the order in which they were given; their ends come back to the loop. */
#ifndef PBTS_PEER_DISK_H
#define PBTS_PEER_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <uv.h>

/* Embedded in what the job is about. The owner keeps it until `done`. */
typedef struct disk_job {
    struct disk_job *next;
    void (*run)(struct disk_job *job);  /* on the disk's thread: no loop, no session */
    void (*done)(struct disk_job *job); /* on the loop's */
} disk_job;

typedef struct {
    disk_job *first, **end;
} disk_queue;

typedef struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    disk_queue waiting, ended; /* under the lock */
    bool stopping;             /* likewise */
    bool thread_runs;
    uv_async_t woken;
    unsigned under_way; /* on the loop's side: given and not done */
} disk;

/* False when there is no thread to be had. */
bool disk_start(disk *d, uv_loop_t *loop);
void disk_give(disk *d, disk_job *job);
/* Wait for all jobs to run; their `done` is called from here. Then the thread is gone. */
void disk_stop(disk *d);

#endif
