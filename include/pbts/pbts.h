/* pbts.h - libpbts: what a BitTorrent client needs to give and take signed receipts.
 *
 * No sockets, files, clocks or threads in it: you hand in bytes and the time, and get bytes and
 * decisions. The protocol is docs/protocol.md, section Peers; docs/libpbts.md is a tour, and
 * examples/receipts.c a program. C99 and C++.
 *
 *   key        who you are                         torrent   whose pieces receipts are about
 *   member     you at one tracker, your policy     link      receipts on one connection
 *   journal    receipts until they are counted     report    hands them to the tracker
 *
 * Rules. Functions return LIBPBTS_OK or another libpbts_result; outputs are written only on OK
 * unless said otherwise. An object is used by one thread at a time; objects that were made with
 * others (a link with its member and torrent) share that thread. Whoever made an object frees it,
 * after those made with it. NULL may be freed. A wrong call (NULL where an object is needed, a
 * piece that the torrent does not have) ends the program with an assertion. Bytes that come from
 * others may be anything.
 *
 * ABI. Opaque types, functions that are never taken away or changed while the soname stays;
 * `reserved` fields are zero.
 */
#ifndef LIBPBTS_PBTS_H
#define LIBPBTS_PBTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBPBTS_API __attribute__((visibility("default")))
#define LIBPBTS_CHECKED __attribute__((visibility("default"), warn_unused_result))

enum {
    LIBPBTS_SECRET_LEN = 32,
    LIBPBTS_PUBLIC_LEN = 96,
    LIBPBTS_SIGNATURE_LEN = 48,
    LIBPBTS_INSTANCE_LEN = 32, /* a tracker's instance id, "iid" in GET /params */
    LIBPBTS_INFOHASH_LEN = 20,
    LIBPBTS_MEMBERSHIP_LEN = 192,
    LIBPBTS_CODE_LEN = 64,
    LIBPBTS_HELLO_MAX = 1024,              /* a buffer for libpbts_link_hello */
    LIBPBTS_MESSAGE_MAX = 256 * 1024,      /* for libpbts_link_next_send */
    LIBPBTS_JOURNAL_ENTRY_MAX = 256 * 1024 /* for what is appended to the journal at once */
};

typedef enum {
    LIBPBTS_OK = 0,
    LIBPBTS_NO_MEMORY = 1,
    LIBPBTS_MALFORMED = 2, /* bytes that break their format */
    LIBPBTS_LIMIT = 3,     /* a stated limit is exceeded */
    LIBPBTS_DENIED = 4,    /* not in this state */
    LIBPBTS_NOT_FOUND = 5,
    LIBPBTS_EXISTS = 6,
    LIBPBTS_NO_SPACE = 7, /* your buffer is too small */
    LIBPBTS_CORRUPT = 8,  /* a journal that was damaged */
    LIBPBTS_NO_RANDOM = 9 /* the system gives no random numbers */
} libpbts_result;

LIBPBTS_API const char *libpbts_version(void); /* "0.1.0" */
LIBPBTS_API const char *libpbts_result_text(libpbts_result result);

/* Both clocks, read together. */
typedef struct {
    uint64_t unix_s;  /* wall clock */
    uint64_t mono_ms; /* any origin, never decreasing */
} libpbts_time;

/* ---- keys -------------------------------------------------------------------------------- */

typedef struct libpbts_key libpbts_key;

/* NO_RANDOM, NO_MEMORY. */
LIBPBTS_CHECKED libpbts_result libpbts_key_generate(libpbts_key **out);
/* From the 32 bytes that you keep. MALFORMED when they are no key, NO_MEMORY. */
LIBPBTS_CHECKED libpbts_result libpbts_key_load(libpbts_key **out,
                                                const uint8_t secret[LIBPBTS_SECRET_LEN]);
LIBPBTS_API void libpbts_key_free(libpbts_key *key); /* wipes it */
LIBPBTS_API void libpbts_key_secret(const libpbts_key *key, uint8_t out[LIBPBTS_SECRET_LEN]);
LIBPBTS_API void libpbts_key_public(const libpbts_key *key, uint8_t out[LIBPBTS_PUBLIC_LEN]);
/* `signature` of POST /register. MALFORMED: `uid` is not 1 to 32 of A-Z a-z 0-9 . _ - */
LIBPBTS_CHECKED libpbts_result
libpbts_key_sign_register(const libpbts_key *key, uint8_t signature[LIBPBTS_SIGNATURE_LEN],
                          const uint8_t instance[LIBPBTS_INSTANCE_LEN], const char *uid);
/* `sig` of a signed announce, which is answered with a ticket. Events: 0 none, 1 completed,
 * 2 started, 3 stopped, 4 paused. */
LIBPBTS_API void libpbts_key_sign_announce(const libpbts_key *key,
                                           uint8_t signature[LIBPBTS_SIGNATURE_LEN],
                                           const uint8_t instance[LIBPBTS_INSTANCE_LEN],
                                           const uint8_t infohash[LIBPBTS_INFOHASH_LEN], int event,
                                           uint64_t unix_s);

/* ---- torrents ---------------------------------------------------------------------------- */

typedef struct libpbts_torrent libpbts_torrent;

/* From a .torrent file: v1, v2 or hybrid. MALFORMED, LIMIT, NO_MEMORY. */
LIBPBTS_CHECKED libpbts_result libpbts_torrent_parse(libpbts_torrent **out, const void *bytes,
                                                     size_t len);
LIBPBTS_API void libpbts_torrent_free(libpbts_torrent *torrent);
/* The infohash that receipts name: the v1 one when there is one. */
LIBPBTS_API void libpbts_torrent_infohash(const libpbts_torrent *torrent,
                                          uint8_t out[LIBPBTS_INFOHASH_LEN]);
LIBPBTS_API uint32_t libpbts_torrent_pieces(const libpbts_torrent *torrent);
/* Real bytes of a piece, without padding: what a receipt for it is worth. */
LIBPBTS_API uint32_t libpbts_torrent_piece_bytes(const libpbts_torrent *torrent, uint32_t piece);

/* ---- members ----------------------------------------------------------------------------- */

typedef struct libpbts_member libpbts_member;

typedef enum {
    LIBPBTS_FORM_PIECE = 1,
    LIBPBTS_FORM_CUMULATIVE = 2,
    LIBPBTS_FORM_BATCH = 3,
    LIBPBTS_FORM_SESSION = 4
} libpbts_form;

/* What may be set, with its default. */
typedef enum {
    LIBPBTS_OPTION_FORM_GIVEN = 1,         /* preferred as receiver: CUMULATIVE */
    LIBPBTS_OPTION_FORMS_TAKEN = 2,        /* bits (1 << form), as sender: all */
    LIBPBTS_OPTION_PAPER_SCHEDULE = 3,     /* sign as in the paper's adaptive schedule: 0 */
    LIBPBTS_OPTION_BATCH_PIECES = 4,       /* 10; at most 4,096 */
    LIBPBTS_OPTION_EXPOSURE_MAX_BYTES = 5, /* lent to one key at most: 64 MiB */
    LIBPBTS_OPTION_RECEIPT_TIMEOUT_MS = 6, /* patience with one that does not sign: 60,000 */
    LIBPBTS_OPTION_TICKET_REQUIRED = 7,    /* serve nobody without the tracker's ticket: 1 */
    LIBPBTS_OPTION_RECEIPTS_REQUIRED = 8   /* 1; 0: serve on without receipts */
} libpbts_option;

/* You at one tracker. `tracker_key` (GET /params) checks tickets; NULL: none can be checked. The
 * key is copied. MALFORMED (tracker_key), NO_MEMORY. */
LIBPBTS_CHECKED libpbts_result libpbts_member_new(libpbts_member **out, const libpbts_key *key,
                                                  const uint8_t instance[LIBPBTS_INSTANCE_LEN],
                                                  const uint8_t *tracker_key);
LIBPBTS_API void libpbts_member_free(libpbts_member *member); /* after its links */
/* NOT_FOUND (no such option), LIMIT (the value is out of range), DENIED (the member has links). */
LIBPBTS_CHECKED libpbts_result libpbts_member_set(libpbts_member *member, libpbts_option option,
                                                  uint64_t value);
/* The ticket of the last signed announce, the bencoded dictionary as the tracker sent it; len 0:
 * none. Then send the extended handshake again on every connection. MALFORMED, NO_MEMORY. */
LIBPBTS_CHECKED libpbts_result libpbts_member_set_ticket(libpbts_member *member, const void *bytes,
                                                         size_t len);

/* For times without the tracker. The membership of the last signed announce (`member` beside the
 * ticket, or in the .torrent that the tracker gave us), shown in every handshake; len 0: none.
 * MALFORMED. */
LIBPBTS_CHECKED libpbts_result libpbts_member_set_membership(libpbts_member *member,
                                                             const void *bytes, size_t len);
/* Whether the tracker is away, as announces find out: then others' memberships stand for tickets.
 * `beacon_epoch`: of the newest beacon of the tracker's, which memberships end by; 0: not known.
 * Also while there are links. */
LIBPBTS_API void libpbts_member_set_outage(libpbts_member *member, bool is_outage,
                                           uint64_t beacon_epoch);

/* ---- links ------------------------------------------------------------------------------- */

/* Receipts on one connection, both ways. Make one when the other side's extended handshake (BEP 10)
 * has "pbts", and its metadata is known. */
typedef struct libpbts_link libpbts_link;

typedef enum {
    LIBPBTS_LINK_HELLO = 0,   /* the other's dictionary has not come */
    LIBPBTS_LINK_PROVING = 1, /* it has; the proof of its key has not */
    LIBPBTS_LINK_READY = 2,
    LIBPBTS_LINK_REFUSED = 3 /* for good: choke it; close when a cheat */
} libpbts_link_state;

/* NO_MEMORY, NO_RANDOM. */
LIBPBTS_CHECKED libpbts_result libpbts_link_new(libpbts_link **out, libpbts_member *member,
                                                const libpbts_torrent *torrent, libpbts_time now);
/* The connection is over: check what came and was not checked; then take libpbts_link_next_receipt
 * until there is none, and free it. */
LIBPBTS_API void libpbts_link_end(libpbts_link *link);
LIBPBTS_API void libpbts_link_free(libpbts_link *link);

/* Our value for the key "pbts" beside "m", bencoded. NO_SPACE. */
LIBPBTS_CHECKED libpbts_result libpbts_link_hello(const libpbts_link *link, void *buffer,
                                                  size_t capacity, size_t *len);
/* The other's, and the body of one of its `pbts` messages. Whatever is wrong with them shows in the
 * state. NO_MEMORY. */
LIBPBTS_CHECKED libpbts_result libpbts_link_receive_hello(libpbts_link *link, const void *bytes,
                                                          size_t len, libpbts_time now);
LIBPBTS_CHECKED libpbts_result libpbts_link_receive(libpbts_link *link, const void *body,
                                                    size_t len, libpbts_time now);
/* The body of the next `pbts` message to send; false when there is none. `capacity` is at least
 * LIBPBTS_MESSAGE_MAX. To be called until false after everything that changes something. */
LIBPBTS_API bool libpbts_link_next_send(libpbts_link *link, void *buffer, size_t capacity,
                                        size_t *len, libpbts_time now);
LIBPBTS_API bool libpbts_link_wants_send(const libpbts_link *link, libpbts_time now);

LIBPBTS_API libpbts_link_state libpbts_link_state_of(const libpbts_link *link);
/* Why it is REFUSED: the code of docs/protocol.md, 0 when it is not; `*by_us` may be NULL. */
LIBPBTS_API int libpbts_link_refusal(const libpbts_link *link, bool *by_us);
LIBPBTS_API const char *libpbts_refusal_name(int refusal); /* "NO_RECEIPT" */
LIBPBTS_API const char *libpbts_refusal_text(int refusal);
/* Whose key the other side proved. DENIED unless READY. */
LIBPBTS_CHECKED libpbts_result libpbts_link_other_key(const libpbts_link *link,
                                                      uint8_t out[LIBPBTS_PUBLIC_LEN]);

/* As sender: how many more bytes may be queued; what was handed to the connection; what the other
 * lacks of the torrent (from its bitfield and haves). */
LIBPBTS_API uint64_t libpbts_link_may_serve(const libpbts_link *link);
LIBPBTS_API void libpbts_link_served(libpbts_link *link, uint32_t piece, uint32_t bytes,
                                     libpbts_time now);
LIBPBTS_API void libpbts_link_set_other_left(libpbts_link *link, uint64_t left_bytes);

/* As receiver: a piece whose hash is right came from the other, for the most part; or `bytes` of
 * one that was credited to another; what we lack of the torrent; sign for all at once, because the
 * connection is about to end. DENIED (not READY), EXISTS. */
LIBPBTS_CHECKED libpbts_result libpbts_link_piece_received(libpbts_link *link, uint32_t piece,
                                                           libpbts_time now);
LIBPBTS_API void libpbts_link_piece_shared(libpbts_link *link, uint32_t piece, uint32_t bytes,
                                           libpbts_time now);
LIBPBTS_API void libpbts_link_set_own_left(libpbts_link *link, uint64_t left_bytes);
LIBPBTS_API void libpbts_link_sign_all(libpbts_link *link);

/* A verified receipt that waits to be stored: put it into the journal and on the disk, then say so;
 * only then does it free room to serve more. The same one until it is stored; also of links that
 * are refused or have ended. `record` is borrowed until then. */
LIBPBTS_API bool libpbts_link_next_receipt(libpbts_link *link, const void **record, size_t *len,
                                           uint64_t *worth_bytes);
LIBPBTS_API void libpbts_link_receipt_stored(libpbts_link *link, libpbts_time now);

/* When time has to pass for something to happen: call tick at the deadline (mono_ms; UINT64_MAX:
 * none). */
LIBPBTS_API void libpbts_link_tick(libpbts_link *link, libpbts_time now);
LIBPBTS_API uint64_t libpbts_link_deadline(const libpbts_link *link);

typedef struct {
    uint64_t served_bytes, covered_bytes;  /* as sender: all, and the worth of stored receipts */
    uint64_t received_bytes, signed_bytes; /* as receiver: verified, and signed for */
    uint64_t limit_bytes;                  /* the exposure limit now */
    uint64_t allowance_left_bytes;         /* of the other's ticket; UINT64_MAX: none needed */
    uint32_t receipts_taken, receipts_given;
    uint64_t reserved[8];
} libpbts_link_stats;
LIBPBTS_API void libpbts_link_stats_read(const libpbts_link *link, libpbts_link_stats *out);

/* ---- journals ---------------------------------------------------------------------------- */

/* Receipts until the tracker has counted them, and the bytes of the file that they are kept in. */
typedef struct libpbts_journal libpbts_journal;

/* NO_MEMORY. */
LIBPBTS_CHECKED libpbts_result libpbts_journal_new(libpbts_journal **out);
LIBPBTS_API void libpbts_journal_free(libpbts_journal *journal);
/* Read the whole file into a new journal. `*good_len`: cut the file there (a torn end) before you
 * append; 0: write the header first. CORRUPT, LIMIT, NO_MEMORY: free the journal. */
LIBPBTS_CHECKED libpbts_result libpbts_journal_load(libpbts_journal *journal, const void *bytes,
                                                    size_t len, size_t *good_len);
/* The file's first bytes. NO_SPACE. */
LIBPBTS_CHECKED libpbts_result libpbts_journal_header(void *buffer, size_t capacity, size_t *len);
/* Take in a receipt of libpbts_link_next_receipt. Append the `*len` bytes (0: it says nothing new)
 * to the file and sync it. MALFORMED, LIMIT (too many wait), NO_SPACE, NO_MEMORY. */
LIBPBTS_CHECKED libpbts_result libpbts_journal_add(libpbts_journal *journal, const void *record,
                                                   size_t record_len, void *buffer, size_t capacity,
                                                   size_t *len);
/* Whether most of the file matters no more. Then write it anew, in parts, into a new file that
 * takes the old one's place: call until false, `*cursor` from 0, `capacity` at least
 * LIBPBTS_JOURNAL_ENTRY_MAX; nothing else may be done with the journal meanwhile. */
LIBPBTS_API bool libpbts_journal_should_compact(const libpbts_journal *journal);
LIBPBTS_API bool libpbts_journal_rewrite(libpbts_journal *journal, void *buffer, size_t capacity,
                                         size_t *len, uint64_t *cursor);

typedef struct {
    uint64_t waiting, refused, counted; /* receipts */
    uint64_t credited_bytes;            /* as the tracker said */
    uint64_t file_bytes;
    uint64_t reserved[8];
} libpbts_journal_stats;
LIBPBTS_API void libpbts_journal_stats_read(const libpbts_journal *journal,
                                            libpbts_journal_stats *out);

/* ---- reports ----------------------------------------------------------------------------- */

typedef struct libpbts_report libpbts_report;

enum {
    LIBPBTS_REPORT_ALL = 1,  /* also cumulative receipts that may still grow this hour */
    LIBPBTS_REPORT_PLAIN = 2 /* each receipt with its own signature; see libpbts_report_next */
};

/* Receipts of one instance with numbers above `after`, oldest first, as many as one report takes
 * and at most `count_max` (0: no other limit), reported by `uid`, whose key this is. NOT_FOUND:
 * none wait. MALFORMED (uid), NO_MEMORY. */
LIBPBTS_CHECKED libpbts_result libpbts_report_new(libpbts_report **out,
                                                  const libpbts_journal *journal,
                                                  const libpbts_key *key, const char *uid,
                                                  const uint8_t instance[LIBPBTS_INSTANCE_LEN],
                                                  uint64_t after, size_t count_max, unsigned flags,
                                                  uint64_t unix_s);
/* The same of receipts that name `predecessor`, the instance that `instance` came after (GET
 * /params): what it did not count any more its successor takes. */
LIBPBTS_CHECKED libpbts_result libpbts_report_predecessor(
    libpbts_report **out, const libpbts_journal *journal, const libpbts_key *key, const char *uid,
    const uint8_t instance[LIBPBTS_INSTANCE_LEN], const uint8_t predecessor[LIBPBTS_INSTANCE_LEN],
    uint64_t after, size_t count_max, unsigned flags, uint64_t unix_s);
LIBPBTS_API void libpbts_report_free(libpbts_report *report);
/* The body for POST /report, Content-Type application/x-bencode. Borrowed from the report. */
LIBPBTS_API const void *libpbts_report_body(const libpbts_report *report, size_t *len);
LIBPBTS_API size_t libpbts_report_count(const libpbts_report *report);
LIBPBTS_API uint64_t libpbts_report_last(const libpbts_report *report); /* its highest number */

typedef enum {
    LIBPBTS_NEXT_SETTLED = 0, /* go on behind libpbts_report_last */
    LIBPBTS_NEXT_PLAIN = 1,   /* one of them is bad: report these again, PLAIN */
    LIBPBTS_NEXT_SPLIT = 2,   /* the tracker does not understand: report half as many */
    LIBPBTS_NEXT_LATER = 3,   /* the tracker cannot now */
    LIBPBTS_NEXT_DENIED = 4   /* it does not take reports from you: `code` says why */
} libpbts_next;

typedef struct {
    libpbts_next next;
    uint32_t counted, refused, waiting; /* receipts */
    uint64_t credited_bytes, held_bytes;
    char code[LIBPBTS_CODE_LEN + 1]; /* of the report, or of one that was refused or waits; or "" */
    uint64_t reserved[8];
} libpbts_outcome;

/* Take the tracker's answer. Append the `*len` bytes to the journal's file. `capacity` is at least
 * 128 for each receipt of the report. NO_SPACE, NO_MEMORY: nothing was settled. */
LIBPBTS_CHECKED libpbts_result libpbts_report_settle(const libpbts_report *report,
                                                     libpbts_journal *journal,
                                                     libpbts_outcome *outcome, int http_status,
                                                     const void *answer, size_t answer_len,
                                                     void *buffer, size_t capacity, size_t *len);

#ifdef __cplusplus
}
#endif

#endif
