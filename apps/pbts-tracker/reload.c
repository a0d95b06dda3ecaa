#include "reload.h"

#include <stdlib.h>

#include "http_server.h"
#include "tee/tee_service.h"

/* Keys that differ from those we started with and cannot change now. By their names alone: a
 * server's URL may have a secret in it. */
static void log_what_stays(struct app *app, const struct config *fresh) {
    const char *key, *unit;
    bool may_change;
    char before[CONFIG_TEXT_MAX], after[CONFIG_TEXT_MAX];
    for (size_t i = 0; config_key_at(fresh, i, &key, &unit, &may_change, after); i++) {
        if (may_change) continue;
        (void)config_key_at(&app->config, i, &key, &unit, &may_change, before);
        if (strcmp(before, after) != 0)
            LOG(&app->log, LOG_WARN, "needs_restart", LOG_TEXT("key", key));
    }
}

static void apply(struct app *app, struct config *fresh) {
    const char *problem = NULL;
    /* Fixed for the life of an instance in memory: expiry and places of peers follow from them. */
    fresh->live.policy.interval_s = app->config.live.policy.interval_s;
    config_follow_interval(&fresh->live);
    fresh->live.policy.peers_per_user_max = app->config.live.policy.peers_per_user_max;
    if (!app_apply_live(app, &fresh->live, &problem)) {
        LOG(&app->log, LOG_ERROR, "reload_failed", LOG_TEXT("reason", problem));
        return;
    }
    tee_service_reload(app->tee);
    bool tls = http_server_reload_tls(app->http);
    LOG(&app->log, LOG_INFO, "reloaded", LOG_TEXT("file", fresh->file),
        LOG_TEXT("certificate", tls ? "ok" : "kept the old one"));
}

void reload(struct app *app, int argc, char **argv, char **environment) {
    char error[CONFIG_ERROR_MAX];
    struct config *fresh = malloc(sizeof *fresh);
    if (fresh == NULL) return;
    if (config_reload(fresh, error, argc, argv, environment)) {
        log_what_stays(app, fresh);
        apply(app, fresh);
    } else {
        LOG(&app->log, LOG_ERROR, "reload_failed", LOG_TEXT("reason", error));
    }
    free(fresh);
}
