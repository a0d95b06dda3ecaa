#include "tee_verifier.h"

#include <stdio.h>

#include "app.h"
#include "secret_file.h"
#include "tee_collateral.h"
#include "whole_file.h"

enum { SIMULATED_AGE_MAX_S = 24 * 3600 };

/* ---- files ---- */

static pbts_status read_collateral(struct app *app, pbts_collateral **out) {
    pbts_collateral_files files;
    pbts_status status = tee_collateral_read(app, &files);
    if (status == PBTS_OK) status = pbts_collateral_new(out, pbts_mem_system(), &files);
    tee_collateral_free(&files);
    return status;
}

static pbts_status read_policy(struct app *app, pbts_attest_policy *out) {
    pbts_span text;
    pbts_policy_mistake mistake;
    char why[PBTS_POLICY_MISTAKE_MAX];
    const char *path = app->config.tee_policy;
    PBTS_TRY(whole_file_read(app, &text, "tee_failed", path, PBTS_POLICY_LEN_MAX));
    pbts_status status = pbts_attest_policy_parse(out, &mistake, text);
    whole_file_free(text);
    if (status == PBTS_OK) return PBTS_OK;
    pbts_policy_mistake_text(why, &mistake, status);
    return secret_file_give_up(app, "tee_failed", path, why);
}

/* ---- the whole ---- */

pbts_status tee_verifier_refresh(struct tee_verifier *verifier, uint64_t now_s) {
    pbts_simulator *simulator;
    pbts_collateral_files files;
    pbts_collateral *collateral;
    if (verifier->simulator == NULL ||
        (now_s >= verifier->simulated_s && now_s - verifier->simulated_s < SIMULATED_AGE_MAX_S))
        return PBTS_OK;
    PBTS_TRY(pbts_simulator_new(&simulator, pbts_mem_system(), now_s));
    pbts_simulator_collateral(&files, simulator);
    pbts_status status = pbts_collateral_new(&collateral, pbts_mem_system(), &files);
    if (status != PBTS_OK) {
        pbts_simulator_free(simulator);
        return status;
    }
    pbts_collateral_free(verifier->collateral);
    pbts_simulator_free(verifier->simulator);
    verifier->simulator = simulator;
    verifier->collateral = collateral;
    verifier->simulated_s = now_s;
    return PBTS_OK;
}

static pbts_status open_simulated(struct tee_verifier *out, uint64_t now_s) {
    out->root = &PBTS_ATTEST_SIMULATOR;
    pbts_simulator_policy(&out->policy);
    PBTS_TRY(pbts_simulator_new(&out->simulator, pbts_mem_system(), now_s));
    out->simulated_s = 0; /* so that its collateral is taken now */
    return tee_verifier_refresh(out, now_s);
}

pbts_status tee_verifier_open(struct tee_verifier *out, struct app *app) {
    bool simulated = app->config.tee == PBTS_TEE_SIMULATOR;
    pbts_status status = PBTS_OK;
    out->root = &PBTS_ATTEST_INTEL;
    if (simulated)
        status = open_simulated(out, app_now().unix_s);
    else if (app->config.tee_collateral[0] != '\0')
        status = read_collateral(app, &out->collateral);
    if (status == PBTS_OK && app->config.tee_policy[0] != '\0')
        status = read_policy(app, &out->policy);
    if (status != PBTS_OK) tee_verifier_close(out);
    return status;
}

void tee_verifier_close(struct tee_verifier *verifier) {
    pbts_collateral_free(verifier->collateral);
    pbts_simulator_free(verifier->simulator);
    memset(verifier, 0, sizeof *verifier);
}
