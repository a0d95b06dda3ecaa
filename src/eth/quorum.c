#include "eth/quorum.h"

#include "base/assert.h"
#include "eth/json_rpc_request.h"

pbts_status pbts_quorum_init(pbts_quorum *out, pbts_endpoints *endpoints,
                             const pbts_quorum_config *config) {
    if (config->needed == 0 || config->needed > endpoints->count) return PBTS_LIMIT;
    *out = (pbts_quorum){ .config = *config,
                          .endpoints = endpoints,
                          .next_round_ms = UINT64_MAX,
                          .proceed_ms = UINT64_MAX,
                          .pause_ms = PBTS_QUORUM_PAUSE_MS,
                          .next_id = 1 };
    return PBTS_OK;
}

/* ---- rounds ---- */

static size_t count_at(const pbts_quorum *quorum, pbts_quorum_step step) {
    size_t count = 0;
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        count += quorum->voters[i].step == step;
    }
    return count;
}

static bool is_anything_under_way(const pbts_quorum *quorum) {
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        if (quorum->voters[i].under_way) return true;
    }
    return false;
}

/* Whom to ask. With too few that are awake also those that rest for something wrong: a vote does
 * them no favour, and an honest one may have been outvoted at a reorganisation. */
static uint32_t voters_of(const pbts_quorum *quorum, uint64_t now_ms) {
    uint32_t awake = pbts_endpoints_awake(quorum->endpoints, now_ms);
    if ((uint32_t)__builtin_popcount(awake) >= quorum->config.needed) return awake;
    return awake | pbts_endpoints_wrong(quorum->endpoints);
}

/* Too few endpoints for a quorum: wait for the first that comes back. */
static void begin_round(pbts_quorum *quorum, uint64_t now_ms) {
    uint32_t awake = voters_of(quorum, now_ms);
    if ((uint32_t)__builtin_popcount(awake) < quorum->config.needed) {
        uint64_t awake_ms = pbts_endpoints_awake_ms(quorum->endpoints, awake);
        quorum->next_round_ms = awake_ms > now_ms ? awake_ms : now_ms + 1;
        return;
    }
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        pbts_quorum_voter *voter = &quorum->voters[i];
        bool known = voter->chain_known;
        if (voter->under_way) { /* slower than a whole round */
            pbts_endpoints_report(quorum->endpoints, i, PBTS_ENDPOINT_LATE, now_ms);
        }
        *voter = (pbts_quorum_voter){ .chain_known = known };
        if ((awake >> i & 1) == 0) continue;
        voter->step = known ? PBTS_QUORUM_HEAD : PBTS_QUORUM_CHAIN;
    }
    quorum->phase = PBTS_QUORUM_HEADS;
    quorum->lowered = 0;
    quorum->proceed_ms = UINT64_MAX;
}

static void end_round(pbts_quorum *quorum, uint64_t now_ms) {
    quorum->phase = PBTS_QUORUM_IDLE;
    quorum->proceed_ms = UINT64_MAX;
    quorum->next_round_ms =
        now_ms + quorum->pause_ms -
        pbts_prng_below(&quorum->endpoints->prng, (uint32_t)quorum->pause_ms / 2);
    quorum->pause_ms *= 2;
    if (quorum->pause_ms > PBTS_QUORUM_PAUSE_MAX_MS) quorum->pause_ms = PBTS_QUORUM_PAUSE_MAX_MS;
}

void pbts_quorum_start(pbts_quorum *quorum, pbts_moment now) {
    quorum->phase = PBTS_QUORUM_IDLE;
    quorum->pause_ms = PBTS_QUORUM_PAUSE_MS;
    quorum->was_stale = false;
    quorum->next_round_ms = now.mono_ms;
}

/* ---- the height to vote on ---- */

/* The n-th newest head, n from 1 to their number. */
static uint64_t nth_head(const pbts_quorum *quorum, size_t n) {
    uint64_t sorted[PBTS_ENDPOINTS_MAX] = { 0 };
    size_t len = 0;
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        const pbts_quorum_voter *voter = &quorum->voters[i];
        if (voter->step < PBTS_QUORUM_READY) continue;
        size_t at = len++;
        for (; at > 0 && sorted[at - 1] < voter->head; at--) sorted[at] = sorted[at - 1];
        sorted[at] = voter->head;
    }
    assert(n >= 1 && n <= len);
    return sorted[n - 1];
}

/* Vote at the next lower height; false when there is none left. */
static bool begin_vote(pbts_quorum *quorum) {
    size_t voters = count_at(quorum, PBTS_QUORUM_READY);
    uint64_t height = quorum->height;
    bool is_first = quorum->lowered == 0;
    while (quorum->config.needed + quorum->lowered <= voters) {
        uint64_t head = nth_head(quorum, quorum->config.needed + quorum->lowered++);
        height = head > quorum->config.depth ? head - quorum->config.depth : head > 0;
        if (is_first || height < quorum->height) break;
        height = quorum->height;
    }
    if (!is_first && height == quorum->height) return false;
    if (quorum->lowered == 0) return false;
    quorum->height = height;
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        pbts_quorum_voter *voter = &quorum->voters[i];
        if (voter->step == PBTS_QUORUM_READY && voter->head >= height) {
            voter->step = PBTS_QUORUM_BLOCK;
        }
    }
    quorum->phase = PBTS_QUORUM_VOTE;
    quorum->proceed_ms = UINT64_MAX;
    return true;
}

/* ---- votes ---- */

static size_t votes_for(const pbts_quorum *quorum, const pbts_eth_hash *hash) {
    size_t votes = 0;
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        const pbts_quorum_voter *voter = &quorum->voters[i];
        votes +=
            voter->step == PBTS_QUORUM_VOTED && pbts_eth_hash_equal(&voter->vote.block_hash, hash);
    }
    return votes;
}

static void judge(pbts_quorum *quorum, uint32_t endpoint, uint64_t now_ms) {
    bool agrees =
        pbts_eth_hash_equal(&quorum->voters[endpoint].vote.block_hash, &quorum->agreed.block_hash);
    pbts_endpoints_report(quorum->endpoints, endpoint,
                          agrees ? PBTS_ENDPOINT_GOOD : PBTS_ENDPOINT_OUTVOTED, now_ms);
}

static void agree(pbts_quorum *quorum, const pbts_trusted_block *block, pbts_moment now) {
    quorum->agreed = *block;
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        if (quorum->voters[i].step == PBTS_QUORUM_VOTED) judge(quorum, i, now.mono_ms);
    }
    quorum->was_stale = pbts_trusted_is_stale(block, quorum->config.age_max_s, now.unix_s);
    if (quorum->was_stale) {
        end_round(quorum, now.mono_ms);
        return;
    }
    quorum->phase = PBTS_QUORUM_AGREED;
    quorum->proceed_ms = UINT64_MAX;
}

static bool find_quorum(pbts_quorum *quorum, pbts_moment now) {
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        const pbts_quorum_voter *voter = &quorum->voters[i];
        if (voter->step != PBTS_QUORUM_VOTED) continue;
        if (votes_for(quorum, &voter->vote.block_hash) < quorum->config.needed) continue;
        pbts_trusted_block block = voter->vote;
        agree(quorum, &block, now);
        return true;
    }
    return false;
}

/* Enough had answered long ago: who has not is passed over, now and for a while. */
static void pass_over_slow(pbts_quorum *quorum, uint64_t now_ms) {
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        pbts_quorum_voter *voter = &quorum->voters[i];
        if (!voter->under_way) continue;
        pbts_endpoints_report(quorum->endpoints, i, PBTS_ENDPOINT_LATE, now_ms);
        voter->under_way = false;
        voter->step = PBTS_QUORUM_OUT;
    }
}

/* Nobody agreed: those that can vote do so again, further down. */
static void vote_again(pbts_quorum *quorum, uint64_t now_ms) {
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        pbts_quorum_voter *voter = &quorum->voters[i];
        voter->under_way = false;
        if (voter->step == PBTS_QUORUM_VOTED || voter->step == PBTS_QUORUM_BLOCK) {
            voter->step = PBTS_QUORUM_READY;
        }
    }
    if (!begin_vote(quorum)) end_round(quorum, now_ms);
}

/* ---- the owner's calls ---- */

/* Go on when everybody has answered, or enough have and the others had their time. */
static void proceed(pbts_quorum *quorum, pbts_moment now) {
    if (quorum->phase == PBTS_QUORUM_IDLE && now.mono_ms >= quorum->next_round_ms) {
        quorum->next_round_ms = UINT64_MAX;
        begin_round(quorum, now.mono_ms);
        return;
    }
    bool is_over = now.mono_ms >= quorum->proceed_ms;
    if (is_over) pass_over_slow(quorum, now.mono_ms);
    if (quorum->phase == PBTS_QUORUM_HEADS) {
        bool is_asking = is_anything_under_way(quorum) || count_at(quorum, PBTS_QUORUM_CHAIN) > 0 ||
                         count_at(quorum, PBTS_QUORUM_HEAD) > 0;
        if (is_asking && !is_over) return;
        if (!begin_vote(quorum)) end_round(quorum, now.mono_ms);
    } else if (quorum->phase == PBTS_QUORUM_VOTE) {
        if (count_at(quorum, PBTS_QUORUM_BLOCK) > 0 && !is_over) return;
        vote_again(quorum, now.mono_ms);
    }
}

static void write_request(pbts_quorum *quorum, const pbts_quorum_voter *voter,
                          pbts_writer *writer) {
    pbts_rpc_block_id block = pbts_rpc_at_number(quorum->height);
    if (voter->step == PBTS_QUORUM_CHAIN) pbts_rpc_chain_id(writer, quorum->next_id);
    if (voter->step == PBTS_QUORUM_HEAD) pbts_rpc_block_number(writer, quorum->next_id);
    if (voter->step == PBTS_QUORUM_BLOCK) pbts_rpc_get_block(writer, quorum->next_id, &block);
}

static bool wants(const pbts_quorum *quorum, const pbts_quorum_voter *voter) {
    if (voter->under_way) return false;
    if (quorum->phase == PBTS_QUORUM_HEADS) {
        return voter->step == PBTS_QUORUM_CHAIN || voter->step == PBTS_QUORUM_HEAD;
    }
    return quorum->phase == PBTS_QUORUM_VOTE && voter->step == PBTS_QUORUM_BLOCK;
}

bool pbts_quorum_next(pbts_quorum *quorum, pbts_rpc_want *out, pbts_moment now) {
    proceed(quorum, now);
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        pbts_quorum_voter *voter = &quorum->voters[i];
        if (!wants(quorum, voter)) continue;
        pbts_writer writer = pbts_writer_over(quorum->request, sizeof quorum->request);
        write_request(quorum, voter, &writer);
        assert(pbts_writer_status(&writer) == PBTS_OK);
        voter->under_way = true;
        voter->id = quorum->next_id++;
        *out = (pbts_rpc_want){ .id = voter->id,
                                .endpoint = i,
                                .body = pbts_writer_span(&writer),
                                .answer_len_max = PBTS_QUORUM_ANSWER_MAX,
                                .timeout_ms = PBTS_RPC_TIMEOUT_MS };
        return true;
    }
    return false;
}

static pbts_status read_chain(pbts_quorum *quorum, pbts_quorum_voter *voter,
                              pbts_rpc_result result) {
    uint64_t chain_id;
    PBTS_TRY(pbts_rpc_read_quantity(&chain_id, result));
    if (chain_id != quorum->config.chain_id) return PBTS_BAD_SIGNATURE;
    voter->chain_known = true;
    voter->step = PBTS_QUORUM_HEAD;
    return PBTS_OK;
}

static pbts_status read_head(pbts_quorum *quorum, uint32_t endpoint, pbts_rpc_result result) {
    pbts_quorum_voter *voter = &quorum->voters[endpoint];
    PBTS_TRY(pbts_rpc_read_quantity(&voter->head, result));
    pbts_endpoints_set_head(quorum->endpoints, endpoint, voter->head);
    voter->step = PBTS_QUORUM_READY;
    return PBTS_OK;
}

static pbts_status read_vote(pbts_quorum *quorum, pbts_quorum_voter *voter,
                             pbts_rpc_result result) {
    pbts_rpc_block block;
    PBTS_TRY(pbts_rpc_read_block(&block, result));
    if (block.number != quorum->height) return PBTS_BAD_SIGNATURE;
    voter->vote = (pbts_trusted_block){ .block_number = block.number,
                                        .block_hash = block.hash,
                                        .has_state_root = true,
                                        .state_root = block.state_root,
                                        .timestamp_s = block.timestamp_s };
    voter->step = PBTS_QUORUM_VOTED;
    return PBTS_OK;
}

static pbts_endpoint_outcome take(pbts_quorum *quorum, uint32_t endpoint,
                                  const pbts_rpc_reply *reply) {
    pbts_quorum_voter *voter = &quorum->voters[endpoint];
    pbts_rpc_answer answer;
    pbts_endpoint_outcome outcome;
    pbts_rpc_result result;
    pbts_rpc_error error = { 0 };
    pbts_status status = pbts_rpc_reply_open(&answer, &outcome, reply);
    if (status != PBTS_OK) return outcome;
    status = pbts_rpc_answer_result(&result, &error, &answer, voter->id);
    if (status == PBTS_OK && voter->step == PBTS_QUORUM_CHAIN) {
        status = read_chain(quorum, voter, result);
    } else if (status == PBTS_OK && voter->step == PBTS_QUORUM_HEAD) {
        status = read_head(quorum, endpoint, result);
    } else if (status == PBTS_OK) {
        status = read_vote(quorum, voter, result);
    }
    pbts_rpc_answer_close(&answer);
    return pbts_rpc_outcome(status, &error);
}

/* Once k have come this far, the rest has a little longer. */
static void set_grace(pbts_quorum *quorum, pbts_quorum_step step, uint64_t now_ms) {
    if (quorum->proceed_ms == UINT64_MAX && count_at(quorum, step) >= quorum->config.needed) {
        quorum->proceed_ms = now_ms + PBTS_QUORUM_GRACE_MS;
    }
}

static void answered(pbts_quorum *quorum, uint32_t endpoint, const pbts_rpc_reply *reply,
                     pbts_moment now) {
    pbts_quorum_voter *voter = &quorum->voters[endpoint];
    pbts_quorum_step before = voter->step;
    voter->under_way = false;
    pbts_endpoint_outcome outcome = take(quorum, endpoint, reply);
    if (voter->step == before) {
        voter->step = PBTS_QUORUM_OUT;
        pbts_endpoints_report(quorum->endpoints, endpoint, outcome, now.mono_ms);
    } else if (voter->step == PBTS_QUORUM_VOTED && quorum->phase == PBTS_QUORUM_AGREED) {
        judge(quorum, endpoint, now.mono_ms);
    }
    if (quorum->phase == PBTS_QUORUM_HEADS) set_grace(quorum, PBTS_QUORUM_READY, now.mono_ms);
    if (quorum->phase == PBTS_QUORUM_VOTE && !find_quorum(quorum, now)) {
        set_grace(quorum, PBTS_QUORUM_VOTED, now.mono_ms);
    }
}

void pbts_quorum_answer(pbts_quorum *quorum, uint64_t id, const pbts_rpc_reply *reply,
                        pbts_moment now) {
    for (uint32_t i = 0; i < quorum->endpoints->count; i++) {
        if (quorum->voters[i].under_way && quorum->voters[i].id == id) {
            answered(quorum, i, reply, now);
            return;
        }
    }
}

pbts_fetch_state pbts_quorum_state(const pbts_quorum *quorum, pbts_trusted_block *out) {
    if (quorum->phase != PBTS_QUORUM_AGREED) return PBTS_FETCH_PENDING;
    *out = quorum->agreed;
    return PBTS_FETCH_DONE;
}

uint64_t pbts_quorum_deadline_ms(const pbts_quorum *quorum) {
    return quorum->phase == PBTS_QUORUM_IDLE ? quorum->next_round_ms : quorum->proceed_ms;
}
