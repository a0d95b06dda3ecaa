#include "tee_collateral.h"

#include <limits.h>
#include <stdio.h>

#include "attest/tcb_info.h"
#include "secret_file.h"
#include "whole_file.h"

static pbts_status read_part(struct app *app, pbts_span *out, const char *name, size_t max) {
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", app->config.tee_collateral, name);
    if (len < 0 || (size_t)len >= sizeof path)
        return secret_file_give_up(app, "tee_failed", app->config.tee_collateral,
                                   "the path is too long");
    return whole_file_read(app, out, "tee_failed", path, max);
}

pbts_status tee_collateral_read(struct app *app, pbts_collateral_files *out) {
    pbts_collateral_part parts[PBTS_COLLATERAL_PARTS];
    pbts_collateral_parts(parts, out);
    *out = (pbts_collateral_files){ .tcb_info = { NULL, 0 } };
    for (size_t i = 0; i < PBTS_COLLATERAL_PARTS; i++)
        PBTS_TRY(read_part(app, parts[i].bytes, parts[i].name, parts[i].len_max));
    return PBTS_OK;
}

void tee_collateral_free(pbts_collateral_files *files) {
    pbts_collateral_part parts[PBTS_COLLATERAL_PARTS];
    pbts_collateral_parts(parts, files);
    for (size_t i = 0; i < PBTS_COLLATERAL_PARTS; i++) whole_file_free(*parts[i].bytes);
    *files = (pbts_collateral_files){ .tcb_info = { NULL, 0 } };
}
