/* tracker/tracker.h - the tracker as a machine without I/O: who may announce, who is where, who
 * owes whom. The host (apps/pbts-tracker) brings bytes, time, threads and locks.
 *
 *   announce, scrape   from any number of threads, no store access, no allocation but in swarms
 *   check_*            from any number of threads: the expensive half (pairings, parsing); reads
 * only commit             one thread: the cheap half, grouped; durable when pbts_commit_end says OK
 *
 * Money rules are those of DESIGN section 6; commit.c, credit.c and claims.c keep them.
 */
#ifndef PBTS_TRACKER_TRACKER_H
#define PBTS_TRACKER_TRACKER_H

#include "base/limits.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/random.h"
#include "ledger/claims_file.h"
#include "ledger/ledger.h"
#include "receipt/receipt.h"
#include "store/store.h"
#include "torrent/metainfo.h"
#include "tracker/passkey.h"
#include "wire/announce.h"
#include "wire/membership.h"
#include "wire/report.h"

typedef struct pbts_tracker pbts_tracker;

enum {
    PBTS_TRACKER_SHARDS = 64, /* lock parts 0..63 guard the swarms */
    PBTS_TRACKER_LOCKS = PBTS_TRACKER_SHARDS,
    PBTS_TORRENTS_MAX = 1 << 24,
    PBTS_CLIENT_DENY_MAX = 64,
    PBTS_ANNOUNCE_SKEW_S = 300, /* signed announces: +- this much */
    PBTS_TRACKER_ID_LIFE_S = 24 * 3600,
    PBTS_TICKET_LIFE_S = 24 * 3600,
};

typedef struct {
    uint64_t unix_s; /* wall clock: epochs, signatures */
    uint64_t mono_s; /* monotonic, from any origin: swarms, rate limits */
} pbts_now;

/* What may change while running. Plain values; checked by pbts_policy_check. */
typedef struct {
    bool open_access;           /* anonymous announces of registered torrents */
    bool open_registration;     /* false: only admins register users */
    uint32_t min_ratio_milli;   /* 500 is a ratio of 0.5; 0 switches the ratio rule off */
    uint64_t init_credit_bytes; /* granted to new users */
    uint64_t overdraft_bytes;   /* rule 6 */
    uint64_t
        deficit_max_bytes; /* a receiver may owe at most this, whatever its ratio; 0: no limit */
    uint32_t interval_s, min_interval_s;
    uint32_t numwant_default, numwant_max;
    uint32_t peers_per_user_max;    /* per torrent */
    uint32_t torrents_per_user_max; /* peers (torrents being shared) a user may have at once */
    uint32_t
        uploads_per_user_max; /* torrents a user may register, one for each 64 KiB of .torrent */
    uint32_t peer_lists_per_hour; /* per user; 0: no limit. Past it answers carry no peers */
    struct {
        uint8_t len;
        uint8_t prefix[8];
    } client_deny[PBTS_CLIENT_DENY_MAX];
    uint32_t client_deny_count;
} pbts_policy;

pbts_policy pbts_policy_default(void);
/* PBTS_MALFORMED with `problem`, a static sentence that names the field and what would be right. */
PBTS_MUST_USE pbts_status pbts_policy_check(const pbts_policy *policy, const char **problem);

typedef struct {
    pbts_mem *mem;
    pbts_random *random;
    pbts_store *store; /* borrowed; outlives the tracker */
    pbts_lock lock;    /* PBTS_TRACKER_LOCKS parts */
    pbts_policy policy;
    pbts_bls_secret owner;       /* the ledger's key; copied, wiped by pbts_tracker_free */
    const uint8_t *passkey_root; /* 32 bytes, copied likewise; NULL: the owner key */
    /* Setup of an instance that another ledger follows (ledger/mirror.h), which gives it its iid.
     */
    bool mirrored;
    uint8_t mirror_iid[PBTS_IID_LEN];
} pbts_tracker_config;

/* Set up a new instance in an empty store (Setup of the paper): a random iid or the mirror's,
 * ledger entry 0. The host commits `txn`. PBTS_EXISTS when there is one. With a predecessor
 * (Migrate): the host has checked its whole export and names it here; in the same transaction,
 * after this, it puts its accounts (pbts_ledger_file_put_referrer) and, when it has them, its
 * claims (pbts_tracker_old_claims_put). */
typedef struct {
    uint8_t iid[PBTS_IID_LEN];
    uint64_t last_epoch; /* of its last entry */
    bool sealed;     /* for good: its receipts may be taken at once, not after a day of silence */
    bool has_claims; /* old claims were put: receipts up to last_epoch can be judged */
} pbts_predecessor;
PBTS_MUST_USE pbts_status pbts_tracker_setup(pbts_txn *txn, const pbts_tracker_config *config,
                                             const pbts_predecessor *predecessor_or_null,
                                             pbts_now now);
/* Add to the old claims; of a record of lost ones, raise the floor. PBTS_MALFORMED (a bitmap of
 * another length is there), store errors. */
PBTS_MUST_USE pbts_status pbts_tracker_old_claim_put(pbts_txn *txn,
                                                     const pbts_claims_record *record);
/* All claims of a file; those of periods that no receipt can name any more go by themselves. */
PBTS_MUST_USE pbts_status pbts_tracker_old_claims_put(pbts_txn *txn, const pbts_claims_file *file);
/* Restore this instance on a new machine from its ledger: the host has put the checked LEDGER and
 * ACCOUNTS rows and, with `has_claims`, its claims (pbts_tracker_old_claims_put); without them
 * receipts of epochs up to the ledger's last are refused (rule 9). For a successor the host puts
 * its predecessor's accounts again, too. */
PBTS_MUST_USE pbts_status pbts_tracker_restored(pbts_txn *txn, bool has_claims);
/* Users of another ledger, after pbts_tracker_setup in its transaction: of the mirror itself (a new
 * machine goes on with it; `passed_over` NULL), or then of its predecessor. Each is known by its
 * key and the hash of its name; who registers with that name and key gets the account. PBTS_EXISTS:
 * a name, key or number comes twice; PBTS_LIMIT: a number or total that no account has;
 * PBTS_MALFORMED: a key that is no point. The predecessor's users of whom this is true are passed
 * over and put down. PBTS_NO_MEMORY; store errors. */
typedef struct {
    uint8_t uid_hash[32];
    pbts_bls_public key;
    uint32_t user_no, generation;
    uint64_t up_bytes, down_bytes;
} pbts_inherited_user;
enum { PBTS_PASSED_OVER_KEPT = 8 };
typedef struct {
    uint32_t numbers_max; /* the caller's: higher ones are no user's, below PBTS_USERS_MAX */
    size_t count;         /* goes on */
    uint8_t uid_hashes[PBTS_PASSED_OVER_KEPT][32]; /* of the first ones */
} pbts_passed_over;
PBTS_MUST_USE pbts_status pbts_tracker_inherit(pbts_txn *txn, const pbts_tracker_config *config,
                                               const pbts_inherited_user *users, size_t count,
                                               pbts_passed_over *passed_over, pbts_now now);
/* Claims up to this epoch are not known: their receipts are refused (rule 9). */
PBTS_MUST_USE pbts_status pbts_tracker_floor_put(pbts_txn *txn, uint64_t epoch);
/* The epoch up to which claims were lost, or forgotten: who goes on with these claims must know
 * that they are not all. PBTS_NOT_FOUND: none were; PBTS_CORRUPT, store errors. */
PBTS_MUST_USE pbts_status pbts_tracker_claims_lost(pbts_txn *txn, uint64_t *epoch);
/* Load an instance: accounts and torrents into memory. PBTS_NOT_FOUND (not set up), PBTS_DENIED
 * (the key is not the ledger's owner), PBTS_CORRUPT, PBTS_NO_MEMORY, store errors. */
PBTS_MUST_USE pbts_status pbts_tracker_open(pbts_tracker **out, const pbts_tracker_config *config,
                                            pbts_now now);
void pbts_tracker_free(pbts_tracker *tracker); /* NULL is a no-op */

bool pbts_tracker_is_mirrored(const pbts_tracker *tracker);
const uint8_t *pbts_tracker_iid(const pbts_tracker *tracker); /* 32 bytes */
const pbts_bls_public *pbts_tracker_owner(const pbts_tracker *tracker);
bool pbts_tracker_predecessor(const pbts_tracker *tracker, uint8_t iid[static PBTS_IID_LEN]);
pbts_policy pbts_tracker_policy(const pbts_tracker *tracker);
/* interval_s and peers_per_user_max stay as they were at open. PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_tracker_policy_set(pbts_tracker *tracker, const pbts_policy *policy);
/* Expire peers; call at least once a second. True: call again soon, more is due. */
bool pbts_tracker_tick(pbts_tracker *tracker, pbts_now now);

/* ---- announce and scrape (any thread) ---- */

/* Every way to be refused, with the word for JSON, the sentence for `failure reason`, the retry of
 * BEP 31 in minutes (-1 never, 0 unsaid) and the HTTP status REST uses. "Never" is for what no time
 * mends: a client that is told so does not come back before it is started anew. */
/* clang-format off */
#define PBTS_REFUSAL_MAP(X)                                                                            \
    X(NONE,              0, 200, "")                                                                   \
    X(PASSKEY_MISSING,  -1, 401, "this tracker is private: use the announce URL with your passkey")    \
    X(PASSKEY_INVALID,  -1, 401, "the passkey is not valid; fetch your announce URL again")            \
    X(TRACKER_ID_STALE,  0, 401, "the tracker id is not valid any more; announce with a signature")    \
    X(BAD_SIGNATURE,    -1, 401, "the signature does not verify")                                      \
    X(STALE_TIME,        0, 401, "the signed time is outside 300 s of the tracker's clock or not newer than the last") \
    X(UNKNOWN_USER,     30, 404, "no such user here")                                                  \
    X(UNKNOWN_TORRENT,  30, 404, "this torrent is not registered here")                                \
    X(CLIENT_DENIED,    -1, 403, "this client is not allowed here")                                    \
    X(RATIO_TOO_LOW,    30, 403, "your ratio is below this tracker's minimum: seed before you download more") \
    X(TOO_MANY_TORRENTS, 30, 429, "you share more torrents at once than this tracker allows")          \
    X(SWARM_FULL,       30, 503, "the swarm is full; try again later")                                 \
    X(TOO_OFTEN,         1, 429, "too many signatures to check from you; try again in a minute")       \
    X(OVERLOADED,        5, 503, "the tracker is overloaded; try again later")                         \
    X(MALFORMED,        -1, 400, "the request is malformed")                                           \
    X(UID_INVALID,      -1, 400, "user_id must be 1 to 32 characters of A-Z a-z 0-9 . _ -")            \
    X(UID_TAKEN,        -1, 409, "this user_id is taken")                                              \
    X(KEY_TAKEN,        -1, 409, "this public key is registered to another user")                      \
    X(KEY_INVALID,      -1, 400, "public_key is no valid point of the right group")                    \
    X(KEY_MISMATCH,     -1, 409, "this user_id belongs to another key in the predecessor's ledger")    \
    X(REGISTRATION_CLOSED, -1, 403, "registration is closed; ask an administrator")                    \
    X(USERS_FULL,        0, 503, "no more users fit")                                                  \
    X(TORRENT_EXISTS,   -1, 409, "this torrent is registered already")                                 \
    X(TORRENT_INVALID,  -1, 400, "the metainfo is not valid")                                          \
    X(TORRENT_PUBLIC,   -1, 400, "the metainfo must have private=1 in its info dictionary")            \
    X(TOO_MANY_UPLOADS, -1, 429, "you have registered as many torrents as this tracker allows")        \
    X(UNKNOWN_RECEIVER, -1, 404, "the receiver is not registered here")                                \
    X(UNKNOWN_SENDER,   -1, 404, "the sender is not registered here")                                  \
    X(SELF_TRANSFER,    -1, 400, "sender and receiver are the same user")                              \
    X(FOREIGN_INSTANCE, -1, 400, "the receipt names another instance")                                 \
    X(EPOCH_EXPIRED,    -1, 400, "the receipt's epoch is older than the acceptance window")            \
    X(EPOCH_FUTURE,      0, 400, "the receipt's epoch is in the future")                               \
    X(EPOCH_UNKNOWN_CLAIMS, -1, 409, "receipts of this epoch may have been counted before this instance came up without its claims") \
    X(BAD_PIECES,       -1, 400, "the pieces do not fit the registered torrent")                       \
    X(PIECE_HASH_WRONG, -1, 400, "the piece hash is not the registered torrent's")                     \
    X(NO_PIECES,        -1, 400, "the statement names no piece")                                       \
    X(BAD_PIECE_SIGNATURE, -1, 401, "the session's signature of a piece does not verify")              \
    X(SESSION_KEY_INVALID, -1, 400, "the session's key is no point of its curve")                      \
    X(SESSION_EXPIRED,  -1, 400, "the session was over when the epoch of its pieces began")            \
    X(SESSION_TOO_LONG, -1, 400, "the session expires more than 24 hours after the epoch of its pieces began") \
    X(UNCHECKED,         0, 400, "too many other signatures of this report are bad; send this one again") \
    X(TOTALS_FULL,      -1, 409, "the totals of this account cannot grow any more")                    \
    X(PREDECESSOR_ACTIVE, 60, 409, "the predecessor is neither sealed nor silent for a day; report there")  \
    X(SEALED,           -1, 409, "this instance is sealed; its successor takes receipts")              \
    X(NO_PREDECESSOR,   -1, 409, "this instance has no predecessor to migrate from")                   \
    X(STORE_FULL,        5, 503, "the tracker's disk is full; nothing was changed, try again later")   \
    X(INTERNAL,          5, 503, "the tracker could not do this now; nothing was changed, try again later")
/* clang-format on */
typedef enum {
#define X(code, retry, status, text) PBTS_REFUSAL_##code,
    PBTS_REFUSAL_MAP(X)
#undef X
} pbts_refusal;
const char *pbts_refusal_name(pbts_refusal refusal); /* "RATIO_TOO_LOW" */
pbts_failure pbts_refusal_failure(pbts_refusal refusal);
unsigned pbts_refusal_http_status(pbts_refusal refusal);
pbts_refusal pbts_refusal_of_status(
    pbts_status status); /* RESOURCE statuses to STORE_FULL, OVERLOADED, INTERNAL */

/* Room for the answer's peers; the reply's spans point into it. */
typedef struct {
    uint8_t peers4[6 * PBTS_NUMWANT_MAX];
    uint8_t peers6[18 * PBTS_NUMWANT_MAX];
    uint8_t ticket[512];
    uint8_t membership[PBTS_MEMBERSHIP_LEN];
    uint8_t beacon[PBTS_DHT_BEACON_LEN];
    char tracker_id[PBTS_TRACKER_ID_TEXT_LEN + 1];
} pbts_announce_room;

/* Announce by passkey, tracker id or (open access) nothing. `client` is where the request came
 * from; its port is ignored, the announce's counts. `families`: which peers the transport can carry
 * (UDP: its own; HTTP: both): bit 0 IPv4, bit 1 IPv6. Fills `reply` when NONE is returned. */
enum { PBTS_FAMILIES_IPV4 = 1, PBTS_FAMILIES_IPV6 = 2, PBTS_FAMILIES_BOTH = 3 };
pbts_refusal pbts_tracker_announce(pbts_tracker *tracker, pbts_announce_reply *reply,
                                   pbts_announce_room *room, const pbts_announce *announce,
                                   const pbts_addr *client, unsigned families, pbts_now now);
/* Announce with uid, pk, time and sig: one pairing; answers with a tracker id, a ticket, a
 * membership and a beacon. Reads the store. */
pbts_refusal pbts_tracker_announce_signed(pbts_tracker *tracker, pbts_announce_reply *reply,
                                          pbts_announce_room *room, const pbts_announce *announce,
                                          const pbts_addr *client, unsigned families, pbts_now now);
/* Fill the entries' counts (infohash is input). Unknown torrents are left out; returns how many are
 * in. Needs a valid passkey unless access is open. */
pbts_refusal pbts_tracker_scrape(pbts_tracker *tracker, size_t *found, pbts_scrape_entry *entries,
                                 size_t count, pbts_span passkey, pbts_now now);
/* Whose passkey this is; PASSKEY_MISSING or PASSKEY_INVALID. */
pbts_refusal pbts_tracker_authenticate(const pbts_tracker *tracker, uint32_t *user_no,
                                       pbts_span passkey);

/* ---- reading (any thread) ---- */

typedef struct {
    uint32_t user_no;
    uint8_t uid[PBTS_UID_LEN_MAX];
    uint8_t uid_len; /* 0: inherited, and has not come yet; uid is the hash of the name */
    bool has_key;
    pbts_bls_public key;
    uint32_t generation;
    uint64_t up_bytes, down_bytes; /* up includes granted credit, down includes held debits */
    uint64_t held_bytes;           /* served, not yet credited: waits for its receivers */
    int64_t granted_bytes;
    uint64_t owed_bytes;      /* of down: held for its senders until this user recovers */
    uint64_t allowance_bytes; /* how much it may still take before credit is held */
    uint32_t peers;           /* swarms it is in now */
    uint64_t registered_unix_s;
    uint64_t reported_up_bytes, reported_down_bytes; /* self-reported since start: shown only */
} pbts_user;

/* PBTS_NOT_FOUND, store errors. */
PBTS_MUST_USE pbts_status pbts_tracker_user(pbts_tracker *tracker, pbts_user *out, pbts_span uid);
PBTS_MUST_USE pbts_status pbts_tracker_user_by_no(pbts_tracker *tracker, pbts_user *out,
                                                  uint32_t user_no);
/* What a user shows to others while the tracker is away, signed. PBTS_NOT_FOUND: no such user;
 * PBTS_DENIED: one without a key, or that has not come yet; store errors. */
PBTS_MUST_USE pbts_status pbts_tracker_membership(pbts_tracker *tracker, pbts_membership *out,
                                                  uint32_t user_no, pbts_now now);
/* What is signed of the present epoch: the same whenever and wherever it is made. */
void pbts_tracker_beacon(const pbts_tracker *tracker, pbts_epoch_beacon *out, pbts_now now);
/* The current passkey of a user who is there (asserted). */
void pbts_tracker_passkey(const pbts_tracker *tracker, char out[static PBTS_PASSKEY_LEN + 1],
                          uint32_t user_no);

typedef struct {
    uint32_t torrent_no;
    bool has_v1, has_v2;
    uint8_t infohash_v1[20], infohash_v2[32];
    uint8_t name[256]; /* cut at 255 bytes */
    uint8_t name_len;
    uint64_t total_bytes, added_unix_s;
    uint32_t piece_length, piece_count, uploader_no;
    uint32_t complete, incomplete, downloaded;
} pbts_torrent;

PBTS_MUST_USE pbts_status pbts_tracker_torrent(pbts_tracker *tracker, pbts_torrent *out,
                                               const uint8_t infohash[static 20]);
/* Torrents with number > after, in order; returns how many were written (<= capacity). */
PBTS_MUST_USE pbts_status pbts_tracker_torrents(pbts_tracker *tracker, pbts_torrent *out,
                                                size_t *count, size_t capacity, uint32_t after);
/* The .torrent as registered, copied with `mem`; the caller releases it. */
PBTS_MUST_USE pbts_status pbts_tracker_metainfo(pbts_tracker *tracker, uint8_t **out, size_t *len,
                                                pbts_mem *mem, uint32_t torrent_no);

typedef struct {
    uint64_t users, torrents, peers, seeders, swarm_memory_bytes;
    uint64_t credited_bytes, held_bytes; /* since start, and now */
    uint64_t ledger_sequence, ledger_unix_s, store_used_bytes;
    uint64_t unstored_downloads; /* torrents whose count of downloads is newer than the store's */
} pbts_tracker_stats;
void pbts_tracker_stats_read(pbts_tracker *tracker, pbts_tracker_stats *out);

/* No receipt of a later epoch is in the accounts that the store has now: what rule 9 is about. 0:
 * none was counted here. Reads the store: whoever read accounts before is on the safe side.
 * PBTS_CORRUPT, store errors. */
PBTS_MUST_USE pbts_status pbts_tracker_counted_epoch(pbts_tracker *tracker, uint64_t *out);

/* Rule 5 over all users: sum of (up + held - granted - down); zero unless there is a bug. */
PBTS_MUST_USE pbts_status pbts_tracker_balance_sum(pbts_tracker *tracker, int64_t *out);

/* ---- the expensive half (any thread) ---- */

typedef struct {
    pbts_span uid; /* borrowed */
    pbts_bls_public key;
    pbts_bls_signature signature;
} pbts_registration;

/* uid, key and proof of possession. NONE, UID_INVALID, KEY_INVALID, BAD_SIGNATURE. */
typedef struct pbts_checked_registration {
    uint8_t uid[PBTS_UID_LEN_MAX];
    uint8_t uid_len;
    bool has_key; /* false: an account that an administrator reserves by name only */
    pbts_bls_public key;
    uint8_t key_raw[PBTS_BLS_PUBLIC_RAW_LEN];
} pbts_checked_registration;
pbts_refusal pbts_check_registration(const pbts_tracker *tracker, pbts_checked_registration *out,
                                     const pbts_registration *registration);

/* A request that a user signed with its key (adding a torrent, rotating the passkey): a REPORT
 * message over SHA-256("pbts/request/1\n" || METHOD || " " || path || "\n" || body). `once`: the
 * time must be newer than that of any signed request or announce of this key before, so that it
 * cannot be replayed. NONE, UNKNOWN_USER, BAD_SIGNATURE, STALE_TIME. */
typedef struct {
    pbts_bls_public key;
    uint64_t unix_time;
    pbts_bls_signature signature;
    pbts_span method, path, body;
    bool once;
} pbts_signed_request;
pbts_refusal pbts_check_request(pbts_tracker *tracker, uint32_t *user_no,
                                const pbts_signed_request *request, pbts_now now);

/* Whether nothing that this user signed with this time, or a later one, was shown before: true once
 * for each. What was shown before may come from somebody who heard it on its way. */
bool pbts_tracker_is_first_shown(pbts_tracker *tracker, uint32_t user_no, uint64_t unix_time);

/* What became of one statement of a report. */
typedef struct {
    pbts_refusal refusal; /* NONE: it counted (perhaps all as duplicates) */
    uint64_t credited_bytes, held_bytes;
    uint32_t credited_pieces, duplicate_pieces; /* held pieces are among the credited ones */
    uint32_t bad_piece; /* BAD_PIECE_SIGNATURE: the first whose signature is bad */
} pbts_verdict;

/* A report whose every signature was checked; the statements that failed are already refused.
 * Opaque, owns what it needs; free with pbts_checked_report_free. */
typedef struct pbts_checked_report pbts_checked_report;

/* Check who submits (REPORT signature, freshness), then every statement. A refusal of the whole
 * report: UNKNOWN_USER, BAD_SIGNATURE, STALE_TIME, OVERLOADED; otherwise NONE and `*out` (which may
 * hold refused statements only). A prototype-shaped report (legacy) has no REPORT signature: each
 * receipt stands for itself. */
pbts_refusal pbts_check_report(pbts_tracker *tracker, pbts_checked_report **out,
                               const pbts_report *report, pbts_now now);
size_t pbts_checked_report_count(const pbts_checked_report *report);
pbts_verdict pbts_checked_report_verdict(const pbts_checked_report *report, size_t index);
uint32_t pbts_checked_report_user(const pbts_checked_report *report); /* submitter's number */
void pbts_checked_report_free(pbts_checked_report *report);

/* Check one statement alone; nothing changes (POST /verify-receipt). The submitter may be empty
 * when the statement names its sender. `*bad_piece` is given with BAD_PIECE_SIGNATURE. */
pbts_refusal pbts_check_statement(pbts_tracker *tracker, uint32_t *bad_piece,
                                  const pbts_statement *statement, pbts_span submitter_uid,
                                  pbts_now now);

/* ---- the cheap half: one group commit at a time, from one thread ---- */

typedef struct pbts_commit pbts_commit;

/* Store errors. Every call below: NONE or a refusal of that one operation (the commit goes on), or
 * STORE_FULL / INTERNAL: the whole commit must be aborted, and nothing in it happened. */
PBTS_MUST_USE pbts_status pbts_commit_begin(pbts_commit **out, pbts_tracker *tracker, pbts_now now);
/* `admin` passes closed registration. Gives the number; passkeys follow from it after the end. */
pbts_refusal pbts_commit_registration(pbts_commit *commit, uint32_t *user_no,
                                      const pbts_checked_registration *registration, bool admin);
/* Credits, holds, claims; fills the report's verdicts. The report must stay until the end. */
pbts_refusal pbts_commit_report(pbts_commit *commit, pbts_checked_report *report);
pbts_refusal pbts_commit_torrent(pbts_commit *commit, uint32_t *torrent_no, uint32_t user_no,
                                 const pbts_metainfo *meta);
/* Raise the passkey generation: the old passkey stops working. */
pbts_refusal pbts_commit_rotate(pbts_commit *commit, uint32_t user_no);
/* An administrator sets totals; the difference is booked as granted, so that rule 5 holds. */
pbts_refusal pbts_commit_set_totals(pbts_commit *commit, uint32_t user_no, uint64_t up_bytes,
                                    uint64_t down_bytes);
/* Copy a user from the predecessor's ledger (first touch does so by itself in registration). */
pbts_refusal pbts_commit_migrate(pbts_commit *commit, uint32_t *user_no, pbts_span uid);
/* Put counts of completed downloads that changed into the store, PBTS_COMMIT_DOWNLOADS_MAX of them
 * at most; a second call in one commit does nothing. They are no money: a host that does this once
 * a minute loses a minute of them in a crash. */
enum { PBTS_COMMIT_DOWNLOADS_MAX = 4096 };
pbts_refusal pbts_commit_downloads(pbts_commit *commit);
/* One ledger entry for all that changed, then the store's commit (fsync), then memory.
 * PBTS_OK: all durable and visible. Anything else: nothing happened. Frees the commit either way.
 */
PBTS_MUST_USE pbts_status pbts_commit_end(pbts_commit *commit);
void pbts_commit_abort(pbts_commit *commit); /* NULL is a no-op */

#endif
