/* The hot path: who is asking, may they, and the swarm's answer. No store, no heap, no pairing. */
#include "tracker/announce.h"
#include "base/assert.h"
#include "base/secret.h"
#include "hash/sha.h"

/* ---- who ---- */

static pbts_refusal passkey_user(const pbts_tracker *tracker, uint32_t *user_no,
                                 pbts_span passkey) {
    uint32_t number, generation;
    uint8_t tag[PBTS_PASSKEY_TAG_LEN], own[PBTS_PASSKEY_TAG_LEN];
    if (pbts_passkey_split(&number, &generation, tag, passkey) != PBTS_OK) {
        return PBTS_REFUSAL_PASSKEY_INVALID;
    }
    const pbts_account *account = pbts_accounts_find(&tracker->accounts, number);
    if (account == NULL) return PBTS_REFUSAL_PASSKEY_INVALID;
    if (atomic_load_explicit(&account->generation, memory_order_acquire) != generation) {
        return PBTS_REFUSAL_PASSKEY_INVALID;
    }
    pbts_account_tag(own, account);
    if (!pbts_equal_ct(own, tag, sizeof tag)) return PBTS_REFUSAL_PASSKEY_INVALID;
    *user_no = number;
    return PBTS_REFUSAL_NONE;
}

pbts_refusal pbts_tracker_authenticate(const pbts_tracker *tracker, uint32_t *user_no,
                                       pbts_span passkey) {
    if (passkey.len == 0) return PBTS_REFUSAL_PASSKEY_MISSING;
    return passkey_user(tracker, user_no, passkey);
}

/* A rotation ends the tracker ids of before as it ends the passkey: who rotates has lost a secret.
 */
static pbts_refusal tracker_id_user(const pbts_tracker *tracker, uint32_t *user_no, pbts_span text,
                                    pbts_now now) {
    pbts_tracker_id id;
    uint8_t own[PBTS_PASSKEY_TAG_LEN];
    if (pbts_tracker_id_split(&id, text) != PBTS_OK) return PBTS_REFUSAL_TRACKER_ID_STALE;
    const pbts_account *account = pbts_accounts_find(&tracker->accounts, id.user_no);
    if (account == NULL ||
        atomic_load_explicit(&account->generation, memory_order_acquire) != id.generation) {
        return PBTS_REFUSAL_TRACKER_ID_STALE;
    }
    pbts_account_tag(own, account);
    if (pbts_tracker_id_check(&id, &tracker->secrets->passkey_key, own, now.unix_s) != PBTS_OK) {
        return PBTS_REFUSAL_TRACKER_ID_STALE;
    }
    *user_no = id.user_no;
    return PBTS_REFUSAL_NONE;
}

static pbts_refusal announcer(const pbts_tracker *tracker, uint32_t *user_no,
                              const pbts_announce *announce, pbts_now now) {
    if (announce->passkey.len > 0) return passkey_user(tracker, user_no, announce->passkey);
    if (announce->tracker_id.len > 0) {
        return tracker_id_user(tracker, user_no, announce->tracker_id, now);
    }
    if (!pbts_tracker_policy_now(tracker)->open_access) return PBTS_REFUSAL_PASSKEY_MISSING;
    *user_no = 0;
    return PBTS_REFUSAL_NONE;
}

/* ---- may they ---- */

static bool client_denied(const pbts_policy *policy, const uint8_t peer_id[static 20]) {
    for (uint32_t i = 0; i < policy->client_deny_count; i++) {
        if (memcmp(policy->client_deny[i].prefix, peer_id, policy->client_deny[i].len) == 0) {
            return true;
        }
    }
    return false;
}

/* Count one answer with peers; false past the user's hourly limit. Two workers may let one more
 * through in the same instant: it is a limit on load, not on money. */
static bool peer_list_allowed(pbts_account *account, const pbts_policy *policy, pbts_now now) {
    if (account == NULL || policy->peer_lists_per_hour == 0) return true;
    uint32_t hour = (uint32_t)(now.mono_s / 3600);
    if (atomic_load_explicit(&account->lists_hour, memory_order_relaxed) != hour) {
        atomic_store_explicit(&account->lists_hour, hour, memory_order_relaxed);
        atomic_store_explicit(&account->lists_count, 0, memory_order_relaxed);
    }
    uint32_t count = atomic_fetch_add_explicit(&account->lists_count, 1, memory_order_relaxed);
    return count < policy->peer_lists_per_hour;
}

/* What the account's standing allows. `downloader_only`: go on if the peer is in the swarm already
 * as a downloader. */
static pbts_refusal admit(const pbts_policy *policy, const pbts_account *account,
                          const pbts_announce *announce, bool *downloader_only) {
    *downloader_only = false;
    if (client_denied(policy, announce->peer_id)) return PBTS_REFUSAL_CLIENT_DENIED;
    if (account == NULL || announce->left_bytes == 0) return PBTS_REFUSAL_NONE;
    pbts_balance balance = pbts_account_balance(account);
    if (!pbts_balance_below_ratio(&balance, policy)) return PBTS_REFUSAL_NONE;
    if (announce->event == PBTS_EVENT_STARTED) return PBTS_REFUSAL_RATIO_TOO_LOW;
    /* A client that leaves out `started`, says `completed` with bytes left, or comes in as a seeder
     * and has bytes left a minute later, must not get in by that. */
    *downloader_only = true;
    return PBTS_REFUSAL_NONE;
}

/* Self-reported totals of the session, shown to people and used for nothing. */
static void note_reported(pbts_account *account, const pbts_announce *announce) {
    if (account == NULL || announce->event == PBTS_EVENT_STARTED) return;
    atomic_store_explicit(&account->reported_up, announce->uploaded_bytes, memory_order_relaxed);
    atomic_store_explicit(&account->reported_down, announce->downloaded_bytes,
                          memory_order_relaxed);
}

/* ---- the answer ---- */

/* Up to a tenth more than the interval, different for each peer, so that a restart's crowd spreads.
 */
static uint32_t jittered(uint32_t interval_s, const pbts_announce *announce, pbts_now now) {
    uint32_t salt;
    memcpy(&salt, announce->peer_id + 16, sizeof salt);
    pbts_prng prng = pbts_prng_seeded(salt ^ (now.mono_s << 32));
    return interval_s + pbts_prng_below(&prng, interval_s / 10 + 1);
}

static void fill_reply(pbts_announce_reply *reply, const pbts_announce_room *room,
                       const pbts_policy *policy, const pbts_swarm_result *result,
                       const pbts_announce *announce, pbts_now now) {
    *reply = (pbts_announce_reply){
        .interval_s = jittered(policy->interval_s, announce, now),
        .min_interval_s = policy->min_interval_s,
        .complete = result->complete,
        .incomplete = result->incomplete,
        .downloaded = result->downloaded,
        .peers4 = { room->peers4, result->peers4_len },
        .peers6 = { room->peers6, result->peers6_len },
    };
}

static uint32_t wanted(const pbts_policy *policy, const pbts_announce *announce) {
    if (announce->numwant < 0) return policy->numwant_default;
    uint32_t want = (uint32_t)announce->numwant;
    return want < policy->numwant_max ? want : policy->numwant_max;
}

static pbts_refusal refusal_of_swarm(pbts_status status) {
    switch (status) {
    case PBTS_OK: return PBTS_REFUSAL_NONE;
    case PBTS_NOT_FOUND: return PBTS_REFUSAL_UNKNOWN_TORRENT;
    case PBTS_DENIED: return PBTS_REFUSAL_RATIO_TOO_LOW;
    case PBTS_BUSY: return PBTS_REFUSAL_SWARM_FULL;
    default: return PBTS_REFUSAL_OVERLOADED;
    }
}

/* Who a peer is in its swarm, beside its user. Without one that is its id at its address: all that
 * it meets know the id, and could else take it out of the swarm, or put themselves in its place. */
static void peer_identity(uint8_t out[static 20], const pbts_announce *announce, uint32_t user_no,
                          const pbts_addr *client) {
    pbts_sha1_state state;
    uint8_t family = (uint8_t)client->family;
    if (user_no > 0) {
        memcpy(out, announce->peer_id, 20);
        return;
    }
    pbts_sha1_init(&state);
    pbts_sha1_update(&state, PBTS_SPAN_OF(announce->peer_id));
    pbts_sha1_update(&state, (pbts_span){ &family, 1 });
    pbts_sha1_update(&state, (pbts_span){ client->ip, pbts_addr_ip_len(client->family) });
    pbts_sha1_final(&state, out);
}

static pbts_refusal leave(pbts_tracker *tracker, pbts_announce_reply *reply,
                          const pbts_announce_room *room, const pbts_announce *announce,
                          uint32_t user_no, const uint8_t peer_id[static 20], pbts_now now) {
    unsigned shard = pbts_tracker_shard(tracker, announce->infohash);
    pbts_swarm_result result = { 0 };
    pbts_lock_enter(&tracker->lock, shard);
    pbts_status status = pbts_swarms_leave(tracker->shards[shard], &result, announce->infohash,
                                           user_no, peer_id, now.mono_s);
    pbts_lock_leave(&tracker->lock, shard);
    if (status != PBTS_OK) return refusal_of_swarm(status);
    result.peers4_len = result.peers6_len = 0;
    fill_reply(reply, room, pbts_tracker_policy_now(tracker), &result, announce, now);
    return PBTS_REFUSAL_NONE;
}

static pbts_refusal join(pbts_tracker *tracker, pbts_announce_reply *reply,
                         pbts_announce_room *room, const pbts_announce *announce,
                         const pbts_swarm_update *update, pbts_now now) {
    unsigned shard = pbts_tracker_shard(tracker, announce->infohash);
    pbts_swarm_result result = { 0 };
    pbts_lock_enter(&tracker->lock, shard);
    pbts_status status = pbts_swarms_announce(tracker->shards[shard], &result, room->peers4,
                                              room->peers6, announce->infohash, update, now.mono_s);
    pbts_lock_leave(&tracker->lock, shard);
    if (status != PBTS_OK) return refusal_of_swarm(status);
    fill_reply(reply, room, pbts_tracker_policy_now(tracker), &result, announce, now);
    return PBTS_REFUSAL_NONE;
}

pbts_refusal pbts_tracker_announce_as(pbts_tracker *tracker, pbts_announce_reply *reply,
                                      pbts_announce_room *room, const pbts_announce *announce,
                                      uint32_t user_no, const pbts_addr *client, unsigned families,
                                      pbts_now now) {
    const pbts_policy *policy = pbts_tracker_policy_now(tracker);
    pbts_account *account = user_no > 0 ? pbts_accounts_find(&tracker->accounts, user_no) : NULL;
    pbts_swarm_update update = { .user_no = user_no, .addr = pbts_addr_unmapped(client) };
    peer_identity(update.peer_id, announce, user_no, &update.addr);
    note_reported(account, announce);
    if (announce->event == PBTS_EVENT_STOPPED) {
        return leave(tracker, reply, room, announce, user_no, update.peer_id, now);
    }
    bool downloader_only, known_only = false;
    pbts_refusal refusal = admit(policy, account, announce, &downloader_only);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    if (announce->port == 0) return PBTS_REFUSAL_MALFORMED;
    if (account != NULL && atomic_load_explicit(&account->peers, memory_order_relaxed) >=
                               policy->torrents_per_user_max) {
        known_only = true;
    }
    uint32_t want = peer_list_allowed(account, policy, now) ? wanted(policy, announce) : 0;
    update.addr.port = announce->port;
    update.seeder = announce->left_bytes == 0;
    update.completed = announce->event == PBTS_EVENT_COMPLETED;
    update.partial_seeder = announce->event == PBTS_EVENT_PAUSED;
    update.known_only = known_only || downloader_only;
    update.seeder_stays = downloader_only;
    update.want4 = (families & PBTS_FAMILIES_IPV4) ? want : 0;
    update.want6 = (families & PBTS_FAMILIES_IPV6) ? want : 0;
    refusal = join(tracker, reply, room, announce, &update, now);
    bool denied_for_number = refusal == PBTS_REFUSAL_RATIO_TOO_LOW && !downloader_only;
    return denied_for_number ? PBTS_REFUSAL_TOO_MANY_TORRENTS : refusal;
}

pbts_refusal pbts_tracker_announce(pbts_tracker *tracker, pbts_announce_reply *reply,
                                   pbts_announce_room *room, const pbts_announce *announce,
                                   const pbts_addr *client, unsigned families, pbts_now now) {
    uint32_t user_no;
    pbts_refusal refusal = announcer(tracker, &user_no, announce, now);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    return pbts_tracker_announce_as(tracker, reply, room, announce, user_no, client, families, now);
}

pbts_refusal pbts_tracker_scrape(pbts_tracker *tracker, size_t *found, pbts_scrape_entry *entries,
                                 size_t count, pbts_span passkey, pbts_now now) {
    (void)now;
    uint32_t user_no;
    if (passkey.len > 0 || !pbts_tracker_policy_now(tracker)->open_access) {
        pbts_refusal refusal = pbts_tracker_authenticate(tracker, &user_no, passkey);
        if (refusal != PBTS_REFUSAL_NONE) return refusal;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        pbts_swarm_result result;
        unsigned shard = pbts_tracker_shard(tracker, entries[i].infohash);
        pbts_lock_enter(&tracker->lock, shard);
        pbts_status status =
            pbts_swarms_scrape(tracker->shards[shard], &result, entries[i].infohash);
        pbts_lock_leave(&tracker->lock, shard);
        if (status != PBTS_OK) continue;
        pbts_scrape_entry entry = { .complete = result.complete,
                                    .downloaded = result.downloaded,
                                    .incomplete = result.incomplete };
        memcpy(entry.infohash, entries[i].infohash, sizeof entry.infohash);
        entries[kept++] = entry;
    }
    *found = kept;
    return PBTS_REFUSAL_NONE;
}
