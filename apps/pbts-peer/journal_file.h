/* journal_file.h - the journal of receipts (peer/journal.h) on disk: appended before more is
 * served, synced within a second, rewritten when most of it matters no more.
 *
 * One program holds a journal at a time. Several programs of one key in one folder have one each,
 * FOLDER/KEY.journal, FOLDER/KEY.1.journal, ...; who starts takes over those that nobody holds.
 */
#ifndef PBTS_PEER_JOURNAL_FILE_H
#define PBTS_PEER_JOURNAL_FILE_H

#include "bls/bls.h"
#include "disk.h"
#include "peer/journal.h"
#include "peer/report_plan.h"

enum { JOURNAL_FILES_MAX = 16, JOURNAL_SYNC_MS = 1000 };
/* Above twice what is kept of waiting and refused ones: by then it was rewritten. */
#define JOURNAL_LEN_MAX ((size_t)2 << 30)

typedef struct journal_file journal_file;

/* Open and read; says what is wrong, and gives an exit code. */
int journal_file_open(journal_file **out, const char *state, const pbts_bls_public *key);
/* Sync, and close. Jobs that were given to a disk must be done. NULL is a no-op. */
void journal_file_close(journal_file *j);

const pbts_journal *journal_file_journal(const journal_file *j);
const char *journal_file_path(const journal_file *j);

/* Append; 0, or an errno: then it is not on disk, and is to be given again. It survives the end of
 * this program at once, that of the machine after the next sync. */
int journal_file_add(journal_file *j, const pbts_receipt_record *record);
int journal_file_settle(journal_file *j, uint64_t number, pbts_journal_outcome outcome,
                        uint64_t credited_bytes, pbts_span reason);
/* Note what a tracker answered to a report (peer/report_plan.h); 0 or an errno: then it was settled
 * in memory only, or (ENOMEM) not at all, and the same receipts may be reported once more. */
int journal_file_settle_report(journal_file *j, pbts_report_outcome *outcome,
                               const pbts_report_plan *plan, unsigned http_status,
                               pbts_span answer);
/* Sync what was appended (on the disk's thread) when that is due, and rewrite the file when it
 * pays. To be called often. */
void journal_file_tick(journal_file *j, disk *d, uint64_t now_ms);

#endif
