/* The transfer that is measured in each form of receipts: every piece is signed for once, and all
 * of it verifies at a real tracker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pbts/bench/bench_forms.c"
#include "pbts/bench/bench_forms_tracker.c"
#include "pbts/bench/bench_time.c"

static void assert_covers_once(const fixture *f) {
    unsigned times[PIECES] = { 0 };
    for (size_t i = 0; i < f->count; i++) {
        const pbts_receipt *receipt = &f->receipts[i];
        if (receipt->form == PBTS_FORM_PIECE) times[receipt->piece_index]++;
        for (uint32_t k = 0; pbts_piece_set_next(receipt->bitmap, &k); k++) times[k]++;
    }
    for (uint32_t i = 0; i < PIECES; i++) assert_int_equal(times[i], 1);
}

static void every_form_signs_for_each_piece_once(void **state) {
    (void)state;
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_true(set_up(f));
    for (size_t row = 0; row < PBTS_BENCH_FORMS; row++) {
        f->count = 0;
        ROWS[row].plan(f);
        if (f->receipts[0].form == PBTS_FORM_CUMULATIVE) { /* each replaces the one before */
            f->receipts[0] = f->receipts[f->count - 1];
            f->count = 1;
        }
        assert_covers_once(f);
    }
    forms_tracker_close(&f->tracker);
    assert_int_not_equal(access(f->tracker.folder, F_OK), 0); /* nothing is left behind */
    pbts_secp256k1_signer_free(f->signer);
    pbts_metainfo_free(f->meta);
    free(f);
}

static void no_progress(const char *step) {
    (void)step;
}

static void the_figures_are_those_of_verified_reports(void **state) {
    (void)state;
    pbts_bench_form forms[PBTS_BENCH_FORMS];
    assert_true(pbts_bench_forms_measure(forms, true, no_progress));
    static const struct {
        const char *name;
        size_t signatures, statements, report_bytes_max;
    } WANT[PBTS_BENCH_FORMS] = {
        { "piece", 2560, 2560, 150000 },
        { "adaptive", 436, 436, 30000 },
        { "batch", 256, 256, 20000 },
        { "cumulative", 0, 1, 300 },
        { "session", 2561, 3, 2560 * 64 + 1000 },
    };
    for (size_t i = 0; i < PBTS_BENCH_FORMS; i++) {
        assert_string_equal(forms[i].name, WANT[i].name);
        if (WANT[i].signatures > 0) assert_int_equal(forms[i].signatures, WANT[i].signatures);
        assert_int_equal(forms[i].statements, WANT[i].statements);
        assert_true(forms[i].report_bytes < WANT[i].report_bytes_max);
        assert_true(forms[i].sign_us > 0 && forms[i].check_us > 0 && forms[i].tracker_us > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_signs_for_each_piece_once),
        cmocka_unit_test(the_figures_are_those_of_verified_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
