/* GET /health: is it well? GET /params: the instance's public parameters (the paper's pp). */
#include "base/epoch.h"
#include "ethereum/ethereum.h"
#include "rest_parts.h"

/* The local ledger commits with the store: it never lags. A contract does, and nobody waits. */
void rest_ledger_kind(json_t *out, struct app *app) {
    struct ethereum_status status;
    if (app->ethereum == NULL) {
        json_object_set_new(out, "kind", json_string("local"));
        json_object_set_new(out, "lag", json_integer(0));
        return;
    }
    ethereum_look(app->ethereum, &status);
    json_t *chain = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:s}", "kind", "ethereum", "lag",
        rest_json_uint(status.waiting), "set_aside", rest_json_uint(status.aside), "chain_id",
        rest_json_uint(status.chain_id), "contract", rest_json_address(status.contract.bytes),
        "state", ethereum_phase_name(status.state.phase), "confirmed_sequence",
        rest_json_uint(status.state.sequence), "confirmed_time",
        rest_json_uint(status.confirmed_unix_s), "block", rest_json_uint(status.state.block_number),
        "writer", rest_json_address(status.writer.bytes), "problem", status.problem);
    if (chain != NULL) json_object_update(out, chain);
    json_decref(chain);
}

void rest_health(struct rest_request *request, const struct rest_caller *caller) {
    pbts_tracker_stats stats;
    pbts_now now = app_now();
    pbts_tracker_stats_read(request->app->tracker, &stats);
    uint64_t age_s = now.unix_s > stats.ledger_unix_s ? now.unix_s - stats.ledger_unix_s : 0;
    json_t *ledger = json_pack("{s:o, s:o}", "sequence", rest_json_uint(stats.ledger_sequence),
                               "age_s", rest_json_uint(age_s));
    rest_ledger_kind(ledger, request->app);
    json_t *store = json_pack("{s:o, s:o}", "used_bytes", rest_json_uint(stats.store_used_bytes),
                              "max_bytes", rest_json_uint(request->app->config.store_max_bytes));
    rest_reply_json(
        request, 200,
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "status", "ok", "version",
                  PBTS_VERSION, "uptime_s", rest_json_uint(now.mono_s - request->app->start_mono_s),
                  "users", rest_json_uint(stats.users), "torrents", rest_json_uint(stats.torrents),
                  "peers", rest_json_uint(stats.peers), "seeders", rest_json_uint(stats.seeders),
                  "ledger", ledger, "store", store));
}

static json_t *predecessor_of(const pbts_tracker *tracker) {
    uint8_t iid[PBTS_IID_LEN];
    return pbts_tracker_predecessor(tracker, iid) ? rest_json_hex(PBTS_SPAN_OF(iid)) : json_null();
}

/* Where the accounts outlive this machine: the contract, or the local chain's own name. */
static json_t *address_of(struct app *app) {
    struct ethereum_status status;
    if (app->ethereum == NULL)
        return rest_json_hex((pbts_span){ pbts_tracker_iid(app->tracker), PBTS_IID_LEN });
    ethereum_look(app->ethereum, &status);
    return rest_json_address(status.contract.bytes);
}

static json_t *ledger_of(struct app *app) {
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(app->tracker, &stats);
    json_t *ledger =
        json_pack("{s:o, s:o, s:o}", "address", address_of(app), "sequence",
                  rest_json_uint(stats.ledger_sequence), "owner",
                  rest_json_base64(PBTS_SPAN_OF(pbts_tracker_owner(app->tracker)->bytes)));
    rest_ledger_kind(ledger, app);
    return ledger;
}

/* What money and announces go by. */
static json_t *rules_of(const pbts_policy *policy) {
    return json_pack("{s:f, s:o, s:o, s:o, s:i, s:i, s:i, s:o, s:o, s:[s, s, s, s]}", "min_ratio",
                     policy->min_ratio_milli / 1000.0, "init_credit_bytes",
                     rest_json_uint(policy->init_credit_bytes), "overdraft_bytes",
                     rest_json_uint(policy->overdraft_bytes), "deficit_max_bytes",
                     rest_json_uint(policy->deficit_max_bytes), "epoch_seconds", PBTS_EPOCH_SECONDS,
                     "window_epochs", PBTS_WINDOW_EPOCHS, "claim_period_epochs",
                     PBTS_CLAIM_PERIOD_EPOCHS, "interval", rest_json_uint(policy->interval_s),
                     "min_interval", rest_json_uint(policy->min_interval_s), "receipt_forms",
                     "piece", "cumulative", "batch", "session");
}

void rest_params(struct rest_request *request, const struct rest_caller *caller) {
    struct app *app = request->app;
    pbts_policy policy = pbts_tracker_policy(app->tracker);
    json_t *params = rules_of(&policy);
    json_t *instance = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:s, s:o}", "iid",
        rest_json_hex((pbts_span){ pbts_tracker_iid(app->tracker), PBTS_IID_LEN }), "tracker_key",
        rest_json_base64(PBTS_SPAN_OF(pbts_tracker_owner(app->tracker)->bytes)), "predecessor",
        predecessor_of(app->tracker), "ledger", ledger_of(app), "attestation",
        rest_tee_summary(app), "registration", policy.open_registration ? "open" : "admin",
        "verify_signatures", 1, "version", PBTS_VERSION, "time", rest_json_uint(app_now().unix_s));
    if (instance != NULL) json_object_update(params, instance);
    json_decref(instance);
    rest_reply_json(request, 200, params);
}
