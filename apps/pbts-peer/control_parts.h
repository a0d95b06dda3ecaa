/* control_parts.h - private to control*.c: who is connected to the control socket. */
#ifndef PBTS_PEER_CONTROL_PARTS_H
#define PBTS_PEER_CONTROL_PARTS_H

#include <jansson.h>

#include "control.h"

typedef struct control_question control_question; /* control_dht.c */

typedef struct {
    uv_pipe_t pipe;
    control *owner;
    char line[CONTROL_LINE_MAX];
    size_t len;
    bool is_open;
    control_question *waits_for; /* its answer comes later; no other line is looked at */
} control_client;

json_t *control_refuse(const char *why);
/* The answer that a client waits for. `take` may be NULL: no memory. */
void control_answer_later(control_client *from, json_t *take);

/* `pbts dht`: an answer, or NULL when from->waits_for was set. */
json_t *control_dht_status(engine *e, const json_t *request, control_client *from);
json_t *control_dht_lookup(engine *e, const json_t *request, control_client *from);
json_t *control_dht_announce(engine *e, const json_t *request, control_client *from);
/* The client has gone. */
void control_dht_forget(engine *e, control_question *question); /* NULL is a no-op */

#endif
