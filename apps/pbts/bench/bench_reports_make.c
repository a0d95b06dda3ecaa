/* bench_reports_make.c - users, a torrent of zeros, and signed reports; see bench_reports.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/epoch.h"
#include "base/secret.h"
#include "bench_reports.h"
#include "hash/sha.h"
#include "torrent/builder.h"
#include "wire/report.h"

enum { STATEMENT_ROOM = 512, ENVELOPE_ROOM = 512 }; /* bytes of encoding, without the bitmap */

bool pbts_reports_make_users(pbts_reports_set *set, uint32_t tag) {
    set->users = calloc(set->plan.users, sizeof *set->users);
    if (!set->users) return false;
    for (uint32_t i = 0; i < set->plan.users; i++) {
        pbts_reports_user *user = &set->users[i];
        (void)snprintf(user->uid, sizeof user->uid, "bench-%08x-%u", tag, i);
        if (pbts_bls_generate(&user->secret, pbts_random_system()) != PBTS_OK) return false;
        pbts_bls_public_of(&user->key, &user->secret);
        if (pbts_bls_public_decode(&user->point, &user->key) != PBTS_OK) return false;
    }
    return true;
}

/* ---- the torrent ---- */

static bool add_zeros(pbts_torrent_builder *builder, uint64_t length) {
    static const uint8_t zeros[PBTS_REPORTS_PIECE_LEN];
    pbts_span portion = { zeros, sizeof zeros };
    for (uint64_t at = 0; at < length; at += sizeof zeros)
        if (pbts_torrent_builder_add(builder, portion) != PBTS_OK) return false;
    return true;
}

bool pbts_reports_make_torrent(pbts_reports_set *set, const char *name) {
    uint64_t length = (uint64_t)pbts_reports_plan_pieces(&set->plan) * PBTS_REPORTS_PIECE_LEN;
    pbts_torrent_options options = { .version = PBTS_TORRENT_V1,
                                     .piece_length = PBTS_REPORTS_PIECE_LEN,
                                     .name = pbts_span_text(name),
                                     .single_file = true };
    pbts_torrent_builder *builder = NULL;
    pbts_span file;
    const char *problem;
    bool ok = pbts_torrent_builder_new(&builder, pbts_mem_system(), &options) == PBTS_OK &&
              pbts_torrent_builder_begin_file(builder, options.name, length) == PBTS_OK &&
              add_zeros(builder, length) &&
              pbts_torrent_builder_finish(builder, &file) == PBTS_OK &&
              pbts_metainfo_parse(&set->meta, &problem, pbts_mem_system(), file) == PBTS_OK;
    pbts_torrent_builder_free(builder);
    return ok;
}

/* ---- receipts ---- */

/* The receipt of a transfer; its bitmap, if it has one, is put into `bits`. */
static pbts_receipt receipt_of(const pbts_reports_set *set, pbts_reports_transfer transfer,
                               uint64_t epoch, uint8_t *bits) {
    pbts_receipt receipt = { .form = set->form, .epoch = epoch };
    uint32_t pieces = pbts_metainfo_piece_count(set->meta);
    memcpy(receipt.iid, set->iid, sizeof receipt.iid);
    memcpy(receipt.infohash, pbts_metainfo_infohash(set->meta), sizeof receipt.infohash);
    receipt.sender = set->users[transfer.sender].key;
    receipt.receiver = set->users[transfer.receiver].key;
    if (set->form == PBTS_FORM_PIECE) {
        receipt.piece_index = transfer.first_piece;
        pbts_metainfo_piece_hash(receipt.piece_hash, set->meta, false, transfer.first_piece);
        return receipt;
    }
    receipt.bitmap = (pbts_span){ bits, pbts_piece_set_len(pieces) };
    memset(bits, 0, receipt.bitmap.len);
    for (uint32_t i = 0; i < set->plan.run; i++) pbts_piece_set_add(bits, transfer.first_piece + i);
    return receipt;
}

static pbts_statement statement_of(const pbts_reports_set *set, const pbts_receipt *receipt,
                                   uint32_t receiver) {
    pbts_statement statement = { .form = receipt->form,
                                 .epoch = receipt->epoch,
                                 .piece_index = receipt->piece_index,
                                 .bitmap = receipt->bitmap };
    memcpy(statement.infohash, receipt->infohash, sizeof statement.infohash);
    statement.receiver.uid = pbts_span_text(set->users[receiver].uid);
    return statement;
}

/* ---- reports ---- */

/* Memory for one report while it is made. */
typedef struct {
    pbts_statement *statements;
    uint8_t *bitmaps, *raw, *body;
    size_t bitmap_len, raw_room, body_room;
} workshop;

static void workshop_deinit(workshop *shop) {
    free(shop->statements);
    free(shop->bitmaps);
    free(shop->raw);
    free(shop->body);
}

static bool workshop_init(workshop *shop, const pbts_reports_set *set) {
    size_t count = set->plan.statements;
    shop->bitmap_len = pbts_piece_set_len(pbts_metainfo_piece_count(set->meta));
    shop->raw_room = count * (STATEMENT_ROOM + shop->bitmap_len);
    shop->body_room = shop->raw_room + ENVELOPE_ROOM;
    shop->statements = calloc(count, sizeof *shop->statements);
    shop->bitmaps = calloc(count, shop->bitmap_len);
    shop->raw = malloc(shop->raw_room);
    shop->body = malloc(shop->body_room);
    return shop->statements && shop->bitmaps && shop->raw && shop->body;
}

/* The statements of a report, and the sum of their receivers' signatures. */
static bool make_statements(workshop *shop, pbts_bls_signature *aggregate,
                            const pbts_reports_set *set, uint32_t report, uint64_t epoch) {
    pbts_bls_g1_point sum, point;
    pbts_bls_g1_zero(&sum);
    for (uint32_t i = 0; i < set->plan.statements; i++) {
        pbts_reports_transfer transfer = pbts_reports_plan_at(&set->plan, report, i);
        pbts_receipt receipt =
            receipt_of(set, transfer, epoch, shop->bitmaps + i * shop->bitmap_len);
        pbts_bls_signature signature;
        pbts_receipt_sign(&signature, &receipt, &set->users[transfer.receiver].secret);
        if (pbts_bls_signature_decode(&point, &signature) != PBTS_OK) return false;
        pbts_bls_g1_add(&sum, &point);
        shop->statements[i] = statement_of(set, &receipt, transfer.receiver);
    }
    pbts_bls_signature_encode(aggregate, &sum);
    return true;
}

static void sign_report(pbts_report *report, const pbts_reports_set *set,
                        const pbts_reports_user *user, pbts_span statements_raw) {
    uint8_t bytes[PBTS_MESSAGE_MAX];
    pbts_writer message = pbts_writer_over(bytes, sizeof bytes);
    pbts_sha256(report->statements_sha256, statements_raw);
    pbts_message_report(&message, set->iid, &user->key, report->unix_time,
                        report->statements_sha256);
    pbts_bls_sign(&report->signature, &user->secret, PBTS_BLS_REPORT, pbts_writer_span(&message));
}

static bool keep(pbts_reports_body *out, const pbts_writer *writer) {
    if (writer->failed) return false;
    out->data = malloc(writer->len);
    if (!out->data) return false;
    memcpy(out->data, pbts_writer_span(writer).data, writer->len);
    out->len = writer->len;
    return true;
}

static bool make_body(workshop *shop, pbts_reports_set *set, uint32_t number, uint64_t unix_time) {
    const pbts_reports_user *user = &set->users[number % set->plan.users];
    pbts_report report = { .uid = pbts_span_text(user->uid),
                           .unix_time = unix_time,
                           .has_signature = true,
                           .has_aggregate = true,
                           .statements = shop->statements,
                           .count = set->plan.statements };
    if (!make_statements(shop, &report.aggregate, set, number, pbts_epoch_at(unix_time)))
        return false;
    pbts_writer raw = pbts_writer_over(shop->raw, shop->raw_room);
    pbts_report_encode_statements(&raw, shop->statements, report.count);
    if (raw.failed) return false;
    sign_report(&report, set, user, pbts_writer_span(&raw));
    pbts_writer body = pbts_writer_over(shop->body, shop->body_room);
    pbts_report_encode(&body, &report, pbts_writer_span(&raw));
    return keep(&set->bodies[number], &body);
}

bool pbts_reports_make_bodies(pbts_reports_set *set, uint64_t unix_time,
                              void (*progress)(uint32_t done, uint32_t all)) {
    assert(set->form == PBTS_FORM_CUMULATIVE || set->plan.run == 1);
    workshop shop = { 0 };
    set->bodies = calloc(set->plan.reports, sizeof *set->bodies);
    bool ok = set->bodies && workshop_init(&shop, set);
    for (uint32_t i = 0; ok && i < set->plan.reports; i++) {
        ok = make_body(&shop, set, i, unix_time);
        if (progress) progress(i + 1, set->plan.reports);
    }
    workshop_deinit(&shop);
    return ok;
}

void pbts_reports_deinit(pbts_reports_set *set) {
    for (uint32_t i = 0; set->bodies && i < set->plan.reports; i++) free(set->bodies[i].data);
    free(set->bodies);
    pbts_metainfo_free(set->meta);
    if (set->users) pbts_wipe(set->users, set->plan.users * sizeof *set->users);
    free(set->users);
}
