/* bench_posts.h - many small POST requests over a few kept connections, by libcurl. */
#ifndef PBTS_APPS_BENCH_POSTS_H
#define PBTS_APPS_BENCH_POSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/writer.h"

enum { PBTS_POSTS_BODY_MAX = 4096, PBTS_POSTS_ANSWER_MAX = 4096, PBTS_POSTS_LANES_MAX = 256 };

typedef struct {
    const char *what;         /* plural, for progress: "users" */
    const char *tracker;      /* URL without a slash at its end */
    const char *content_type; /* of the bodies */
    const char *header;       /* one more header line; NULL: none */
    uint32_t jobs, lanes;
    size_t body_max, answer_max; /* bytes; 0: PBTS_POSTS_BODY_MAX, PBTS_POSTS_ANSWER_MAX */
    /* Write the path and body of a job; false stops everything. */
    bool (*fill)(void *host, pbts_writer *path, pbts_writer *body, uint32_t job);
    /* Take the answer of a job; false stops everything. */
    bool (*take)(void *host, uint32_t job, long http_status, pbts_span answer);
    void *host;
} pbts_posts;

/* All jobs, in any order of answers. False after printing why not. */
bool pbts_posts_run(const pbts_posts *posts);

#endif
