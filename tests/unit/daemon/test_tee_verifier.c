/* Unit tests of the daemon's verifier: the simulator's collateral is made anew before it is too
 * old. Its files are in tests/e2e/tee_tracker.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "app.h"
#include "tee/tee_verifier.h"

enum { DAY_S = 24 * 3600 };

typedef struct {
    struct app *app;
    struct tee_verifier verifier;
    pbts_attest_verdict verdict;
} scene;

static scene *open_scene(pbts_tee_kind kind) {
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->app = calloc(1, sizeof *s->app);
    assert_non_null(s->app);
    s->app->config.tee = kind;
    assert_int_equal(tee_verifier_open(&s->verifier, s->app), PBTS_OK);
    return s;
}

static void close_scene(scene *s) {
    tee_verifier_close(&s->verifier);
    assert_null(s->verifier.collateral);
    free(s->app);
    free(s);
}

static bool accepts(scene *s, uint64_t now_s) {
    uint8_t bytes[PBTS_SIMULATOR_QUOTE_MAX];
    static const uint8_t REPORT_DATA[PBTS_REPORT_DATA_LEN];
    pbts_writer quote = pbts_writer_over(bytes, sizeof bytes);
    assert_int_equal(pbts_simulator_quote(&quote, s->verifier.simulator, REPORT_DATA), PBTS_OK);
    return pbts_attest_verify(&s->verdict, pbts_writer_span(&quote), s->verifier.collateral,
                              s->verifier.root, &s->verifier.policy, now_s) == PBTS_OK;
}

static void simulated_collateral_is_made_anew_each_day(void **state) {
    (void)state;
    scene *s = open_scene(PBTS_TEE_SIMULATOR);
    uint64_t made_s = s->verifier.simulated_s, later_s = made_s + (uint64_t)100 * DAY_S;
    assert_true(accepts(s, made_s));
    assert_int_equal(tee_verifier_refresh(&s->verifier, made_s + DAY_S - 1), PBTS_OK);
    assert_int_equal(s->verifier.simulated_s, made_s);
    assert_int_equal(tee_verifier_refresh(&s->verifier, made_s + DAY_S), PBTS_OK);
    assert_int_equal(s->verifier.simulated_s, made_s + DAY_S);
    assert_false(accepts(s, later_s));
    assert_int_equal(tee_verifier_refresh(&s->verifier, later_s), PBTS_OK);
    assert_true(accepts(s, later_s));
    assert_int_equal(tee_verifier_refresh(&s->verifier, made_s), PBTS_OK); /* a clock set back */
    assert_true(accepts(s, made_s));
    close_scene(s);
}

static void without_a_simulator_its_root_is_not_believed(void **state) {
    (void)state;
    static const pbts_tee_kind KINDS[] = { PBTS_TEE_NONE, PBTS_TEE_TDX, PBTS_TEE_SEV,
                                           PBTS_TEE_DSTACK };
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        scene *s = open_scene(KINDS[i]);
        assert_ptr_equal(s->verifier.root, &PBTS_ATTEST_INTEL);
        assert_null(s->verifier.simulator);
        assert_null(s->verifier.collateral);
        assert_int_equal(tee_verifier_refresh(&s->verifier, UINT64_C(1) << 40), PBTS_OK);
        assert_null(s->verifier.collateral);
        close_scene(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simulated_collateral_is_made_anew_each_day),
        cmocka_unit_test(without_a_simulator_its_root_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
