#include "ethereum_parts.h"

#include <stdlib.h>
#include <string.h>

#include "../app.h"
#include "base/secret.h"
#include "base/writer.h"
#include "eth/writer_key.h"
#include "ledger/mirror.h"

#define BASE "chain/base"
#define JOURNAL "chain/journal"
#define LIGHT "chain/light"

enum { BASE_LEN = 8 + 20 + 8 + 32 };

pbts_status ethereum_base_put(pbts_txn *txn, const ethereum_base *base) {
    uint8_t bytes[BASE_LEN];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_u64(&writer, base->chain_id);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(base->contract.bytes));
    pbts_write_u64(&writer, base->sequence);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(base->head.bytes));
    return pbts_txn_put(txn, PBTS_TABLE_META, pbts_span_text(BASE), PBTS_SPAN_OF(bytes));
}

static pbts_status base_decode(ethereum_base *out, pbts_span value) {
    pbts_cursor in = pbts_cursor_over(value);
    if (value.len != BASE_LEN) return PBTS_CORRUPT;
    PBTS_TRY(pbts_read_u64(&in, &out->chain_id));
    PBTS_TRY(pbts_read_bytes(&in, out->contract.bytes, sizeof out->contract.bytes));
    PBTS_TRY(pbts_read_u64(&in, &out->sequence));
    return pbts_read_bytes(&in, out->head.bytes, sizeof out->head.bytes);
}

pbts_status ethereum_base_get(pbts_store *store, ethereum_base *out) {
    pbts_txn *txn;
    pbts_span value;
    PBTS_TRY(pbts_txn_begin(&txn, store, false));
    pbts_status status = pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(BASE));
    if (status == PBTS_OK) status = base_decode(out, value);
    pbts_txn_abort(txn);
    return status;
}

pbts_status ethereum_journal_put(pbts_txn *txn, pbts_span record) {
    return pbts_txn_put(txn, PBTS_TABLE_META, pbts_span_text(JOURNAL), record);
}

pbts_status ethereum_journal_get(pbts_store *store, uint8_t **out, size_t *len) {
    pbts_txn *txn;
    pbts_span value;
    PBTS_TRY(pbts_txn_begin(&txn, store, false));
    pbts_status status = pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(JOURNAL));
    if (status == PBTS_OK) {
        *out = malloc(value.len + 1);
        *len = value.len;
        if (*out == NULL) {
            status = PBTS_NO_MEMORY;
        } else if (value.len > 0) {
            memcpy(*out, value.data, value.len);
        }
    }
    pbts_txn_abort(txn);
    return status;
}

/* ---- the light client ---- */

static pbts_status light_load(void *host, pbts_writer *out) {
    const struct app *app = host;
    pbts_txn *txn;
    pbts_span value;
    PBTS_TRY(pbts_txn_begin(&txn, app->store, false));
    pbts_status status = pbts_txn_get(txn, &value, PBTS_TABLE_META, pbts_span_text(LIGHT));
    if (status == PBTS_OK) pbts_write_bytes(out, value);
    pbts_txn_abort(txn);
    return status;
}

static pbts_status light_save(void *host, pbts_span state) {
    const struct app *app = host;
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, app->store, true));
    pbts_status status = pbts_txn_put(txn, PBTS_TABLE_META, pbts_span_text(LIGHT), state);
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}

pbts_chain_keep ethereum_light_keep(struct app *app) {
    return (pbts_chain_keep){ app, light_load, light_save };
}

/* ---- outcomes ---- */

typedef pbts_status (*row_reader)(pbts_cursor *rows, pbts_reputation_account *out);

static row_reader reader_of(pbts_eth_batch_kind kind) {
    switch (kind) {
    case PBTS_ETH_REGISTER: return pbts_reputation_register_row_read;
    case PBTS_ETH_WRITE: return pbts_reputation_write_row_read;
    case PBTS_ETH_ADOPT: return pbts_reputation_adopt_row_read;
    default: return NULL;
    }
}

static pbts_status written_one(pbts_txn *txn, const pbts_reputation_account *row,
                               const pbts_eth_batch *batch) {
    if (batch->kind == PBTS_ETH_ADOPT)
        return pbts_mirror_registered(txn, row->uid_hash, batch->sequence);
    pbts_ledger_account account = { .up_bytes = row->word.up_bytes,
                                    .down_bytes = row->word.down_bytes,
                                    .generation = row->word.generation };
    memcpy(account.uid_hash, row->uid_hash, sizeof account.uid_hash);
    return pbts_mirror_written(txn, &account, batch->sequence);
}

static pbts_status set_aside(pbts_txn *txn, const pbts_reputation_account *row,
                             const pbts_reputation_revert *revert) {
    switch (revert->kind) {
    case PBTS_REVERT_USER_EXISTS: return pbts_mirror_registered(txn, row->uid_hash, 0);
    case PBTS_REVERT_UNKNOWN_USER: return pbts_mirror_absent(txn, row->uid_hash);
    default: return pbts_mirror_set_aside(txn, row->uid_hash, (uint8_t)(revert->kind + 1));
    }
}

pbts_status ethereum_outcome_put(pbts_txn *txn, const pbts_eth_outcome *outcome) {
    pbts_reputation_account row;
    if (outcome->kind == PBTS_ETH_NO_OUTCOME) return PBTS_OK;
    if (outcome->kind == PBTS_ETH_REWOUND) return pbts_mirror_rewound(txn, outcome->sequence);
    row_reader read = reader_of(outcome->batch->kind);
    if (read == NULL) return PBTS_OK;
    pbts_cursor rows = pbts_cursor_over(outcome->batch->rows);
    while (pbts_cursor_left(&rows) > 0) {
        PBTS_TRY(read(&rows, &row));
        PBTS_TRY(outcome->kind == PBTS_ETH_WRITTEN ? written_one(txn, &row, outcome->batch)
                                                   : set_aside(txn, &row, &outcome->revert));
    }
    return PBTS_OK;
}

/* ---- the key ---- */

pbts_status ethereum_writer_address(pbts_eth_address *out, const pbts_secp256k1_secret *key) {
    pbts_secp256k1_signer *signer;
    PBTS_TRY(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()));
    *out = pbts_eth_address_of_secret(signer, key);
    pbts_secp256k1_signer_free(signer);
    return PBTS_OK;
}
