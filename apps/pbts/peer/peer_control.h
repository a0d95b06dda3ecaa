/* peer_control.h - one question to a running `pbts-peer daemon`, over its control socket
 * (apps/pbts-peer/control.h has the words). */
#ifndef PBTS_APPS_PEER_CONTROL_H
#define PBTS_APPS_PEER_CONTROL_H

#include <jansson.h>

#include "options.h"

/* Send `take` and wait for the answer, a new reference, which says that all went well. `path`: the
 * socket, NULL for the usual one. Gives an exit code; says what is wrong, in the daemon's words
 * when it refused. */
int peer_ask(json_t **out, const char *path, json_t *take);

/* A command that asks the daemon one thing and shows the answer. */
typedef struct {
    const char *name, *arguments, *about, *examples; /* as in command_spec */
    int arguments_min, arguments_max;
    const char *asks; /* what the daemon is to do */
    /* Put the arguments into the question; an exit code. NULL: nothing to put. */
    int (*fill)(json_t *question, char **arguments);
    const char *part;                  /* of the answer: what is shown; NULL: all of it */
    void (*print)(const json_t *part); /* NULL: nothing is shown, and there is no --json */
} peer_question;
/* A `fill` that puts the first argument, if there is one, as the torrent. */
int peer_name_infohash(json_t *question, char **arguments);
int peer_question_run(const peer_question *q, int argc, char **argv);

/* What an answer says under a name: 0 and "" when it says nothing. The text is the answer's. */
unsigned long long peer_count(const json_t *object, const char *name);
const char *peer_text(const json_t *object, const char *name);

#define OPTION_CONTROL(text)                                                             \
    {                                                                                    \
        "control", "PATH", text, NULL, false,                                            \
            "the daemon's socket (default: pbts-peer.sock in the user's runtime folder)" \
    }

#endif
