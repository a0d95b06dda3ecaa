/* store_keys.h - whether the keys of this start are those of the data directory, and the seal over
 * what in the store is private (store/store.h).
 *
 * The store's META row "tracker/keys" tells which keys it was set up with, and nothing else about
 * them: u8 1 || u8 version of keys || check[16] (keys/tracker_keys.h).
 */
#ifndef PBTS_TRACKER_STORE_KEYS_H
#define PBTS_TRACKER_STORE_KEYS_H

#include "app.h"
#include "key_source.h"

/* With app->store open and app->keys made: refuse keys that are not the store's (PBTS_CORRUPT), and
 * private rows that are not sealed where the key is not beside them (so too), note the keys in a
 * new one, seal one that was not, unlock it. Reasons are logged. PBTS_IO, PBTS_FULL,
 * PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status store_keys_open(struct app *app, const struct key_source *source);

#endif
