/* What a server means by its error. The texts are those of the nodes' sources: geth (core/error.go,
 * core/txpool/errors.go), Nethermind (AcceptTxResult, before and after it took geth's words), Besu
 * (RpcErrorType), Erigon (txpoolcfg), reth and Anvil (alloy's and their own), and what hosted
 * services say about ranges and rates. */
#include "base/assert.h"
#include "eth/json_rpc.h"

enum { CODE_REVERTED = 3, CODE_NO_METHOD = -32601, CODE_LIMIT = -32005, CODE_HTTP_BUSY = 429 };

/* Looked for in this order, in lower case: what a contract says when it reverts can be any text,
 * and "replacement transaction underpriced" is underpriced too. */
static const struct {
    pbts_rpc_error_class class;
    const char *part;
} PARTS[] = {
    { PBTS_RPC_REVERTED, "execution reverted" }, /* geth, Besu, reth, Anvil */
    { PBTS_RPC_REVERTED, "vm execution error" }, /* Nethermind before 1.30 */
    { PBTS_RPC_REVERTED, "reverted with" },
    { PBTS_RPC_ALREADY_KNOWN, "already known" },     /* geth, Nethermind, Erigon, reth */
    { PBTS_RPC_ALREADY_KNOWN, "alreadyknown" },      /* Nethermind */
    { PBTS_RPC_ALREADY_KNOWN, "known transaction" }, /* Besu */
    { PBTS_RPC_ALREADY_KNOWN, "already imported" },  /* Anvil */
    { PBTS_RPC_ALREADY_KNOWN, "with same hash" },    /* Erigon */
    { PBTS_RPC_ALREADY_KNOWN, "already exists" },
    { PBTS_RPC_REPLACE_UNDERPRICED, "replacement transaction underpriced" }, /* all but old ones */
    { PBTS_RPC_REPLACE_UNDERPRICED, "replacementnotallowed" },               /* Nethermind */
    { PBTS_RPC_REPLACE_UNDERPRICED, "could not replace existing" },          /* Erigon */
    { PBTS_RPC_FEE_BELOW_BASE, "less than block base fee" }, /* geth, Erigon, reth, Anvil */
    { PBTS_RPC_FEE_BELOW_BASE, "below current base fee" },   /* Besu */
    { PBTS_RPC_FEE_BELOW_BASE, "maxfeepergas is too low" },
    { PBTS_RPC_NONCE_TOO_LOW, "nonce too low" }, /* all */
    { PBTS_RPC_NONCE_TOO_LOW, "nonce is too low" },
    { PBTS_RPC_NONCE_TOO_LOW, "oldnonce" }, /* Nethermind */
    { PBTS_RPC_NONCE_TOO_HIGH, "nonce too high" },
    { PBTS_RPC_NONCE_TOO_HIGH, "noncegap" },
    { PBTS_RPC_NONCE_TOO_HIGH, "nonce is too distant" },        /* Besu */
    { PBTS_RPC_NONCE_TOO_HIGH, "nonce too far in future" },     /* Nethermind */
    { PBTS_RPC_NONCE_TOO_HIGH, "noncetoofarinfuture" },         /* Nethermind */
    { PBTS_RPC_INSUFFICIENT_FUNDS, "insufficient funds" },      /* all but Besu */
    { PBTS_RPC_INSUFFICIENT_FUNDS, "insufficientfunds" },       /* Nethermind */
    { PBTS_RPC_INSUFFICIENT_FUNDS, "exceeds account balance" }, /* Besu */
    { PBTS_RPC_UNDERPRICED, "underpriced" },                    /* geth, Erigon, reth, Anvil */
    { PBTS_RPC_UNDERPRICED, "fee too low" },                    /* Erigon */
    { PBTS_RPC_UNDERPRICED, "feetoolow" }, /* Nethermind, with FeeTooLowToCompete */
    { PBTS_RPC_UNDERPRICED, "below configured minimum gas price" }, /* Besu */
    { PBTS_RPC_GAS_LIMIT, "block gas limit" },
    { PBTS_RPC_GAS_LIMIT, "gaslimitexceeded" },
    { PBTS_RPC_GAS_LIMIT, "gas limit too high" },
    { PBTS_RPC_GAS_LIMIT, "gas limit is too high" },
    { PBTS_RPC_GAS_LIMIT, "intrinsic gas" },
    { PBTS_RPC_GAS_LIMIT, "intrinsicgas" },
    { PBTS_RPC_POOL_FULL, "pool is full" }, /* geth, reth; Erigon's sub-pools */
    { PBTS_RPC_POOL_FULL, "account limit exceeded" },
    { PBTS_RPC_RANGE_TOO_LARGE, "block range" }, /* "is too wide", "exceeds max", "maximum" */
    { PBTS_RPC_RANGE_TOO_LARGE, "blocks range" },
    { PBTS_RPC_RANGE_TOO_LARGE, "range is too" },
    { PBTS_RPC_RANGE_TOO_LARGE, "range limit" }, /* Besu */
    { PBTS_RPC_RANGE_TOO_LARGE, "range too large" },
    { PBTS_RPC_RANGE_TOO_LARGE, "limited to a" },
    { PBTS_RPC_RANGE_TOO_LARGE, "max results" }, /* reth */
    { PBTS_RPC_RANGE_TOO_LARGE, "query returned more than" },
    { PBTS_RPC_RANGE_TOO_LARGE, "too many results" },
    { PBTS_RPC_RANGE_TOO_LARGE, "too many logs" }, /* Nethermind */
    { PBTS_RPC_RANGE_TOO_LARGE, "response size" },
    { PBTS_RPC_RANGE_TOO_LARGE, "response is too big" },
    { PBTS_RPC_RANGE_TOO_LARGE, "query timeout" },
    { PBTS_RPC_RATE_LIMITED, "rate limit" },
    { PBTS_RPC_RATE_LIMITED, "ratelimit" },
    { PBTS_RPC_RATE_LIMITED, "too many requests" },
    { PBTS_RPC_RATE_LIMITED, "request count exceeded" },
    { PBTS_RPC_RATE_LIMITED, "requests per second" },
    { PBTS_RPC_RATE_LIMITED, "compute units" },
    { PBTS_RPC_RATE_LIMITED, "capacity exceeded" },
    { PBTS_RPC_RATE_LIMITED, "quota" },
    { PBTS_RPC_STATE_GONE, "missing trie node" }, /* geth */
    { PBTS_RPC_STATE_GONE, "header not found" },
    { PBTS_RPC_STATE_GONE, "unknown block" },
    { PBTS_RPC_STATE_GONE, "resource not found" }, /* Anvil */
    { PBTS_RPC_STATE_GONE, "block not found" },
    { PBTS_RPC_STATE_GONE, "blocknotfound" },
    { PBTS_RPC_STATE_GONE, "outofrange" }, /* Anvil */
    { PBTS_RPC_STATE_GONE, "out of range" },
    { PBTS_RPC_STATE_GONE, "state is not available" }, /* geth */
    { PBTS_RPC_STATE_GONE, "state unavailable" },      /* geth, Besu */
    { PBTS_RPC_STATE_GONE, "state not available" },
    { PBTS_RPC_STATE_GONE, "no state available" }, /* Nethermind */
    { PBTS_RPC_STATE_GONE, "pruned" },
    { PBTS_RPC_STATE_GONE, "pruning" },              /* Erigon */
    { PBTS_RPC_STATE_GONE, "maximum proof window" }, /* reth */
    { PBTS_RPC_STATE_GONE, "initial sync" },         /* Besu */
    { PBTS_RPC_NO_METHOD, "method not found" },
    { PBTS_RPC_NO_METHOD, "not enabled" },
    { PBTS_RPC_NO_METHOD, "does not exist/is not available" }, /* geth */
};

static uint8_t lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool contains(pbts_span text, const char *part) {
    size_t len = strlen(part);
    for (size_t at = 0; at + len <= text.len; at++) {
        size_t i = 0;
        while (i < len && lower(text.data[at + i]) == (uint8_t)part[i]) i++;
        if (i == len) return true;
    }
    return false;
}

pbts_rpc_error_class pbts_rpc_error_classify(int64_t code, pbts_span message) {
    if (message.len > PBTS_RPC_ERROR_TEXT_MAX) message.len = PBTS_RPC_ERROR_TEXT_MAX;
    if (code == CODE_REVERTED) return PBTS_RPC_REVERTED;
    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++) {
        if (contains(message, PARTS[i].part)) return PARTS[i].class;
    }
    if (code == CODE_NO_METHOD) return PBTS_RPC_NO_METHOD;
    if (code == CODE_LIMIT || code == CODE_HTTP_BUSY) return PBTS_RPC_RATE_LIMITED;
    return PBTS_RPC_OTHER;
}

const char *pbts_rpc_error_class_name(pbts_rpc_error_class class) {
    static const char *const NAMES[] = {
        [PBTS_RPC_OTHER] = "OTHER",
        [PBTS_RPC_ALREADY_KNOWN] = "ALREADY_KNOWN",
        [PBTS_RPC_NONCE_TOO_LOW] = "NONCE_TOO_LOW",
        [PBTS_RPC_NONCE_TOO_HIGH] = "NONCE_TOO_HIGH",
        [PBTS_RPC_UNDERPRICED] = "UNDERPRICED",
        [PBTS_RPC_REPLACE_UNDERPRICED] = "REPLACE_UNDERPRICED",
        [PBTS_RPC_FEE_BELOW_BASE] = "FEE_BELOW_BASE",
        [PBTS_RPC_INSUFFICIENT_FUNDS] = "INSUFFICIENT_FUNDS",
        [PBTS_RPC_REVERTED] = "REVERTED",
        [PBTS_RPC_GAS_LIMIT] = "GAS_LIMIT",
        [PBTS_RPC_POOL_FULL] = "POOL_FULL",
        [PBTS_RPC_RATE_LIMITED] = "RATE_LIMITED",
        [PBTS_RPC_RANGE_TOO_LARGE] = "RANGE_TOO_LARGE",
        [PBTS_RPC_STATE_GONE] = "STATE_GONE",
        [PBTS_RPC_NO_METHOD] = "NO_METHOD",
    };
    assert((size_t) class < sizeof NAMES / sizeof NAMES[0]);
    return NAMES[class];
}
