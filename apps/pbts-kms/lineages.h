/* lineages.h - the allow-list: a folder of files LINEAGE.policy, LINEAGE being 64 hexadecimal
 * digits, small letters; see kms/lineage.h for what is in them. */
#ifndef PBTS_KMS_LINEAGES_H
#define PBTS_KMS_LINEAGES_H

#include "kms/lineage.h"

enum { LINEAGES_NAME_MAX = 2 * PBTS_KMS_LINEAGE_LEN + 8 };

void lineages_file_name(char out[static LINEAGES_NAME_MAX], const pbts_kms_lineage_id *id);
/* The text of one; `file` is for words. An exit code; what is wrong is said. */
int lineages_parse(pbts_kms_lineage *out, const char *file, pbts_span text);
/* All of them, at most `max`, to be freed; a folder that is missing has none. An exit code, and
 * what is wrong is said with its file and line: then nothing is given. */
int lineages_load(pbts_kms_lineage **out, size_t *len, const char *folder, size_t max);
/* Changes when a file is added, removed, changed in any way, or may be read since. 0: there is no
 * folder. */
uint64_t lineages_stamp_ns(const char *folder);

#endif
