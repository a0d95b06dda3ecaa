/* eth/writer.h - brings a contract to the values of the store's accounts, one batch at a time.
 *
 * The store is ahead; the contract is a mirror that outlives the machine. The writer decides what
 * to send and when to believe it. It neither fetches, nor stores, nor knows the time: it says what
 * it wants done (pbts_eth_writer_next), the host does that one thing and says how it went, and so
 * on.
 *
 *   chosen -> estimated -> signed -> journalled -> sent -> in a block -> deep enough -> chosen ...
 *
 * What it rests on:
 * - Journal before send: a transaction's hash is in the store before its bytes leave. A crash
 *   between any two actions comes to the same end, because the journal and a proved view of the
 *   contract are all that the writer goes by.
 * - The contract takes each sequence once, and values are absolute. So a batch that is sent twice
 *   counts once, and a transaction that was given up and is mined after all does no harm.
 * - Whose batch a sequence took is told by `head`: every head that one of our signed batches leads
 * to is known (PBTS_ETH_HEADS_MAX). Another one means another writer with this key: CONFLICT, stop.
 * - Only proved views decide. Receipts, estimates and answers to sends are hints: they choose what
 * to try next, never what is done.
 *
 * The host keeps accounts dirty until they are WRITTEN with the value that they still have.
 * Registrations go before writes, but not twice in a row. Secrets: the key, wiped by free. Heap:
 * some 400 KB at once, in new. Source: docs/ethereum.md "Writing"; EIP-1559, EIP-7825.
 */
#ifndef PBTS_ETH_WRITER_H
#define PBTS_ETH_WRITER_H

#include "base/mem.h"
#include "eth/reputation_events.h"
#include "eth/writer_journal.h"

enum {
    PBTS_ETH_TRANSACTION_GAS_MAX = 1 << 24,    /* EIP-7825 */
    PBTS_ETH_WRITER_RENONCE_MAX = 3,           /* of one batch, then it counts as reverted */
    PBTS_ETH_WRITER_REFUSED_MAX = 4,           /* sends of one batch; as above */
    PBTS_ETH_WRITER_REST_MAX_MS = 3600 * 1000, /* back-off ends here */
};

typedef struct {
    uint64_t chain_id;
    pbts_eth_address contract;
    pbts_reputation_mode mode; /* SLOTS or ROOT */
    /* Where the contract stood when the store was filled from it; looked at as long as there is no
     * journal. Elsewhere: CONFLICT. Otherwise it may stand anywhere at the first look. */
    bool has_start;
    uint64_t start_sequence;
    pbts_eth_hash start_head;
    /* A batch's epoch is at most that of its view's block and so many seconds: what is in the
     * contract stays there, and a clock that was ahead must not be. UINT64_MAX: any, for chains
     * that stand still. */
    uint64_t clock_ahead_max_s;
    uint64_t depth_blocks; /* a batch is confirmed in a view this far behind, or in a final one */
    pbts_eth_fees fee_cap; /* per gas, both at least 1 */
    uint32_t rows_max;     /* in one batch; 0: as many as gas and bytes allow */
    uint64_t poll_ms;      /* between looks while something is in flight, or is wanted */
    uint64_t resend_ms;    /* the same bytes again, for endpoints that lost them */
    uint64_t bump_ms;      /* higher fees, when it was not mined for so long */
} pbts_eth_writer_config;

/* Any clock, 64 blocks, 100 gwei, 10 gwei of tip, 12 s, 48 s, 72 s; no chain and no contract. */
extern const pbts_eth_writer_config PBTS_ETH_WRITER_DEFAULT;

/* What is proved about one block. */
typedef struct {
    uint64_t block_number;
    uint64_t block_unix_s;
    pbts_eth_hash block_hash;
    pbts_reputation_state state; /* of the contract */
    uint64_t nonce;              /* of the writer's account */
    pbts_u256 balance_wei;       /* of the writer's account */
} pbts_eth_view;

typedef enum {
    PBTS_ETH_REST,      /* nothing before `until_ms`, or pbts_eth_writer_wake */
    PBTS_ETH_READ,      /* the newest block's view and the network's fees -> _viewed */
    PBTS_ETH_READ_DEEP, /* the view `depth_blocks` behind it, or of the final block -> _viewed_deep
                         */
    /* Whether block `block_number` still has `block_hash`. A hint, and cheap: what was
     * confirmed is in this block or before it -> _checked */
    PBTS_ETH_CHECK_BLOCK,
    PBTS_ETH_CHOOSE,   /* which accounts are to be brought up to date -> _offer.., _offered */
    PBTS_ETH_ESTIMATE, /* what `call` to the contract would cost, or why not -> _estimated */
    PBTS_ETH_PERSIST,  /* `record` in place of the last one and `outcome`, in one transaction, on
                          disk -> _persisted */
    PBTS_ETH_SEND,     /* `raw` to every endpoint -> _sent */
    PBTS_ETH_RECEIPTS, /* of any of `hashes` -> _receipt, for one that was found; _no_receipt */
} pbts_eth_action_kind;

typedef enum {
    PBTS_ETH_NO_OUTCOME,
    /* `batch` is in the contract, `depth_blocks` deep. Rows of REGISTER and WRITE: the accounts
     * that still have these values are clean, at batch.sequence. ADOPT: the users exist now; they
     * stay dirty. SEAL: no more batches. */
    PBTS_ETH_WRITTEN,
    /* The one row in `batch` cannot be written; `revert` says why. Not to be offered again before
     * something changed. PBTS_REVERT_USER_EXISTS: the user is registered after all;
     * PBTS_REVERT_UNKNOWN_USER: it is not; then it stays dirty, with that. */
    PBTS_ETH_SET_ASIDE,
    /* The chain went back behind what was confirmed: whatever was WRITTEN by batches after
     * `sequence` is dirty again, and users who were registered by those are not. */
    PBTS_ETH_REWOUND,
} pbts_eth_outcome_kind;

typedef struct {
    pbts_eth_outcome_kind kind;
    const pbts_eth_batch *batch;   /* WRITTEN, SET_ASIDE */
    pbts_reputation_revert revert; /* SET_ASIDE */
    uint64_t sequence;             /* REWOUND */
} pbts_eth_outcome;

/* Everything in it is borrowed until the next call. */
typedef struct {
    pbts_eth_action_kind kind;
    uint64_t until_ms;              /* REST */
    uint64_t block_number;          /* CHECK_BLOCK */
    pbts_eth_hash block_hash;       /* CHECK_BLOCK */
    pbts_span call;                 /* ESTIMATE */
    pbts_span record;               /* PERSIST */
    pbts_eth_outcome outcome;       /* PERSIST */
    pbts_span raw;                  /* SEND */
    pbts_eth_hash raw_hash;         /* SEND: the transaction's */
    const pbts_eth_attempt *hashes; /* RECEIPTS */
    size_t hashes_len;              /* RECEIPTS */
} pbts_eth_action;

/* Of all endpoints' answers to one send the first of these that any gave. An endpoint that has no
 * room or asks for patience FAILED. */
typedef enum {
    PBTS_ETH_SEND_ACCEPTED,      /* also "already known" */
    PBTS_ETH_SEND_NONCE_TOO_LOW, /* mined, or another transaction took the nonce */
    PBTS_ETH_SEND_UNDERPRICED,   /* also "replacement underpriced", "fee cap below base fee" */
    PBTS_ETH_SEND_NO_FUNDS,
    PBTS_ETH_SEND_REFUSED, /* anything else that an endpoint says */
    PBTS_ETH_SEND_FAILED,  /* no endpoint answered */
} pbts_eth_send_result;

typedef enum {
    PBTS_ETH_UNSTARTED, /* where the contract stands is not known yet */
    PBTS_ETH_LOOKING,   /* nothing in flight, but what the last look means is not dealt with yet */
    PBTS_ETH_IDLE,      /* nothing in flight, and nothing to do */
    PBTS_ETH_IN_FLIGHT, /* signed, not in a block that was proved */
    PBTS_ETH_MINED,     /* in a block, not deep enough */
} pbts_eth_writer_phase;

/* What keeps it from going on. From SEALED on it only looks, in case that a reorg undoes it;
 * from NOT_OWNER on it has stopped: a new writer must be made. */
typedef enum {
    PBTS_ETH_NO_PROBLEM,
    PBTS_ETH_NO_ANSWER, /* the last action failed */
    PBTS_ETH_OLD_BLOCK, /* by the host's clock the newest block is too old */
    PBTS_ETH_CLOCK,     /* what was counted is of hours that the chain has not come to */
    PBTS_ETH_FEE_CAP,   /* the network asks more than the cap */
    PBTS_ETH_NO_FUNDS,  /* balance below gas limit times fee */
    PBTS_ETH_REFUSED,   /* endpoints do not take the transaction */
    PBTS_ETH_BEHIND,    /* endpoints are behind what was confirmed */
    PBTS_ETH_SEALED,
    PBTS_ETH_NOT_OWNER, /* another key owns the contract */
    PBTS_ETH_OTHER_MODE,
    PBTS_ETH_CONFLICT, /* another writer of this key, or an old copy of the store */
} pbts_eth_writer_problem;

typedef struct {
    pbts_eth_writer_phase phase;
    pbts_eth_writer_problem problem;
    uint64_t sequence, epoch; /* of the last confirmed batch, of the last view */
    uint64_t block_number;    /* of the last view */
    pbts_eth_batch_kind kind; /* in flight */
    size_t rows, attempts;    /* in flight */
    pbts_eth_fees fees;       /* last offered */
    pbts_u256 balance_wei;    /* of the last view */
    uint64_t reorgs;          /* batches that were in a block and then were not */
} pbts_eth_writer_status;

typedef struct pbts_eth_writer pbts_eth_writer;

/* `record`: the journal's last, or nothing when there never was one; then the accounts in the store
 * are what the contract says at config's start (a new contract, or a store that was filled from
 * it). `secret` is
 * copied. PBTS_NO_MEMORY; PBTS_CORRUPT: the record is damaged; PBTS_DENIED: it is of another chain,
 * contract or key. */
PBTS_MUST_USE pbts_status pbts_eth_writer_new(pbts_eth_writer **out,
                                              const pbts_eth_writer_config *config, pbts_mem *mem,
                                              const pbts_secp256k1_signer *signer,
                                              const pbts_secp256k1_secret *secret,
                                              pbts_span record);
void pbts_eth_writer_free(pbts_eth_writer *writer); /* NULL is a no-op */

pbts_eth_address pbts_eth_writer_address(const pbts_eth_writer *writer);
pbts_eth_writer_status pbts_eth_writer_look(const pbts_eth_writer *writer);

/* What to do now. Until it is answered, the same again; only REST needs no answer. */
void pbts_eth_writer_next(pbts_eth_writer *writer, pbts_eth_action *out, uint64_t now_ms);
/* An account became dirty: ends a rest of an idle writer. Not between an action and its answer. */
void pbts_eth_writer_wake(pbts_eth_writer *writer);

/* ---- answers, each to its action (asserted); `now_ms` never falls ---- */

/* Any action but CHOOSE and REST: it could not be done. It comes again, later and later. A host
 * that cannot prove a view says so here. */
void pbts_eth_writer_failed(pbts_eth_writer *writer, uint64_t now_ms);
/* To READ and READ_DEEP: as failed; the clock says that there is no block that is young enough. */
void pbts_eth_writer_viewed_old(pbts_eth_writer *writer, uint64_t now_ms);
void pbts_eth_writer_viewed(pbts_eth_writer *writer, const pbts_eth_view *view,
                            const pbts_eth_network_fees *fees, uint64_t now_ms);
/* A view of a block that is deep enough or final; a chain shorter than that: its first. */
void pbts_eth_writer_viewed_deep(pbts_eth_writer *writer, const pbts_eth_view *view,
                                 uint64_t now_ms);
/* `is_gone`: an endpoint says that another block has its number. */
void pbts_eth_writer_checked(pbts_eth_writer *writer, bool is_gone, uint64_t now_ms);
void pbts_eth_writer_persisted(pbts_eth_writer *writer, uint64_t now_ms);
void pbts_eth_writer_sent(pbts_eth_writer *writer, pbts_eth_send_result result, uint64_t now_ms);
void pbts_eth_writer_estimated(pbts_eth_writer *writer, uint64_t gas, uint64_t now_ms);
/* To ESTIMATE: the call reverts, with these data. As one endpoint may lie, ask several. */
void pbts_eth_writer_reverted(pbts_eth_writer *writer, pbts_span data, uint64_t now_ms);
/* The receipt of one of the hashes: `succeeded` is its status. */
void pbts_eth_writer_receipt(pbts_eth_writer *writer, bool succeeded, uint64_t now_ms);
void pbts_eth_writer_no_receipt(pbts_eth_writer *writer, uint64_t now_ms);

/* CHOOSE, in slots mode: offer dirty accounts in any order, each once, then say that this was all.
 * True: more would fit, of new users or of others. Those that do not fit are ignored: they stay
 * dirty. */
typedef enum {
    PBTS_ETH_ABSENT,      /* the contract does not know the user */
    PBTS_ETH_IN_REFERRER, /* its referrer does */
    PBTS_ETH_PRESENT,     /* it does: WRITTEN with REGISTER or ADOPT, or read at the start */
} pbts_eth_presence;
bool pbts_eth_writer_offer(pbts_eth_writer *writer, const pbts_reputation_account *account,
                           pbts_eth_presence presence);
/* CHOOSE, in root mode: at most one batch. PBTS_LIMIT: no data, or more than
 * pbts_eth_writer_root_len_max. */
PBTS_MUST_USE pbts_status pbts_eth_writer_offer_root(pbts_eth_writer *writer, uint32_t user_count,
                                                     const uint8_t root[static 32], pbts_span data);
/* CHOOSE, when nothing is dirty: seal for good. Offered rows go first. */
void pbts_eth_writer_offer_seal(pbts_eth_writer *writer, const pbts_eth_address *successor);
/* The most data that fit into a batch of root mode now. */
size_t pbts_eth_writer_root_len_max(const pbts_eth_writer *writer);
/* The end of the choice. The batch's epoch is that of the clock, `unix_s`, as far as config's
 * clock_ahead_max_s lets it be, and never before `counted_epoch`, the latest of all that the
 * offered values have in them: without its claims a new machine takes no receipt up to it (rule 9).
 * When it is later than may be, there is no batch: PBTS_ETH_CLOCK. */
void pbts_eth_writer_offered(pbts_eth_writer *writer, uint64_t unix_s, uint64_t counted_epoch,
                             uint64_t now_ms);

#endif
