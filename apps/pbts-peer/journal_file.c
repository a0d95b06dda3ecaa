#include "journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exit_codes.h"
#include "say.h"
#include "state.h"
#include "tell.h"
#include "tracker_api.h"

struct journal_file {
    pbts_journal *journal;
    int fd, lock_fd;
    size_t len; /* of the file; what is behind it was not written whole */
    bool dirty, syncing;
    uint64_t dirty_since_ms;
    uint8_t *entry; /* room for one */
    /* Entries that the journal knows and the file does not, after a failure: they go first. */
    uint8_t *owed;
    size_t owed_len;
    char path[PATH_MAX];
    disk_job sync;
};

/* ---- bytes of the file ---- */

static int write_at(int fd, pbts_span bytes, size_t at) {
    while (bytes.len > 0) {
        ssize_t put = pwrite(fd, bytes.data, bytes.len, (off_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return put < 0 ? errno : EIO;
        bytes = (pbts_span){ bytes.data + put, bytes.len - (size_t)put };
        at += (size_t)put;
    }
    return 0;
}

static int put(journal_file *j, pbts_span bytes) {
    int error = write_at(j->fd, bytes, j->len);
    if (error != 0) {
        /* A torn end that stays is cut at the next start. */
        return ftruncate(j->fd, (off_t)j->len) == 0 ? error : EIO;
    }
    j->len += bytes.len;
    if (bytes.len > 0) j->dirty = true;
    return 0;
}

static int owe(journal_file *j, pbts_span bytes, int error) {
    uint8_t *longer = realloc(j->owed, j->owed_len + bytes.len + 1);
    if (longer == NULL) return error; /* the receipt counts until the program ends */
    memcpy(longer + j->owed_len, bytes.data, bytes.len);
    j->owed = longer;
    j->owed_len += bytes.len;
    return error;
}

static int append(journal_file *j, pbts_span bytes) {
    int error = put(j, (pbts_span){ j->owed, j->owed_len });
    if (error == 0) {
        j->owed_len = 0;
        error = put(j, bytes);
    }
    return error == 0 || bytes.len == 0 ? error : owe(j, bytes, error);
}

static int read_file(uint8_t **out, size_t *len, int fd, const char *path) {
    struct stat info;
    int code = PBTS_EXIT_IO;
    if (fstat(fd, &info) != 0) {
        (void)say_errno(path);
        return code;
    }
    if ((uint64_t)info.st_size > JOURNAL_LEN_MAX) {
        return say_fail(code,
                        "%s: is longer than a journal gets; it holds receipts, so it is left as it "
                        "is: move it away to go on without it",
                        path);
    }
    uint8_t *bytes = malloc((size_t)info.st_size + 1);
    if (bytes == NULL) {
        (void)say_no_memory();
        return code;
    }
    ssize_t got = pread(fd, bytes, (size_t)info.st_size, 0);
    if (got == info.st_size) {
        *out = bytes;
        *len = (size_t)got;
        return PBTS_EXIT_OK;
    }
    (void)say_errno(path);
    free(bytes);
    return code;
}

static int write_header(journal_file *j) {
    uint8_t header[64];
    pbts_writer writer = pbts_writer_over(header, sizeof header);
    pbts_journal_header(&writer);
    j->len = 0;
    int error = append(j, pbts_writer_span(&writer));
    if (error == 0) return PBTS_EXIT_OK;
    errno = error;
    return say_errno(j->path);
}

static int load(journal_file *j) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    int code = read_file(&bytes, &len, j->fd, j->path);
    if (code != PBTS_EXIT_OK) return code;
    pbts_status status = pbts_journal_load(j->journal, &j->len, (pbts_span){ bytes, len });
    free(bytes);
    if (status == PBTS_NO_MEMORY) return say_no_memory();
    if (status != PBTS_OK) {
        return say_fail(PBTS_EXIT_IO,
                        "%s: %s; it holds receipts, so it is left as it is: move it away to go on "
                        "without it",
                        j->path, pbts_status_text(status));
    }
    if (ftruncate(j->fd, (off_t)j->len) != 0) return say_errno(j->path);
    return j->len == 0 ? write_header(j) : PBTS_EXIT_OK;
}

/* ---- opening ---- */

static int open_file(journal_file *j, const char *state, const char *name) {
    char lock[PATH_MAX];
    int error = state_path(j->path, state, name, ".journal");
    if (error == 0) error = state_path(lock, state, name, ".lock");
    if (error == 0) error = state_lock(&j->lock_fd, lock);
    if (error != 0) return error;
    j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return j->fd < 0 ? errno : 0;
}

static journal_file *journal_file_new(void) {
    journal_file *j = calloc(1, sizeof *j);
    if (j == NULL) return NULL;
    j->fd = j->lock_fd = -1;
    j->entry = malloc(PBTS_JOURNAL_ENTRY_MAX);
    if (j->entry != NULL && pbts_journal_new(&j->journal, pbts_mem_system()) == PBTS_OK) return j;
    journal_file_close(j);
    return NULL;
}

/* The n-th journal of a key: *out is NULL when another program holds it. */
static int open_nth(journal_file **out, const char *state, const char *key, int n) {
    char name[64];
    *out = NULL;
    journal_file *j = journal_file_new();
    if (j == NULL) return say_no_memory();
    if (n == 0) {
        (void)snprintf(name, sizeof name, "%s", key);
    } else {
        (void)snprintf(name, sizeof name, "%s.%d", key, n);
    }
    int error = open_file(j, state, name);
    int code = PBTS_EXIT_OK;
    if (error == 0) {
        code = load(j);
    } else if (error != EWOULDBLOCK) {
        errno = error;
        code = say_errno(j->path);
    }
    if (error == 0 && code == PBTS_EXIT_OK) {
        *out = j;
    } else {
        journal_file_close(j);
    }
    return code;
}

/* Take the receipts of another program that is gone into our own file, then remove its. What it was
 * refused waits here and is reported once more, so that it is kept again with the reason. */
static int adopt(journal_file *j, journal_file *other) {
    pbts_journal_item item;
    pbts_journal_outcome outcome;
    pbts_span reason;
    uint64_t after = 0;
    while (pbts_journal_next(other->journal, &item, &outcome, &reason, after) == PBTS_OK) {
        after = item.number;
        int error = journal_file_add(j, &item.record);
        if (error != 0) return error;
    }
    if (fdatasync(j->fd) != 0) return errno;
    return unlink(other->path) == 0 ? 0 : errno;
}

static int adopt_others(journal_file *j, const char *state, const char *key, int own) {
    for (int n = 0; n < JOURNAL_FILES_MAX; n++) {
        char path[PATH_MAX];
        char suffix[32];
        journal_file *other = NULL;
        (void)snprintf(suffix, sizeof suffix, n == 0 ? ".journal" : ".%d.journal", n);
        if (n == own || state_path(path, state, key, suffix) != 0) continue;
        if (access(path, F_OK) != 0) continue;
        int code = open_nth(&other, state, key, n);
        if (code != PBTS_EXIT_OK) return code;
        if (other == NULL) continue;
        int error = adopt(j, other);
        journal_file_close(other);
        errno = error;
        if (error != 0) return say_errno(path);
    }
    return PBTS_EXIT_OK;
}

int journal_file_open(journal_file **out, const char *state, const pbts_bls_public *key) {
    char name[2 * 8 + 1];
    journal_file *j = NULL;
    int own = 0;
    hex_text(name, sizeof name, (pbts_span){ key->bytes, 8 });
    for (; j == NULL && own < JOURNAL_FILES_MAX; own++) {
        int code = open_nth(&j, state, name, own);
        if (code != PBTS_EXIT_OK) return code;
    }
    if (j == NULL) {
        return say_fail(PBTS_EXIT_IO, "%s: %d programs use this key and folder already", state,
                        JOURNAL_FILES_MAX);
    }
    int code = adopt_others(j, state, name, own - 1);
    if (code == PBTS_EXIT_OK) {
        *out = j;
    } else {
        journal_file_close(j);
    }
    return code;
}

void journal_file_close(journal_file *j) {
    if (j == NULL) return;
    if (j->dirty && j->fd >= 0) (void)fdatasync(j->fd);
    if (j->fd >= 0) (void)close(j->fd);
    if (j->lock_fd >= 0) (void)close(j->lock_fd);
    pbts_journal_free(j->journal);
    free(j->owed);
    free(j->entry);
    free(j);
}

const pbts_journal *journal_file_journal(const journal_file *j) {
    return j->journal;
}

const char *journal_file_path(const journal_file *j) {
    return j->path;
}

/* ---- appending ---- */

static int errno_of(pbts_status status) {
    switch (status) {
    case PBTS_OK: return 0;
    case PBTS_LIMIT: return EDQUOT;
    case PBTS_NOT_FOUND: return ENOENT;
    default: return ENOMEM;
    }
}

int journal_file_add(journal_file *j, const pbts_receipt_record *record) {
    uint64_t number;
    pbts_writer writer = pbts_writer_over(j->entry, PBTS_JOURNAL_ENTRY_MAX);
    pbts_status status = pbts_journal_add(j->journal, &writer, &number, record);
    if (status != PBTS_OK) return errno_of(status);
    return append(j, pbts_writer_span(&writer));
}

int journal_file_settle(journal_file *j, uint64_t number, pbts_journal_outcome outcome,
                        uint64_t credited_bytes, pbts_span reason) {
    pbts_writer writer = pbts_writer_over(j->entry, PBTS_JOURNAL_ENTRY_MAX);
    pbts_status status =
        pbts_journal_settle(j->journal, &writer, number, outcome, credited_bytes, reason);
    if (status != PBTS_OK) return errno_of(status);
    return append(j, pbts_writer_span(&writer));
}

int journal_file_settle_report(journal_file *j, pbts_report_outcome *outcome,
                               const pbts_report_plan *plan, unsigned http_status,
                               pbts_span answer) {
    size_t room = pbts_report_plan_count(plan) * PBTS_JOURNAL_OUTCOME_MAX;
    uint8_t *entries = malloc(room);
    if (entries == NULL) return ENOMEM;
    pbts_writer writer = pbts_writer_over(entries, room);
    pbts_status status =
        pbts_report_plan_settle(plan, j->journal, &writer, outcome, http_status, answer);
    int error = status == PBTS_OK ? append(j, pbts_writer_span(&writer)) : ENOMEM;
    free(entries);
    return error;
}

/* ---- syncing and rewriting ---- */

static void run_sync(disk_job *job) {
    journal_file *j = (journal_file *)(void *)((char *)job - offsetof(journal_file, sync));
    (void)fdatasync(j->fd); /* a failing disk shows at the next append */
}

static void sync_done(disk_job *job) {
    journal_file *j = (journal_file *)(void *)((char *)job - offsetof(journal_file, sync));
    j->syncing = false;
}

static int rewrite_into(journal_file *j, int fd, size_t *len) {
    uint64_t cursor = 0;
    bool more = true;
    *len = 0;
    while (more) {
        pbts_writer writer = pbts_writer_over(j->entry, PBTS_JOURNAL_ENTRY_MAX);
        more = pbts_journal_rewrite(j->journal, &writer, &cursor);
        int error = write_at(fd, pbts_writer_span(&writer), *len);
        if (error != 0) return error;
        *len += writer.len;
    }
    return fsync(fd) == 0 ? 0 : errno;
}

static void rewrite(journal_file *j) {
    char part[PATH_MAX];
    size_t len;
    int path_len = snprintf(part, sizeof part, "%s.part", j->path);
    if (path_len < 0 || (size_t)path_len >= sizeof part) return;
    int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return;
    int error = rewrite_into(j, fd, &len);
    if (error == 0 && rename(part, j->path) != 0) error = errno;
    if (error != 0) {
        (void)close(fd);
        (void)unlink(part);
        return;
    }
    (void)close(j->fd);
    j->fd = fd;
    j->len = len;
    j->owed_len = 0; /* it is in what was written */
    j->dirty = true; /* the folder is not synced; the next sync may as well */
}

void journal_file_tick(journal_file *j, disk *d, uint64_t now_ms) {
    if (j->syncing || !j->dirty) {
        j->dirty_since_ms = 0;
        return;
    }
    if (j->dirty_since_ms == 0) j->dirty_since_ms = now_ms;
    if (now_ms - j->dirty_since_ms < JOURNAL_SYNC_MS / 2) return;
    if (pbts_journal_should_compact(j->journal)) rewrite(j);
    j->dirty = false;
    j->dirty_since_ms = 0;
    j->syncing = true;
    j->sync = (disk_job){ .run = run_sync, .done = sync_done };
    disk_give(d, &j->sync);
}
