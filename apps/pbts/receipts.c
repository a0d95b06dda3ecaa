#include "receipts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_codes.h"
#include "files.h"
#include "receipt_sign.h"
#include "say.h"
#include "tracker_api.h"

static int decode_all(receipts *all, pbts_span bytes, const char *path) {
    pbts_span magic = pbts_span_text(PBTS_RECEIPT_FILE_MAGIC);
    if (bytes.len < magic.len || memcmp(bytes.data, magic.data, magic.len) != 0) {
        return say_fail(PBTS_EXIT_REFUSED, "%s: is no file of receipts", path);
    }
    pbts_cursor in = pbts_cursor_over((pbts_span){ bytes.data + magic.len, bytes.len - magic.len });
    size_t capacity = 0;
    while (pbts_cursor_left(&in) > 0) {
        if (all->count == RECEIPTS_MAX) {
            return say_fail(PBTS_EXIT_REFUSED, "%s: more than %d receipts", path, RECEIPTS_MAX);
        }
        if (all->count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            pbts_receipt_record *bigger = realloc(all->records, capacity * sizeof *bigger);
            if (bigger == NULL) return say_no_memory();
            all->records = bigger;
        }
        pbts_status status = pbts_receipt_record_decode(&all->records[all->count], &in);
        if (status != PBTS_OK) {
            return say_fail(PBTS_EXIT_REFUSED, "%s: receipt %zu: %s", path, all->count,
                            pbts_status_text(status));
        }
        all->count++;
    }
    if (all->count > 0) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_REFUSED, "%s: holds no receipt", path);
}

int receipts_load(receipts *out, const char *path) {
    receipts all = { 0 };
    size_t len;
    int code = file_read(&all.bytes, &len, path, RECEIPTS_FILE_MAX);
    if (code != PBTS_EXIT_OK) return code;
    pbts_span bytes = { all.bytes, len };
    code = receipts_are_journal(bytes) ? receipts_load_journal(&all, bytes, path)
                                       : decode_all(&all, bytes, path);
    if (code == PBTS_EXIT_OK) {
        *out = all;
    } else {
        receipts_free(&all);
    }
    return code;
}

void receipts_free(receipts *all) {
    free(all->records);
    free(all->refusals);
    free(all->bytes);
    pbts_journal_free(all->journal);
    *all = (receipts){ 0 };
}

const char *receipt_record_problem(const pbts_receipt_record *record) {
    static char text[64];
    uint32_t bad_piece;
    pbts_status status = pbts_receipt_record_verify(record, &bad_piece);
    if (status == PBTS_OK) return NULL;
    if (status == PBTS_STALE) return "its session was over when its hour began";
    if (status == PBTS_LIMIT) return "its session ends more than a day after its hour began";
    if (bad_piece == UINT32_MAX) return pbts_status_text(status);
    (void)snprintf(text, sizeof text, "the session's signature of piece %u does not verify",
                   bad_piece);
    return text;
}

uint32_t receipt_record_pieces(const pbts_receipt_record *record) {
    if (record->receipt.form == PBTS_FORM_PIECE) return 1;
    return pbts_piece_set_count(record->receipt.bitmap);
}

const char *receipt_party_name(pbts_span uid, const pbts_bls_public *key) {
    static char names[4][PBTS_UID_LEN_MAX + 8];
    static unsigned next;
    char *name = names[next++ % 4];
    if (uid.len > 0) {
        memcpy(name, uid.data, uid.len);
        name[uid.len] = '\0';
    } else {
        hex_text(name, sizeof names[0], (pbts_span){ key->bytes, 8 });
        memcpy(name + 16, "...", 4);
    }
    return name;
}

static void add_form_json(json_t *json, const pbts_receipt *receipt) {
    char text[96];
    const pbts_receipt_session *session = &receipt->session;
    switch (receipt->form) {
    case PBTS_FORM_CUMULATIVE: return;
    case PBTS_FORM_PIECE:
        json_object_set_new(json, "piece_index", json_integer((json_int_t)receipt->piece_index));
        return;
    case PBTS_FORM_BATCH:
        hex_text(text, sizeof text, PBTS_SPAN_OF(receipt->root));
        json_object_set_new(json, "merkle_root", json_string(text));
        return;
    case PBTS_FORM_SESSION:
        base64_text(text, sizeof text, PBTS_SPAN_OF(session->id));
        json_object_set_new(json, "session_id", json_string(text));
        base64_text(text, sizeof text, PBTS_SPAN_OF(session->key.bytes));
        json_object_set_new(json, "session_key", json_string(text));
        json_object_set_new(json, "expires", json_integer((json_int_t)session->expires));
        return;
    }
}

json_t *receipt_record_json(const pbts_receipt_record *record) {
    char infohash[41], iid[65], sender[160], receiver[160];
    const pbts_receipt *receipt = &record->receipt;
    hex_text(infohash, sizeof infohash, PBTS_SPAN_OF(receipt->infohash));
    hex_text(iid, sizeof iid, PBTS_SPAN_OF(receipt->iid));
    base64_text(sender, sizeof sender, PBTS_SPAN_OF(receipt->sender.bytes));
    base64_text(receiver, sizeof receiver, PBTS_SPAN_OF(receipt->receiver.bytes));
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:I}", "form",
                  receipt_form_name(receipt->form), "infohash", infohash, "iid", iid, "epoch",
                  (json_int_t)receipt->epoch, "sender",
                  receipt_party_name(record->sender_uid, &receipt->sender), "sender_key", sender,
                  "receiver", receipt_party_name(record->receiver_uid, &receipt->receiver),
                  "receiver_key", receiver, "pieces", (json_int_t)receipt_record_pieces(record),
                  "piece_count", (json_int_t)record->piece_count);
    if (json != NULL) add_form_json(json, receipt);
    return json;
}

void receipt_record_print(const pbts_receipt_record *record) {
    char infohash[41];
    const pbts_receipt *receipt = &record->receipt;
    hex_text(infohash, sizeof infohash, PBTS_SPAN_OF(receipt->infohash));
    printf("%s -> %s, torrent %s, ", receipt_party_name(record->sender_uid, &receipt->sender),
           receipt_party_name(record->receiver_uid, &receipt->receiver), infohash);
    if (receipt->form == PBTS_FORM_PIECE) {
        printf("piece %u of %u", receipt->piece_index, record->piece_count);
    } else {
        printf("%u of %s", receipt_record_pieces(record), say_count(record->piece_count, "piece"));
    }
    if (receipt->form != PBTS_FORM_PIECE) printf(" (%s)", receipt_form_name(receipt->form));
    printf(", epoch %llu", (unsigned long long)receipt->epoch);
}
