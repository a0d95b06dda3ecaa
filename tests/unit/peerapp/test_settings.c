/* Unit tests of apps/pbts-peer/settings.c: every option's good values, its limits, and what is said
 * of bad ones. */
#include <fcntl.h>
#include <unistd.h>

#include "exit_codes.h"
#include "options.h"
#include "pbts-peer/settings.h"
#include "pbts/pbts_test.h"

static char SAID[4096]; /* on stderr, by the last call */

/* Read a command line of blanks between words, with "--dir D" and a torrent. */
static int read_line(settings *out, peer_command command, const char *line) {
    static char copy[2 * PATH_MAX];
    static char *argv[80];
    char *rest = copy, *word;
    int argc = 0;
    (void)snprintf(copy, sizeof copy, "%s %s%s", command == COMMAND_DAEMON ? "daemon" : "get x",
                   command == COMMAND_DAEMON ? "" : "y ", line);
    while ((word = strtok_r(rest, " ", &rest)) != NULL) argv[argc++] = word;
    argv[argc] = NULL;
    int saved = dup(STDERR_FILENO), pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
    int code = settings_read(out, command, argc, argv);
    (void)fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    (void)close(pipes[1]);
    ssize_t got = read(pipes[0], SAID, sizeof SAID - 1);
    SAID[got > 0 ? got : 0] = '\0';
    (void)close(pipes[0]);
    return code;
}

static settings good(const char *line) {
    settings s;
    char all[3000];
    (void)snprintf(all, sizeof all, "--dir /d %s", line);
    int code = read_line(&s, COMMAND_GET, all);
    if (code != OPTIONS_GO_ON) fail_msg("%s: %s", line, SAID);
    assert_string_equal(SAID, "");
    return s;
}

/* It is refused, and the message names the option. */
static void bad_value(const char *option, const char *value) {
    settings s;
    char line[3000];
    (void)snprintf(line, sizeof line, "--dir /d --%s %s", option, value);
    if (read_line(&s, COMMAND_GET, line) != PBTS_EXIT_USAGE) fail_msg("taken: %s", line);
    if (strstr(SAID, option) == NULL || strstr(SAID, value) == NULL) fail_msg("said: %s", SAID);
}

static void without_options_everything_is_as_the_manual_says(void **state) {
    (void)state;
    settings s = good("");
    assert_int_equal(s.command, COMMAND_GET);
    assert_int_equal(s.torrent_count, 2);
    assert_string_equal(s.torrents[0], "x");
    assert_null(s.torrents[2]);
    assert_string_equal(s.dir, "/d");
    assert_string_equal(s.state, "/d/.pbts");
    assert_true(s.key == NULL && s.tracker == NULL && s.ca == NULL && s.control == NULL);
    assert_true(!s.has_bind && s.port_first == 6881 && s.port_last == 6889);
    assert_true(s.down_bytes_per_s == 0 && s.up_bytes_per_s == 0);
    assert_true(s.connections_max == 200 && s.uploads_max == 8);
    assert_true(s.receipts && s.form == PBTS_FORM_CUMULATIVE);
    assert_int_equal(s.schedule, PBTS_SCHEDULE_EXPOSURE);
    assert_true(s.exposure_max_bytes == 64u << 20 && s.receipt_timeout_ms == 30000);
    assert_true(s.memory_bytes == 48u << 20 && s.report_interval_ms == 600000);
    assert_int_equal(s.encryption, ENCRYPTION_PREFER);
    assert_true(!s.seeds_after && s.seed_time_ms == UINT64_MAX && s.seed_ratio < 0);
    assert_true(s.peer_count == 0 && !s.json);
}

static void who_has_a_key_refuses_who_has_none(void **state) {
    (void)state;
    assert_true(good("").serves_legacy);
    assert_false(good("--key k").serves_legacy);
    assert_true(good("--key k --legacy-peers serve").serves_legacy);
    assert_false(good("--legacy-peers refuse").serves_legacy);
    bad_value("legacy-peers", "some");
}

static void words_are_taken_as_they_are(void **state) {
    static const struct {
        const char *word;
        pbts_receipt_form form;
    } FORMS[] = { { "cumulative", PBTS_FORM_CUMULATIVE },
                  { "piece", PBTS_FORM_PIECE },
                  { "batch", PBTS_FORM_BATCH },
                  { "session", PBTS_FORM_SESSION } };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char line[60];
        (void)snprintf(line, sizeof line, "--receipts %s", FORMS[i].word);
        settings s = good(line);
        assert_true(s.receipts && s.form == FORMS[i].form);
    }
    assert_false(good("--receipts off").receipts);
    bad_value("receipts", "Piece");
    assert_int_equal(good("--schedule paper").schedule, PBTS_SCHEDULE_PAPER);
    bad_value("schedule", "late");
    assert_int_equal(good("--encryption require").encryption, ENCRYPTION_REQUIRE);
    assert_int_equal(good("--encryption off").encryption, ENCRYPTION_OFF);
    bad_value("encryption", "on");
}

static void ports_are_one_or_a_range_or_any(void **state) {
    static const char *const BAD[] = { "65536",
                                       "7-6",
                                       "0-9",
                                       "6881-",
                                       "-6881",
                                       "a",
                                       "1-2-3",
                                       "6881-65536",
                                       "+1",
                                       "0x10",
                                       "000000000001-000000000002" };
    (void)state;
    settings s = good("--port 0");
    assert_true(s.port_first == 0 && s.port_last == 0);
    s = good("--port 65535");
    assert_true(s.port_first == 65535 && s.port_last == 65535);
    s = good("--port 1-65535");
    assert_true(s.port_first == 1 && s.port_last == 65535);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) bad_value("port", BAD[i]);
}

static void numbers_are_taken_up_to_their_limits(void **state) {
    (void)state;
    settings s = good("--limit-down 512K --limit-up 2G --exposure 1M --memory 4M");
    assert_true(s.down_bytes_per_s == 512 << 10 && s.up_bytes_per_s == 2ull << 30);
    assert_true(s.exposure_max_bytes == 1 << 20 && s.memory_bytes == 4 << 20);
    bad_value("memory", "4194303");
    bad_value("memory", "1099511627777");
    assert_true(good("--memory 1099511627776").memory_bytes == 1ull << 40);
    bad_value("limit-up", "1099511627777");
    bad_value("limit-down", "-1");
    bad_value("exposure", "lots");
    assert_int_equal(good("--connections 1").connections_max, 1);
    assert_int_equal(good("--connections 10000").connections_max, 10000);
    bad_value("connections", "0");
    bad_value("connections", "10001");
    assert_int_equal(good("--uploads 1000").uploads_max, 1000);
    bad_value("uploads", "0");
    bad_value("uploads", "1001");
    assert_true(good("--receipt-timeout 86400").receipt_timeout_ms == 86400000);
    bad_value("receipt-timeout", "86401");
    assert_true(good("--report-interval 0").report_interval_ms == 0);
    bad_value("report-interval", "525601");
}

static void seeding_ends_at_a_time_or_a_ratio_or_never(void **state) {
    static const char *const BAD[] = { "-1", "nan", "inf", "1,5", "1.5x", "1e9" };
    settings s;
    (void)state;
    assert_true(good("--seed").seeds_after && good("--seed").seed_time_ms == UINT64_MAX);
    s = good("--seed-time 3");
    assert_true(s.seeds_after && s.seed_time_ms == 180000 && s.seed_ratio < 0);
    s = good("--seed-ratio 1.5");
    assert_true(s.seeds_after && s.seed_ratio > 1.49 && s.seed_ratio < 1.51);
    assert_true(s.seed_time_ms == UINT64_MAX);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) bad_value("seed-ratio", BAD[i]);
    assert_int_equal(read_line(&s, COMMAND_SEED, "--dir /d"), OPTIONS_GO_ON);
    assert_true(s.seeds_after);
}

static void peers_are_addresses_with_ports(void **state) {
    char many[64 * 13 + 40] = "", line[64 * 13 + 60];
    (void)state;
    settings s = good("--peer 127.0.0.1:6881,[::1]:7000");
    assert_int_equal(s.peer_count, 2);
    assert_true(s.peers[0].port == 6881 && s.peers[1].family == PBTS_IPV6);
    bad_value("peer", "127.0.0.1");
    bad_value("peer", "host:2");
    assert_int_equal(read_line(&s, COMMAND_GET, "--dir /d --peer 1.2.3.4:1,host:2"),
                     PBTS_EXIT_USAGE);
    for (int i = 0; i < SETTINGS_PEERS_MAX; i++) {
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "%s1.2.3.4:%d",
                       i > 0 ? "," : "", 1000 + i);
    }
    (void)snprintf(line, sizeof line, "--peer %s", many);
    assert_int_equal(good(line).peer_count, SETTINGS_PEERS_MAX);
    (void)snprintf(many + strlen(many), sizeof many - strlen(many), ",1.2.3.4:5");
    (void)snprintf(line, sizeof line, "--dir /d --peer %s", many);
    assert_int_equal(read_line(&s, COMMAND_GET, line), PBTS_EXIT_USAGE);
    assert_true(good("--bind ::1").has_bind);
    bad_value("bind", "localhost");
}

static void the_dht_is_for_who_has_a_key(void **state) {
    char many[17 * 8 + 1] = "", line[17 * 8 + 60];
    settings s;
    (void)state;
    assert_false(good("").dht);
    assert_true(good("--key k").dht);
    assert_true(good("--key k --dht on").dht);
    assert_false(good("--key k --dht off").dht);
    bad_value("dht", "yes");
    assert_int_equal(read_line(&s, COMMAND_GET, "--dir /d --dht-bootstrap h:1"), PBTS_EXIT_USAGE);
    assert_non_null(strstr(SAID, "--key"));
    assert_int_equal(read_line(&s, COMMAND_GET, "--dir /d --key k --dht off --dht-member f"),
                     PBTS_EXIT_USAGE);
    assert_int_equal(read_line(&s, COMMAND_GET, "--dir /d --key k --dht-only"), PBTS_EXIT_USAGE);
    assert_int_equal(read_line(&s, COMMAND_DAEMON, "--dir /d --dht-only"), PBTS_EXIT_USAGE);
    assert_int_equal(read_line(&s, COMMAND_DAEMON, "--dir /d --key k --dht-only"), OPTIONS_GO_ON);
    assert_true(s.dht && s.dht_only);
    s = good("--key k --dht-bootstrap node.example:6881,[::1]:7000,10.0.0.1:65535");
    assert_int_equal(s.bootstrap_count, 3);
    assert_string_equal(s.bootstraps[0], "node.example:6881");
    assert_string_equal(s.bootstraps[1], "[::1]:7000");
    static const char *const BAD[] = { "host", ":1", "host:0", "host:65536", "host:x" };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        (void)snprintf(line, sizeof line, "--dir /d --key k --dht-bootstrap %s", BAD[i]);
        assert_int_equal(read_line(&s, COMMAND_GET, line), PBTS_EXIT_USAGE);
        assert_non_null(strstr(SAID, "dht-bootstrap"));
    }
    for (int i = 0; i < SETTINGS_BOOTSTRAPS_MAX; i++) strcat(many, i > 0 ? ",h:1" : "h:1");
    (void)snprintf(line, sizeof line, "--key k --dht-bootstrap %s", many);
    assert_int_equal(good(line).bootstrap_count, SETTINGS_BOOTSTRAPS_MAX);
    strcat(many, ",h:1");
    (void)snprintf(line, sizeof line, "--dir /d --key k --dht-bootstrap %s", many);
    assert_int_equal(read_line(&s, COMMAND_GET, line), PBTS_EXIT_USAGE);
}

static void a_tracker_is_named_with_the_key(void **state) {
    settings s;
    (void)state;
    assert_string_equal(good("--key k --tracker http://t").tracker, "http://t");
    assert_int_equal(read_line(&s, COMMAND_GET, "--dir /d --tracker http://t"), PBTS_EXIT_USAGE);
    assert_non_null(strstr(SAID, "--key"));
}

static void state_lies_beside_the_content_unless_it_is_named(void **state) {
    settings s;
    char folder[] = "/tmp/pbts-settings-XXXXXX", line[PATH_MAX + 60], file[60], want[60];
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(file, sizeof file, "%s/content.bin", folder);
    file_put(file, (pbts_span){ (const uint8_t *)"x", 1 });
    (void)snprintf(line, sizeof line, "--dir %s", file);
    (void)snprintf(want, sizeof want, "%s//.pbts", folder);
    assert_int_equal(read_line(&s, COMMAND_SEED, line), OPTIONS_GO_ON);
    assert_string_equal(s.state, want); /* a file has it in its folder */
    assert_string_equal(good("--state /elsewhere").state, "/elsewhere");
    (void)snprintf(line, sizeof line, "--dir /d --state %0*d", PATH_MAX - 1, 1);
    assert_int_equal(read_line(&s, COMMAND_GET, line), OPTIONS_GO_ON);
    (void)snprintf(line, sizeof line, "--dir /d --state %0*d", PATH_MAX, 1);
    assert_int_equal(read_line(&s, COMMAND_GET, line), PBTS_EXIT_USAGE);
    folder_remove(folder);
}

static void what_is_missing_or_too_much_is_a_usage_error(void **state) {
    settings s;
    (void)state;
    assert_int_equal(read_line(&s, COMMAND_GET, ""), PBTS_EXIT_USAGE);
    assert_non_null(strstr(SAID, "--dir"));
    assert_int_equal(read_line(&s, COMMAND_DAEMON, "--dir /d"), OPTIONS_GO_ON);
    assert_int_equal(s.torrent_count, 0);
    assert_true(s.seeds_after);
    assert_int_equal(read_line(&s, COMMAND_DAEMON, "--dir /d x.torrent"), PBTS_EXIT_USAGE);
    assert_int_equal(read_line(&s, COMMAND_GET, "--dir /d --nothing"), PBTS_EXIT_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_everything_is_as_the_manual_says),
        cmocka_unit_test(who_has_a_key_refuses_who_has_none),
        cmocka_unit_test(words_are_taken_as_they_are),
        cmocka_unit_test(ports_are_one_or_a_range_or_any),
        cmocka_unit_test(numbers_are_taken_up_to_their_limits),
        cmocka_unit_test(seeding_ends_at_a_time_or_a_ratio_or_never),
        cmocka_unit_test(peers_are_addresses_with_ports),
        cmocka_unit_test(the_dht_is_for_who_has_a_key),
        cmocka_unit_test(a_tracker_is_named_with_the_key),
        cmocka_unit_test(state_lies_beside_the_content_unless_it_is_named),
        cmocka_unit_test(what_is_missing_or_too_much_is_a_usage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
