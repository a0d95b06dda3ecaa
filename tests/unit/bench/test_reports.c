/* The reports that the benchmark makes: every statement credits pieces of its own, every report
 * verifies, and what is damaged does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pbts/bench/bench_reports_make.c"
#include "pbts/bench/bench_reports_plan.c"
#include "pbts/bench/bench_reports_verify.c"
#include "pbts/bench/bench_time.c"

enum { NOW = 1700000000 };

static void check_plan(pbts_reports_plan plan) {
    uint32_t pieces = pbts_reports_plan_pieces(&plan);
    uint64_t *sent = calloc(4 * (size_t)plan.users, sizeof *sent), *received = sent + plan.users;
    uint64_t *sent_told = received + plan.users, *received_told = sent_told + plan.users;
    bool *seen = calloc((size_t)plan.users * plan.users * pieces, sizeof *seen);
    for (uint32_t r = 0; r < plan.reports; r++) {
        for (uint32_t s = 0; s < plan.statements; s++) {
            pbts_reports_transfer t = pbts_reports_plan_at(&plan, r, s);
            assert_int_equal(t.sender, r % plan.users);
            assert_true(t.receiver < plan.users);
            assert_int_not_equal(t.sender, t.receiver);
            for (uint32_t i = 0; i < plan.run; i++) {
                assert_true(t.first_piece + i < pieces);
                bool *one = &seen[((size_t)t.sender * plan.users + t.receiver) * pieces +
                                  t.first_piece + i];
                assert_false(*one);
                *one = true;
                sent[t.sender] += PBTS_REPORTS_PIECE_LEN;
                received[t.receiver] += PBTS_REPORTS_PIECE_LEN;
            }
        }
    }
    pbts_reports_plan_totals(&plan, sent_told, received_told);
    assert_memory_equal(sent, sent_told, 2 * plan.users * sizeof *sent);
    free(sent);
    free(seen);
}

static void no_two_statements_name_the_same_piece_of_the_same_two_users(void **state) {
    for (uint32_t users = 2; users <= 7; users++)
        for (uint32_t reports = 1; reports <= 40; reports += 3)
            for (uint32_t statements = 1; statements <= 9; statements += 2)
                check_plan((pbts_reports_plan){ users, reports, statements, 1 + reports % 3 });
}

static void the_torrent_grows_when_two_users_need_more_pieces(void **state) {
    pbts_reports_plan plan = { 2, 2 * 1000, 5, 16 };
    assert_int_equal(pbts_reports_plan_pieces(&plan), 1000 * 5 * 16);
    plan = (pbts_reports_plan){ 16, 4000, 1, 1 };
    assert_int_equal(pbts_reports_plan_pieces(&plan), PBTS_REPORTS_PIECES_MIN);
    /* The command line refuses more pieces by this number, so it must not wrap before. */
    plan = (pbts_reports_plan){ 2, PBTS_REPORTS_SIGNATURES_MAX / 64, 64, PBTS_REPORTS_RUN };
    assert_int_equal(pbts_reports_plan_pieces(&plan), PBTS_REPORTS_SIGNATURES_MAX / 2 * 16);
}

static bool is_good(const pbts_reports_plan *plan, const char *answer) {
    return pbts_reports_answer_is_good(plan, pbts_span_text(answer));
}

static void only_an_answer_with_full_credit_is_good(void **state) {
    const pbts_reports_plan plan = { .users = 3, .reports = 9, .statements = 2, .run = 16 };
    const char *good = "{\"credited\":{\"statements\":2,\"pieces\":32,\"bytes\":524288},"
                       "\"held\":{\"bytes\":0},\"duplicates\":0,\"refused\":0}";
    assert_int_equal(pbts_reports_plan_bytes(&plan), 524288);
    assert_true(is_good(&plan, good));
    for (const char *at = good; *at; at++) { /* each number one higher, each other byte damaged */
        char *bad = strdup(good);
        if (*at >= '0' && *at < '9')
            bad[at - good]++;
        else
            bad[at - good] = '~';
        assert_false(is_good(&plan, bad));
        free(bad);
    }
    assert_false(is_good(&plan, ""));
    assert_false(is_good(&plan, "[]"));
    assert_false(
        is_good(&plan, "{\"credited\":{\"statements\":2,\"pieces\":32,\"bytes\":524288}}"));
}

static void make_set(pbts_reports_set *set, pbts_receipt_form form) {
    *set = (pbts_reports_set){ .form = form,
                               .plan = { .users = 3,
                                         .reports = 7,
                                         .statements = 4,
                                         .run = form == PBTS_FORM_PIECE ? 1 : PBTS_REPORTS_RUN } };
    memset(set->iid, 0x11, sizeof set->iid);
    assert_true(pbts_reports_make_users(set, 0xABCD));
    assert_true(pbts_reports_make_torrent(set, "zeros.bin"));
    assert_true(pbts_reports_make_bodies(set, NOW, NULL));
}

static void check_body(const pbts_reports_set *set, uint32_t number) {
    pbts_span body = { set->bodies[number].data, set->bodies[number].len };
    pbts_report report;
    const char *problem;
    assert_int_equal(pbts_report_decode_bencode(&report, &problem, pbts_mem_system(), body),
                     PBTS_OK);
    assert_true(pbts_span_is(report.uid, set->users[number % 3].uid));
    assert_int_equal(report.unix_time, NOW);
    assert_int_equal(report.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        const pbts_statement *statement = &report.statements[i];
        pbts_reports_transfer transfer = pbts_reports_plan_at(&set->plan, number, i);
        assert_int_equal(statement->form, set->form);
        assert_int_equal(statement->epoch, NOW / 3600);
        assert_true(pbts_span_is(statement->receiver.uid, set->users[transfer.receiver].uid));
        assert_false(statement->has_signature);
        if (set->form == PBTS_FORM_PIECE) {
            assert_int_equal(statement->piece_index, transfer.first_piece);
            continue;
        }
        uint32_t pieces = pbts_metainfo_piece_count(set->meta);
        pbts_span full = { calloc(1, pbts_piece_set_len(pieces)), pbts_piece_set_len(pieces) };
        memcpy((uint8_t *)full.data, statement->bitmap.data, statement->bitmap.len);
        assert_int_equal(pbts_piece_set_count(full), PBTS_REPORTS_RUN);
        for (uint32_t k = 0; k < PBTS_REPORTS_RUN; k++)
            assert_true(pbts_piece_set_has(full.data, transfer.first_piece + k));
        free((uint8_t *)full.data);
    }
    pbts_report_free(&report);
}

static void check_set(pbts_receipt_form form) {
    pbts_reports_set set;
    pbts_reports_verification sum = { 0 };
    make_set(&set, form);
    assert_int_equal(pbts_metainfo_piece_count(set.meta), PBTS_REPORTS_PIECES_MIN);
    assert_true(pbts_metainfo_is_private(set.meta));
    for (uint32_t i = 0; i < set.plan.reports; i++) check_body(&set, i);
    assert_true(pbts_reports_verify(&sum, &set, 0, 2));
    assert_int_equal(sum.reports, 4);
    assert_true(pbts_reports_verify(&sum, &set, 1, 2));
    assert_int_equal(sum.reports, 7);
    assert_true(sum.cpu_us > 0);
    pbts_reports_deinit(&set);
}

static void piece_reports_say_what_the_plan_says_and_verify(void **state) {
    check_set(PBTS_FORM_PIECE);
}

static void cumulative_reports_say_what_the_plan_says_and_verify(void **state) {
    check_set(PBTS_FORM_CUMULATIVE);
}

static void a_damaged_report_does_not_verify(void **state) {
    pbts_reports_set set;
    pbts_reports_verification sum = { 0 };
    make_set(&set, PBTS_FORM_PIECE);
    pbts_reports_body *body = &set.bodies[0];
    for (size_t at = 0; at < body->len; at += 7) {
        body->data[at] ^= 1;
        assert_false(pbts_reports_verify(&sum, &set, 0, set.plan.reports));
        body->data[at] ^= 1;
    }
    assert_int_equal(sum.reports, 0);
    assert_true(pbts_reports_verify(&sum, &set, 0, set.plan.reports));
    set.iid[0] ^= 1; /* another instance */
    assert_false(pbts_reports_verify(&sum, &set, 0, set.plan.reports));
    pbts_reports_deinit(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_statements_name_the_same_piece_of_the_same_two_users),
        cmocka_unit_test(the_torrent_grows_when_two_users_need_more_pieces),
        cmocka_unit_test(only_an_answer_with_full_credit_is_good),
        cmocka_unit_test(piece_reports_say_what_the_plan_says_and_verify),
        cmocka_unit_test(cumulative_reports_say_what_the_plan_says_and_verify),
        cmocka_unit_test(a_damaged_report_does_not_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
