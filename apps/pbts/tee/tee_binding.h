/* tee_binding.h - a tracker's binding on the command line: which report_data its evidence has. */
#ifndef PBTS_APPS_TEE_BINDING_H
#define PBTS_APPS_TEE_BINDING_H

#include <stdbool.h>

#include "attest/binding.h"

typedef struct {
    const char *iid, *owner, *tracker_key, *nonce;
} tee_binding_options;

/* clang-format off */
#define TEE_BINDING_OPTIONS(b)                                                                 \
    { "nonce", "HEX", &(b).nonce, NULL, false,                                                 \
      "32 random bytes, as in POST /generate-attestation; with the next three: what\n"         \
      "report_data must be" },                                                                 \
    { "iid", "HEX", &(b).iid, NULL, false, "the tracker's instance" },                         \
    { "tracker-key", "KEY", &(b).tracker_key, NULL, false, "its public key, in base64" },      \
    { "owner", "ADDRESS", &(b).owner, NULL, false,                                             \
      "who may write to its contract; none when absent" }
/* clang-format on */

/* Whether any of them is there. */
bool tee_binding_is_given(const tee_binding_options *options);
/* An exit code; says what is wrong. */
int tee_binding_read(uint8_t report_data[static PBTS_REPORT_DATA_LEN],
                     const tee_binding_options *options);

#endif
