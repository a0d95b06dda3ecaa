#include "tracker/tracker.h"

enum { GIB = 1 << 30 };

pbts_policy pbts_policy_default(void) {
    return (pbts_policy){
        .open_registration = true,
        .min_ratio_milli = 500,
        .init_credit_bytes = GIB,
        .overdraft_bytes = GIB,
        .deficit_max_bytes = 1024ull * GIB,
        .interval_s = 1800,
        .min_interval_s = 900,
        .numwant_default = PBTS_NUMWANT_DEFAULT,
        .numwant_max = PBTS_NUMWANT_MAX,
        .peers_per_user_max = 8,
        .torrents_per_user_max = 10000,
        .uploads_per_user_max = 10000,
        .peer_lists_per_hour = 6000,
    };
}

static const char *policy_problem(const pbts_policy *policy) {
    const uint64_t bytes_max = UINT64_C(1) << 60;
    if (policy->min_ratio_milli > 1000000) return "min_ratio must be 0 to 1000";
    if (policy->init_credit_bytes > bytes_max) return "init_credit_bytes must be at most 1 EiB";
    if (policy->overdraft_bytes > bytes_max) return "overdraft_bytes must be at most 1 EiB";
    if (policy->deficit_max_bytes > bytes_max) return "deficit_max_bytes must be at most 1 EiB";
    if (policy->interval_s < 10 || policy->interval_s > 8 * 3600) {
        return "interval_s must be 10 to 28800";
    }
    if (policy->min_interval_s < 1 || policy->min_interval_s > policy->interval_s) {
        return "min_interval_s must be 1 to interval_s";
    }
    if (policy->numwant_max < 1 || policy->numwant_max > PBTS_NUMWANT_MAX) {
        return "numwant_max must be 1 to 200";
    }
    if (policy->numwant_default > policy->numwant_max) {
        return "numwant_default must be at most numwant_max";
    }
    if (policy->peers_per_user_max < 1 || policy->peers_per_user_max > 64) {
        return "peers_per_user_max must be 1 to 64";
    }
    if (policy->torrents_per_user_max < 1) return "torrents_per_user_max must be at least 1";
    if (policy->client_deny_count > PBTS_CLIENT_DENY_MAX) {
        return "client_deny takes at most 64 prefixes";
    }
    for (uint32_t i = 0; i < policy->client_deny_count; i++) {
        uint8_t len = policy->client_deny[i].len;
        if (len < 1 || len > 8) return "client_deny takes prefixes of 1 to 8 characters";
    }
    return NULL;
}

pbts_status pbts_policy_check(const pbts_policy *policy, const char **problem) {
    const char *found = policy_problem(policy);
    if (found == NULL) return PBTS_OK;
    if (problem != NULL) *problem = found;
    return PBTS_MALFORMED;
}
