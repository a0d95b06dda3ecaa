/* tee_part.h - a file of a folder that goes with evidence. */
#ifndef PBTS_APPS_TEE_PART_H
#define PBTS_APPS_TEE_PART_H

#include "attest/collateral.h"

/* FOLDER/name, at most `max` bytes, to be freed with tee_part_free. An exit code; says what is
 * wrong. */
int tee_part_read(pbts_span *out, const char *folder, const char *name, size_t max);
void tee_part_free(pbts_span part); /* an empty one is a no-op */

/* The five files of a TDX platform's collateral, likewise; to be freed whatever it returns. */
int tee_part_read_collateral(pbts_collateral_files *out, const char *folder);
void tee_part_free_collateral(pbts_collateral_files *files);

#endif
