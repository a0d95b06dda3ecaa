/* Unit tests of attest/event_log*.c: genuine logs replay to the registers of genuine quotes, and
 * nothing in them can be changed, hidden or renamed. */
#include "attest/event_log.h"

#include "codec/text.h"
#include "evidence.h"

/* ---- dstack ---- */

static json_t *load_json(const char *name) {
    pbts_span text = evidence_load(name);
    json_t *tree = json_loadb((const char *)text.data, text.len, 0, NULL);
    assert_non_null(tree);
    evidence_free(text);
    return tree;
}

/* The list of events, as a list or as text in the file. */
static json_t *events_of(const json_t *report) {
    json_t *log = json_object_get(report, "event_log");
    json_t *list =
        json_is_string(log) ? json_loads(json_string_value(log), 0, NULL) : json_deep_copy(log);
    assert_true(json_is_array(list));
    return list;
}

static pbts_status replay_list(pbts_event_log *out, const json_t *list) {
    char *text = json_dumps(list, JSON_COMPACT);
    assert_non_null(text);
    pbts_status status = pbts_event_log_replay_dstack(out, pbts_span_text(text));
    free(text);
    return status;
}

static pbts_td_report report_of(pbts_span bytes) {
    pbts_quote quote;
    assert_reason(pbts_quote_parse(&quote, bytes), PBTS_ATTEST_ACCEPTED);
    return quote.td;
}

static pbts_td_report report_in(const json_t *report) {
    static uint8_t bytes[PBTS_QUOTE_LEN_MAX];
    size_t len;
    pbts_span hex = pbts_span_text(json_string_value(json_object_get(report, "quote")));
    assert_int_equal(pbts_hex_decode(bytes, &len, sizeof bytes, hex), PBTS_OK);
    return report_of((pbts_span){ bytes, len });
}

static void dstack_logs_replay_to_their_quotes(void **state) {
    (void)state;
    static const struct {
        const char *file;
        const char *compose_hash; /* its beginning */
        size_t recomputed;
    } LOGS[] = {
        { "eventlog/dstack-quote-report.json", "3763bc34552cf3a2", 20 },
        { "eventlog/dstack-tdx-lite-getquote.json", "86b0e55f2fa8e4fb", 9 },
    };
    for (size_t i = 0; i < sizeof LOGS / sizeof LOGS[0]; i++) {
        json_t *report = load_json(LOGS[i].file), *list = events_of(report);
        pbts_td_report td = report_in(report);
        pbts_event_log log;
        uint8_t wanted[8];
        assert_int_equal(replay_list(&log, list), PBTS_OK);
        assert_int_equal(pbts_event_log_check(&log, &td), PBTS_OK);
        assert_int_equal(log.events, json_array_size(list));
        assert_int_equal(log.recomputed, LOGS[i].recomputed);
        assert_int_equal(
            pbts_hex_decode_exact(wanted, sizeof wanted, pbts_span_text(LOGS[i].compose_hash)),
            PBTS_OK);
        assert_memory_equal(log.compose_hash, wanted, sizeof wanted);
        json_decref(list);
        json_decref(report);
    }
}

static json_t *near_events(pbts_td_report *td) {
    json_t *info = load_json("dstack-near/tcb_info.json"), *list = events_of(info);
    pbts_span quote = evidence_load("dstack-near/quote.bin");
    *td = report_of(quote);
    evidence_free(quote);
    json_decref(info);
    return list;
}

/* The application that MRCONFIGID names is the one that the log says. */
static void a_compose_hash_is_what_the_quote_configures(void **state) {
    (void)state;
    pbts_td_report td;
    pbts_event_log log;
    json_t *list = near_events(&td);
    assert_int_equal(replay_list(&log, list), PBTS_OK);
    assert_int_equal(pbts_event_log_check(&log, &td), PBTS_OK);
    assert_true(log.has_compose_hash);
    assert_int_equal(td.mrconfigid[0], 1);
    assert_memory_equal(td.mrconfigid + 1, log.compose_hash, sizeof log.compose_hash);
    json_decref(list);
}

static void an_event_left_out_shows(void **state) {
    (void)state;
    pbts_td_report td;
    json_t *list = near_events(&td);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *shorter = json_deep_copy(list);
        pbts_event_log log;
        assert_int_equal(json_array_remove(shorter, i), 0);
        pbts_status status = replay_list(&log, shorter);
        if (status == PBTS_OK) assert_int_equal(pbts_event_log_check(&log, &td), PBTS_DENIED);
        json_decref(shorter);
    }
    json_decref(list);
}

static size_t find_event(const json_t *list, const char *name) {
    size_t i = 0;
    while (i < json_array_size(list) &&
           strcmp(json_string_value(json_object_get(json_array_get(list, i), "event")), name) != 0)
        i++;
    assert_true(i < json_array_size(list));
    return i;
}

/* A list where event `name` has other text at `key`, or none when `text` is NULL. */
static pbts_status replay_changed(const char *name, const char *key, const char *text) {
    pbts_td_report td;
    pbts_event_log log;
    json_t *list = near_events(&td);
    json_t *event = json_array_get(list, find_event(list, name));
    if (text == NULL) {
        (void)json_object_del(event, key);
    } else {
        (void)json_object_set_new(event, key, json_string(text));
    }
    pbts_status status = replay_list(&log, list);
    if (status == PBTS_OK) status = pbts_event_log_check(&log, &td);
    json_decref(list);
    return status;
}

#define HEX_32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void what_an_event_says_is_what_was_measured(void **state) {
    (void)state;
    assert_int_equal(replay_changed("compose-hash", "event_payload", HEX_32), PBTS_MALFORMED);
    assert_int_equal(replay_changed("app-id", "event_payload", "00"), PBTS_MALFORMED);
    assert_int_equal(replay_changed("key-provider", "event", "key-provider2"), PBTS_MALFORMED);
    assert_int_equal(replay_changed("storage-fs", "event", "storage:fs"), PBTS_MALFORMED);
    assert_int_equal(replay_changed("app-id", "digest", ""), PBTS_OK); /* computed again */
    assert_int_equal(replay_changed("app-id", "digest", "00"), PBTS_MALFORMED);
    assert_int_equal(replay_changed("app-id", "digest", NULL), PBTS_MALFORMED);
    assert_int_equal(replay_changed("app-id", "event", NULL), PBTS_MALFORMED);
    assert_int_equal(replay_changed("app-id", "event_payload", "0"), PBTS_MALFORMED);
    assert_int_equal(replay_changed("app-id", "imr", "3"), PBTS_MALFORMED);
}

/* The first event of RTMR0 whose data the log has: a Secure Boot variable. */
static void firmware_events_are_computed_again_where_they_can_be(void **state) {
    (void)state;
    pbts_td_report td;
    pbts_event_log log;
    json_t *list = near_events(&td);
    json_t *event = json_array_get(list, 2);
    (void)json_object_set_new(event, "event_payload", json_string("00"));
    assert_int_equal(replay_list(&log, list), PBTS_MALFORMED);
    (void)json_object_set_new(event, "event_payload", json_string(""));
    assert_int_equal(replay_list(&log, list), PBTS_OK);
    (void)json_object_set_new(event, "digest", json_string(""));
    assert_int_equal(replay_list(&log, list), PBTS_MALFORMED);
    json_decref(list);
}

/* An opaque digest in RTMR3 could be the true compose-hash, hidden. */
static void no_event_of_the_application_register_is_opaque(void **state) {
    (void)state;
    pbts_td_report td;
    pbts_event_log log;
    json_t *list = near_events(&td);
    json_t *event = json_array_get(list, find_event(list, "compose-hash"));
    (void)json_object_set_new(event, "event_type", json_integer(4));
    assert_int_equal(replay_list(&log, list), PBTS_MALFORMED);
    (void)json_object_set_new(event, "digest", json_string(""));
    assert_int_equal(replay_list(&log, list), PBTS_MALFORMED);
    json_decref(list);
}

static json_t *named(const char *name, const char *payload) {
    return json_pack("{s:i,s:i,s:s,s:s,s:s}", "imr", 3, "event_type", 0x08000001, "digest", "",
                     "event", name, "event_payload", payload);
}

static pbts_status replay_names(pbts_event_log *log, const char *const *names, size_t len) {
    json_t *list = json_array();
    for (size_t i = 0; i < len; i++) {
        bool is_hash = strcmp(names[i], "compose-hash") == 0;
        (void)json_array_append_new(list, named(names[i], is_hash ? HEX_32 : ""));
    }
    pbts_status status = replay_list(log, list);
    json_decref(list);
    return status;
}

#define REPLAY(log, ...)                                    \
    replay_names(log, (const char *const[]){ __VA_ARGS__ }, \
                 sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void there_is_one_compose_hash_before_the_boot_is_done(void **state) {
    (void)state;
    pbts_event_log log;
    assert_int_equal(REPLAY(&log, "compose-hash", "boot-mr-done"), PBTS_OK);
    assert_true(log.has_compose_hash);
    assert_int_equal(REPLAY(&log, "compose-hash", "boot-mr-done", "compose-hash"), PBTS_OK);
    assert_int_equal(REPLAY(&log, "compose-hash", "compose-hash", "boot-mr-done"), PBTS_DENIED);
    assert_int_equal(REPLAY(&log, "boot-mr-done", "compose-hash"), PBTS_DENIED);
    assert_int_equal(REPLAY(&log, "boot-mr-done", "compose-hash", "boot-mr-done"), PBTS_DENIED);
    assert_int_equal(REPLAY(&log, "compose-hash"), PBTS_DENIED);
    assert_int_equal(REPLAY(&log, "app-id", "boot-mr-done"), PBTS_DENIED);
}

static void texts_that_are_no_log_are_refused(void **state) {
    (void)state;
    static const char *const BAD[] = { "", "{}", "null", "[1]", "[{}]", "[[]]", "[", "\"[]\"" };
    pbts_event_log log;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(pbts_event_log_replay_dstack(&log, pbts_span_text(BAD[i])),
                         PBTS_MALFORMED);
    }
    assert_int_equal(pbts_event_log_replay_dstack(&log, pbts_span_text("[]")), PBTS_DENIED);
}

static pbts_status replay_many(size_t count) {
    json_t *list = json_array();
    pbts_event_log log;
    (void)json_array_append_new(list, named("compose-hash", HEX_32));
    (void)json_array_append_new(list, named("boot-mr-done", ""));
    while (json_array_size(list) < count) (void)json_array_append_new(list, named("x", ""));
    pbts_status status = replay_list(&log, list);
    json_decref(list);
    return status;
}

static void a_log_has_as_many_events_as_the_limit(void **state) {
    (void)state;
    assert_int_equal(replay_many(PBTS_EVENTS_MAX), PBTS_OK);
    assert_int_equal(replay_many(PBTS_EVENTS_MAX + 1), PBTS_LIMIT);
}

/* ---- CCEL ---- */

static void a_ccel_replays_to_its_quote(void **state) {
    (void)state;
    pbts_span ccel = evidence_load("eventlog/gcp-cos113/ccel_data.dat");
    pbts_span quote = evidence_load("eventlog/gcp-cos113/cos-113-tdx-quote.dat");
    pbts_td_report td = report_of(quote);
    pbts_event_log log;
    assert_int_equal(pbts_event_log_replay_ccel(&log, ccel), PBTS_OK);
    assert_int_equal(pbts_event_log_check(&log, &td), PBTS_OK);
    assert_false(log.has_compose_hash);
    assert_int_equal(log.events, 43);
    assert_int_equal(log.recomputed, 31);
    td.rtmr[3][0] ^= 1;
    assert_int_equal(pbts_event_log_check(&log, &td), PBTS_DENIED);
    evidence_free(quote);
    evidence_free(ccel);
}

/* The events alone, without the unused room, cut anywhere: never more is read than is there. */
static void a_ccel_that_is_cut_or_changed_shows(void **state) {
    (void)state;
    enum { EVENTS_END = 18101 };
    pbts_span ccel = evidence_load("eventlog/gcp-cos113/ccel_data.dat");
    pbts_event_log whole, log;
    assert_int_equal(pbts_event_log_replay_ccel(&whole, (pbts_span){ ccel.data, EVENTS_END }),
                     PBTS_OK);
    for (size_t len = 0; len < EVENTS_END; len += len < 200 ? 1 : 41) {
        uint8_t *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, ccel.data, len);
        copy = realloc(copy, len == 0 ? 1 : len);
        pbts_status status = pbts_event_log_replay_ccel(&log, (pbts_span){ copy, len });
        if (status == PBTS_OK) assert_true(log.events < whole.events);
        free(copy);
    }
    evidence_free(ccel);
}

static void what_is_behind_the_last_event_was_never_written(void **state) {
    (void)state;
    pbts_span ccel = evidence_load("eventlog/gcp-cos113/ccel_data.dat");
    uint8_t *copy = evidence_copy(ccel);
    pbts_event_log log;
    copy[ccel.len - 1] = 0;
    assert_int_equal(pbts_event_log_replay_ccel(&log, (pbts_span){ copy, ccel.len }),
                     PBTS_MALFORMED);
    free(copy);
    evidence_free(ccel);
}

/* The command line that booted is in the log: its digest is computed again. */
static void a_boot_command_cannot_be_rewritten(void **state) {
    (void)state;
    static const char COMMAND[] = "grub_cmd: set default=2";
    pbts_span ccel = evidence_load("eventlog/gcp-cos113/ccel_data.dat");
    uint8_t *copy = evidence_copy(ccel), *at = NULL;
    pbts_event_log log;
    for (size_t i = 0; i + sizeof COMMAND <= ccel.len && at == NULL; i++) {
        if (memcmp(copy + i, COMMAND, sizeof COMMAND - 1) == 0) at = copy + i;
    }
    assert_non_null(at);
    at[sizeof COMMAND - 2] = '4';
    assert_int_equal(pbts_event_log_replay_ccel(&log, (pbts_span){ copy, ccel.len }),
                     PBTS_MALFORMED);
    free(copy);
    evidence_free(ccel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dstack_logs_replay_to_their_quotes),
        cmocka_unit_test(a_compose_hash_is_what_the_quote_configures),
        cmocka_unit_test(an_event_left_out_shows),
        cmocka_unit_test(what_an_event_says_is_what_was_measured),
        cmocka_unit_test(firmware_events_are_computed_again_where_they_can_be),
        cmocka_unit_test(no_event_of_the_application_register_is_opaque),
        cmocka_unit_test(there_is_one_compose_hash_before_the_boot_is_done),
        cmocka_unit_test(texts_that_are_no_log_are_refused),
        cmocka_unit_test(a_log_has_as_many_events_as_the_limit),
        cmocka_unit_test(a_ccel_replays_to_its_quote),
        cmocka_unit_test(a_ccel_that_is_cut_or_changed_shows),
        cmocka_unit_test(what_is_behind_the_last_event_was_never_written),
        cmocka_unit_test(a_boot_command_cannot_be_rewritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
