/* home.h - the files of a node: secrets that only it may read, and files that are whole or as they
 * were.
 *
 *   identity.key   with which it signs to the other nodes (BLS, hexadecimal)
 *   seal.key       with which share and journal are sealed (32 bytes, hexadecimal)
 *   tls.key, tls.crt
 *   share.sealed   its share, after a key generation
 *   journal.sealed the ceremony that runs
 *   said           what was said in the last one that ended; public
 *   control        the socket for "pbts-kms status" and its like
 */
#ifndef PBTS_KMS_HOME_H
#define PBTS_KMS_HOME_H

#include <stdint.h>

#include "base/cursor.h"

enum { HOME_PATH_MAX = 1024, HOME_SECRET_LEN = 32 };

/* "DIR/name". False: too long. */
bool home_path(char out[static HOME_PATH_MAX], const char *dir, const char *name);
/* All of a file, to be freed. PBTS_NOT_FOUND, PBTS_LIMIT, PBTS_IO, PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status home_read(uint8_t **out, size_t *len, const char *dir, const char *name,
                                    size_t max);
/* The same of what is secret. PBTS_DENIED: others may read, or write, the file. */
PBTS_MUST_USE pbts_status home_read_private(uint8_t **out, size_t *len, const char *dir,
                                            const char *name, size_t max);
/* Replace it at once: written beside, synced, renamed, the directory synced. Mode 0600. */
PBTS_MUST_USE pbts_status home_write(const char *dir, const char *name, pbts_span bytes);
/* PBTS_OK also when it is not there. */
PBTS_MUST_USE pbts_status home_remove(const char *dir, const char *name);
/* 32 bytes in hexadecimal digits. Statuses of home_read_private; PBTS_CORRUPT. */
PBTS_MUST_USE pbts_status home_read_secret(uint8_t out[static HOME_SECRET_LEN], const char *dir,
                                           const char *name);
PBTS_MUST_USE pbts_status home_write_secret(const char *dir, const char *name,
                                            const uint8_t secret[static HOME_SECRET_LEN]);

#endif
