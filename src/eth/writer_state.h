/* eth/writer_state.h - what the parts of the writer share. Private to eth/writer*.c.
 *
 * `step` is the action that is due, from `not_before_ms` on; a rest is a READ, or, of an idle
 * writer, a CHECK_BLOCK that is not due yet. `journal` is what is on disk. A change to it is made
 * in `next`, and becomes true when the host has persisted it. Everything else is forgotten by a
 * crash, and found again by reading the chain.
 */
#ifndef PBTS_ETH_WRITER_STATE_H
#define PBTS_ETH_WRITER_STATE_H

#include "base/assert.h"
#include "eth/writer.h"

enum {
    PBTS_ETH_CALL_LEN_MAX = PBTS_ETH_BATCH_LEN_MAX + PBTS_REPUTATION_CALL_OVERHEAD_MAX,
    PBTS_ETH_IDLE_POLLS =
        25, /* an idle writer looks once in so many polls: a seal, another writer */
    PBTS_ETH_BACKOFF_DOUBLINGS = 5, /* 32 polls: some minutes after the chain is back */
    PBTS_ETH_DERIVED_MAX = 256, /* heads that our batches may lead to, in another order of blocks */
    PBTS_ETH_DOUBTS_MAX = 3,    /* receipts that cannot be had, or that the view contradicts */
};

struct pbts_eth_writer {
    pbts_mem *mem;
    pbts_eth_writer_config config;
    const pbts_secp256k1_signer *signer;
    pbts_secp256k1_secret *secret; /* of pbts_secret_new */
    pbts_eth_address address;

    pbts_eth_action_kind step;
    uint64_t not_before_ms;
    uint64_t idle_until_ms; /* when step is CHECK_BLOCK: when to look again in any case */
    bool stopped;
    bool rests; /* it has dealt with the last look, or cannot go on */
    pbts_eth_writer_problem problem;
    unsigned failures; /* of other actions than sends, in a row: back-off */
    unsigned troubles; /* of sends, and calls that revert whatever their rows, in a row */
    uint64_t reorgs;

    pbts_eth_journal journal; /* heads_len 0: it is not known yet where the contract stands */
    pbts_eth_journal next;
    pbts_eth_outcome outcome;
    pbts_eth_action_kind after_persist;

    bool has_view;
    pbts_eth_view view; /* the newest */
    pbts_eth_network_fees network;

    /* The batch that is being chosen: one buffer per kind, by kind; the batch's rows are in one. */
    uint8_t *rows[PBTS_ETH_ADOPT + 1]; /* [0] is not used; ROOT and SEAL take WRITE's */
    size_t rows_len[PBTS_ETH_ADOPT + 1];
    pbts_eth_batch choice;
    bool has_root, has_seal; /* offered */
    uint32_t root_user_count;
    uint8_t root[32];
    pbts_eth_address successor;
    bool registered_last; /* the last batch that went through: REGISTER */
    size_t rows_cap; /* halved when a batch reverts on the chain, doubled when one goes through */
    bool distrusts_gas; /* an estimate was too low, perhaps: offer the most that rows can cost */

    /* The batch in flight, in this run. */
    bool was_mined;
    uint64_t mined_block; /* when was_mined: the first view that showed it */
    bool deep_asked;      /* when was_mined */
    bool was_sent;
    uint64_t sent_ms;    /* when was_sent */
    size_t sent_attempt; /* what is sent, or was last */
    uint64_t attempt_ms; /* when was_sent: since when that attempt is with the endpoints */
    bool wants_bump;
    unsigned refusals, doubts;

    uint8_t *record, *call, *raw;
    size_t record_len, call_len, raw_len;
};

/* ---- writer.c ---- */

static inline const pbts_eth_known_head *pbts_eth_writer_base(const pbts_eth_writer *writer) {
    return &writer->journal.heads[writer->journal.base];
}
static inline bool pbts_eth_writer_in_flight(const pbts_eth_writer *writer) {
    return writer->journal.batch.kind != PBTS_ETH_NO_BATCH;
}
void pbts_eth_writer_rest(pbts_eth_writer *writer, uint64_t rest_ms, uint64_t now_ms);
/* Nothing to do: look seldom, unless the block of the view is gone. */
void pbts_eth_writer_idle(pbts_eth_writer *writer, uint64_t now_ms);
/* Later each time in a row, of which `times` keeps count. */
void pbts_eth_writer_back_off(pbts_eth_writer *writer, pbts_eth_action_kind step, unsigned *times,
                              uint64_t now_ms);
void pbts_eth_writer_stop(pbts_eth_writer *writer, pbts_eth_writer_problem problem);
/* Have `next` persisted, with an outcome, and go on with `after`. */
void pbts_eth_writer_persist(pbts_eth_writer *writer, const pbts_eth_outcome *outcome,
                             pbts_eth_action_kind after);

/* ---- writer_chain.c: what a view means ---- */

void pbts_eth_writer_judge(pbts_eth_writer *writer, uint64_t now_ms);
/* Drop the batch in flight, but know its head: it may be mined after all. */
void pbts_eth_writer_give_up(pbts_eth_writer *writer);
/* Whether one more batch can be given up: those that were keep their heads as long as they may be
 * mined, or it would look as if somebody else had written. */
bool pbts_eth_journal_has_room(const pbts_eth_journal *journal);
/* Enter a head, in place of the oldest that is not the base if there is no room; returns where. */
size_t pbts_eth_journal_know(pbts_eth_journal *journal, const pbts_eth_known_head *head);

/* ---- writer_choice.c: which rows, and what they may cost ---- */

void pbts_eth_writer_begin_choice(pbts_eth_writer *writer);
/* The batch in flight failed as a whole, for no reason that is known: half as many next time. */
void pbts_eth_writer_shrink(pbts_eth_writer *writer);

/* ---- writer_send.c: attempts ---- */

/* The data of a batch's call, and the bytes of the attempt to send, which the journal has the hash
 * of, into the writer's buffers. */
void pbts_eth_writer_render_call(pbts_eth_writer *writer, const pbts_eth_batch *batch);
void pbts_eth_writer_render_raw(pbts_eth_writer *writer);
/* Whether the fields of an attempt in the journal give the hash that is there. */
bool pbts_eth_writer_attempt_is_ours(pbts_eth_writer *writer, size_t index);
/* Sign the choice for the first time, or rest until fees and balance allow it. */
void pbts_eth_writer_sign_first(pbts_eth_writer *writer, uint64_t gas_limit, uint64_t now_ms);
/* What to do with a batch in flight that the newest view does not show. */
void pbts_eth_writer_push(pbts_eth_writer *writer, uint64_t now_ms);

#endif
