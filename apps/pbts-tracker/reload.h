/* reload.h - SIGHUP: read the configuration again and apply what may change at run time. */
#ifndef PBTS_TRACKER_RELOAD_H
#define PBTS_TRACKER_RELOAD_H

#include "app.h"

/* A configuration with an error changes nothing. What needs a restart is logged, key by key. */
void reload(struct app *app, int argc, char **argv, char **environment);

#endif
