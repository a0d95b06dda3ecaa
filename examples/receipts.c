/* Two peers in one program: Alice sends the pieces of a torrent to Bob, Bob signs for them, Alice
 * keeps his receipts in a journal and makes a report of them. No network and no tracker: what a
 * client would send, the other side is handed directly.
 *
 *   cc examples/receipts.c $(pkg-config --cflags --libs pbts) && ./a.out
 */
#include <pbts/pbts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES = 40, PIECE_BYTES = 16384, BUFFER_LEN = LIBPBTS_MESSAGE_MAX };

typedef struct {
    const char *name;
    libpbts_key *key;
    libpbts_member *member;
    libpbts_link *link;
} peer;

static libpbts_time now = { 1800000000, 1000 };
static unsigned char buffer[BUFFER_LEN];

/* Any result but OK ends this program; yours will do better. */
static void check(libpbts_result result, const char *what) {
    if (result == LIBPBTS_OK) return;
    fprintf(stderr, "%s: %s\n", what, libpbts_result_text(result));
    exit(1);
}

/* A client has a .torrent file; here is the smallest that will do. Its piece hashes are zeros: the
 * library signs for pieces whose hash you have checked, it sees no content itself. */
static libpbts_torrent *make_torrent(void) {
    libpbts_torrent *torrent;
    char *text = malloc(200 + 20 * PIECES);
    int len;
    if (text == NULL) exit(1);
    len = sprintf(text, "d4:infod6:lengthi%de4:name4:demo12:piece lengthi%de6:pieces%d:",
                  PIECES * PIECE_BYTES, PIECE_BYTES, 20 * PIECES);
    memset(text + len, 0, 20 * PIECES);
    memcpy(text + len + 20 * PIECES, "7:privatei1eee", 14);
    check(libpbts_torrent_parse(&torrent, text, (size_t)len + 20 * PIECES + 14), "the torrent");
    free(text);
    return torrent;
}

/* The instance would come from the tracker's GET /params, with the key that checks tickets. */
static peer make_peer(const char *name, const libpbts_torrent *torrent) {
    static const uint8_t instance[LIBPBTS_INSTANCE_LEN] = { 1, 2, 3 };
    peer p;
    p.name = name;
    check(libpbts_key_generate(&p.key), "a key");
    check(libpbts_member_new(&p.member, p.key, instance, NULL), "a member");
    check(libpbts_member_set(p.member, LIBPBTS_OPTION_TICKET_REQUIRED, 0), "no tickets");
    check(libpbts_link_new(&p.link, p.member, torrent, now), "a link");
    return p;
}

static void free_peer(peer *p) {
    libpbts_link_free(p->link);
    libpbts_member_free(p->member);
    libpbts_key_free(p->key);
}

/* The extended handshake: the value of its key "pbts". */
static void send_hello(peer *from, peer *to) {
    size_t len;
    check(libpbts_link_hello(from->link, buffer, sizeof buffer, &len), "a hello");
    check(libpbts_link_receive_hello(to->link, buffer, len, now), "a hello");
}

/* All `pbts` messages that either side has to send now. */
static void talk(peer *a, peer *b) {
    size_t len;
    int busy = 1;
    while (busy) {
        busy = 0;
        while (libpbts_link_next_send(a->link, buffer, sizeof buffer, &len, now)) {
            check(libpbts_link_receive(b->link, buffer, len, now), "a message");
            busy = 1;
        }
        while (libpbts_link_next_send(b->link, buffer, sizeof buffer, &len, now)) {
            check(libpbts_link_receive(a->link, buffer, len, now), "a message");
            busy = 1;
        }
    }
}

static void pass(peer *a, peer *b, uint64_t ms) {
    now.mono_ms += ms;
    libpbts_link_tick(a->link, now);
    libpbts_link_tick(b->link, now);
    talk(a, b);
}

/* Verified receipts go into the journal. A client appends the bytes to a file and syncs it before
 * it says that the receipt is stored. Returns how many bytes that were. */
static size_t store_receipts(libpbts_journal *journal, peer *sender) {
    const void *record;
    size_t record_len, len, written = 0;
    uint64_t worth;
    while (libpbts_link_next_receipt(sender->link, &record, &record_len, &worth)) {
        check(libpbts_journal_add(journal, record, record_len, buffer, sizeof buffer, &len),
              "the journal");
        written += len;
        libpbts_link_receipt_stored(sender->link, now);
    }
    return written;
}

/* Alice serves a piece when she may, Bob has checked its hash. */
static void transfer(peer *alice, peer *bob, libpbts_journal *journal,
                     const libpbts_torrent *torrent) {
    uint32_t piece;
    for (piece = 0; piece < PIECES; piece++) {
        uint32_t bytes = libpbts_torrent_piece_bytes(torrent, piece);
        uint64_t left = (uint64_t)(PIECES - piece - 1) * PIECE_BYTES;
        int waits = 0;
        while (libpbts_link_may_serve(alice->link) < bytes) {
            if (++waits > 10) exit(1); /* Bob does not pay */
            pass(alice, bob, 100);
            store_receipts(journal, alice);
        }
        libpbts_link_served(alice->link, piece, bytes, now);
        libpbts_link_set_own_left(bob->link, left);
        libpbts_link_set_other_left(alice->link, left);
        check(libpbts_link_piece_received(bob->link, piece, now), "a piece");
        talk(alice, bob);
        store_receipts(journal, alice);
    }
    pass(alice, bob, 100);
    libpbts_link_end(alice->link);
    store_receipts(journal, alice);
}

static void print_stats(const peer *p) {
    libpbts_link_stats stats;
    libpbts_link_stats_read(p->link, &stats);
    printf("%s: served %llu bytes, has receipts for %llu; received %llu, signed for %llu\n",
           p->name, (unsigned long long)stats.served_bytes, (unsigned long long)stats.covered_bytes,
           (unsigned long long)stats.received_bytes, (unsigned long long)stats.signed_bytes);
    printf("%s: %u receipts taken, %u given\n", p->name, (unsigned)stats.receipts_taken,
           (unsigned)stats.receipts_given);
}

/* The body is for POST /report; the answer below is what a tracker says when it counts one. */
static void report(libpbts_journal *journal, const libpbts_key *key) {
    static const uint8_t instance[LIBPBTS_INSTANCE_LEN] = { 1, 2, 3 };
    static const char answer[] =
        "{\"success\":true,\"statements\":[{\"index\":0,\"status\":\"credited\","
        "\"credited_bytes\":655360,\"held_bytes\":0,\"pieces\":40,\"duplicates\":0}]}";
    libpbts_report *made;
    libpbts_outcome outcome;
    size_t len, i;
    const unsigned char *body;
    check(libpbts_report_new(&made, journal, key, "alice", instance, 0, 0, LIBPBTS_REPORT_ALL,
                             now.unix_s),
          "a report");
    body = libpbts_report_body(made, &len);
    printf("report: %u receipts in %u bytes: ", (unsigned)libpbts_report_count(made),
           (unsigned)len);
    for (i = 0; i < 48 && i < len; i++) putchar(body[i] >= ' ' && body[i] < 127 ? body[i] : '.');
    printf("...\n");
    check(libpbts_report_settle(made, journal, &outcome, 200, answer, strlen(answer), buffer,
                                sizeof buffer, &len),
          "the answer");
    printf("answer: %u counted, %llu bytes credited\n", (unsigned)outcome.counted,
           (unsigned long long)outcome.credited_bytes);
    libpbts_report_free(made);
}

int main(void) {
    libpbts_torrent *torrent = make_torrent();
    libpbts_journal *journal;
    libpbts_journal_stats stats;
    peer alice = make_peer("alice", torrent), bob = make_peer("bob", torrent);
    check(libpbts_journal_new(&journal), "a journal");
    send_hello(&alice, &bob);
    send_hello(&bob, &alice);
    talk(&alice, &bob);
    if (libpbts_link_state_of(alice.link) != LIBPBTS_LINK_READY) return 1;
    transfer(&alice, &bob, journal, torrent);
    print_stats(&alice);
    print_stats(&bob);
    report(journal, alice.key);
    libpbts_journal_stats_read(journal, &stats);
    printf("journal: %llu waiting, %llu counted\n", (unsigned long long)stats.waiting,
           (unsigned long long)stats.counted);
    free_peer(&alice);
    free_peer(&bob);
    libpbts_journal_free(journal);
    libpbts_torrent_free(torrent);
    return stats.counted == 1 ? 0 : 1;
}
