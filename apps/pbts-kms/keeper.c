#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "codec/bencode.h"
#include "hash/hkdf.h"
#include "kms/box.h"
#include "log.h"

enum {
    SALT_LEN = 16,
    SEAL_LEN = SALT_LEN + PBTS_BOX_TAG_LEN,
    RECORD_MAX = PBTS_KMS_MESSAGE_LEN_MAX + 4,
    RECORDS_MAX = 1 + PBTS_KMS_KINDS * PBTS_KMS_NODES_MAX,
    JOURNAL_MAX = RECORDS_MAX * (4 + SEAL_LEN + RECORD_MAX),
};
static const char SHARE_FILE[] = "share.sealed", JOURNAL_FILE[] = "journal.sealed",
                  SAID_FILE[] = "said";

/* ---- seals ---- */

static void key_of(uint8_t out[static PBTS_BOX_KEY_LEN], const kms_keeper *k, const uint8_t *salt,
                   const char *what) {
    pbts_hkdf_sha256(out, PBTS_BOX_KEY_LEN, (pbts_span){ salt, SALT_LEN },
                     PBTS_SPAN_OF(k->seal_key), pbts_span_text(what));
}

/* `out` has SEAL_LEN bytes more than the text. */
static pbts_status seal(const kms_keeper *k, uint8_t *out, const char *what, pbts_span text) {
    uint8_t key[PBTS_BOX_KEY_LEN];
    PBTS_TRY(pbts_random_fill(k->random, out, SALT_LEN));
    key_of(key, k, out, what);
    pbts_status status = pbts_box_seal(out + SALT_LEN, key, PBTS_SPAN_OF(k->group->digest), text);
    pbts_wipe(key, sizeof key);
    return status;
}

static pbts_status unseal(const kms_keeper *k, uint8_t *out, const char *what, pbts_span sealed) {
    uint8_t key[PBTS_BOX_KEY_LEN];
    if (sealed.len < SEAL_LEN) return PBTS_CORRUPT;
    key_of(key, k, sealed.data, what);
    pbts_span box = { sealed.data + SALT_LEN, sealed.len - SALT_LEN };
    pbts_status status = pbts_box_open(out, key, PBTS_SPAN_OF(k->group->digest), box);
    pbts_wipe(key, sizeof key);
    return status == PBTS_BAD_SIGNATURE ? PBTS_CORRUPT : status;
}

/* ---- the journal ---- */

static bool write_all(int fd, const uint8_t *bytes, size_t len) {
    for (size_t at = 0; at < len;) {
        ssize_t put = write(fd, bytes + at, len - at);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        at += (size_t)put;
    }
    return true;
}

static pbts_status write_record(kms_keeper *k, uint8_t *out, size_t *out_len, pbts_span text) {
    uint8_t numbered[RECORD_MAX];
    pbts_writer writer = pbts_writer_over(numbered, sizeof numbered);
    pbts_write_u32(&writer, k->records);
    pbts_write_bytes(&writer, text);
    if (writer.failed) return PBTS_LIMIT;
    pbts_writer head = pbts_writer_over(out, 4);
    pbts_write_u32(&head, (uint32_t)(writer.len + SEAL_LEN));
    *out_len = 4 + writer.len + SEAL_LEN;
    pbts_status status = seal(k, out + 4, "pbts-kms journal", pbts_writer_span(&writer));
    pbts_wipe(numbered, sizeof numbered);
    return status;
}

static void close_journal(kms_keeper *k) {
    if (k->journal >= 0) close(k->journal);
    k->journal = -1;
}

static pbts_status open_journal(kms_keeper *k) {
    char path[HOME_PATH_MAX];
    close_journal(k);
    if (!home_path(path, k->dir, JOURNAL_FILE)) return PBTS_LIMIT;
    k->journal = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    return k->journal >= 0 ? PBTS_OK : PBTS_IO;
}

static pbts_status on_begin(void *host, uint64_t epoch, uint64_t attempt,
                            const uint8_t seed[static PBTS_KMS_SEED_LEN]) {
    kms_keeper *k = host;
    uint8_t text[128], record[4 + SEAL_LEN + RECORD_MAX];
    size_t len;
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    pbts_write_text(&writer, "d1:a");
    pbts_bencode_uint(&writer, attempt);
    pbts_write_text(&writer, "1:e");
    pbts_bencode_uint(&writer, epoch);
    pbts_write_text(&writer, "1:s");
    pbts_bencode_string(&writer, (pbts_span){ seed, PBTS_KMS_SEED_LEN });
    pbts_write_text(&writer, "e");
    k->records = 0;
    close_journal(k);
    pbts_status status = write_record(k, record, &len, pbts_writer_span(&writer));
    pbts_wipe(text, sizeof text);
    if (status == PBTS_OK) status = home_write(k->dir, JOURNAL_FILE, (pbts_span){ record, len });
    if (status == PBTS_OK) status = open_journal(k);
    if (status == PBTS_OK) k->records = 1;
    kms_log("ceremony", "epoch=%llu attempt=%llu status=%s", (unsigned long long)epoch,
            (unsigned long long)attempt, pbts_status_name(status));
    return status;
}

static pbts_status on_append(void *host, pbts_span message) {
    kms_keeper *k = host;
    uint8_t record[4 + SEAL_LEN + RECORD_MAX];
    size_t len;
    if (k->journal < 0) return PBTS_IO;
    PBTS_TRY(write_record(k, record, &len, message));
    if (!write_all(k->journal, record, len) || fdatasync(k->journal) != 0) {
        kms_log("journal_failed", "errno=%d advice=restart", errno);
        return PBTS_IO;
    }
    k->records++;
    return PBTS_OK;
}

/* What was said first, for others; then the share; only then is the journal done with. */
static pbts_status on_end(void *host, const pbts_kms_key *key, pbts_span said) {
    kms_keeper *k = host;
    uint8_t text[PBTS_KMS_KEY_LEN_MAX], sealed[PBTS_KMS_KEY_LEN_MAX + SEAL_LEN];
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    pbts_kms_key_encode(&writer, key, k->group);
    pbts_status status = pbts_writer_status(&writer);
    if (status == PBTS_OK) status = seal(k, sealed, "pbts-kms share", pbts_writer_span(&writer));
    if (status == PBTS_OK) status = home_write(k->dir, SAID_FILE, said);
    if (status == PBTS_OK)
        status = home_write(k->dir, SHARE_FILE, (pbts_span){ sealed, writer.len + SEAL_LEN });
    pbts_wipe(text, sizeof text);
    if (status != PBTS_OK) return status;
    close_journal(k);
    kms_log("key", "epoch=%llu share=%s", (unsigned long long)key->public.epoch,
            key->has_share ? "yes" : "lost");
    return home_remove(k->dir, JOURNAL_FILE);
}

pbts_kms_journal keeper_journal(kms_keeper *k) {
    return (pbts_kms_journal){ k, on_begin, on_append, on_end };
}

/* ---- at the start ---- */

void keeper_open(kms_keeper *out, const char *dir, const uint8_t seal_key[static HOME_SECRET_LEN],
                 const pbts_kms_group *group, size_t number, pbts_random *random) {
    *out = (kms_keeper){ .group = group, .number = number, .random = random, .journal = -1 };
    (void)snprintf(out->dir, sizeof out->dir, "%s", dir);
    memcpy(out->seal_key, seal_key, sizeof out->seal_key);
}

void keeper_close(kms_keeper *k) {
    close_journal(k);
    pbts_wipe(k, sizeof *k);
    k->journal = -1;
}

pbts_status keeper_load_key(const kms_keeper *k, pbts_kms_key *out) {
    uint8_t text[PBTS_KMS_KEY_LEN_MAX], *sealed;
    size_t len;
    PBTS_TRY(home_read(&sealed, &len, k->dir, SHARE_FILE, sizeof text + SEAL_LEN));
    pbts_status status = unseal(k, text, "pbts-kms share", (pbts_span){ sealed, len });
    free(sealed);
    if (status == PBTS_OK)
        status = pbts_kms_key_decode(out, k->group, k->number, (pbts_span){ text, len - SEAL_LEN });
    pbts_wipe(text, sizeof text);
    return status;
}

pbts_status keeper_load_said(const kms_keeper *k, uint8_t **out, size_t *len) {
    *out = NULL;
    *len = 0;
    pbts_status status = home_read(out, len, k->dir, SAID_FILE, PBTS_KMS_SAID_LEN_MAX);
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

/* The next record's text, or false: the end, also one that was cut short. */
static pbts_status next_record(kms_keeper *k, uint8_t *text, pbts_span *out, pbts_cursor *cursor) {
    uint32_t len, number;
    pbts_span sealed;
    if (pbts_read_u32(cursor, &len) != PBTS_OK || len > SEAL_LEN + RECORD_MAX ||
        len < SEAL_LEN + 4 || pbts_read_span(cursor, &sealed, len) != PBTS_OK)
        return PBTS_NOT_FOUND;
    pbts_status status = unseal(k, text, "pbts-kms journal", sealed);
    bool is_last = pbts_cursor_left(cursor) == 0; /* torn by a power cut: it was never synced */
    if (status == PBTS_CORRUPT && is_last && k->records > 0) return PBTS_NOT_FOUND;
    if (status != PBTS_OK) return status;
    pbts_cursor inner = pbts_cursor_over((pbts_span){ text, len - SEAL_LEN });
    if (pbts_read_u32(&inner, &number) != PBTS_OK || number != k->records) return PBTS_CORRUPT;
    *out = pbts_cursor_rest(&inner);
    return PBTS_OK;
}

static pbts_status resume_first(pbts_kms_node *node, pbts_span text, uint64_t now_ms) {
    const pbts_kms_key *key = pbts_kms_node_key(node);
    uint64_t attempt, epoch;
    pbts_bvalue dict;
    pbts_span seed;
    if (pbts_bencode_parse(&dict, text) != PBTS_OK || !pbts_bdict_find_uint(&dict, "a", &attempt) ||
        !pbts_bdict_find_uint(&dict, "e", &epoch) || !pbts_bdict_find_string(&dict, "s", &seed) ||
        seed.len != PBTS_KMS_SEED_LEN)
        return PBTS_CORRUPT;
    if (key != NULL && epoch <= key->public.epoch) return PBTS_STALE; /* it had ended */
    return pbts_kms_node_resume(node, epoch, attempt, seed.data, now_ms);
}

static pbts_status replay(kms_keeper *k, pbts_kms_node *node, size_t *good, pbts_span journal,
                          uint64_t now_ms) {
    uint8_t text[RECORD_MAX];
    pbts_cursor cursor = pbts_cursor_over(journal);
    pbts_span record;
    pbts_status status = PBTS_OK;
    for (k->records = 0; status == PBTS_OK; k->records++) {
        status = next_record(k, text, &record, &cursor);
        if (status != PBTS_OK) break;
        status = k->records == 0 ? resume_first(node, record, now_ms)
                                 : pbts_kms_node_replay(node, record, now_ms);
        if (status == PBTS_OK) *good = (size_t)(cursor.next - journal.data);
    }
    pbts_wipe(text, sizeof text);
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

/* What was cut short goes, or the next record would be behind it. */
static pbts_status cut(kms_keeper *k, size_t good) {
    PBTS_TRY(open_journal(k));
    return ftruncate(k->journal, (off_t)good) == 0 && fsync(k->journal) == 0 ? PBTS_OK : PBTS_IO;
}

pbts_status keeper_resume(kms_keeper *k, pbts_kms_node *node, uint64_t now_ms) {
    uint8_t *journal;
    size_t len, good = 0;
    pbts_status status = home_read(&journal, &len, k->dir, JOURNAL_FILE, JOURNAL_MAX);
    if (status == PBTS_NOT_FOUND) return PBTS_OK;
    if (status != PBTS_OK) return status;
    status = replay(k, node, &good, (pbts_span){ journal, len }, now_ms);
    pbts_wipe(journal, len);
    free(journal);
    if (status == PBTS_STALE) return home_remove(k->dir, JOURNAL_FILE);
    if (status != PBTS_OK) return status;
    return cut(k, good);
}
