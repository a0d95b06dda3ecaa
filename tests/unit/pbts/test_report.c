/* Unit tests of apps/pbts/report.c and receipts.c: files of receipts become one report. */
#include "pbts_test.h"

#include "pbts/report.c"

enum { PATH_LEN = 300 };

static pbts_receipt_record record_of(uint32_t index) {
    pbts_receipt_record record = { .piece_count = 200000 };
    pbts_receipt *r = &record.receipt;
    r->form = PBTS_FORM_PIECE;
    r->epoch = 486111;
    r->piece_index = index;
    memset(r->iid, 0x11, sizeof r->iid);
    memset(r->infohash, 0x22, sizeof r->infohash);
    memset(&r->sender, 0x33, sizeof r->sender);
    memset(&r->receiver, 0x44, sizeof r->receiver);
    memset(r->piece_hash, 0x55, sizeof r->piece_hash);
    memset(&record.signature, 0x66, sizeof record.signature);
    if (index % 2 == 0) record.receiver_uid = pbts_span_text("bob");
    if (index % 3 == 0) record.sender_uid = pbts_span_text("alice");
    return record;
}

/* A file of receipts for pieces first, first + 1, ... */
static void write_receipts(const char *path, uint32_t first, size_t count) {
    enum { RECORD_MAX = 1024 };
    size_t capacity = 64 + count * RECORD_MAX;
    uint8_t *room = malloc(capacity);
    assert_non_null(room);
    pbts_writer writer = pbts_writer_over(room, capacity);
    pbts_write_text(&writer, PBTS_RECEIPT_FILE_MAGIC);
    for (size_t i = 0; i < count; i++) {
        pbts_receipt_record record = record_of(first + (uint32_t)i);
        pbts_receipt_record_encode(&writer, &record);
    }
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    file_put(path, pbts_writer_span(&writer));
    free(room);
}

typedef struct {
    char folder[256], one[PATH_LEN], two[PATH_LEN], three[PATH_LEN];
    char *paths[4];
    reporting *r;
} site;

static void site_init(site *s) {
    temp_directory(s->folder);
    (void)snprintf(s->one, sizeof s->one, "%s/one", s->folder);
    (void)snprintf(s->two, sizeof s->two, "%s/two", s->folder);
    (void)snprintf(s->three, sizeof s->three, "%s/three", s->folder);
    s->paths[0] = s->one;
    s->paths[1] = s->two;
    s->paths[2] = s->three;
    s->paths[3] = NULL;
    s->r = calloc(1, sizeof *s->r);
    assert_non_null(s->r);
    s->r->paths = s->paths;
}

static void site_deinit(site *s) {
    reporting_free(s->r);
    folder_remove(s->folder);
}

static void receipts_of_several_files_are_one_report_in_order(void **state) {
    site s;
    site_init(&s);
    write_receipts(s.one, 0, 3);
    write_receipts(s.two, 3, 1);
    write_receipts(s.three, 4, 2);
    assert_int_equal(gather(s.r), PBTS_EXIT_OK);
    assert_int_equal(s.r->given_count, 6);
    assert_int_equal(s.r->joined.count, 6); /* only those of sessions join */
    for (uint32_t i = 0; i < 6; i++) {
        const pbts_statement *statement = &s.r->joined.statements[i];
        assert_int_equal(statement->piece_index, i);
        assert_int_equal(statement->form, PBTS_FORM_PIECE);
        assert_true(statement->has_iid && statement->has_signature);
        /* by name where the receipt has one, else by key */
        assert_true(statement->receiver.has_key == (i % 2 != 0));
        assert_true(statement->sender.has_key == (i % 3 != 0));
        assert_true(s.r->records[i]->receipt.piece_index == i);
    }
    static const struct {
        size_t file, index;
    } WANT[] = { { 0, 0 }, { 0, 1 }, { 0, 2 }, { 1, 0 }, { 2, 0 }, { 2, 1 } };
    for (size_t i = 0; i < 6; i++) {
        size_t index = i;
        assert_ptr_equal(file_of(s.r, &index), s.paths[WANT[i].file]);
        assert_int_equal(index, WANT[i].index);
    }
    site_deinit(&s);
}

static void one_report_takes_as_many_receipts_as_the_tracker(void **state) {
    for (int more = 0; more < 2; more++) {
        site s;
        site_init(&s);
        write_receipts(s.one, 0, 1);
        write_receipts(s.two, 1, PBTS_REPORT_STATEMENTS_MAX - 1);
        write_receipts(s.three, 0, 1);
        if (!more) s.paths[2] = NULL;
        assert_int_equal(gather(s.r), more ? PBTS_EXIT_REFUSED : PBTS_EXIT_OK);
        site_deinit(&s);
    }
}

static void a_file_has_at_most_receipts_max(void **state) {
    receipts all;
    site s;
    site_init(&s);
    write_receipts(s.one, 0, RECEIPTS_MAX);
    assert_int_equal(receipts_load(&all, s.one), PBTS_EXIT_OK);
    assert_int_equal(all.count, RECEIPTS_MAX);
    assert_int_equal(all.records[RECEIPTS_MAX - 1].receipt.piece_index, RECEIPTS_MAX - 1);
    receipts_free(&all);
    write_receipts(s.one, 0, RECEIPTS_MAX + 1);
    assert_int_equal(receipts_load(&all, s.one), PBTS_EXIT_REFUSED);
    site_deinit(&s);
}

static void a_file_that_is_cut_is_refused(void **state) {
    size_t len = 0;
    receipts all;
    site s;
    site_init(&s);
    write_receipts(s.one, 0, 2);
    char *whole = file_get(s.one, &len);
    size_t magic = strlen(PBTS_RECEIPT_FILE_MAGIC), good = 0;
    for (size_t cut = 0; cut <= len; cut++) {
        file_put(s.two, (pbts_span){ (uint8_t *)whole, cut });
        if (receipts_load(&all, s.two) != PBTS_EXIT_OK) continue;
        assert_true(cut > magic);
        good++; /* after the first, and after the second */
        assert_int_equal(all.count, good);
        receipts_free(&all);
    }
    assert_int_equal(good, 2);
    free(whole);
    site_deinit(&s);
}

static void only_an_answer_to_this_report_is_one(void **state) {
    static const char GOOD[] = "{\"success\": true, \"credited\": {}, \"totals\": {}, "
                               "\"refused\": 0, \"statements\": [{}, {}]}";
    static const char *const BAD[] = {
        "{}",
        "[]",
        "5",
        "{\"success\": 1, \"credited\": {}, \"totals\": {}, \"refused\": 0, \"statements\": [1, "
        "2]}",
        "{\"success\": true, \"totals\": {}, \"refused\": 0, \"statements\": [1, 2]}",
        "{\"success\": true, \"credited\": {}, \"refused\": 0, \"statements\": [1, 2]}",
        "{\"success\": true, \"credited\": {}, \"totals\": {}, \"statements\": [1, 2]}",
        "{\"success\": true, \"credited\": {}, \"totals\": {}, \"refused\": 0}",
        "{\"success\": true, \"credited\": {}, \"totals\": {}, \"refused\": 0, \"statements\": "
        "[1]}",
    };
    reporting r = { .joined = { .count = 2 } };
    json_t *answer = json_loads(GOOD, 0, NULL);
    assert_true(answers(answer, &r));
    json_decref(answer);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        answer = json_loads(BAD[i], JSON_DECODE_ANY, NULL);
        assert_non_null(answer);
        assert_false(answers(answer, &r));
        json_decref(answer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receipts_of_several_files_are_one_report_in_order),
        cmocka_unit_test(one_report_takes_as_many_receipts_as_the_tracker),
        cmocka_unit_test(a_file_has_at_most_receipts_max),
        cmocka_unit_test(a_file_that_is_cut_is_refused),
        cmocka_unit_test(only_an_answer_to_this_report_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
