/* Unit tests of store_keys.c: stores that were not sealed, and whose rows they are. */
#include "pbts-tracker/store_keys.h"

#include "../store/temp_store.h"

enum { MIB = 1024 * 1024 };

static const struct key_source BESIDE = { "file", NULL, true };
static const struct key_source AWAY = { "service", NULL, false };

typedef struct {
    temp_store temp;
    struct app *app;
    struct config config;
    pbts_tracker_keys keys;
} scene;

static scene *scene_new(void) {
    const pbts_key_trk root = { .version = PBTS_KEYS_V2, .bytes = { 7 } };
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->app = calloc(1, sizeof *s->app);
    assert_non_null(s->app);
    temp_store_init(&s->temp, 4 * MIB);
    config_defaults(&s->config);
    app_init(s->app, &s->config);
    assert_int_equal(pbts_tracker_keys_derive(&s->keys, &root), PBTS_OK);
    s->app->keys = &s->keys;
    s->app->store = s->temp.store;
    return s;
}

static void scene_free(scene *s) {
    temp_store_deinit(&s->temp);
    free(s->app);
    free(s);
}

/* As a stop and a start. */
static void reopen(scene *s) {
    temp_store_reopen(&s->temp, 4 * MIB);
    s->app->store = s->temp.store;
}

static void put_user(scene *s) {
    pbts_txn *txn = txn_of(s->app->store, true);
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_USERS, text_span("mallory"), text_span("row")),
                     PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

/* The row by which a store says whose it is; it is public. */
static void note_keys(scene *s) {
    uint8_t bytes[2 + PBTS_KEY_CHECK_LEN];
    pbts_writer row = pbts_writer_over(bytes, sizeof bytes);
    pbts_txn *txn = txn_of(s->app->store, true);
    pbts_write_u8(&row, 1);
    pbts_write_u8(&row, PBTS_KEYS_V2);
    pbts_write_bytes(&row, PBTS_SPAN_OF(s->keys.check));
    pbts_span name = text_span("tracker/keys");
    assert_int_equal(pbts_txn_put(txn, PBTS_TABLE_META, name, pbts_writer_span(&row)), PBTS_OK);
    assert_int_equal(pbts_txn_commit(txn), PBTS_OK);
}

static bool has_user(scene *s) {
    pbts_span value;
    pbts_txn *txn = txn_of(s->app->store, false);
    pbts_status status = pbts_txn_get(txn, &value, PBTS_TABLE_USERS, text_span("mallory"));
    pbts_txn_abort(txn);
    return status == PBTS_OK;
}

static void an_empty_store_is_sealed_and_goes_on(void **state) {
    (void)state;
    scene *s = scene_new();
    assert_int_equal(store_keys_open(s->app, &AWAY), PBTS_OK);
    assert_true(pbts_store_is_sealed(s->app->store));
    put_user(s);
    reopen(s);
    assert_int_equal(store_keys_open(s->app, &AWAY), PBTS_OK);
    assert_true(has_user(s));
    scene_free(s);
}

/* Its rows are from before, or from an export. */
static void a_store_beside_its_key_is_sealed_with_its_rows(void **state) {
    (void)state;
    scene *s = scene_new();
    note_keys(s);
    put_user(s);
    assert_int_equal(store_keys_open(s->app, &BESIDE), PBTS_OK);
    assert_true(pbts_store_is_sealed(s->app->store));
    assert_true(has_user(s));
    scene_free(s);
}

/* The host of a TEE has the disk: it may put a store there that says whose keys it has, open, with
 * users of its own. */
static void open_rows_away_from_the_key_are_refused(void **state) {
    (void)state;
    for (int has_row = 0; has_row < 2; has_row++) {
        scene *s = scene_new();
        if (has_row == 1) note_keys(s);
        put_user(s);
        assert_int_equal(store_keys_open(s->app, &AWAY), PBTS_CORRUPT);
        assert_false(pbts_store_is_sealed(s->app->store));
        scene_free(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_store_is_sealed_and_goes_on),
        cmocka_unit_test(a_store_beside_its_key_is_sealed_with_its_rows),
        cmocka_unit_test(open_rows_away_from_the_key_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
