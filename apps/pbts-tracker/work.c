#include "work.h"

#include "app.h"
#include "net/clock.h"

static pbts_span seed_of(const struct app *app) {
    return PBTS_SPAN_OF(app->limit_seed);
}

static uint64_t per_minute_us(struct app *app, enum rest_limit_kind kind) {
    pthread_rwlock_rdlock(&app->live_lock);
    uint32_t ms = kind == REST_LIMIT_USER_CPU ? app->live.user_cpu_ms : app->live.address_cpu_ms;
    pthread_rwlock_unlock(&app->live_lock);
    return (uint64_t)ms * 1000;
}

/* Whether there is something left. */
static bool has_left(struct work *work, enum rest_limit_kind kind,
                     const struct rest_limit_who *who) {
    struct app *app = work->app;
    if (work->unlimited || per_minute_us(app, kind) == 0) return true;
    work->wait_ms =
        rest_limits_wait_ms(&app->rest_limits, kind, seed_of(app), who, pbts_clock_mono_ms());
    return work->wait_ms == 0;
}

bool work_begin(struct work *work) {
    struct rest_limit_who who = rest_limit_address(work->client);
    if (!has_left(work, REST_LIMIT_ADDRESS_CPU, &who)) return false;
    work->start_us = pbts_clock_thread_us();
    work->begun = true;
    return true;
}

bool work_claim(struct work *work, pbts_span name) {
    if (name.len == 0 || name.len > sizeof work->user.bytes) return true; /* nobody's name */
    work->user = rest_limit_user(name);
    work->claimed = true;
    return has_left(work, REST_LIMIT_USER_CPU, &work->user);
}

void work_prove(struct work *work) {
    work->proven = work->claimed;
}

void work_end(struct work *work) {
    struct app *app = work->app;
    if (!work->begun || work->unlimited) return;
    work->begun = false;
    enum rest_limit_kind kind = work->proven ? REST_LIMIT_USER_CPU : REST_LIMIT_ADDRESS_CPU;
    struct rest_limit_who who = work->proven ? work->user : rest_limit_address(work->client);
    uint64_t budget_us = per_minute_us(app, kind);
    if (budget_us == 0) return;
    rest_limits_spend(&app->rest_limits, kind, seed_of(app), &who, pbts_clock_mono_ms(),
                      pbts_clock_thread_us() - work->start_us, budget_us);
}
