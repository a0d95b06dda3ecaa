/* peer/resume.h - what a peer remembers of a download between two runs: which pieces were on disk
 * and verified, and what the files looked like then. The bytes only; reading and writing the file,
 * and looking at the content, are the owner's.
 *
 * "pbts-resume1\n" | SHA-256 of what follows [32] | bencoded dictionary
 *   { "b": bitmap, "d": bytes downloaded so far, "f": files, "h": infohash[20], "n": piece count,
 *     "u": bytes uploaded so far }
 * files: 16 bytes for each file of the torrent, in order: u64 length, u64 time of the last change
 * in nanoseconds; a file that was not there, or is padding, has both zero. Nothing else may be in
 * it, so what decodes encodes to the same bytes.
 *
 * The hash tells damage, not malice: the owner trusts a piece only when the files that it lies in
 * still have this length and time, and the folder is the user's own.
 */
#ifndef PBTS_PEER_RESUME_H
#define PBTS_PEER_RESUME_H

#include "base/writer.h"
#include "torrent/metainfo.h"

enum {
    PBTS_RESUME_FILE_LEN = 16,
    PBTS_RESUME_LEN_MAX = 256 + PBTS_PIECES_MAX / 8 + PBTS_TORRENT_FILES_MAX * PBTS_RESUME_FILE_LEN,
};

/* A file as it was; both zero: it was not there. */
typedef struct {
    uint64_t length_bytes;
    uint64_t changed_ns; /* unix time of the last change */
} pbts_resume_file;

/* Spans are borrowed. */
typedef struct {
    uint8_t infohash[PBTS_INFOHASH_LEN];
    uint32_t piece_count;
    pbts_span bitmap; /* a checked piece set */
    pbts_span files;  /* PBTS_RESUME_FILE_LEN each; pbts_resume_file_at reads one */
    uint64_t uploaded_bytes, downloaded_bytes; /* in all runs; at most INT64_MAX */
} pbts_resume;

/* PBTS_MALFORMED (not such a file, or damaged), PBTS_LIMIT (longer than PBTS_RESUME_LEN_MAX). */
PBTS_MUST_USE pbts_status pbts_resume_decode(pbts_resume *out, pbts_span bytes);
void pbts_resume_encode(pbts_writer *writer, const pbts_resume *resume);

uint32_t pbts_resume_file_count(const pbts_resume *resume);
pbts_resume_file pbts_resume_file_at(const pbts_resume *resume, uint32_t index);
/* Write one into a `files` that is being made. */
void pbts_resume_file_put(uint8_t *files, uint32_t index, const pbts_resume_file *file);

/* Take out of `bitmap` (pieces of the whole torrent) those that lie, in part, in file `index`. */
void pbts_resume_distrust(uint8_t *bitmap, const pbts_metainfo *meta, uint32_t index);

#endif
