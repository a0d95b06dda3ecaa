/* keyfile.h - a user's key on disk: text lines, mode 0600.
 *
 *   pbts-key1
 *   secret <64 hexadecimal digits>
 *   uid <name>                      where `pbts register` put it
 *   iid <64 hexadecimal digits>     the instance that it registered with
 *   tracker <192 hexadecimal digits>  that instance's key, as it showed it then
 */
#ifndef PBTS_APPS_KEYFILE_H
#define PBTS_APPS_KEYFILE_H

#include "receipt/receipt.h"

enum { KEYFILE_LEN_MAX = 512 };

/* Holds a secret: pass on by pointer, and wipe. */
typedef struct {
    pbts_bls_secret secret;
    pbts_bls_public key; /* computed from the secret */
    uint8_t uid_len;     /* 0: not registered */
    uint8_t uid[PBTS_UID_LEN_MAX];
    bool has_iid;
    uint8_t iid[PBTS_IID_LEN];
    bool has_tracker_key;
    pbts_bls_public tracker_key; /* bytes: decode before believing anything */
} keyfile;

/* The pure half. PBTS_MALFORMED with `problem`, a static sentence. */
PBTS_MUST_USE pbts_status keyfile_parse(keyfile *out, const char **problem, pbts_span text);
void keyfile_format(pbts_writer *writer, const keyfile *key);
void keyfile_wipe(keyfile *key);
pbts_span keyfile_uid(const keyfile *key); /* empty when not registered */

/* The half with files; each gives an exit code and says what is wrong. A file that others may read
 * is refused. */
int keyfile_load(keyfile *out, const char *path);
/* The same where the command needs somebody who is registered. */
int keyfile_load_registered(keyfile *out, const char *path);
int keyfile_create(const char *path, const keyfile *key, bool overwrite);
int keyfile_save(const char *path, const keyfile *key);

#endif
