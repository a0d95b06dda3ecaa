/* Unit tests of src/api: what the public functions check and translate. What is behind them has its
 * own tests; the whole is examples/receipts.c. */
#include "peer/link_kit.h"

#include "pbts/pbts.h"

enum { PIECES = 12, BUFFER = LIBPBTS_MESSAGE_MAX };

static const uint8_t INSTANCE[LIBPBTS_INSTANCE_LEN] = { 7 };
static uint8_t buffer[BUFFER];

typedef struct {
    libpbts_key *keys[2];
    libpbts_member *members[2];
    libpbts_torrent *torrent;
    libpbts_link *links[2];
    libpbts_time now;
} desk;

static desk desk_new(void) {
    desk d = { .now = { KIT_START, 1000 } };
    pbts_metainfo *meta = kit_metainfo(PIECES, "content", PBTS_TORRENT_HYBRID);
    pbts_span bytes = pbts_metainfo_bytes(meta);
    assert_int_equal(libpbts_torrent_parse(&d.torrent, bytes.data, bytes.len), LIBPBTS_OK);
    pbts_metainfo_free(meta);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(libpbts_key_generate(&d.keys[i]), LIBPBTS_OK);
        assert_int_equal(libpbts_member_new(&d.members[i], d.keys[i], INSTANCE, NULL), LIBPBTS_OK);
        assert_int_equal(libpbts_member_set(d.members[i], LIBPBTS_OPTION_TICKET_REQUIRED, 0),
                         LIBPBTS_OK);
    }
    return d;
}

static void desk_free(desk *d) {
    for (int i = 0; i < 2; i++) {
        libpbts_link_free(d->links[i]);
        libpbts_member_free(d->members[i]);
        libpbts_key_free(d->keys[i]);
    }
    libpbts_torrent_free(d->torrent);
}

static void talk(desk *d) {
    size_t len, said;
    do {
        said = 0;
        for (int i = 0; i < 2; i++) {
            while (libpbts_link_next_send(d->links[i], buffer, sizeof buffer, &len, d->now)) {
                assert_int_equal(libpbts_link_receive(d->links[1 - i], buffer, len, d->now),
                                 LIBPBTS_OK);
                said++;
            }
            assert_false(libpbts_link_wants_send(d->links[i], d->now));
        }
    } while (said > 0);
}

static void connect(desk *d) {
    size_t len;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(libpbts_link_new(&d->links[i], d->members[i], d->torrent, d->now),
                         LIBPBTS_OK);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(libpbts_link_hello(d->links[i], buffer, LIBPBTS_HELLO_MAX, &len),
                         LIBPBTS_OK);
        assert_int_equal(libpbts_link_receive_hello(d->links[1 - i], buffer, len, d->now),
                         LIBPBTS_OK);
    }
    talk(d);
}

/* Piece 0 moves and is signed for; gives its record, borrowed. */
static const void *move_piece(desk *d, size_t *len) {
    const void *record;
    uint64_t worth;
    libpbts_link_served(d->links[0], 0, KIT_PIECE, d->now);
    assert_int_equal(libpbts_link_piece_received(d->links[1], 0, d->now), LIBPBTS_OK);
    talk(d);
    d->now.mono_ms += 100;
    libpbts_link_tick(d->links[0], d->now);
    assert_true(libpbts_link_next_receipt(d->links[0], &record, len, &worth));
    assert_true(worth == KIT_PIECE);
    return record;
}

/* ---- keys, torrents, words ---- */

static void results_have_texts(void **state) {
    assert_string_equal(libpbts_result_text(LIBPBTS_OK), "success");
    assert_string_equal(libpbts_result_text(LIBPBTS_NO_RANDOM),
                        "the system gives no random numbers");
    assert_string_equal(libpbts_result_text((libpbts_result)10), "unknown result");
    assert_string_equal(libpbts_result_text((libpbts_result)-1), "unknown result");
    assert_string_equal(libpbts_refusal_name(9), "NO_RECEIPT");
    assert_string_equal(libpbts_refusal_name(14), "OTHER");
    assert_string_equal(libpbts_refusal_text(-1), "the peer refuses");
    assert_string_equal(libpbts_version(), PBTS_VERSION);
}

static void a_key_is_what_was_loaded(void **state) {
    libpbts_key *key, *again;
    uint8_t secret[LIBPBTS_SECRET_LEN], one[LIBPBTS_PUBLIC_LEN], two[LIBPBTS_PUBLIC_LEN];
    assert_int_equal(libpbts_key_generate(&key), LIBPBTS_OK);
    libpbts_key_secret(key, secret);
    libpbts_key_public(key, one);
    assert_int_equal(libpbts_key_load(&again, secret), LIBPBTS_OK);
    libpbts_key_public(again, two);
    assert_memory_equal(one, two, sizeof one);
    libpbts_key_free(key);
    libpbts_key_free(again);
    memset(secret, 0, sizeof secret);
    assert_int_equal(libpbts_key_load(&key, secret), LIBPBTS_MALFORMED);
    memset(secret, 0xFF, sizeof secret);
    assert_int_equal(libpbts_key_load(&key, secret), LIBPBTS_MALFORMED);
    libpbts_key_free(NULL);
}

static pbts_status verify(const libpbts_key *key, pbts_bls_purpose purpose,
                          const pbts_writer *message, const uint8_t *signature) {
    pbts_bls_public bytes;
    pbts_bls_signature encoded;
    pbts_bls_public_point point;
    pbts_bls_g1_point decoded;
    libpbts_key_public(key, bytes.bytes);
    memcpy(encoded.bytes, signature, sizeof encoded.bytes);
    assert_int_equal(pbts_bls_public_decode(&point, &bytes), PBTS_OK);
    assert_int_equal(pbts_bls_signature_decode(&decoded, &encoded), PBTS_OK);
    return pbts_bls_verify(&point, purpose, pbts_writer_span(message), &decoded);
}

static void a_key_signs_registrations_and_announces(void **state) {
    libpbts_key *key;
    uint8_t signature[LIBPBTS_SIGNATURE_LEN], bytes[PBTS_MESSAGE_MAX];
    const uint8_t infohash[LIBPBTS_INFOHASH_LEN] = { 5 };
    pbts_bls_public public_key;
    assert_int_equal(libpbts_key_generate(&key), LIBPBTS_OK);
    libpbts_key_public(key, public_key.bytes);
    assert_int_equal(libpbts_key_sign_register(key, signature, INSTANCE, "alice"), LIBPBTS_OK);
    pbts_writer message = pbts_writer_over(bytes, sizeof bytes);
    pbts_message_register(&message, INSTANCE, &public_key, pbts_span_text("alice"));
    assert_int_equal(verify(key, PBTS_BLS_REGISTER, &message, signature), PBTS_OK);
    assert_int_equal(libpbts_key_sign_register(key, signature, INSTANCE, "not a uid"),
                     LIBPBTS_MALFORMED);
    assert_int_equal(libpbts_key_sign_register(key, signature, INSTANCE, ""), LIBPBTS_MALFORMED);
    libpbts_key_sign_announce(key, signature, INSTANCE, infohash, 2, 1800000000);
    message = pbts_writer_over(bytes, sizeof bytes);
    pbts_message_announce(&message, INSTANCE, &public_key, infohash, 2, 1800000000);
    assert_int_equal(verify(key, PBTS_BLS_ANNOUNCE, &message, signature), PBTS_OK);
    libpbts_key_free(key);
}

static void a_torrent_is_parsed_or_refused(void **state) {
    desk d = desk_new();
    libpbts_torrent *none;
    uint8_t infohash[LIBPBTS_INFOHASH_LEN], zeros[LIBPBTS_INFOHASH_LEN] = { 0 };
    assert_int_equal(libpbts_torrent_pieces(d.torrent), PIECES);
    assert_int_equal(libpbts_torrent_piece_bytes(d.torrent, 0), KIT_PIECE);
    assert_int_equal(libpbts_torrent_piece_bytes(d.torrent, PIECES - 1), KIT_LAST);
    libpbts_torrent_infohash(d.torrent, infohash);
    assert_true(memcmp(infohash, zeros, sizeof zeros) != 0);
    assert_int_equal(libpbts_torrent_parse(&none, "de", 2), LIBPBTS_MALFORMED);
    assert_int_equal(libpbts_torrent_parse(&none, NULL, 0), LIBPBTS_MALFORMED);
    libpbts_torrent_free(NULL);
    desk_free(&d);
}

/* ---- members ---- */

static void options_have_ranges(void **state) {
    desk d = desk_new();
    const struct {
        libpbts_option option;
        uint64_t least, most;
    } cases[] = {
        { LIBPBTS_OPTION_FORM_GIVEN, 1, 4 },
        { LIBPBTS_OPTION_FORMS_TAKEN, 1, UINT32_MAX },
        { LIBPBTS_OPTION_PAPER_SCHEDULE, 0, 1 },
        { LIBPBTS_OPTION_BATCH_PIECES, 1, 4096 },
        { LIBPBTS_OPTION_EXPOSURE_MAX_BYTES, 0, INT64_MAX },
        { LIBPBTS_OPTION_RECEIPT_TIMEOUT_MS, 1000, 86400000 },
        { LIBPBTS_OPTION_TICKET_REQUIRED, 0, 1 },
        { LIBPBTS_OPTION_RECEIPTS_REQUIRED, 0, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        libpbts_member *m = d.members[0];
        assert_int_equal(libpbts_member_set(m, cases[i].option, cases[i].least), LIBPBTS_OK);
        assert_int_equal(libpbts_member_set(m, cases[i].option, cases[i].most), LIBPBTS_OK);
        assert_int_equal(libpbts_member_set(m, cases[i].option, cases[i].most + 1), LIBPBTS_LIMIT);
        if (cases[i].least == 0) continue;
        assert_int_equal(libpbts_member_set(m, cases[i].option, cases[i].least - 1), LIBPBTS_LIMIT);
    }
    assert_int_equal(libpbts_member_set(d.members[0], (libpbts_option)0, 1), LIBPBTS_NOT_FOUND);
    assert_int_equal(libpbts_member_set(d.members[0], (libpbts_option)9, 1), LIBPBTS_NOT_FOUND);
    desk_free(&d);
}

static void options_do_what_they_say(void **state) {
    for (int form = 1; form <= 4; form++) {
        desk d = desk_new();
        pbts_receipt_record record;
        size_t len;
        assert_int_equal(
            libpbts_member_set(d.members[1], LIBPBTS_OPTION_FORM_GIVEN, (uint64_t)form),
            LIBPBTS_OK);
        connect(&d);
        const void *bytes = move_piece(&d, &len);
        pbts_cursor cursor = pbts_cursor_over((pbts_span){ bytes, len });
        assert_int_equal(pbts_receipt_record_decode(&record, &cursor), PBTS_OK);
        assert_int_equal(record.receipt.form, form);
        assert_int_equal(libpbts_member_set(d.members[0], LIBPBTS_OPTION_BATCH_PIECES, 5),
                         LIBPBTS_DENIED);
        desk_free(&d);
    }
}

static void a_tracker_key_is_a_point_and_a_ticket_a_ticket(void **state) {
    desk d = desk_new();
    libpbts_member *member;
    uint8_t key[LIBPBTS_PUBLIC_LEN] = { 0 };
    assert_int_equal(libpbts_member_new(&member, d.keys[0], INSTANCE, key), LIBPBTS_MALFORMED);
    libpbts_key_public(d.keys[1], key);
    assert_int_equal(libpbts_member_new(&member, d.keys[0], INSTANCE, key), LIBPBTS_OK);
    assert_int_equal(libpbts_member_set_ticket(member, "de", 2), LIBPBTS_MALFORMED);
    assert_int_equal(libpbts_member_set_ticket(member, NULL, 0), LIBPBTS_OK);
    libpbts_member_free(member);
    libpbts_member_free(NULL);
    desk_free(&d);
}

/* The second member is the tracker, too: it signs a ticket for the first. */
static void a_ticket_travels_and_limits(void **state) {
    desk d = desk_new();
    uint8_t message[PBTS_MESSAGE_MAX], text[512], tracker_key[LIBPBTS_PUBLIC_LEN];
    pbts_bls_secret tracker;
    pbts_peer_ticket ticket = { .allowance_bytes = 5000,
                                .issued = KIT_START,
                                .expires = KIT_START + 3600 };
    libpbts_key_secret(d.keys[1], tracker.bytes);
    libpbts_key_public(d.keys[1], tracker_key);
    libpbts_key_public(d.keys[0], ticket.key.bytes);
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_ticket(&writer, INSTANCE, &ticket.key, 5000, KIT_START, KIT_START + 3600);
    pbts_bls_sign(&ticket.signature, &tracker, PBTS_BLS_TICKET, pbts_writer_span(&writer));
    writer = pbts_writer_over(text, sizeof text);
    pbts_peer_ticket_encode(&writer, &ticket);
    assert_int_equal(libpbts_member_set_ticket(d.members[0], text, writer.len), LIBPBTS_OK);
    memset(text, 0, sizeof text); /* it was copied */
    libpbts_member_free(d.members[1]);
    assert_int_equal(libpbts_member_new(&d.members[1], d.keys[1], INSTANCE, tracker_key),
                     LIBPBTS_OK);
    assert_int_equal(libpbts_member_set(d.members[1], LIBPBTS_OPTION_TICKET_REQUIRED, 1),
                     LIBPBTS_OK);
    connect(&d);
    assert_int_equal(libpbts_link_state_of(d.links[1]), LIBPBTS_LINK_READY);
    assert_true(libpbts_link_may_serve(d.links[1]) == 5000);
    libpbts_link_stats stats;
    libpbts_link_stats_read(d.links[1], &stats);
    assert_true(stats.allowance_left_bytes == 5000 && stats.reserved[7] == 0);
    desk_free(&d);
}

/* The second member is the tracker, too: two days ago it signed a membership for the first. */
static void without_the_tracker_a_membership_stands_for_a_ticket(void **state) {
    desk d = desk_new();
    uint8_t bytes[LIBPBTS_MEMBERSHIP_LEN + 1], tracker_key[LIBPBTS_PUBLIC_LEN];
    pbts_bls_secret tracker;
    pbts_membership membership = { .allowance_bytes = 5000,
                                   .issued = KIT_START - 48 * 3600,
                                   .expires = KIT_START + 1000 };
    libpbts_key_secret(d.keys[1], tracker.bytes);
    libpbts_key_public(d.keys[1], tracker_key);
    libpbts_key_public(d.keys[0], membership.key.bytes);
    pbts_membership_sign(&membership, INSTANCE, &tracker);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_membership_encode(&writer, &membership);
    assert_int_equal(writer.len, LIBPBTS_MEMBERSHIP_LEN);
    for (size_t len = writer.len - 1; len <= writer.len + 1; len += 2) {
        assert_int_equal(libpbts_member_set_membership(d.members[0], bytes, len),
                         LIBPBTS_MALFORMED);
    }
    assert_int_equal(libpbts_member_set_membership(d.members[0], bytes, writer.len), LIBPBTS_OK);
    memset(bytes, 0, sizeof bytes); /* it was copied */
    libpbts_member_free(d.members[1]);
    assert_int_equal(libpbts_member_new(&d.members[1], d.keys[1], INSTANCE, tracker_key),
                     LIBPBTS_OK);
    const uint64_t over = membership.expires / 3600 + 1;
    const struct {
        bool is_outage;
        uint64_t beacon_epoch;
        libpbts_link_state state;
    } cases[] = { { false, 0, LIBPBTS_LINK_REFUSED },
                  { true, 0, LIBPBTS_LINK_READY },
                  { true, over - 1, LIBPBTS_LINK_READY },
                  { true, over, LIBPBTS_LINK_REFUSED },
                  { true, UINT64_MAX, LIBPBTS_LINK_REFUSED } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        libpbts_member_set_outage(d.members[1], cases[i].is_outage, cases[i].beacon_epoch);
        connect(&d);
        assert_int_equal(libpbts_link_state_of(d.links[1]), cases[i].state);
        for (int end = 0; end < 2; end++) {
            libpbts_link_free(d.links[end]);
            d.links[end] = NULL;
        }
    }
    libpbts_member_set_outage(d.members[1], true, 0);
    assert_int_equal(libpbts_member_set_membership(d.members[0], NULL, 0), LIBPBTS_OK);
    connect(&d);
    assert_int_equal(libpbts_link_state_of(d.links[1]), LIBPBTS_LINK_REFUSED);
    desk_free(&d);
}

/* ---- links ---- */

static void a_link_says_who_and_why(void **state) {
    desk d = desk_new();
    uint8_t key[LIBPBTS_PUBLIC_LEN], wanted[LIBPBTS_PUBLIC_LEN];
    bool by_us;
    size_t len;
    assert_int_equal(libpbts_link_new(&d.links[0], d.members[0], d.torrent, d.now), LIBPBTS_OK);
    assert_int_equal(libpbts_link_other_key(d.links[0], key), LIBPBTS_DENIED);
    assert_int_equal(libpbts_link_piece_received(d.links[0], 0, d.now), LIBPBTS_DENIED);
    assert_int_equal(libpbts_link_hello(d.links[0], buffer, 10, &len), LIBPBTS_NO_SPACE);
    libpbts_link_free(d.links[0]);
    connect(&d);
    assert_int_equal(libpbts_link_refusal(d.links[0], NULL), 0);
    assert_int_equal(libpbts_link_other_key(d.links[0], key), LIBPBTS_OK);
    libpbts_key_public(d.keys[1], wanted);
    assert_memory_equal(key, wanted, sizeof key);
    assert_int_equal(libpbts_link_receive(d.links[0], "nonsense", 8, d.now), LIBPBTS_OK);
    assert_int_equal(libpbts_link_state_of(d.links[0]), LIBPBTS_LINK_REFUSED);
    assert_string_equal(libpbts_refusal_name(libpbts_link_refusal(d.links[0], &by_us)),
                        "MALFORMED");
    assert_true(by_us);
    desk_free(&d);
}

static void pieces_move_and_are_counted(void **state) {
    desk d = desk_new();
    libpbts_link_stats stats;
    size_t len;
    connect(&d);
    libpbts_link_set_other_left(d.links[0], 1 << 30);
    assert_true(libpbts_link_deadline(d.links[0]) == UINT64_MAX);
    move_piece(&d, &len);
    assert_int_equal(libpbts_link_piece_received(d.links[1], 0, d.now), LIBPBTS_EXISTS);
    libpbts_link_receipt_stored(d.links[0], d.now);
    libpbts_link_piece_shared(d.links[1], 1, 100, d.now);
    libpbts_link_set_own_left(d.links[1], 0);
    libpbts_link_sign_all(d.links[1]);
    talk(&d);
    libpbts_link_end(d.links[0]);
    libpbts_link_stats_read(d.links[0], &stats);
    assert_true(stats.served_bytes == KIT_PIECE && stats.covered_bytes == KIT_PIECE);
    assert_true(stats.receipts_taken == 1 && stats.limit_bytes >= KIT_PIECE);
    assert_true(stats.allowance_left_bytes == UINT64_MAX);
    libpbts_link_stats_read(d.links[1], &stats);
    assert_true(stats.received_bytes == KIT_PIECE && stats.signed_bytes == KIT_PIECE);
    assert_true(stats.receipts_given == 1);
    desk_free(&d);
}

/* ---- journals and reports ---- */

static void a_journal_takes_records_and_gives_its_bytes(void **state) {
    desk d = desk_new();
    libpbts_journal *journal, *again;
    libpbts_journal_stats stats;
    static uint8_t file[100000];
    uint64_t cursor = 0;
    size_t record_len, len, file_len, good_len;
    assert_int_equal(libpbts_journal_new(&journal), LIBPBTS_OK);
    assert_int_equal(libpbts_journal_header(file, 3, &len), LIBPBTS_NO_SPACE);
    assert_int_equal(libpbts_journal_header(file, sizeof file, &file_len), LIBPBTS_OK);
    connect(&d);
    const void *record = move_piece(&d, &record_len);
    assert_int_equal(libpbts_journal_add(journal, "x", 1, file, sizeof file, &len),
                     LIBPBTS_MALFORMED);
    assert_int_equal(libpbts_journal_add(journal, record, record_len - 1, file, 100, &len),
                     LIBPBTS_MALFORMED);
    assert_int_equal(libpbts_journal_add(journal, record, record_len, file, 100, &len),
                     LIBPBTS_NO_SPACE);
    assert_int_equal(libpbts_journal_add(journal, record, record_len, file + file_len,
                                         sizeof file - file_len, &len),
                     LIBPBTS_OK);
    assert_true(len > record_len);
    file_len += len;
    assert_int_equal(libpbts_journal_add(journal, record, record_len, file + file_len, 10, &len),
                     LIBPBTS_OK);
    assert_true(len == 0);
    libpbts_journal_stats_read(journal, &stats);
    assert_true(stats.waiting == 1 && stats.file_bytes == file_len && stats.reserved[0] == 0);
    assert_false(libpbts_journal_should_compact(journal));

    assert_int_equal(libpbts_journal_new(&again), LIBPBTS_OK);
    assert_int_equal(libpbts_journal_load(again, file, file_len, &good_len), LIBPBTS_OK);
    assert_true(good_len == file_len);
    assert_true(libpbts_journal_rewrite(again, buffer, LIBPBTS_JOURNAL_ENTRY_MAX, &len, &cursor));
    assert_true(len >= file_len);
    assert_false(libpbts_journal_rewrite(again, buffer, LIBPBTS_JOURNAL_ENTRY_MAX, &len, &cursor));
    libpbts_journal_free(again);
    file[file_len / 2] ^= 1;
    file[file_len++] = 1; /* so that it is not the end that is torn */
    assert_int_equal(libpbts_journal_new(&again), LIBPBTS_OK);
    assert_int_equal(libpbts_journal_load(again, file, file_len, &good_len), LIBPBTS_CORRUPT);
    libpbts_journal_free(again);
    libpbts_journal_free(journal);
    libpbts_journal_free(NULL);
    desk_free(&d);
}

static void a_report_says_what_comes_next(void **state) {
    desk d = desk_new();
    libpbts_journal *journal;
    libpbts_report *report;
    libpbts_outcome outcome;
    size_t record_len, len;
    const uint8_t other[LIBPBTS_INSTANCE_LEN] = { 8 };
    uint64_t now = d.now.unix_s;
    assert_int_equal(libpbts_journal_new(&journal), LIBPBTS_OK);
    connect(&d);
    const void *record = move_piece(&d, &record_len);
    assert_int_equal(libpbts_journal_add(journal, record, record_len, buffer, sizeof buffer, &len),
                     LIBPBTS_OK);
    libpbts_key *key = d.keys[0];
    assert_int_equal(libpbts_report_new(&report, journal, key, "no uid", INSTANCE, 0, 0, 1, now),
                     LIBPBTS_MALFORMED);
    assert_int_equal(libpbts_report_new(&report, journal, key, "alice", other, 0, 0, 1, now),
                     LIBPBTS_NOT_FOUND);
    assert_int_equal(libpbts_report_new(&report, journal, key, "alice", INSTANCE, 1, 0, 1, now),
                     LIBPBTS_NOT_FOUND);
    assert_int_equal(libpbts_report_new(&report, journal, key, "alice", INSTANCE, 0, 0, 0, now),
                     LIBPBTS_NOT_FOUND); /* the hour is not over */
    assert_int_equal(libpbts_report_new(&report, journal, key, "alice", INSTANCE, 0, 3,
                                        LIBPBTS_REPORT_ALL | LIBPBTS_REPORT_PLAIN, now),
                     LIBPBTS_OK);
    assert_true(libpbts_report_count(report) == 1 && libpbts_report_last(report) == 1);
    assert_non_null(libpbts_report_body(report, &len));
    assert_true(len > 100);
    assert_int_equal(
        libpbts_report_settle(report, journal, &outcome, 503, "", 0, buffer, 100, &len),
        LIBPBTS_NO_SPACE);
    assert_int_equal(
        libpbts_report_settle(report, journal, &outcome, -1, "", 0, buffer, sizeof buffer, &len),
        LIBPBTS_OK);
    assert_true(outcome.next == LIBPBTS_NEXT_LATER && outcome.waiting == 1 && len == 0);
    const char *no = "{\"success\":false,\"code\":\"UNKNOWN_USER\"}";
    assert_int_equal(libpbts_report_settle(report, journal, &outcome, 404, no, strlen(no), buffer,
                                           sizeof buffer, &len),
                     LIBPBTS_OK);
    assert_true(outcome.next == LIBPBTS_NEXT_DENIED && outcome.reserved[0] == 0);
    assert_string_equal(outcome.code, "UNKNOWN_USER");
    libpbts_report_free(report);
    libpbts_report_free(NULL);
    libpbts_journal_free(journal);
    desk_free(&d);
}

/* The key is with a successor now: its report, and in it whose receipts they are. */
static void what_names_the_predecessor_is_reported_to_its_successor(void **state) {
    desk d = desk_new();
    libpbts_journal *journal;
    libpbts_report *report;
    size_t record_len, len;
    const uint8_t successor[LIBPBTS_INSTANCE_LEN] = { 8 };
    assert_int_equal(libpbts_journal_new(&journal), LIBPBTS_OK);
    connect(&d);
    const void *record = move_piece(&d, &record_len);
    assert_int_equal(libpbts_journal_add(journal, record, record_len, buffer, sizeof buffer, &len),
                     LIBPBTS_OK);
    assert_int_equal(libpbts_report_predecessor(&report, journal, d.keys[0], "alice", successor,
                                                INSTANCE, 0, 0, LIBPBTS_REPORT_ALL, d.now.unix_s),
                     LIBPBTS_OK);
    const void *body = libpbts_report_body(report, &len);
    assert_non_null(memmem(body, len, INSTANCE, LIBPBTS_INSTANCE_LEN));
    assert_null(memmem(body, len, successor, sizeof successor));
    libpbts_report_free(report);
    assert_int_equal(libpbts_report_new(&report, journal, d.keys[0], "alice", INSTANCE, 0, 0,
                                        LIBPBTS_REPORT_ALL, d.now.unix_s),
                     LIBPBTS_OK);
    assert_null(memmem(libpbts_report_body(report, &len), len, INSTANCE, LIBPBTS_INSTANCE_LEN));
    libpbts_report_free(report);
    libpbts_journal_free(journal);
    desk_free(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_have_texts),
        cmocka_unit_test(a_key_is_what_was_loaded),
        cmocka_unit_test(a_key_signs_registrations_and_announces),
        cmocka_unit_test(a_torrent_is_parsed_or_refused),
        cmocka_unit_test(options_have_ranges),
        cmocka_unit_test(options_do_what_they_say),
        cmocka_unit_test(a_tracker_key_is_a_point_and_a_ticket_a_ticket),
        cmocka_unit_test(a_ticket_travels_and_limits),
        cmocka_unit_test(without_the_tracker_a_membership_stands_for_a_ticket),
        cmocka_unit_test(a_link_says_who_and_why),
        cmocka_unit_test(pieces_move_and_are_counted),
        cmocka_unit_test(a_journal_takes_records_and_gives_its_bytes),
        cmocka_unit_test(a_report_says_what_comes_next),
        cmocka_unit_test(what_names_the_predecessor_is_reported_to_its_successor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
