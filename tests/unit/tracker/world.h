/* tests/unit/tracker/world.h - a tracker on a real store in a temporary folder, users with real
 * keys, torrents with real pieces, and virtual time. For the tests of tracker/ only. */
#ifndef PBTS_TEST_WORLD_H
#define PBTS_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/epoch.h"
#include "receipt/pieces.h"
#include "torrent/builder.h"
#include "tracker/tracker.h"

enum {
    WORLD_USERS = 16,
    WORLD_TORRENTS = 4,
    WORLD_PIECE = 16 * 1024,
    WORLD_PIECES = 20, /* the last one has WORLD_LAST bytes */
    WORLD_LAST = 1000,
    WORLD_SET_LEN = (WORLD_PIECES + 7) / 8,
};
#define WORLD_START UINT64_C(1800000000)
#define WORLD_TOTAL ((uint64_t)(WORLD_PIECES - 1) * WORLD_PIECE + WORLD_LAST)

typedef struct world {
    char folder[64];
    pbts_store *store;
    uint64_t store_bytes; /* 0: 64 MiB; from the next opening on */
    bool no_sync;         /* from the next restart on: thousands of commits that need no disk */
    pbts_tracker_config config;
    const pbts_predecessor *predecessor;          /* named at setup; NULL: none */
    void (*at_setup)(struct world *, pbts_txn *); /* puts more into a new instance; NULL: nothing */
    const struct world *old;                      /* for at_setup */
    pbts_tracker *tracker;
    pbts_now now;
    struct {
        pbts_bls_secret secret;
        pbts_bls_public key;
        char uid[16];
        uint32_t number;
    } users[WORLD_USERS];
    size_t user_count;
    pbts_metainfo *torrents[WORLD_TORRENTS];
    size_t torrent_count;
} world;

static inline void world_open_tracker(world *w) {
    pbts_store_config store_config = { .size_max_bytes =
                                           w->store_bytes ? w->store_bytes : 64u << 20,
                                       .no_sync = w->no_sync };
    assert_int_equal(pbts_store_open(&w->store, w->folder, &store_config), PBTS_OK);
    w->config.store = w->store;
    pbts_txn *txn;
    assert_int_equal(pbts_txn_begin(&txn, w->store, true), PBTS_OK);
    pbts_status status = pbts_tracker_setup(txn, &w->config, w->predecessor, w->now);
    if (status == PBTS_OK) {
        if (w->at_setup != NULL) w->at_setup(w, txn);
        assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
    } else {
        assert_int_equal(status, PBTS_EXISTS);
        pbts_txn_abort(txn);
    }
    assert_int_equal(pbts_tracker_open(&w->tracker, &w->config, w->now), PBTS_OK);
}

static inline void world_close_tracker(world *w) {
    pbts_tracker_free(w->tracker);
    pbts_store_close(w->store);
}

static inline void world_restart(world *w) {
    world_close_tracker(w);
    world_open_tracker(w);
}

/* The end of a commit of one operation: what a client sees. */
static inline pbts_refusal world_end(pbts_commit *commit, pbts_refusal refusal) {
    if (refusal == PBTS_REFUSAL_STORE_FULL || refusal == PBTS_REFUSAL_INTERNAL) {
        pbts_commit_abort(commit);
        return refusal;
    }
    assert_int_equal(pbts_commit_end(commit), PBTS_OK);
    return refusal;
}

static inline pbts_commit *world_begin(world *w) {
    pbts_commit *commit;
    assert_int_equal(pbts_commit_begin(&commit, w->tracker, w->now), PBTS_OK);
    return commit;
}

/* Check and commit a registration of any key and name, signed for any instance. */
static inline pbts_refusal world_register_as(world *w, uint32_t *number,
                                             const pbts_bls_secret *secret, const char *uid,
                                             const uint8_t *iid) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_registration registration = { .uid = pbts_span_text(uid) };
    pbts_bls_public_of(&registration.key, secret);
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_register(&writer, iid, &registration.key, registration.uid);
    pbts_bls_sign(&registration.signature, secret, PBTS_BLS_REGISTER, pbts_writer_span(&writer));
    pbts_checked_registration checked;
    pbts_refusal refusal = pbts_check_registration(w->tracker, &checked, &registration);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    pbts_commit *commit = world_begin(w);
    return world_end(commit, pbts_commit_registration(commit, number, &checked, false));
}

static inline size_t world_add_user(world *w) {
    size_t at = w->user_count++;
    assert_true(at < WORLD_USERS);
    snprintf(w->users[at].uid, sizeof w->users[at].uid, "user%zu", at);
    assert_int_equal(pbts_bls_generate(&w->users[at].secret, pbts_random_system()), PBTS_OK);
    pbts_bls_public_of(&w->users[at].key, &w->users[at].secret);
    assert_int_equal(world_register_as(w, &w->users[at].number, &w->users[at].secret,
                                       w->users[at].uid, pbts_tracker_iid(w->tracker)),
                     PBTS_REFUSAL_NONE);
    return at;
}

static inline pbts_metainfo *world_metainfo(const char *name, pbts_torrent_version version) {
    static uint8_t content[WORLD_TOTAL];
    for (size_t i = 0; i < sizeof content; i++) content[i] = (uint8_t)(i * 31 + (i >> 14));
    pbts_torrent_options options = { .version = version,
                                     .piece_length = WORLD_PIECE,
                                     .name = pbts_span_text(name),
                                     .single_file = true };
    pbts_torrent_builder *builder;
    pbts_metainfo *meta;
    pbts_span bytes;
    assert_int_equal(pbts_torrent_builder_new(&builder, pbts_mem_system(), &options), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_begin_file(builder, pbts_span_text(name), sizeof content),
                     PBTS_OK);
    assert_int_equal(pbts_torrent_builder_add(builder, PBTS_SPAN_OF(content)), PBTS_OK);
    assert_int_equal(pbts_torrent_builder_finish(builder, &bytes), PBTS_OK);
    assert_int_equal(pbts_metainfo_parse(&meta, NULL, pbts_mem_system(), bytes), PBTS_OK);
    pbts_torrent_builder_free(builder);
    return meta;
}

static inline size_t world_add_torrent(world *w, pbts_torrent_version version) {
    char name[16];
    uint32_t number;
    size_t at = w->torrent_count++;
    assert_true(at < WORLD_TORRENTS);
    snprintf(name, sizeof name, "torrent%zu", at);
    w->torrents[at] = world_metainfo(name, version);
    pbts_commit *commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_torrent(commit, &number, w->users[0].number,
                                                           w->torrents[at])),
                     PBTS_REFUSAL_NONE);
    return at;
}

/* A folder, a key and a policy; nothing is open. */
static inline world *world_prepare(const pbts_policy *policy) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    snprintf(w->folder, sizeof w->folder, "/tmp/pbts-world-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    w->now = (pbts_now){ .unix_s = WORLD_START, .mono_s = 1000 };
    w->config = (pbts_tracker_config){ .mem = pbts_mem_system(),
                                       .random = pbts_random_system(),
                                       .policy = policy ? *policy : pbts_policy_default() };
    assert_int_equal(pbts_bls_generate(&w->config.owner, pbts_random_system()), PBTS_OK);
    return w;
}

static inline world *world_new(const pbts_policy *policy, size_t users, size_t torrents) {
    world *w = world_prepare(policy);
    world_open_tracker(w);
    for (size_t i = 0; i < users; i++) world_add_user(w);
    for (size_t i = 0; i < torrents; i++) world_add_torrent(w, PBTS_TORRENT_V1);
    return w;
}

static inline void world_free(world *w) {
    char command[128];
    world_close_tracker(w);
    for (size_t i = 0; i < w->torrent_count; i++) pbts_metainfo_free(w->torrents[i]);
    snprintf(command, sizeof command, "rm -rf '%s'", w->folder);
    assert_int_equal(system(command), 0);
    free(w);
}

static inline uint64_t world_epoch(const world *w) {
    return pbts_epoch_at(w->now.unix_s);
}

/* Set totals as an administrator; granted follows. */
static inline void world_set_totals(world *w, size_t user, uint64_t up, uint64_t down) {
    pbts_commit *commit = world_begin(w);
    pbts_refusal refusal = pbts_commit_set_totals(commit, w->users[user].number, up, down);
    assert_int_equal(world_end(commit, refusal), PBTS_REFUSAL_NONE);
}

static inline void world_rotate(world *w, size_t user) {
    pbts_commit *commit = world_begin(w);
    assert_int_equal(world_end(commit, pbts_commit_rotate(commit, w->users[user].number)),
                     PBTS_REFUSAL_NONE);
}

/* ---- statements ---- */

static inline void world_set(uint8_t bits[static WORLD_SET_LEN], const char *pieces) {
    memset(bits, 0, WORLD_SET_LEN);
    assert_int_equal(pbts_piece_set_parse(bits, WORLD_PIECES, pbts_span_text(pieces)), PBTS_OK);
}

static inline pbts_party world_party(const world *w, size_t user) {
    return (pbts_party){ .uid = pbts_span_text(w->users[user].uid) };
}

/* The torrent's hashes as belong to the infohash that a statement names. */
static inline pbts_piece_hashes world_hashes(const world *w, size_t torrent,
                                             const uint8_t infohash[static 20]) {
    const pbts_metainfo *meta = w->torrents[torrent];
    bool v2 =
        !pbts_metainfo_has_v1(meta) || memcmp(infohash, pbts_metainfo_infohash_v1(meta), 20) != 0;
    return pbts_piece_hashes_of(meta, v2);
}

/* The receipt that a statement stands for; what the receiver signs. */
static inline pbts_receipt world_receipt(const world *w, size_t receiver, size_t sender,
                                         size_t torrent, const pbts_statement *statement) {
    pbts_receipt receipt = { .form = statement->form,
                             .epoch = statement->epoch,
                             .bitmap = statement->bitmap,
                             .piece_index = statement->piece_index,
                             .sender = w->users[sender].key,
                             .receiver = w->users[receiver].key };
    memcpy(receipt.iid, statement->has_iid ? statement->iid : pbts_tracker_iid(w->tracker),
           sizeof receipt.iid);
    memcpy(receipt.infohash, statement->infohash, sizeof receipt.infohash);
    pbts_piece_hashes hashes = world_hashes(w, torrent, statement->infohash);
    if (statement->form == PBTS_FORM_PIECE && statement->piece_index < WORLD_PIECES) {
        hashes.get(hashes.context, receipt.piece_hash, statement->piece_index);
    }
    if (statement->form == PBTS_FORM_BATCH) {
        pbts_receipt_root(receipt.root, statement->bitmap, hashes);
    }
    receipt.session = statement->session;
    receipt.piece_signatures = statement->piece_signatures;
    return receipt;
}

static inline void world_sign(const world *w, pbts_statement *statement, size_t receiver,
                              size_t sender, size_t torrent) {
    pbts_receipt receipt = world_receipt(w, receiver, sender, torrent, statement);
    pbts_receipt_sign(&statement->signature, &receipt, &w->users[receiver].secret);
    statement->has_signature = true;
}

/* A valid cumulative statement: receiver got `bits` of the torrent from sender now. */
static inline pbts_statement world_cumulative(const world *w, size_t receiver, size_t sender,
                                              size_t torrent, const uint8_t *bits) {
    pbts_statement statement = { .form = PBTS_FORM_CUMULATIVE,
                                 .epoch = world_epoch(w),
                                 .receiver = world_party(w, receiver),
                                 .sender = world_party(w, sender),
                                 .bitmap = { bits, WORLD_SET_LEN } };
    memcpy(statement.infohash, pbts_metainfo_infohash(w->torrents[torrent]), 20);
    world_sign(w, &statement, receiver, sender, torrent);
    return statement;
}

static inline pbts_statement world_piece(const world *w, size_t receiver, size_t sender,
                                         size_t torrent, uint32_t index) {
    pbts_statement statement = { .form = PBTS_FORM_PIECE,
                                 .epoch = world_epoch(w),
                                 .receiver = world_party(w, receiver),
                                 .sender = world_party(w, sender),
                                 .piece_index = index };
    memcpy(statement.infohash, pbts_metainfo_infohash(w->torrents[torrent]), 20);
    world_sign(w, &statement, receiver, sender, torrent);
    return statement;
}

/* A valid statement of one of the forms that name a set. A session is signed by `session`. */
static inline pbts_statement world_batch(const world *w, size_t receiver, size_t sender,
                                         size_t torrent, const uint8_t *bits) {
    pbts_statement statement = world_cumulative(w, receiver, sender, torrent, bits);
    statement.form = PBTS_FORM_BATCH;
    world_sign(w, &statement, receiver, sender, torrent);
    return statement;
}

typedef struct {
    pbts_receipt_session session;
    pbts_secp256k1_secret secret;
    uint8_t signatures[WORLD_PIECES * PBTS_SECP256K1_SIGNATURE_LEN];
} world_session;

/* A new session that ends as late as it may. */
static inline world_session world_new_session(const world *w) {
    world_session s = { .session.expires = pbts_receipt_session_expires(w->now.unix_s) };
    pbts_secp256k1_signer *signer;
    assert_int_equal(pbts_random_fill(pbts_random_system(), s.session.id, sizeof s.session.id),
                     PBTS_OK);
    assert_int_equal(pbts_secp256k1_generate(&s.secret, pbts_random_system()), PBTS_OK);
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    pbts_secp256k1_public_of(signer, &s.session.key, &s.secret);
    pbts_secp256k1_signer_free(signer);
    return s;
}

/* Sign the statement's pieces with the session's key, as its other fields are now. */
static inline void world_sign_pieces(const world *w, pbts_statement *statement,
                                     world_session *session, size_t receiver, size_t sender,
                                     size_t torrent) {
    pbts_receipt receipt = world_receipt(w, receiver, sender, torrent, statement);
    pbts_piece_hashes hashes = world_hashes(w, torrent, statement->infohash);
    pbts_secp256k1_signer *signer;
    size_t at = 0;
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    for (uint32_t i = 0; pbts_piece_set_next(statement->bitmap, &i); i++) {
        uint8_t hash[PBTS_PIECE_HASH_LEN];
        pbts_secp256k1_signature signature;
        hashes.get(hashes.context, hash, i);
        pbts_receipt_session_sign(signer, &signature, &session->secret, &receipt, hash, i);
        memcpy(session->signatures + at, signature.bytes, sizeof signature.bytes);
        at += sizeof signature.bytes;
    }
    pbts_secp256k1_signer_free(signer);
    statement->piece_signatures = (pbts_span){ session->signatures, at };
}

/* The statement borrows the session's signatures. */
static inline pbts_statement world_session_statement(const world *w, world_session *session,
                                                     size_t receiver, size_t sender, size_t torrent,
                                                     const uint8_t *bits) {
    pbts_statement statement = world_cumulative(w, receiver, sender, torrent, bits);
    statement.form = PBTS_FORM_SESSION;
    statement.session = session->session;
    world_sign(w, &statement, receiver, sender, torrent);
    world_sign_pieces(w, &statement, session, receiver, sender, torrent);
    return statement;
}

/* ---- reports ---- */

/* Any digest will do for the unit tests: it is the wire layer that computes it from bytes. */
static inline pbts_report world_report_of(const world *w, size_t submitter,
                                          pbts_statement *statements, size_t count) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_report report = { .uid = pbts_span_text(w->users[submitter].uid),
                           .unix_time = w->now.unix_s,
                           .has_signature = true,
                           .statements = statements,
                           .count = count };
    memset(report.statements_sha256, 7, sizeof report.statements_sha256);
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_report(&writer, pbts_tracker_iid(w->tracker), &w->users[submitter].key,
                        report.unix_time, report.statements_sha256);
    pbts_bls_sign(&report.signature, &w->users[submitter].secret, PBTS_BLS_REPORT,
                  pbts_writer_span(&writer));
    return report;
}

/* Check and commit; fills `verdicts` when the report as a whole is not refused. */
static inline pbts_refusal world_submit(world *w, const pbts_report *report,
                                        pbts_verdict *verdicts) {
    pbts_checked_report *checked;
    pbts_refusal refusal = pbts_check_report(w->tracker, &checked, report, w->now);
    if (refusal != PBTS_REFUSAL_NONE) return refusal;
    pbts_commit *commit = world_begin(w);
    refusal = world_end(commit, pbts_commit_report(commit, checked));
    for (size_t i = 0; i < report->count; i++) {
        verdicts[i] = pbts_checked_report_verdict(checked, i);
    }
    pbts_checked_report_free(checked);
    return refusal;
}

/* One statement, submitted by its sender. */
static inline pbts_verdict world_report_one(world *w, size_t submitter, pbts_statement statement) {
    pbts_verdict verdict = { 0 };
    pbts_report report = world_report_of(w, submitter, &statement, 1);
    assert_int_equal(world_submit(w, &report, &verdict), PBTS_REFUSAL_NONE);
    return verdict;
}

static inline pbts_user world_user(world *w, size_t user) {
    pbts_user out;
    assert_int_equal(pbts_tracker_user(w->tracker, &out, pbts_span_text(w->users[user].uid)),
                     PBTS_OK);
    return out;
}

static inline void world_assert_balanced(world *w) {
    int64_t sum;
    assert_int_equal(pbts_tracker_balance_sum(w->tracker, &sum), PBTS_OK);
    assert_int_equal(sum, 0);
}

#endif
