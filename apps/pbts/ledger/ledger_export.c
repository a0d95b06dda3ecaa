/* ledger_export.c - `pbts ledger export`: copy the ledger, and the claims, out of a tracker's
 * store. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/writer.h"
#include "ledger/claims_file.h"
#include "ledger_claims.h"
#include "ledger_commands.h"
#include "ledger_out.h"
#include "ledger_walk.h"
#include "options.h"
#include "say.h"

typedef struct {
    const char *data, *out, *claims;
} export_options;

typedef struct {
    const export_options *options;
    ledger_out out, claims;
    uint64_t entries, records;
    ledger_key key; /* only with --claims */
    time_t said;
} exporting;

/* On a terminal, once a second and not in the first. */
static void say_progress(exporting *e) {
    if (e->entries % 4096 != 0 || isatty(STDERR_FILENO) != 1) return;
    time_t now = time(NULL);
    if (now == e->said) return;
    e->said = now;
    (void)fprintf(stderr, "\rexported %s", say_count(e->entries, "entry"));
}

static int take_entry(void *host, pbts_span bytes) {
    exporting *e = host;
    uint8_t len[4];
    pbts_writer writer = pbts_writer_over(len, sizeof len);
    pbts_write_u32(&writer, (uint32_t)bytes.len);
    if (!ledger_out_write(&e->out, PBTS_SPAN_OF(len))) return LEDGER_IO;
    if (!ledger_out_write(&e->out, bytes)) return LEDGER_IO;
    e->entries++;
    say_progress(e);
    return LEDGER_OK;
}

/* In the transaction that saw the last entry, so that the claims are those of this head. */
static int take_claims(void *host, pbts_txn *txn) {
    exporting *e = host;
    if (e->options->claims == NULL) return LEDGER_OK;
    return ledger_claims_write(&e->claims, &e->records, txn, &e->key.keys.owner);
}

static int export_into(exporting *e, pbts_store *store) {
    const export_options *options = e->options;
    ledger_walker walker = { .entry = take_entry, .end = take_claims, .host = e };
    if (!ledger_out_open(&e->out, options->out, 0644, PBTS_LEDGER_FILE_MAGIC, "ledger"))
        return LEDGER_IO;
    /* Claims say who got what from whom. */
    if (options->claims != NULL && !ledger_out_open(&e->claims, options->claims, 0600,
                                                    PBTS_CLAIMS_FILE_MAGIC, "file of claims"))
        return LEDGER_IO;
    if (!ledger_out_write(&e->out, pbts_span_text(PBTS_LEDGER_FILE_MAGIC))) return LEDGER_IO;
    int code = ledger_walk_store(store, &walker);
    if (code != LEDGER_OK) return code;
    if (e->entries == 0) return ledger_fail(LEDGER_IO, options->data, "there is no ledger yet");
    if (!ledger_out_close(&e->out)) return LEDGER_IO;
    if (options->claims != NULL && !ledger_out_close(&e->claims)) return LEDGER_IO;
    return LEDGER_OK;
}

static int export_all(const export_options *options) {
    exporting e = { .options = options, .said = time(NULL) };
    if (options->claims != NULL) {
        int code = ledger_key_read(&e.key, options->data);
        if (code != LEDGER_OK) return code;
    }
    pbts_store *store = ledger_store_open(options->data);
    int code = store != NULL ? LEDGER_OK : LEDGER_IO;
    if (code == LEDGER_OK && options->claims != NULL) code = ledger_store_unlock(store, &e.key);
    if (code == LEDGER_OK) code = export_into(&e, store);
    pbts_store_close(store);
    ledger_out_abort(&e.out);
    ledger_out_abort(&e.claims);
    pbts_wipe(&e.key, sizeof e.key);
    if (code != LEDGER_OK) return code;
    (void)printf("exported %s to %s\n", say_count(e.entries, "entry"), options->out);
    if (options->claims != NULL)
        (void)printf("exported %s to %s\n", say_count(e.records, "claim"), options->claims);
    (void)printf("check it: pbts ledger verify %s\n", options->out);
    return LEDGER_OK;
}

int pbts_cmd_ledger_export(int argc, char **argv) {
    export_options all = { .data = NULL };
    const command_option options[] = {
        { "data", "DIR", &all.data, NULL, true, "the tracker's data folder" },
        { "out", "FILE", &all.out, NULL, true,
          "where the ledger goes; an older export there is replaced" },
        { "claims", "FILE", &all.claims, NULL, false, "where the claims go, likewise" },
    };
    const command_spec spec = {
        "ledger export",
        "",
        "Copy the ledger out of a tracker's data folder; the tracker may be running. With --claims "
        "also\n"
        "which pieces were credited, signed with the tracker's key (DIR/tracker.key): an instance "
        "that\n"
        "is restored with both files takes receipts that were not reported yet.\n",
        "  pbts ledger export --data ./data --out ledger.bin --claims claims.bin\n",
        options,
        sizeof options / sizeof options[0],
        0,
        0
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (all.claims != NULL && strcmp(all.claims, all.out) == 0)
        return say_fail(LEDGER_USAGE, "ledger export: --out and --claims name one file");
    return export_all(&all);
}
