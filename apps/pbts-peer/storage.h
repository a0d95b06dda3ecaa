/* storage.h - a torrent's files on disk: where each byte of its stream of pieces lies.
 *
 * Nothing outside the torrent's folder is ever opened: paths are walked part by part from the
 * folder, and no symbolic link is followed on the way or written through. Files come into being
 * when the first byte of them is written, at their full length, without blocks. A bounded number
 * of them is open.
 *
 * Two threads may use one storage at once, each its own side: the loop reads what is sent, the
 * disk's thread checks and writes. Functions that can fail give 0 or an errno; storage_problem then
 * says it in words.
 */
#ifndef PBTS_PEER_STORAGE_H
#define PBTS_PEER_STORAGE_H

#include "torrent/metainfo.h"

typedef struct storage storage;
typedef enum { STORAGE_LOOP, STORAGE_DISK, STORAGE_SIDES } storage_side;

enum {
    STORAGE_OPEN_MAX = 24, /* files of one torrent and side */
    STORAGE_CLOSED_MAX = 2,
    STORAGE_PROBLEM_MAX = 4400, /* a path and a sentence */
};

/* For a download: below `dir`, which is made, as clients do: DIR/NAME, or DIR/NAME/... */
int storage_open_new(storage **out, const pbts_metainfo *meta, const char *dir);
/* Nothing of the torrent is read from or written to this file or folder, wherever its paths lead:
 * our own state, whose files would be believed, and the key, of which there is no other. At most
 * STORAGE_CLOSED_MAX times. EBUSY: it is the torrent's folder, or `dir`. */
int storage_keep_out(storage *s, const char *path);
/* To serve what is there: `data` is the content itself or the folder above it. Never written. */
int storage_open_existing(storage **out, const pbts_metainfo *meta, const char *data);
void storage_close(storage *s); /* NULL is a no-op */
/* What went wrong last on this side: "PATH: sentence". */
const char *storage_problem(const storage *s, storage_side side);
const char *storage_root(const storage *s); /* the folder, or the single file, for people */
bool storage_is_writable(const storage *s);
/* Whether both would write the same files, however their folders were spelled. */
bool storage_is_same_place(const storage *a, const storage *b);

/* Make folders and the files that have no bytes; see that no file is longer than it should be (it
 * would be another one, and is not cut). On the disk's side. `*found`: whether any file was there.
 */
int storage_prepare(storage *s, bool *found);

/* Bytes of the stream (torrent/piece_check.h). Padding reads as zeros and is not written. ENODATA:
 * a file is missing or too short. */
int storage_read(storage *s, storage_side side, uint8_t *out, uint64_t offset_bytes, size_t len);
int storage_write(storage *s, pbts_span bytes, uint64_t offset_bytes); /* the disk's side */
/* Send up to `len` bytes to a socket, from the page cache; on the loop's side. `*sent` counts what
 * went, also when something failed after that; EAGAIN: the socket is full. */
int storage_send(storage *s, int socket, size_t *sent, uint64_t offset_bytes, size_t len);

/* Put all that was written on the disk. On the disk's side. */
int storage_sync(storage *s);
/* What the files look like now, for peer/resume.h: PBTS_RESUME_FILE_LEN bytes for each. On the
 * disk's side. */
void storage_look(storage *s, uint8_t *files);

#endif
