/* What the tracker signs for the time when it is away: see wire/membership.h. */
#include "tracker/membership.h"

#include "tracker/users.h"

void pbts_membership_make(const pbts_tracker *tracker, pbts_membership *out,
                          const pbts_bls_public *key, const pbts_account *account, pbts_now now) {
    const pbts_policy *policy = pbts_tracker_policy_now(tracker);
    pbts_balance balance = pbts_account_balance(account);
    *out = (pbts_membership){ .key = *key,
                              .allowance_bytes = pbts_balance_allowance(&balance, policy),
                              .up_bytes = balance.up,
                              .down_bytes = balance.down,
                              .min_ratio_milli = policy->min_ratio_milli,
                              .generation = balance.generation,
                              .issued = now.unix_s,
                              .expires = now.unix_s + PBTS_MEMBERSHIP_LIFE_S };
    pbts_membership_sign(out, tracker->iid, &tracker->secrets->owner);
}

pbts_status pbts_tracker_membership(pbts_tracker *tracker, pbts_membership *out, uint32_t user_no,
                                    pbts_now now) {
    pbts_user user;
    PBTS_TRY(pbts_tracker_user_by_no(tracker, &user, user_no));
    const pbts_account *account = pbts_accounts_find(&tracker->accounts, user_no);
    if (account == NULL) return PBTS_NOT_FOUND;
    if (!user.has_key || user.uid_len == 0) return PBTS_DENIED;
    pbts_membership_make(tracker, out, &user.key, account, now);
    return PBTS_OK;
}

void pbts_tracker_beacon(const pbts_tracker *tracker, pbts_epoch_beacon *out, pbts_now now) {
    uint64_t epoch = pbts_dht_beacon_epoch(pbts_epoch_at(now.unix_s));
    pbts_dht_beacon_sign(out, tracker->iid, epoch, &tracker->secrets->owner);
}
