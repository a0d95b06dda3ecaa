#include "key_dstack.h"

#include <stdio.h>

#include "base/secret.h"
#include "hash/hkdf.h"
#include "tee/tee.h"

static void make(pbts_key_trk *out, const uint8_t key[static PBTS_DSTACK_KEY_LEN]) {
    out->version = PBTS_KEYS_V2;
    pbts_hkdf_sha256(out->bytes, sizeof out->bytes, (pbts_span){ NULL, 0 },
                     (pbts_span){ key, PBTS_DSTACK_KEY_LEN },
                     pbts_span_text("pbts/key_trk/dstack/1"));
}

pbts_status key_dstack_fetch(struct app *app, pbts_key_trk *out,
                             char problem[static KEY_SOURCE_PROBLEM_MAX]) {
    uint8_t key[PBTS_DSTACK_KEY_LEN];
    const pbts_tee_config config = { .kind = PBTS_TEE_DSTACK, .path = app->config.tee_path };
    pbts_tee *tee;
    PBTS_TRY(pbts_tee_open(&tee, &config));
    pbts_status status = pbts_tee_dstack_key(tee, key, "pbts/key_trk", "pbts-tracker");
    if (status == PBTS_OK)
        make(out, key);
    else
        (void)snprintf(problem, KEY_SOURCE_PROBLEM_MAX, "%s", pbts_tee_problem(tee));
    pbts_wipe(key, sizeof key);
    pbts_tee_close(tee);
    /* An agent that starts, or is updated, may say anything for a while. */
    return status == PBTS_OK || status == PBTS_NO_MEMORY ? status : PBTS_BUSY;
}
