/* What endpoints say without proof: one question to several of them, sends, estimates. */
#include <string.h>

#include "chain/chain.h"
#include "chain/chain_parts.h"

enum {
    ANSWER_MAX = 1 << 20,
    GRACE_MS = 1000, /* after the first result, how long the rest is waited for */
};

/* ---- one question to several endpoints ---- */

typedef struct {
    pbts_chain *chain;
    uint32_t to_ask, asked, answered; /* bits */
    uint64_t id; /* the request's; endpoint i's answer is told by id_first + i */
    pbts_span body;
    pbts_chain_take take;
    void *host;
    bool enough;
    uint64_t proceed_ms; /* UINT64_MAX: no result yet */
} asking;

static bool ask_next(void *core, pbts_rpc_want *out, pbts_moment now) {
    asking *a = core;
    (void)now;
    for (uint32_t i = 0; i < a->chain->config.urls_len; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if ((a->to_ask & bit) == 0 || (a->asked & bit) != 0) continue;
        a->asked |= bit;
        *out = (pbts_rpc_want){ .id = i,
                                .endpoint = i,
                                .body = a->body,
                                .answer_len_max = ANSWER_MAX,
                                .timeout_ms = PBTS_RPC_TIMEOUT_MS };
        return true;
    }
    return false;
}

static void ask_answer(void *core, uint64_t id, const pbts_rpc_reply *reply, pbts_moment now) {
    asking *a = core;
    pbts_endpoint_outcome outcome = PBTS_ENDPOINT_GOOD;
    pbts_rpc_answer answer;
    pbts_rpc_result result = NULL;
    pbts_rpc_error error = { 0 };
    uint32_t endpoint = (uint32_t)id;
    a->answered |= UINT32_C(1) << endpoint;
    pbts_status status = pbts_rpc_reply_open(&answer, &outcome, reply);
    bool open = status == PBTS_OK;
    if (open) {
        status = pbts_rpc_answer_result(&result, &error, &answer, a->id);
        /* A refusal is an answer here: what was asked is in question, not the endpoint. */
        if (status != PBTS_DENIED) outcome = pbts_rpc_outcome(status, &error);
        if (status == PBTS_DENIED)
            pbts_chain_set_problem(a->chain, a->chain->urls[endpoint], error.text);
    }
    pbts_endpoints_report(&a->chain->endpoints, endpoint, outcome, now.mono_ms);
    if (status == PBTS_OK && a->proceed_ms == UINT64_MAX) a->proceed_ms = now.mono_ms + GRACE_MS;
    if (a->take(a->host, endpoint, status, result, &error)) a->enough = true;
    if (open) pbts_rpc_answer_close(&answer);
}

static uint64_t ask_deadline_ms(const void *core) {
    return ((const asking *)core)->proceed_ms;
}

static bool ask_is_over(void *core) {
    const asking *a = core;
    return a->enough || a->answered == a->to_ask || pbts_chain_now().mono_ms >= a->proceed_ms;
}

pbts_status pbts_chain_ask(pbts_chain *chain, uint32_t ask, pbts_span body, uint64_t id,
                           pbts_chain_take take, void *host) {
    asking a = { .chain = chain,
                 .to_ask = ask,
                 .id = id,
                 .body = body,
                 .take = take,
                 .host = host,
                 .proceed_ms = UINT64_MAX };
    pbts_chain_core core = { &a, ask_next, ask_answer, ask_deadline_ms, ask_is_over };
    pbts_status status = pbts_chain_run(chain, &core, pbts_chain_give_up_ms(chain));
    for (uint32_t i = 0; status == PBTS_OK && !a.enough && i < chain->config.urls_len; i++) {
        if ((a.to_ask & ~a.answered & UINT32_C(1) << i) == 0) continue;
        pbts_endpoints_report(&chain->endpoints, i, PBTS_ENDPOINT_LATE, pbts_chain_now().mono_ms);
    }
    return status;
}

uint32_t pbts_chain_whom(const pbts_chain *chain) {
    uint32_t awake = pbts_endpoints_awake(&chain->endpoints, pbts_chain_now().mono_ms);
    return awake != 0 ? awake : pbts_endpoints_all(&chain->endpoints);
}

/* ---- numbers ---- */

void pbts_chain_name(pbts_chain_named *named, uint64_t value) {
    uint32_t at = named->len++;
    for (; at > 0 && named->values[at - 1] > value; at--) named->values[at] = named->values[at - 1];
    named->values[at] = value;
}

uint64_t pbts_chain_median(const pbts_chain_named *named) {
    return named->len > 0 ? named->values[named->len / 2] : 0;
}

/* ---- sending ---- */

static pbts_eth_send_result send_result(pbts_status status, const pbts_rpc_error *error) {
    if (status == PBTS_OK) return PBTS_ETH_SEND_ACCEPTED;
    if (status != PBTS_DENIED) return PBTS_ETH_SEND_FAILED;
    switch (error->class) {
    case PBTS_RPC_ALREADY_KNOWN: return PBTS_ETH_SEND_ACCEPTED;
    case PBTS_RPC_NONCE_TOO_LOW: return PBTS_ETH_SEND_NONCE_TOO_LOW;
    case PBTS_RPC_UNDERPRICED:
    case PBTS_RPC_REPLACE_UNDERPRICED:
    case PBTS_RPC_FEE_BELOW_BASE: return PBTS_ETH_SEND_UNDERPRICED;
    case PBTS_RPC_INSUFFICIENT_FUNDS: return PBTS_ETH_SEND_NO_FUNDS;
    case PBTS_RPC_RATE_LIMITED: return PBTS_ETH_SEND_FAILED;
    default: return PBTS_ETH_SEND_REFUSED;
    }
}

static bool take_sent(void *host, uint32_t endpoint, pbts_status status, pbts_rpc_result result,
                      const pbts_rpc_error *error) {
    pbts_eth_send_result *best = host, one = send_result(status, error);
    (void)endpoint;
    (void)result;
    if (one < *best) *best = one;
    return false; /* every endpoint gets it */
}

pbts_eth_send_result pbts_chain_send(pbts_chain *chain, pbts_span raw) {
    pbts_eth_send_result best = PBTS_ETH_SEND_FAILED;
    pbts_writer writer = pbts_writer_over(chain->request, PBTS_CHAIN_REQUEST_MAX);
    uint64_t id = chain->next_id++;
    pbts_rpc_send_raw_transaction(&writer, id, raw);
    if (writer.failed) return PBTS_ETH_SEND_REFUSED;
    pbts_status status = pbts_chain_ask(chain, pbts_endpoints_all(&chain->endpoints),
                                        pbts_writer_span(&writer), id, take_sent, &best);
    (void)status; /* what came in time counts */
    return best;
}

/* ---- estimates ---- */

typedef struct {
    pbts_chain_named gas;
    uint32_t reverts;
    pbts_rpc_error revert;
} estimating;

static bool take_estimate(void *host, uint32_t endpoint, pbts_status status, pbts_rpc_result result,
                          const pbts_rpc_error *error) {
    estimating *e = host;
    uint64_t gas;
    (void)endpoint;
    if (status == PBTS_OK && pbts_rpc_read_quantity(&gas, result) == PBTS_OK) {
        pbts_chain_name(&e->gas, gas);
    } else if (status == PBTS_DENIED && error->class == PBTS_RPC_REVERTED) {
        e->reverts++;
        e->revert = *error;
    }
    return false;
}

pbts_status pbts_chain_estimate(pbts_chain *chain, uint64_t *gas,
                                uint8_t revert[static PBTS_RPC_REVERT_DATA_MAX], size_t *revert_len,
                                const pbts_eth_address *from, const pbts_eth_address *to,
                                pbts_span data) {
    estimating e = { 0 };
    pbts_writer writer = pbts_writer_over(chain->request, PBTS_CHAIN_REQUEST_MAX);
    uint64_t id = chain->next_id++;
    pbts_rpc_estimate_gas(&writer, id, from, to, data);
    if (writer.failed) return PBTS_LIMIT;
    pbts_status status = pbts_chain_ask(chain, pbts_chain_whom(chain), pbts_writer_span(&writer),
                                        id, take_estimate, &e);
    if (status != PBTS_OK && status != PBTS_IO) return status;
    if (e.gas.len == 0 && e.reverts == 0) return PBTS_IO;
    if (e.reverts > e.gas.len) {
        *revert_len = e.revert.revert_data_len;
        memcpy(revert, e.revert.revert_data, e.revert.revert_data_len);
        return PBTS_DENIED;
    }
    *gas = pbts_chain_median(&e.gas);
    return PBTS_OK;
}
