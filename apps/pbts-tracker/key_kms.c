#include "key_kms.h"

#include <stdio.h>
#include <stdlib.h>

#include "attest/simulator.h"
#include "codec/text.h"
#include "kmsnet/fetch.h"
#include "secret_file.h"
#include "tee/tee.h"
#include "tee/tee_collateral.h"
#include "whole_file.h"

_Static_assert(sizeof((pbts_key_trk *)NULL)->bytes == PBTS_KMS_KEY_TRK_LEN, "key_trk");

/* One attempt. Too large for a stack. */
typedef struct {
    struct app *app;
    pbts_kms_members members;
    pbts_kms_fetch_config config;
    pbts_kms_fetch_report report;
    pbts_tee *tee;
    pbts_tee_evidence evidence;
    pbts_simulator *simulator;        /* whose collateral it is; NULL: */
    pbts_collateral_files collateral; /* of files */
    const char *problem;              /* why the evidence was not sent; NULL: it was */
} attempt;

/* ---- what is configured ---- */

static pbts_status read_members(attempt *a) {
    const char *path = a->app->config.kms_members;
    char why[80];
    pbts_span text;
    size_t line = 0;
    PBTS_TRY(whole_file_read(a->app, &text, "kms_failed", path, PBTS_KMS_MEMBERS_LEN_MAX));
    pbts_status status = pbts_kms_members_parse(&a->members, &line, text);
    whole_file_free(text);
    if (status == PBTS_OK) return PBTS_OK;
    (void)snprintf(why, sizeof why, "line %zu: %s", line, pbts_status_text(status));
    return secret_file_give_up(a->app, "kms_failed", path, why);
}

static pbts_status read_hex(uint8_t *out, size_t len, const char *text) {
    return pbts_hex_decode_exact(out, len, pbts_span_text(text));
}

static pbts_status read_group(attempt *a) {
    const struct config *config = &a->app->config;
    pbts_kms_client_config *client = &a->config.client;
    pbts_bls_public_point point;
    client->threshold = config->kms_threshold;
    client->mode = config->kms_pinned ? PBTS_KMS_PINNED : PBTS_KMS_GATE;
    client->generation = config->kms_generation;
    client->is_simulated = config->tee == PBTS_TEE_SIMULATOR;
    PBTS_TRY(read_hex(client->lineage.bytes, sizeof client->lineage.bytes, config->kms_lineage));
    PBTS_TRY(read_hex(client->group.bytes, sizeof client->group.bytes, config->kms_public));
    if (pbts_bls_public_decode(&point, &client->group) != PBTS_OK)
        return secret_file_give_up(a->app, "kms_failed", config->kms_members,
                                   "kms_public is no key of a group");
    if (client->threshold > a->members.nodes)
        return secret_file_give_up(a->app, "kms_failed", config->kms_members,
                                   "there are fewer nodes than kms_threshold");
    return PBTS_OK;
}

/* ---- evidence ---- */

static pbts_status open_collateral(attempt *a) {
    if (!a->config.client.is_simulated) return tee_collateral_read(a->app, &a->collateral);
    PBTS_TRY(pbts_simulator_new(&a->simulator, pbts_mem_system(), app_now().unix_s));
    pbts_simulator_collateral(&a->collateral, a->simulator);
    return PBTS_OK;
}

/* Then the nodes' shares would make another key than the configuration says. */
static bool is_unexpectedly_simulated(const attempt *a) {
    pbts_quote quote;
    pbts_span bytes = { a->evidence.bytes, a->evidence.len };
    return !a->config.client.is_simulated &&
           pbts_quote_parse(&quote, bytes) == PBTS_ATTEST_ACCEPTED &&
           memcmp(quote.vendor_id, PBTS_ATTEST_SIMULATOR.vendor_id, sizeof quote.vendor_id) == 0;
}

static pbts_status make_evidence(void *host, pbts_span *quote, pbts_collateral_files *collateral,
                                 const uint8_t report_data[static PBTS_REPORT_DATA_LEN]) {
    attempt *a = host;
    pbts_status status = pbts_tee_generate(a->tee, &a->evidence, report_data);
    if (status != PBTS_OK) a->problem = pbts_tee_problem(a->tee);
    if (status == PBTS_OK && is_unexpectedly_simulated(a)) {
        a->problem = "it is the simulator's, and tee is not";
        status = PBTS_DENIED;
    }
    PBTS_TRY(status);
    *quote = (pbts_span){ a->evidence.bytes, a->evidence.len };
    *collateral = a->collateral;
    return PBTS_OK;
}

static pbts_status prepare(attempt *a) {
    const struct config *config = &a->app->config;
    const pbts_tee_config tee = { .kind = config->tee, .path = config->tee_path };
    PBTS_TRY(read_members(a));
    PBTS_TRY(read_group(a));
    PBTS_TRY(open_collateral(a));
    a->config.members = &a->members;
    a->config.evidence = (pbts_kms_evidence){ a, make_evidence };
    a->config.timeout_ms = config->kms_timeout_s * 1000;
    a->config.random = pbts_random_system();
    a->config.should_stop = key_source_told_to_stop;
    return pbts_tee_open(&a->tee, &tee);
}

static void clean_up(attempt *a) {
    pbts_tee_close(a->tee);
    pbts_tee_evidence_free(&a->evidence);
    if (a->simulator == NULL) tee_collateral_free(&a->collateral);
    pbts_simulator_free(a->simulator);
    free(a);
}

/* ---- what came of it ---- */

static const char *word_of(const attempt *a, size_t i) {
    switch (a->report.nodes[i].conduct) {
    case PBTS_KMS_REPLIED: return "gave a share";
    case PBTS_KMS_LIED: return "LIED";
    default: break;
    }
    if (a->report.nodes[i].said[0] != '\0') return a->report.nodes[i].said;
    return a->report.nodes[i].conduct == PBTS_KMS_SILENT ? "silent" : "gave no share";
}

static size_t count(const attempt *a, pbts_kms_conduct conduct) {
    size_t count = 0;
    for (size_t i = 0; i < a->members.nodes; i++) count += a->report.nodes[i].conduct == conduct;
    return count;
}

/* Whoever carries a node's answers can make it a liar too, so this is a reason to look there. */
static void name_liars(const attempt *a) {
    for (size_t i = 0; i < a->members.nodes; i++) {
        if (a->report.nodes[i].conduct != PBTS_KMS_LIED) continue;
        LOG(&a->app->log, LOG_ERROR, "kms_liar", LOG_UINT("node", i + 1),
            LOG_TEXT("url", a->members.urls[i]),
            LOG_TEXT("reason", "what it gave is not its share of the key"));
    }
}

static void tell_nodes(const attempt *a, pbts_writer *out) {
    for (size_t i = 0; i < a->members.nodes; i++) {
        char node[PBTS_KMS_FETCH_WORD_MAX + 32];
        (void)snprintf(node, sizeof node, "%s%zu %s", i == 0 ? "" : ", ", i + 1, word_of(a, i));
        if (out->len + strlen(node) < KEY_SOURCE_PROBLEM_MAX) pbts_write_text(out, node);
    }
}

static void explain(const attempt *a, pbts_status status,
                    char problem[static KEY_SOURCE_PROBLEM_MAX]) {
    if (a->problem != NULL) {
        (void)snprintf(problem, KEY_SOURCE_PROBLEM_MAX, "no evidence: %s", a->problem);
        return;
    }
    if (status == PBTS_BAD_SIGNATURE) {
        (void)snprintf(problem, KEY_SOURCE_PROBLEM_MAX,
                       "the shares make no key of kms_public, and nobody can be named: are "
                       "kms_public and kms_threshold right?");
        return;
    }
    pbts_writer writer = pbts_writer_over((uint8_t *)problem, KEY_SOURCE_PROBLEM_MAX);
    char head[64];
    (void)snprintf(head, sizeof head, "%zu of %zu shares; nodes: ", count(a, PBTS_KMS_REPLIED),
                   a->config.client.threshold);
    pbts_write_text(&writer, head);
    tell_nodes(a, &writer);
    problem[writer.len] = '\0';
}

static void tell(const attempt *a) {
    bool is_simulated = a->config.client.is_simulated;
    LOG(&a->app->log, is_simulated ? LOG_WARN : LOG_INFO, "key_of_kms",
        LOG_UINT("shares", count(a, PBTS_KMS_REPLIED)), LOG_UINT("nodes", a->members.nodes),
        LOG_TEXT("lineage", a->app->config.kms_lineage),
        LOG_UINT("generation", a->app->config.kms_generation),
        LOG_TEXT("evidence", is_simulated ? "SIMULATED" : pbts_tee_kind_text(a->app->config.tee)));
}

static pbts_status ask(attempt *a, pbts_key_trk *out, char problem[static KEY_SOURCE_PROBLEM_MAX]) {
    pbts_status status = pbts_kms_fetch_key(out->bytes, &a->report, &a->config);
    name_liars(a);
    if (status == PBTS_NO_MEMORY) return status;
    if (status != PBTS_OK) {
        explain(a, status, problem);
        return PBTS_BUSY;
    }
    out->version = PBTS_KEYS_V2;
    tell(a);
    return PBTS_OK;
}

pbts_status key_kms_fetch(struct app *app, pbts_key_trk *out,
                          char problem[static KEY_SOURCE_PROBLEM_MAX]) {
    attempt *a = calloc(1, sizeof *a);
    if (a == NULL) return PBTS_NO_MEMORY;
    a->app = app;
    pbts_status status = prepare(a);
    if (status == PBTS_OK) status = ask(a, out, problem);
    clean_up(a);
    return status;
}
