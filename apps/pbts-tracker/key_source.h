/* key_source.h - where key_trk, from which all keys are made (keys/tracker_keys.h), comes from.
 *
 *   file     DATA/tracker.key, mode 0600; made at the first start
 *   dstack   the guest agent of a dstack machine
 *   kms      t of n nodes of a key service, for evidence of the machine
 *
 * A source that asks somebody else for the key is a row in key_source.c; then nothing secret lies
 * in the data directory. Whatever it is, what it delivers must be the key that the data directory
 * was set up with (store_keys.h).
 */
#ifndef PBTS_TRACKER_KEY_SOURCE_H
#define PBTS_TRACKER_KEY_SOURCE_H

#include "app.h"
#include "keys/tracker_keys.h"

enum { KEY_SOURCE_PROBLEM_MAX = 256 };

/* One attempt. PBTS_OK; PBTS_BUSY: not now, `problem` says why, and it is tried again. Anything
 * else ends the start and was said in the log: PBTS_CORRUPT when a person has to put it right. */
typedef pbts_status key_source_fetch(struct app *app, pbts_key_trk *out,
                                     char problem[static KEY_SOURCE_PROBLEM_MAX]);

struct key_source {
    const char *name; /* as in the configuration */
    key_source_fetch *fetch;
    bool is_local; /* the key lies in the data directory, and so may the administrator's token */
};

const struct key_source *key_source_find(const char *name); /* NULL: there is none */

/* Whether SIGTERM or SIGINT waits: a fetch that takes long ends then. From any thread that blocks
 * them. */
bool key_source_told_to_stop(void);

/* Ask the source until it delivers, at most key_wait_s; says so in the log at the first refusal and
 * once a minute, and gives up when the daemon is told to stop. Statuses as of a fetch; PBTS_IO when
 * it gave up, said in the log. */
PBTS_MUST_USE pbts_status key_source_read(struct app *app, const struct key_source *source,
                                          pbts_key_trk *out);

#endif
