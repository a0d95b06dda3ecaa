/* kms_ask.h - what the commands that ask a key service share: whom they ask, and what came of it.
 */
#ifndef PBTS_APPS_KMS_ASK_H
#define PBTS_APPS_KMS_ASK_H

#include "kmsnet/fetch.h"
#include "options.h"

typedef struct {
    const char *members, *public, *threshold, *lineage, *generation, *timeout;
    bool pinned;
} kms_ask_options;

/* clang-format off */
#define KMS_ASK_OPTIONS(o)                                                                         \
    { "members", "FILE", &(o).members, NULL, true, "the group: NUMBER URL KEY PIN" },              \
    { "public", "HEX", &(o).public, NULL, true, "its public key, 192 digits" },                    \
    { "threshold", "NODES", &(o).threshold, NULL, true, "how many give a key" },                   \
    { "lineage", "HEX", &(o).lineage, NULL, true, "whose key, 64 digits" },                        \
    { "generation", "N", &(o).generation, NULL, false, "which of its keys; default 0" },           \
    { "pinned", NULL, NULL, &(o).pinned, false, "the key of this very measurement" },              \
    { "timeout", "SECONDS", &(o).timeout, NULL, false, "for each round, at most 60; default 20" }
/* clang-format on */

/* All but the evidence, and what the client asks for. `members` is filled and stays borrowed. An
 * exit code; says what is wrong. */
int kms_ask_read(pbts_kms_fetch_config *out, pbts_kms_members *members,
                 const kms_ask_options *options);

/* What came of each node, on stdout. */
void kms_ask_tell(const pbts_kms_fetch_report *report, size_t nodes);
/* Say why there is no `what` ("key"); the exit code. */
int kms_ask_fail(pbts_status status, const char *what, size_t threshold);

#endif
