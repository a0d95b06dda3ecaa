/* The policy: every bound at its limit and one past it, and what a running tracker takes of it. */
#include "world.h"

typedef struct {
    const char *names; /* the field that the sentence must name */
    void (*set)(pbts_policy *policy, uint64_t value);
    uint64_t low, high; /* the least and most that are allowed */
} bound;

static void set_ratio(pbts_policy *p, uint64_t v) {
    p->min_ratio_milli = (uint32_t)v;
}
static void set_init(pbts_policy *p, uint64_t v) {
    p->init_credit_bytes = v;
}
static void set_overdraft(pbts_policy *p, uint64_t v) {
    p->overdraft_bytes = v;
}
static void set_deficit(pbts_policy *p, uint64_t v) {
    p->deficit_max_bytes = v;
}
static void set_interval(pbts_policy *p, uint64_t v) {
    p->interval_s = (uint32_t)v;
    p->min_interval_s = 1;
}
static void set_min_interval(pbts_policy *p, uint64_t v) {
    p->min_interval_s = (uint32_t)v;
}
static void set_numwant_max(pbts_policy *p, uint64_t v) {
    p->numwant_max = (uint32_t)v;
    p->numwant_default = 0;
}
static void set_numwant_default(pbts_policy *p, uint64_t v) {
    p->numwant_default = (uint32_t)v;
}
static void set_peers(pbts_policy *p, uint64_t v) {
    p->peers_per_user_max = (uint32_t)v;
}
static void set_torrents(pbts_policy *p, uint64_t v) {
    p->torrents_per_user_max = (uint32_t)v;
}
static void set_deny_len(pbts_policy *p, uint64_t v) {
    p->client_deny_count = 1;
    p->client_deny[0].len = (uint8_t)v;
}
static void set_deny_count(pbts_policy *p, uint64_t v) {
    for (size_t i = 0; i < PBTS_CLIENT_DENY_MAX; i++) p->client_deny[i].len = 1;
    p->client_deny_count = (uint32_t)v;
}

static const uint64_t EIB = UINT64_C(1) << 60;

static void every_bound_holds_at_its_limit_and_refuses_one_past_it(void **state) {
    (void)state;
    const bound bounds[] = {
        { "min_ratio", set_ratio, 0, 1000000 },
        { "init_credit_bytes", set_init, 0, EIB },
        { "overdraft_bytes", set_overdraft, 0, EIB },
        { "deficit_max_bytes", set_deficit, 0, EIB },
        { "interval_s", set_interval, 10, 8 * 3600 },
        { "min_interval_s", set_min_interval, 1, 1800 },
        { "numwant_max", set_numwant_max, 1, PBTS_NUMWANT_MAX },
        { "numwant_default", set_numwant_default, 0, PBTS_NUMWANT_MAX },
        { "peers_per_user_max", set_peers, 1, 64 },
        { "torrents_per_user_max", set_torrents, 1, UINT32_MAX },
        { "client_deny", set_deny_len, 1, 8 },
        { "client_deny", set_deny_count, 0, PBTS_CLIENT_DENY_MAX },
    };
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        const uint64_t values[] = { bounds[i].low, bounds[i].high, bounds[i].low - 1,
                                    bounds[i].high + 1 };
        for (size_t k = 0; k < 4; k++) {
            if (k == 2 && bounds[i].low == 0) continue;
            if (k == 3 && bounds[i].high == UINT32_MAX) continue;
            pbts_policy policy = pbts_policy_default();
            const char *problem = NULL;
            bounds[i].set(&policy, values[k]);
            assert_int_equal(pbts_policy_check(&policy, &problem),
                             k < 2 ? PBTS_OK : PBTS_MALFORMED);
            if (k < 2) continue;
            assert_non_null(strstr(problem, bounds[i].names));
            assert_int_equal(pbts_policy_check(&policy, NULL), PBTS_MALFORMED);
        }
    }
}

static void a_running_tracker_takes_a_policy_but_for_what_its_swarms_are_built_for(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 0);
    pbts_policy policy = pbts_policy_default();
    policy.interval_s = 60;
    policy.min_interval_s = 30;
    policy.peers_per_user_max = 3;
    policy.min_ratio_milli = 700;
    assert_int_equal(pbts_tracker_policy_set(w->tracker, &policy), PBTS_OK);
    pbts_policy now = pbts_tracker_policy(w->tracker);
    assert_int_equal(now.min_ratio_milli, 700);
    assert_int_equal(now.min_interval_s, 30);
    assert_int_equal(now.interval_s, 1800);
    assert_int_equal(now.peers_per_user_max, pbts_policy_default().peers_per_user_max);
    policy.min_ratio_milli = 1000001;
    assert_int_equal(pbts_tracker_policy_set(w->tracker, &policy), PBTS_MALFORMED);
    assert_int_equal(pbts_tracker_policy(w->tracker).min_ratio_milli, 700);
    for (uint32_t i = 0; i < 200; i++) { /* past the ring that keeps the last ones */
        policy.min_ratio_milli = i;
        assert_int_equal(pbts_tracker_policy_set(w->tracker, &policy), PBTS_OK);
        assert_int_equal(pbts_tracker_policy(w->tracker).min_ratio_milli, i);
    }
    pbts_tracker *tracker = NULL;
    w->config.policy.numwant_max = 0;
    assert_int_equal(pbts_tracker_open(&tracker, &w->config, w->now), PBTS_MALFORMED);
    assert_null(tracker);
    w->config.policy = pbts_policy_default();
    world_free(w);
}

/* The least interval that the new policy allows may be longer than the interval that stays. */
static void a_min_interval_never_passes_the_interval_that_stays(void **state) {
    (void)state;
    world *w = world_new(NULL, 1, 0);
    pbts_policy policy = pbts_policy_default();
    policy.interval_s = 7200;
    policy.min_interval_s = 3600;
    pbts_status status = pbts_tracker_policy_set(w->tracker, &policy);
    pbts_policy now = pbts_tracker_policy(w->tracker);
    assert_int_equal(status, PBTS_OK);
    assert_true(now.min_interval_s <= now.interval_s);
    world_free(w);
}

static void the_cap_is_the_smaller_of_ratio_and_deficit(void **state) {
    (void)state;
    pbts_policy policy = pbts_policy_default();
    policy.min_ratio_milli = 500;
    policy.init_credit_bytes = 1000;
    policy.overdraft_bytes = 100;
    policy.deficit_max_bytes = 5000;
    world *w = world_new(&policy, 1, 0);
    assert_int_equal(world_user(w, 0).allowance_bytes, 2200);
    world_set_totals(w, 0, 10000, 0);
    assert_int_equal(world_user(w, 0).allowance_bytes, 15000);
    policy.deficit_max_bytes = 0;
    assert_int_equal(pbts_tracker_policy_set(w->tracker, &policy), PBTS_OK);
    assert_int_equal(world_user(w, 0).allowance_bytes, 20200);
    policy.min_ratio_milli = 0;
    assert_int_equal(pbts_tracker_policy_set(w->tracker, &policy), PBTS_OK);
    assert_int_equal(world_user(w, 0).allowance_bytes, UINT64_C(1) << 61);
    policy.min_ratio_milli = 1;
    assert_int_equal(pbts_tracker_policy_set(w->tracker, &policy), PBTS_OK);
    world_set_totals(w, 0, UINT64_C(1) << 61, 0); /* 71 bits on the way */
    assert_int_equal(world_user(w, 0).allowance_bytes, UINT64_C(1) << 61);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bound_holds_at_its_limit_and_refuses_one_past_it),
        cmocka_unit_test(a_running_tracker_takes_a_policy_but_for_what_its_swarms_are_built_for),
        cmocka_unit_test(a_min_interval_never_passes_the_interval_that_stays),
        cmocka_unit_test(the_cap_is_the_smaller_of_ratio_and_deficit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
