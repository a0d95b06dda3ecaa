/* Short questions to endpoints for one thing, whose answers are not proved: receipts, tips, which
 * chain, which contract, whether a block is still there, pending transactions. */
#include "chain/chain.h"
#include "chain/chain_parts.h"

/* ---- a question ---- */

typedef struct {
    uint64_t id;
    pbts_writer writer;
    uint8_t text[2 * PBTS_RPC_REQUEST_OVERHEAD];
} question;

static void begin(question *q, pbts_chain *chain) {
    q->id = chain->next_id++;
    q->writer = pbts_writer_over(q->text, sizeof q->text);
}

/* To all who are awake. As pbts_chain_ask. */
static pbts_status ask(pbts_chain *chain, const question *q, pbts_chain_take take, void *host) {
    return pbts_chain_ask(chain, pbts_chain_whom(chain), pbts_writer_span(&q->writer), q->id, take,
                          host);
}

/* What became of a question for one thing: `answered`, somebody said that it is not there. */
static pbts_status found_or_why(bool found, bool answered, pbts_status asked) {
    if (found) return PBTS_OK;
    if (asked != PBTS_OK && asked != PBTS_IO) return asked;
    return answered ? PBTS_NOT_FOUND : PBTS_IO;
}

/* ---- receipts, tips ---- */

typedef struct {
    bool found, answered;
    pbts_rpc_receipt receipt;
} receiving;

static bool take_receipt(void *host, uint32_t endpoint, pbts_status status, pbts_rpc_result result,
                         const pbts_rpc_error *error) {
    receiving *r = host;
    (void)endpoint;
    (void)error;
    if (status != PBTS_OK) return false;
    status = pbts_rpc_read_receipt(&r->receipt, result);
    if (status == PBTS_OK) r->found = true;
    if (status == PBTS_OK || status == PBTS_NOT_FOUND) r->answered = true;
    return r->found;
}

pbts_status pbts_chain_receipt(pbts_chain *chain, pbts_rpc_receipt *out,
                               const pbts_eth_hash *transaction) {
    receiving r = { .found = false };
    question q;
    begin(&q, chain);
    pbts_rpc_get_receipt(&q.writer, q.id, transaction);
    pbts_status status = ask(chain, &q, take_receipt, &r);
    if (r.found) *out = r.receipt;
    return found_or_why(r.found, r.answered, status);
}

static bool take_tip(void *host, uint32_t endpoint, pbts_status status, pbts_rpc_result result,
                     const pbts_rpc_error *error) {
    uint64_t wei;
    (void)endpoint;
    (void)error;
    if (status == PBTS_OK && pbts_rpc_read_quantity(&wei, result) == PBTS_OK)
        pbts_chain_name(host, wei);
    return false; /* one alone must not say what is paid */
}

pbts_status pbts_chain_tip(pbts_chain *chain, uint64_t *tip_wei) {
    pbts_chain_named tips = { .len = 0 };
    question q;
    begin(&q, chain);
    pbts_rpc_max_priority_fee(&q.writer, q.id);
    pbts_status status = ask(chain, &q, take_tip, &tips);
    if (tips.len > 0) *tip_wei = pbts_chain_median(&tips);
    return found_or_why(tips.len > 0, false, status);
}

/* ---- which chain, which contract ---- */

typedef struct {
    bool found, differ;
    uint64_t chain_id;
} naming;

static bool take_chain_id(void *host, uint32_t endpoint, pbts_status status, pbts_rpc_result result,
                          const pbts_rpc_error *error) {
    naming *n = host;
    uint64_t chain_id;
    (void)endpoint;
    (void)error;
    if (status != PBTS_OK || pbts_rpc_read_quantity(&chain_id, result) != PBTS_OK) return false;
    n->differ |= n->found && chain_id != n->chain_id;
    n->found = true;
    n->chain_id = chain_id;
    return n->differ;
}

pbts_status pbts_chain_ask_id(pbts_chain *chain, uint64_t *chain_id) {
    naming n = { .found = false };
    question q;
    begin(&q, chain);
    pbts_rpc_chain_id(&q.writer, q.id);
    pbts_status status = ask(chain, &q, take_chain_id, &n);
    if (n.differ) {
        pbts_chain_set_problem(chain, NULL, "the endpoints are of different chains");
        return PBTS_DENIED;
    }
    if (n.found) *chain_id = n.chain_id;
    return found_or_why(n.found, false, status);
}

typedef struct {
    const pbts_eth_hash *transaction;
    bool found, answered;
    pbts_eth_address created;
} creating;

/* Whether log `i` is this transaction's creation. */
static bool is_created(creating *c, pbts_rpc_result logs, size_t i) {
    pbts_rpc_log log;
    pbts_reputation_event event;
    if (pbts_rpc_read_log(&log, logs, i) != PBTS_OK || log.removed) return false;
    if (!pbts_eth_hash_equal(&log.transaction, c->transaction)) return false;
    pbts_eth_log plain = { .topics_len = log.topics_len, .data = { log.data, log.data_len } };
    for (size_t t = 0; t < log.topics_len; t++) plain.topics[t] = log.topics[t];
    if (pbts_reputation_event_decode(&event, &plain) != PBTS_OK) return false;
    if (event.kind != PBTS_REPUTATION_CREATED) return false;
    c->created = event.created.reputation;
    return true;
}

static bool take_created(void *host, uint32_t endpoint, pbts_status status, pbts_rpc_result result,
                         const pbts_rpc_error *error) {
    creating *c = host;
    size_t len;
    (void)endpoint;
    (void)error;
    if (status != PBTS_OK || pbts_rpc_read_logs_len(&len, result) != PBTS_OK) return false;
    c->answered = true;
    for (size_t i = 0; i < len && !c->found; i++) c->found = is_created(c, result, i);
    return c->found;
}

pbts_status pbts_chain_created(pbts_chain *chain, pbts_eth_address *out,
                               const pbts_eth_address *factory, const pbts_eth_hash *transaction,
                               uint64_t block_number) {
    creating c = { .transaction = transaction };
    question q;
    pbts_eth_hash topic = pbts_reputation_event_topic(PBTS_REPUTATION_CREATED);
    begin(&q, chain);
    pbts_rpc_get_logs(&q.writer, q.id, factory, &topic, block_number, block_number);
    pbts_status status = ask(chain, &q, take_created, &c);
    if (c.found) *out = c.created;
    return found_or_why(c.found, c.answered, status);
}

/* ---- a block, pending transactions ---- */

typedef struct {
    const pbts_eth_hash *hash;
    bool answered, is_gone;
} checking;

static bool take_block(void *host, uint32_t endpoint, pbts_status status, pbts_rpc_result result,
                       const pbts_rpc_error *error) {
    checking *c = host;
    pbts_rpc_block block;
    (void)endpoint;
    (void)error;
    if (status != PBTS_OK || pbts_rpc_read_block(&block, result) != PBTS_OK) return false;
    c->answered = true;
    c->is_gone = !pbts_eth_hash_equal(&block.hash, c->hash);
    return c->is_gone;
}

pbts_status pbts_chain_block_is_gone(pbts_chain *chain, bool *is_gone, uint64_t number,
                                     const pbts_eth_hash *hash) {
    checking c = { .hash = hash };
    question q;
    pbts_rpc_block_id block = pbts_rpc_at_number(number);
    begin(&q, chain);
    pbts_rpc_get_block(&q.writer, q.id, &block);
    pbts_status status = ask(chain, &q, take_block, &c);
    if (c.answered) *is_gone = c.is_gone;
    return found_or_why(c.answered, false, status);
}

typedef struct {
    bool found;
    uint64_t nonce;
} counting;

static bool take_nonce(void *host, uint32_t endpoint, pbts_status status, pbts_rpc_result result,
                       const pbts_rpc_error *error) {
    counting *c = host;
    uint64_t nonce;
    (void)endpoint;
    (void)error;
    if (status != PBTS_OK || pbts_rpc_read_quantity(&nonce, result) != PBTS_OK) return false;
    c->found = true;
    if (nonce > c->nonce) c->nonce = nonce;
    return false; /* one may know of a transaction that the others do not */
}

pbts_status pbts_chain_pending_nonce(pbts_chain *chain, uint64_t *nonce,
                                     const pbts_eth_address *address) {
    counting c = { .found = false };
    question q;
    static const pbts_rpc_block_id PENDING = { .kind = PBTS_RPC_PENDING };
    begin(&q, chain);
    pbts_rpc_get_transaction_count(&q.writer, q.id, address, &PENDING);
    pbts_status status = ask(chain, &q, take_nonce, &c);
    if (c.found) *nonce = c.nonce;
    return found_or_why(c.found, false, status);
}
