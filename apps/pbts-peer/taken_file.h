/* taken_file.h - what others took by their memberships, kept from one run to the next
 * (peer/book.h): or whoever has somebody started anew could take it again. */
#ifndef PBTS_PEER_TAKEN_FILE_H
#define PBTS_PEER_TAKEN_FILE_H

#include "engine.h"

enum { TAKEN_FILE_SAVE_MS = 60 * 1000 }; /* while something is taken */

/* Read it into the book; a file that is damaged is forgotten, which is said. NULL: no memory. */
taken_file *taken_file_open(const engine *e);
/* Write it when it is due and the book says something else. */
void taken_file_tick(taken_file *t, const engine *e);
/* The same at once, and the end of it; NULL is a no-op. */
void taken_file_close(taken_file *t, const engine *e);

#endif
