/* receipts_journal.c - the receipts in a pbts-peer's journal, as if they stood in a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_codes.h"
#include "receipts.h"
#include "say.h"

bool receipts_are_journal(pbts_span bytes) {
    uint8_t header[64];
    pbts_writer writer = pbts_writer_over(header, sizeof header);
    pbts_journal_header(&writer);
    return bytes.len >= writer.len && memcmp(bytes.data, header, writer.len) == 0;
}

static int make_room(receipts *all) {
    pbts_journal_stats stats;
    pbts_journal_stats_read(all->journal, &stats);
    size_t count = (size_t)(stats.waiting + stats.refused);
    all->records = calloc(count + 1, sizeof *all->records);
    all->refusals = calloc(count + 1, sizeof *all->refusals);
    return all->records != NULL && all->refusals != NULL ? PBTS_EXIT_OK : say_no_memory();
}

int receipts_load_journal(receipts *all, pbts_span bytes, const char *path) {
    pbts_journal_item item;
    pbts_journal_outcome outcome;
    pbts_span reason;
    uint64_t after = 0;
    size_t good_len;
    if (pbts_journal_new(&all->journal, pbts_mem_system()) != PBTS_OK) return say_no_memory();
    pbts_status status = pbts_journal_load(all->journal, &good_len, bytes);
    if (status != PBTS_OK) {
        return say_fail(PBTS_EXIT_REFUSED, "%s: %s", path, pbts_status_text(status));
    }
    int code = make_room(all);
    if (code != PBTS_EXIT_OK) return code;
    while (pbts_journal_next(all->journal, &item, &outcome, &reason, after) == PBTS_OK) {
        after = item.number;
        all->records[all->count] = item.record;
        if (outcome == PBTS_OUTCOME_REFUSED) {
            (void)snprintf(all->refusals[all->count], sizeof all->refusals[0], "%.*s",
                           (int)reason.len, (const char *)reason.data);
        }
        all->count++;
    }
    return PBTS_EXIT_OK;
}
