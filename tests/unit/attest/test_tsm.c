/* Unit tests of attest/: the steps of configfs-tsm against a kernel that can fail at each of them.
 */
#include <errno.h>

#include "attest/snp.h"
#include "attest/tsm.h"
#include "evidence.h"

/* A configfs-tsm with one provider, whose evidence is an SNP report of zeros but for report_data.
 */
typedef struct {
    const char *provider;
    /* Faults: the n-th call (from 1) on an attribute or action gives `error`, `times` times. */
    struct fault {
        pbts_tsm_action action;
        const char *attribute;
        int at, times, error;
    } fault;
    int calls; /* of what `fault` names */
    bool other_writer, old_outblob, short_outblob, stuck_generation, provider_changes;
    int spoil_attempts; /* how many attempts the flags above spoil */
    bool exists;
    char entry[PBTS_TSM_NAME_MAX], last_entry[PBTS_TSM_NAME_MAX];
    unsigned generation, made, removed, provider_reads;
    uint32_t rest_ms;
    uint8_t inblob[PBTS_REPORT_DATA_LEN], answer[4096];
    uint64_t now_ms;
} fake_kernel;

static const uint8_t REPORT_DATA[PBTS_REPORT_DATA_LEN] = { 1, 2, 3, [63] = 64 };
static const uint8_t SEED[PBTS_TSM_SEED_LEN] = { 0xab, [7] = 0xcd };

static bool spoils(const fake_kernel *kernel, bool flag) {
    return flag && (int)kernel->made <= kernel->spoil_attempts;
}

static size_t generation_text(fake_kernel *kernel) {
    int len = snprintf((char *)kernel->answer, sizeof kernel->answer, "%u\n", kernel->generation);
    return (size_t)len;
}

static size_t read_file(fake_kernel *kernel, const pbts_tsm_step *step) {
    if (strcmp(step->attribute, "provider") == 0) {
        bool changed =
            spoils(kernel, kernel->provider_changes) && kernel->provider_reads++ % 2 == 1;
        (void)snprintf((char *)kernel->answer, sizeof kernel->answer, "%s\n",
                       changed ? "other_guest" : kernel->provider);
        return strlen((char *)kernel->answer);
    }
    if (strcmp(step->attribute, "generation") == 0) return generation_text(kernel);
    assert_string_equal(step->attribute, "outblob");
    memset(kernel->answer, 0, sizeof kernel->answer);
    memcpy(kernel->answer + 0x50, kernel->inblob, sizeof kernel->inblob);
    if (spoils(kernel, kernel->old_outblob)) kernel->answer[0x50] ^= 1;
    return spoils(kernel, kernel->short_outblob) ? PBTS_SNP_REPORT_LEN - 1 : PBTS_SNP_REPORT_LEN;
}

static int act(fake_kernel *kernel, const pbts_tsm_step *step, pbts_span *read) {
    *read = (pbts_span){ kernel->answer, 0 };
    switch (step->action) {
    case PBTS_TSM_MAKE:
        assert_false(kernel->exists);
        assert_string_not_equal(step->entry, kernel->last_entry);
        (void)snprintf(kernel->entry, sizeof kernel->entry, "%s", step->entry);
        kernel->exists = true;
        kernel->generation = 7;
        kernel->made++;
        return 0;
    case PBTS_TSM_REMOVE:
        assert_true(kernel->exists);
        assert_string_equal(step->entry, kernel->entry);
        (void)snprintf(kernel->last_entry, sizeof kernel->last_entry, "%s", step->entry);
        kernel->exists = false;
        kernel->removed++;
        return 0;
    case PBTS_TSM_REST:
        assert_false(kernel->exists);
        assert_true(step->rest_ms > kernel->rest_ms);
        kernel->rest_ms = step->rest_ms;
        kernel->now_ms += step->rest_ms;
        return 0;
    case PBTS_TSM_WRITE:
        assert_string_equal(step->attribute, "inblob");
        assert_int_equal(step->bytes.len, PBTS_REPORT_DATA_LEN);
        memcpy(kernel->inblob, step->bytes.data, sizeof kernel->inblob);
        if (!spoils(kernel, kernel->stuck_generation)) kernel->generation++;
        if (spoils(kernel, kernel->other_writer)) kernel->generation++;
        return 0;
    default: read->len = read_file(kernel, step); return 0;
    }
}

static bool strikes(fake_kernel *kernel, const pbts_tsm_step *step) {
    const struct fault *fault = &kernel->fault;
    if (fault->error == 0 || step->action != fault->action) return false;
    if (fault->attribute != NULL && strcmp(fault->attribute, step->attribute) != 0) return false;
    kernel->calls++;
    return kernel->calls >= fault->at && kernel->calls < fault->at + fault->times;
}

/* All steps. Nothing may be left behind, whatever happens. */
static pbts_tsm_failure generate(fake_kernel *kernel, const char *provider) {
    static pbts_tsm machine;
    pbts_tsm_step step;
    pbts_span read = { NULL, 0 };
    int error, steps = 0;
    uint8_t found[PBTS_REPORT_DATA_LEN];
    pbts_tsm_init(&machine, provider, REPORT_DATA, SEED, kernel->now_ms, 10000);
    for (;;) {
        pbts_tsm_next(&machine, &step);
        if (step.action == PBTS_TSM_DONE || step.action == PBTS_TSM_FAILED) break;
        assert_true(++steps < 50000);
        kernel->now_ms++;
        bool struck = strikes(kernel, &step);
        error = struck ? kernel->fault.error : act(kernel, &step, &read);
        if (struck && step.action == PBTS_TSM_REMOVE && error != EINTR) kernel->exists = false;
        pbts_tsm_take(&machine, error, error == 0 ? read : (pbts_span){ NULL, 0 }, kernel->now_ms);
    }
    assert_false(kernel->exists);
    if (step.action == PBTS_TSM_FAILED) return pbts_tsm_why(&machine, &error);
    assert_int_equal(step.bytes.len, PBTS_SNP_REPORT_LEN);
    memcpy(found, step.bytes.data + 0x50, sizeof found);
    assert_memory_equal(found, REPORT_DATA, sizeof found);
    return PBTS_TSM_FAILURE_NONE;
}

#define RUN(...) generate(&(fake_kernel){ .provider = "sev_guest", __VA_ARGS__ }, "sev_guest")

static void evidence_comes_in_one_attempt(void **state) {
    (void)state;
    fake_kernel kernel = { .provider = "sev_guest" };
    assert_int_equal(generate(&kernel, "sev_guest"), PBTS_TSM_FAILURE_NONE);
    assert_int_equal(kernel.made, 1);
    assert_int_equal(kernel.removed, 1);
    assert_string_equal(kernel.last_entry, "pbts-ab000000000000cd-1");
}

static void another_provider_is_refused_at_once(void **state) {
    (void)state;
    fake_kernel kernel = { .provider = "tdx_guest" };
    assert_int_equal(generate(&kernel, "sev_guest"), PBTS_TSM_FAILURE_PROVIDER);
    assert_int_equal(kernel.made, 1);
    assert_int_equal(generate(&(fake_kernel){ .provider = "sev_guest2" }, "sev_guest"),
                     PBTS_TSM_FAILURE_PROVIDER);
    assert_int_equal(generate(&(fake_kernel){ .provider = "sev_gues" }, "sev_guest"),
                     PBTS_TSM_FAILURE_PROVIDER);
}

static void what_passes_by_itself_is_tried_again(void **state) {
    (void)state;
    static const int ERRORS[] = { EBUSY, ETIMEDOUT };
    static const char *const ATTRIBUTES[] = { "generation", "outblob", "provider" };
    for (size_t e = 0; e < 2; e++) {
        for (size_t a = 0; a < 3; a++) {
            fake_kernel kernel = { .provider = "sev_guest",
                                   .fault = { PBTS_TSM_READ, ATTRIBUTES[a], 1, 2, ERRORS[e] } };
            assert_int_equal(generate(&kernel, "sev_guest"), PBTS_TSM_FAILURE_NONE);
            assert_int_equal(kernel.made, 3);
            assert_int_equal(kernel.removed, 3);
        }
        assert_int_equal(RUN(.fault = { PBTS_TSM_WRITE, "inblob", 1, 1, ERRORS[e] }),
                         PBTS_TSM_FAILURE_NONE);
        assert_int_equal(RUN(.fault = { PBTS_TSM_MAKE, NULL, 1, 1, ERRORS[e] }),
                         PBTS_TSM_FAILURE_NONE);
    }
    assert_int_equal(RUN(.fault = { PBTS_TSM_MAKE, NULL, 1, 1, EEXIST }), PBTS_TSM_FAILURE_NONE);
}

static void but_not_for_ever(void **state) {
    (void)state;
    fake_kernel kernel = { .provider = "sev_guest",
                           .fault = { PBTS_TSM_READ, "outblob", 1, 1000, EBUSY } };
    assert_int_equal(generate(&kernel, "sev_guest"), PBTS_TSM_FAILURE_BUSY);
    assert_int_equal(kernel.made, PBTS_TSM_ATTEMPTS_MAX);
    fake_kernel last = { .provider = "sev_guest",
                         .fault = { PBTS_TSM_READ, "outblob", 1, PBTS_TSM_ATTEMPTS_MAX - 1,
                                    EBUSY } };
    assert_int_equal(generate(&last, "sev_guest"), PBTS_TSM_FAILURE_NONE);
    assert_int_equal(last.made, PBTS_TSM_ATTEMPTS_MAX);
}

static void an_interrupted_call_is_repeated_in_place(void **state) {
    (void)state;
    static const struct fault FAULTS[] = {
        { PBTS_TSM_MAKE, NULL, 1, 3, EINTR },         { PBTS_TSM_READ, "provider", 1, 3, EINTR },
        { PBTS_TSM_READ, "generation", 2, 3, EINTR }, { PBTS_TSM_WRITE, "inblob", 1, 3, EINTR },
        { PBTS_TSM_READ, "outblob", 1, 3, EINTR },    { PBTS_TSM_REMOVE, NULL, 1, 3, EINTR },
    };
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++) {
        fake_kernel kernel = { .provider = "sev_guest", .fault = FAULTS[i] };
        assert_int_equal(generate(&kernel, "sev_guest"), PBTS_TSM_FAILURE_NONE);
        assert_int_equal(kernel.made, 1);
    }
    assert_int_equal(RUN(.fault = { PBTS_TSM_READ, "outblob", 1, 1000000, EINTR }),
                     PBTS_TSM_FAILURE_BUSY);
}

static void what_does_not_pass_ends_it(void **state) {
    (void)state;
    static const struct {
        struct fault fault;
        pbts_tsm_failure wanted;
    } CASES[] = {
        { { PBTS_TSM_MAKE, NULL, 1, 1, ENXIO }, PBTS_TSM_FAILURE_NO_PROVIDER },
        { { PBTS_TSM_MAKE, NULL, 1, 1, ENOENT }, PBTS_TSM_FAILURE_NO_TSM },
        { { PBTS_TSM_MAKE, NULL, 1, 1, EACCES }, PBTS_TSM_FAILURE_ACCESS },
        { { PBTS_TSM_MAKE, NULL, 1, 1, EPERM }, PBTS_TSM_FAILURE_ACCESS },
        { { PBTS_TSM_MAKE, NULL, 1, 1, ENOSPC }, PBTS_TSM_FAILURE_SYSTEM },
        { { PBTS_TSM_READ, "provider", 1, 1, ENXIO }, PBTS_TSM_FAILURE_NO_PROVIDER },
        { { PBTS_TSM_READ, "provider", 1, 1, EEXIST }, PBTS_TSM_FAILURE_SYSTEM },
        { { PBTS_TSM_WRITE, "inblob", 1, 1, EINVAL }, PBTS_TSM_FAILURE_REFUSED },
        { { PBTS_TSM_READ, "outblob", 1, 1, EINVAL }, PBTS_TSM_FAILURE_REFUSED },
        { { PBTS_TSM_READ, "outblob", 1, 1, ENXIO }, PBTS_TSM_FAILURE_NO_PROVIDER },
        { { PBTS_TSM_READ, "outblob", 1, 1, EIO }, PBTS_TSM_FAILURE_SYSTEM },
        { { PBTS_TSM_READ, "outblob", 1, 1, E2BIG }, PBTS_TSM_FAILURE_SYSTEM },
        { { PBTS_TSM_READ, "outblob", 1, 1, ENOENT }, PBTS_TSM_FAILURE_SYSTEM },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        fake_kernel kernel = { .provider = "sev_guest", .fault = CASES[i].fault };
        assert_int_equal(generate(&kernel, "sev_guest"), CASES[i].wanted);
        assert_true(kernel.made <= 1);
        assert_int_equal(kernel.removed, kernel.made);
    }
}

/* Another writer in our folder, evidence of another request, a short read, a provider that changes:
 * once it is tried again, always is an end. */
static void disturbed_evidence_is_never_given(void **state) {
    (void)state;
    for (int often = 1; often <= 2; often++) {
        int spoiled = often == 1 ? 1 : 1000;
        pbts_tsm_failure wanted = often == 1 ? PBTS_TSM_FAILURE_NONE : PBTS_TSM_FAILURE_DISTURBED;
        assert_int_equal(RUN(.other_writer = true, .spoil_attempts = spoiled), wanted);
        assert_int_equal(RUN(.stuck_generation = true, .spoil_attempts = spoiled), wanted);
        assert_int_equal(RUN(.old_outblob = true, .spoil_attempts = spoiled), wanted);
        assert_int_equal(RUN(.short_outblob = true, .spoil_attempts = spoiled), wanted);
        assert_int_equal(RUN(.provider_changes = true, .spoil_attempts = spoiled), wanted);
    }
}

/* Whatever was reached, the folder goes, and nothing else is done. */
static void a_stop_removes_the_folder_and_ends(void **state) {
    (void)state;
    for (int after = 0; after < 7; after++) {
        fake_kernel kernel = { .provider = "sev_guest" };
        pbts_tsm machine;
        pbts_tsm_step step;
        pbts_span read;
        int error;
        pbts_tsm_init(&machine, "sev_guest", REPORT_DATA, SEED, 0, 1000);
        for (int i = 0; i < after; i++) {
            pbts_tsm_next(&machine, &step);
            error = act(&kernel, &step, &read);
            pbts_tsm_take(&machine, error, read, 1);
        }
        pbts_tsm_stop(&machine);
        pbts_tsm_next(&machine, &step);
        if (kernel.exists) {
            assert_int_equal(step.action, PBTS_TSM_REMOVE);
            error = act(&kernel, &step, &read);
            pbts_tsm_take(&machine, error, read, 1);
            pbts_tsm_next(&machine, &step);
        }
        assert_int_equal(step.action, PBTS_TSM_FAILED);
        assert_int_equal(pbts_tsm_why(&machine, &error), PBTS_TSM_FAILURE_STOPPED);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_comes_in_one_attempt),
        cmocka_unit_test(another_provider_is_refused_at_once),
        cmocka_unit_test(what_passes_by_itself_is_tried_again),
        cmocka_unit_test(but_not_for_ever),
        cmocka_unit_test(an_interrupted_call_is_repeated_in_place),
        cmocka_unit_test(what_does_not_pass_ends_it),
        cmocka_unit_test(disturbed_evidence_is_never_given),
        cmocka_unit_test(a_stop_removes_the_folder_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
