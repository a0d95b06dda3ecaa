/* Unit tests of apps/pbts/keyfile.c: the text of a key file, and who may read the file. */
#include "pbts_test.h"

#include "pbts/exit_codes.h"
#include "pbts/keyfile.h"

#define SECRET "0000000000000000000000000000000000000000000000000000000000000005"
#define IID "abababababababababababababababababababababababababababababababab"
#define TRACKER IID IID IID
#define START "pbts-key1\nsecret " SECRET "\n"

static pbts_status parse(keyfile *out, const char *text, size_t len) {
    const char *problem = NULL;
    uint8_t *copy = malloc(len > 0 ? len : 1); /* of the exact size: a read past the end shows */
    assert_non_null(copy);
    memcpy(copy, text, len);
    pbts_status status = keyfile_parse(out, &problem, (pbts_span){ copy, len });
    assert_true((status == PBTS_OK) == (problem == NULL));
    free(copy);
    return status;
}

static size_t format(char out[static KEYFILE_LEN_MAX], const keyfile *key) {
    pbts_writer writer = pbts_writer_over((uint8_t *)out, KEYFILE_LEN_MAX);
    keyfile_format(&writer, key);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    return writer.len;
}

static void what_is_read_is_written_again(void **state) {
    static const char *const TEXTS[] = { START, START "uid a\n", START "iid " IID "\n",
                                         START "uid " /* the longest name */
                                               "abcdefghijklmnopqrstuvwxyz.-_012\niid " IID
                                               "\ntracker " TRACKER "\n" };
    char text[KEYFILE_LEN_MAX];
    keyfile key;
    pbts_bls_public want;
    pbts_bls_secret secret = { { 0 } };
    secret.bytes[31] = 5;
    pbts_bls_public_of(&want, &secret);
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        assert_int_equal(parse(&key, TEXTS[i], strlen(TEXTS[i])), PBTS_OK);
        assert_memory_equal(key.key.bytes, want.bytes, sizeof want.bytes);
        assert_true(key.has_iid == (strstr(TEXTS[i], "iid ") != NULL));
        assert_true(key.has_tracker_key == (strstr(TEXTS[i], "tracker ") != NULL));
        assert_true((keyfile_uid(&key).len > 0) == (strstr(TEXTS[i], "uid ") != NULL));
        assert_int_equal(format(text, &key), strlen(TEXTS[i]));
        assert_memory_equal(text, TEXTS[i], strlen(TEXTS[i]));
    }
    assert_int_equal(keyfile_uid(&key).len, PBTS_UID_LEN_MAX);
}

static void a_text_that_is_cut_is_whole_at_a_line_only(void **state) {
    static const char TEXT[] = START "uid bob\niid " IID "\n";
    keyfile key;
    for (size_t len = 0; len < sizeof TEXT; len++) {
        bool whole = len >= strlen(START) && TEXT[len - 1] == '\n';
        if (len == sizeof TEXT - 1) whole = true;
        assert_int_equal(parse(&key, TEXT, len), whole ? PBTS_OK : PBTS_MALFORMED);
    }
}

static void bad_texts_are_refused_and_give_nothing(void **state) {
    static const char *const BAD[] = {
        "",
        "\n",
        "pbts-key2\nsecret " SECRET "\n",
        " " START,
        "pbts-key1\n\nsecret " SECRET "\n",
        "pbts-key1\r\nsecret " SECRET "\r\n",
        "pbts-key1\nsecret  " SECRET "\n",
        "pbts-key1\nsecret " SECRET " \n",
        "pbts-key1\nsecret " SECRET "00\n",
        "pbts-key1\nsecret g000000000000000000000000000000000000000000000000000000000000005\n",
        "pbts-key1\nsecret 0000000000000000000000000000000000000000000000000000000000000000\n",
        /* the group's order */
        "pbts-key1\nsecret 73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001\n",
        START "\n",
        START "uid\n",
        START "uid \n",
        START "uid a b\n",
        START "uid abcdefghijklmnopqrstuvwxyz.-_0123\n",
        START "uid a\nuid a\n",
        START "iid " IID "\niid " IID "\n",
        START "iid ab\n",
        START "name a\n",
        START "secret " SECRET "\n",
    };
    keyfile key, before;
    memset(&before, 0x5A, sizeof before);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        memset(&key, 0x5A, sizeof key);
        assert_int_equal(parse(&key, BAD[i], strlen(BAD[i])), PBTS_MALFORMED);
        assert_memory_equal(&key, &before, sizeof key);
    }
}

static void every_damaged_byte_is_another_key_or_none(void **state) {
    char text[] = START "uid bob\niid " IID "\n", again[KEYFILE_LEN_MAX];
    keyfile key;
    for (size_t at = 0; at < sizeof text - 1; at++) {
        char was = text[at];
        for (int value = 0; value < 256; value++) {
            text[at] = (char)value;
            if (parse(&key, text, sizeof text - 1) != PBTS_OK) continue;
            size_t len = format(again, &key); /* digits may be capital */
            assert_int_equal(len, sizeof text - 1);
            assert_int_equal(strncasecmp(again, text, len), 0);
        }
        text[at] = was;
    }
}

static void a_key_that_others_can_read_is_refused(void **state) {
    char folder[256], path[300];
    keyfile key;
    temp_directory(folder);
    (void)snprintf(path, sizeof path, "%s/a.key", folder);
    assert_int_equal(keyfile_load(&key, path), PBTS_EXIT_IO); /* none there */
    file_put(path, pbts_span_text(START));
    for (unsigned mode = 0400; mode <= 0777; mode++) {
        if ((mode & 0400) == 0) continue;
        assert_int_equal(chmod(path, mode), 0);
        assert_int_equal(keyfile_load(&key, path), (mode & 077) == 0 ? PBTS_EXIT_OK : PBTS_EXIT_IO);
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(keyfile_load_registered(&key, path), PBTS_EXIT_REFUSED);
    folder_remove(folder);
}

static void the_file_is_its_owners_and_not_lost_by_accident(void **state) {
    char folder[256], path[300], other[300];
    struct stat info;
    keyfile key, read;
    temp_directory(folder);
    (void)snprintf(path, sizeof path, "%s/a.key", folder);
    (void)snprintf(other, sizeof other, "%s/b", folder);
    assert_int_equal(parse(&key, START, strlen(START)), PBTS_OK);
    mode_t umask_before = umask(0);
    assert_int_equal(keyfile_create(path, &key, false), PBTS_EXIT_OK);
    assert_int_equal(keyfile_create(path, &key, false), PBTS_EXIT_IO);
    memcpy(key.uid, "bob", 3);
    key.uid_len = 3;
    assert_int_equal(keyfile_save(path, &key), PBTS_EXIT_OK);
    (void)umask(umask_before);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(keyfile_load_registered(&read, path), PBTS_EXIT_OK);
    assert_true(pbts_span_is(keyfile_uid(&read), "bob"));
    file_put(other, pbts_span_text("something else"));
    assert_int_equal(keyfile_create(other, &key, true), PBTS_EXIT_IO); /* --force */
    assert_true(file_is(other, "something else"));
    assert_int_equal(keyfile_create(path, &key, true), PBTS_EXIT_OK);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_again),
        cmocka_unit_test(a_text_that_is_cut_is_whole_at_a_line_only),
        cmocka_unit_test(bad_texts_are_refused_and_give_nothing),
        cmocka_unit_test(every_damaged_byte_is_another_key_or_none),
        cmocka_unit_test(a_key_that_others_can_read_is_refused),
        cmocka_unit_test(the_file_is_its_owners_and_not_lost_by_accident),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
