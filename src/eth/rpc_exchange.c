#include "eth/rpc_exchange.h"

enum { HTTP_OK_FIRST = 200, HTTP_OK_LAST = 299 };

/* Servers send errors of JSON-RPC with any status, so the body is looked at in each case. */
pbts_status pbts_rpc_reply_open(pbts_rpc_answer *out, pbts_endpoint_outcome *outcome,
                                const pbts_rpc_reply *reply) {
    *outcome = PBTS_ENDPOINT_FAILED;
    if (reply->http_status == PBTS_RPC_NO_ANSWER) return PBTS_IO;
    *outcome = PBTS_ENDPOINT_MALFORMED;
    if (reply->http_status == PBTS_RPC_TOO_LONG) return PBTS_LIMIT;
    *outcome = PBTS_ENDPOINT_BUSY;
    if (reply->http_status == PBTS_RPC_HTTP_BUSY) return PBTS_IO;
    pbts_status status = pbts_rpc_answer_open(out, reply->body);
    bool is_success = reply->http_status >= HTTP_OK_FIRST && reply->http_status <= HTTP_OK_LAST;
    *outcome = is_success ? PBTS_ENDPOINT_MALFORMED : PBTS_ENDPOINT_FAILED;
    if (status == PBTS_OK || status == PBTS_NO_MEMORY) *outcome = PBTS_ENDPOINT_GOOD;
    return status;
}

static pbts_endpoint_outcome outcome_of_error(pbts_rpc_error_class class) {
    switch (class) {
    case PBTS_RPC_RATE_LIMITED: return PBTS_ENDPOINT_BUSY;
    case PBTS_RPC_STATE_GONE: return PBTS_ENDPOINT_LATE;
    default: return PBTS_ENDPOINT_FAILED;
    }
}

pbts_endpoint_outcome pbts_rpc_outcome(pbts_status status, const pbts_rpc_error *error) {
    switch (status) {
    case PBTS_OK:
    case PBTS_NO_MEMORY: return PBTS_ENDPOINT_GOOD;
    case PBTS_DENIED: return outcome_of_error(error->class);
    case PBTS_NOT_FOUND: return PBTS_ENDPOINT_LATE;
    case PBTS_BAD_SIGNATURE: return PBTS_ENDPOINT_WRONG;
    default: return PBTS_ENDPOINT_MALFORMED;
    }
}
