/* keeper.h - what a node must not forget, on disk: its share, the ceremony that runs, what was said
 * in the last one. Everything secret is sealed.
 *
 * A seal is AES-256-GCM under HKDF(seal key, salt 16, what it is) with a salt of its own, so no two
 * texts have one key. The seal key is a file of mode 0600; a TEE puts its own sealing key there
 * instead (keeper_open takes 32 bytes and does not ask where they are from).
 *
 *   sealed:   salt 16 ‖ AES-256-GCM(text)
 *   journal:  records: length u32 ‖ sealed(number u32 ‖ text); the first is "d…e" with epoch,
 *             attempt and seed, others are messages. A record that was cut short ends it: nothing
 *             followed from it.
 */
#ifndef PBTS_KMS_KEEPER_H
#define PBTS_KMS_KEEPER_H

#include "home.h"
#include "kms/node.h"

typedef struct {
    char dir[HOME_PATH_MAX];
    uint8_t seal_key[HOME_SECRET_LEN];
    const pbts_kms_group *group;
    size_t number;
    pbts_random *random;
    int journal;      /* open for appending, or -1 */
    uint32_t records; /* in it */
} kms_keeper;

void keeper_open(kms_keeper *out, const char *dir, const uint8_t seal_key[static HOME_SECRET_LEN],
                 const pbts_kms_group *group, size_t number, pbts_random *random);
void keeper_close(kms_keeper *keeper);
pbts_kms_journal keeper_journal(kms_keeper *keeper);

/* PBTS_NOT_FOUND: there is none yet; PBTS_CORRUPT: not sealed by this key, or not this node's. */
PBTS_MUST_USE pbts_status keeper_load_key(const kms_keeper *keeper, pbts_kms_key *out);
/* To be freed; NULL and 0 when there is none. */
PBTS_MUST_USE pbts_status keeper_load_said(const kms_keeper *keeper, uint8_t **out, size_t *len);
/* The ceremony that ran, into the node. PBTS_OK also when there was none. */
PBTS_MUST_USE pbts_status keeper_resume(kms_keeper *keeper, pbts_kms_node *node, uint64_t now_ms);

#endif
