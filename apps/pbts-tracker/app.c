#include "app.h"

#include "base/secret.h"
#include "hash/sha.h"
#include "net/clock.h"

pbts_now app_now(void) {
    return (pbts_now){ .unix_s = pbts_clock_unix_ms() / 1000,
                       .mono_s = pbts_clock_mono_ms() / 1000 };
}

void app_fail(struct app *app) {
    if (atomic_exchange(&app->failed, true)) return;
    LOG(&app->log, LOG_ERROR, "store_lost",
        LOG_TEXT("reason", "the disk failed at the end of a commit, which did not happen; nothing "
                           "else can be read or written before the next start"));
}

static void enter(void *host, unsigned part) {
    pthread_mutex_lock(&((struct app *)host)->locks[part]);
}

static void leave(void *host, unsigned part) {
    pthread_mutex_unlock(&((struct app *)host)->locks[part]);
}

pbts_lock app_lock_seam(struct app *app) {
    return (pbts_lock){ .enter = enter, .leave = leave, .host = app };
}

void app_init(struct app *app, const struct config *config) {
    pbts_now now = app_now();
    memset(app, 0, sizeof *app);
    app->config = *config;
    app->live = config->live;
    app->start_unix_s = now.unix_s;
    app->start_mono_s = now.mono_s;
    log_init(&app->log, config->log_json, config->live.log_level);
    pthread_rwlock_init(&app->live_lock, NULL);
    for (size_t i = 0; i < PBTS_TRACKER_LOCKS; i++) pthread_mutex_init(&app->locks[i], NULL);
}

bool app_is_trusted_proxy(struct app *app, const pbts_addr *addr) {
    pthread_rwlock_rdlock(&app->live_lock);
    bool found = config_ranges_contain(&app->live.trusted_proxies, addr);
    pthread_rwlock_unlock(&app->live_lock);
    return found;
}

bool app_may_read_metrics(struct app *app, const pbts_addr *addr) {
    pthread_rwlock_rdlock(&app->live_lock);
    bool allowed =
        app->live.metrics_allow.count == 0 || config_ranges_contain(&app->live.metrics_allow, addr);
    pthread_rwlock_unlock(&app->live_lock);
    return allowed;
}

bool app_is_loopback(const pbts_addr *addr) {
    static const uint8_t one[16] = { [15] = 1 };
    pbts_addr plain = pbts_addr_unmapped(addr);
    if (plain.family == PBTS_IPV4) return plain.ip[0] == 127;
    return memcmp(plain.ip, one, sizeof one) == 0;
}

bool app_is_admin_token(const struct app *app, const char *authorization_or_null) {
    static const char scheme[] = "Bearer ";
    if (authorization_or_null == NULL) return false;
    if (strncmp(authorization_or_null, scheme, sizeof scheme - 1) != 0) return false;
    const char *token = authorization_or_null + sizeof scheme - 1;
    if (strlen(token) != ADMIN_TOKEN_LEN) return false;
    uint8_t hash[PBTS_SHA256_LEN];
    pbts_sha256(hash, pbts_span_text(token));
    return app->has_admin && pbts_equal_ct(hash, app->admin_token_hash, sizeof hash);
}

bool app_apply_live(struct app *app, const struct config_live *live, const char **problem) {
    if (pbts_policy_check(&live->policy, problem) != PBTS_OK) return false;
    /* SIGHUP and POST /config may come together: one at a time. */
    pthread_rwlock_wrlock(&app->live_lock);
    bool good = pbts_tracker_policy_set(app->tracker, &live->policy) == PBTS_OK;
    if (good) app->live = *live;
    pthread_rwlock_unlock(&app->live_lock);
    if (!good) {
        *problem = "the policy could not be set";
        return false;
    }
    log_set_level(&app->log, live->log_level);
    return true;
}
