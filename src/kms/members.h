/* kms/members.h - the file that tells nodes and trackers where the nodes are and who they are:
 *
 *   NUMBER URL KEY PIN
 *
 * one line each, numbers from 1 on. KEY is the node's key, 192 hexadecimal digits; PIN is SHA-256
 * of its TLS key's SubjectPublicKeyInfo in base64. '#' begins a line that is passed over. */
#ifndef PBTS_KMS_MEMBERS_H
#define PBTS_KMS_MEMBERS_H

#include "kms/group.h"

enum { PBTS_KMS_URL_MAX = 256, PBTS_KMS_PIN_MAX = 64, PBTS_KMS_MEMBERS_LEN_MAX = 64 * 1024 };

typedef struct {
    size_t nodes;
    pbts_bls_public keys[PBTS_KMS_NODES_MAX];        /* not looked at: pbts_kms_group_init does */
    char urls[PBTS_KMS_NODES_MAX][PBTS_KMS_URL_MAX]; /* "https://…", without slashes at the end */
    char pins[PBTS_KMS_NODES_MAX][PBTS_KMS_PIN_MAX]; /* "sha256//BASE64" */
} pbts_kms_members;

/* `*line` is where it is wrong, from 1. PBTS_MALFORMED; PBTS_LIMIT: too long, too many. */
PBTS_MUST_USE pbts_status pbts_kms_members_parse(pbts_kms_members *out, size_t *line,
                                                 pbts_span text);

#endif
