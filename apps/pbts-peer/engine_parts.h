/* engine_parts.h - what the files of engine share. Private to engine*.c. */
#ifndef PBTS_PEER_ENGINE_PARTS_H
#define PBTS_PEER_ENGINE_PARTS_H

#include "engine.h"

/* Listen where the settings say, the first free port of their range; an exit code. */
int engine_listen(engine *e);
/* Once a tick: what paused because the system had no descriptor to give listens on. */
void engine_listen_again(engine *e);
void engine_close_listeners(engine *e);

#endif
