/* torrent.h - reading a .torrent file. */
#ifndef PBTS_APPS_TORRENT_H
#define PBTS_APPS_TORRENT_H

#include "torrent/metainfo.h"

/* Read and check; the caller frees `*out`. Gives an exit code; says what is wrong with the file. */
int torrent_load(pbts_metainfo **out, const char *path);

#endif
