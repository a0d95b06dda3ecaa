#include "tee_part.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "attest/verify.h"
#include "exit_codes.h"
#include "files.h"
#include "say.h"

int tee_part_read(pbts_span *out, const char *folder, const char *name, size_t max) {
    char path[PATH_MAX];
    uint8_t *bytes;
    size_t len;
    int needed = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (needed < 0 || (size_t)needed >= sizeof path)
        return say_fail(PBTS_EXIT_USAGE, "--collateral: the path is too long");
    int code = file_read(&bytes, &len, path, max);
    if (code == PBTS_EXIT_OK) *out = (pbts_span){ bytes, len };
    return code;
}

void tee_part_free(pbts_span part) {
    free((void *)(uintptr_t)part.data);
}

int tee_part_read_collateral(pbts_collateral_files *out, const char *folder) {
    *out = (pbts_collateral_files){ 0 };
    pbts_collateral_part parts[PBTS_COLLATERAL_PARTS];
    pbts_collateral_parts(parts, out);
    int code = PBTS_EXIT_OK;
    for (size_t i = 0; i < PBTS_COLLATERAL_PARTS && code == PBTS_EXIT_OK; i++) {
        code = tee_part_read(parts[i].bytes, folder, parts[i].name, parts[i].len_max);
    }
    return code;
}

void tee_part_free_collateral(pbts_collateral_files *files) {
    pbts_collateral_part parts[PBTS_COLLATERAL_PARTS];
    pbts_collateral_parts(parts, files);
    for (size_t i = 0; i < PBTS_COLLATERAL_PARTS; i++) tee_part_free(*parts[i].bytes);
}
