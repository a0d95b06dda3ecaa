/* receipt_make.c - `pbts receipt make`: sign for pieces, after looking at every one of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/epoch.h"
#include "command.h"
#include "content.h"
#include "exit_codes.h"
#include "files.h"
#include "options.h"
#include "progress.h"
#include "receipt_sign.h"
#include "receipts.h"
#include "say.h"
#include "torrent.h"
#include "torrent/piece_check.h"
#include "tracker_api.h"
#include "wire/report.h"

typedef struct {
    const char *tracker, *ca, *key_path, *sender, *torrent, *data, *pieces, *epoch, *out;
    const char *form, *batch; /* as given */
    bool forced_progress, force;
    keyfile key;
    pbts_metainfo *meta;
    content_place place;
    uint8_t *bits; /* the pieces to sign for */
    size_t bits_len;
    pbts_receipt receipt; /* what all records share */
    receipt_signing signing;
} making;

static int check_piece(const making *m, uint8_t *room, uint32_t index) {
    char files[CONTENT_PATH_MAX + 32];
    int code = content_read_piece(room, m->meta, &m->place, index);
    if (code != PBTS_EXIT_OK) return code;
    pbts_span bytes = { room, pbts_piece_stream_bytes(m->meta, index) };
    if (pbts_piece_check(m->meta, index, bytes) == PBTS_OK) return PBTS_EXIT_OK;
    content_piece_files(files, sizeof files, m->meta, &m->place, index);
    return say_fail(PBTS_EXIT_REFUSED, "piece %u: %s: does not match its hash; no receipt is made",
                    index, files);
}

/* Read and hash every named piece. One that is not what the torrent says ends it: nothing is
 * signed. */
static int check_pieces(const making *m) {
    uint32_t count = pbts_metainfo_piece_count(m->meta);
    uint64_t wanted = pbts_piece_set_count((pbts_span){ m->bits, m->bits_len });
    uint8_t *room = malloc(pbts_metainfo_piece_length(m->meta));
    if (room == NULL) return say_no_memory();
    progress line = progress_begin("checking", wanted * pbts_metainfo_piece_length(m->meta),
                                   m->forced_progress);
    int code = PBTS_EXIT_OK;
    for (uint32_t i = 0; code == PBTS_EXIT_OK && i < count; i++) {
        if (!pbts_piece_set_has(m->bits, i)) continue;
        code = check_piece(m, room, i);
        progress_add(&line, pbts_piece_stream_bytes(m->meta, i));
    }
    progress_end(&line);
    free(room);
    return code;
}

/* What one report cannot take is not worth making. */
static int check_amount(const making *m) {
    size_t records = receipt_sign_records(&m->signing);
    uint32_t pieces = pbts_piece_set_count(m->signing.pieces);
    if (records > PBTS_REPORT_STATEMENTS_MAX) {
        return say_fail(PBTS_EXIT_USAGE,
                        "--form %s: one report takes %d receipts, not %zu; take fewer pieces, or "
                        "--form cumulative",
                        m->form, (int)PBTS_REPORT_STATEMENTS_MAX, records);
    }
    if (m->signing.form == PBTS_FORM_SESSION && pieces > PBTS_REPORT_SESSION_PIECES_MAX) {
        return say_fail(PBTS_EXIT_USAGE,
                        "--form session: one report takes %d pieces, not %u; take fewer pieces, or "
                        "--form cumulative",
                        (int)PBTS_REPORT_SESSION_PIECES_MAX, pieces);
    }
    return PBTS_EXIT_OK;
}

static int read_set(making *m) {
    uint32_t count = pbts_metainfo_piece_count(m->meta);
    m->bits_len = pbts_piece_set_len(count);
    m->bits = calloc(m->bits_len, 1);
    if (m->bits == NULL) return say_no_memory();
    pbts_status status = pbts_piece_set_parse(m->bits, count, pbts_span_text(m->pieces));
    m->signing.pieces = (pbts_span){ m->bits, m->bits_len };
    if (status == PBTS_OK && pbts_piece_set_count(m->signing.pieces) > 0) return check_amount(m);
    return say_fail(PBTS_EXIT_USAGE,
                    "--pieces %s: should be like \"0-99,120\" or \"all\"; the torrent has pieces "
                    "0 to %u",
                    m->pieces, count - 1);
}

static int ask_tracker(making *m) {
    int code = tracker_iid_of_key(m->receipt.iid, m->tracker, m->ca, &m->key);
    if (code == PBTS_EXIT_OK) {
        code = tracker_user_key(&m->receipt.sender, m->tracker, m->ca, m->sender);
    }
    if (code != PBTS_EXIT_OK) return code;
    m->receipt.receiver = m->key.key;
    if (memcmp(m->receipt.sender.bytes, m->key.key.bytes, sizeof m->key.key.bytes) == 0) {
        return say_fail(PBTS_EXIT_REFUSED, "%s is you: nobody signs for himself", m->sender);
    }
    return PBTS_EXIT_OK;
}

static const char KIND[] = "file of receipts";

static int write_out(const making *m, pbts_span bytes) {
    if (!m->force) return file_create(m->out, bytes, 0666);
    return file_replace(m->out, bytes, 0666, PBTS_RECEIPT_FILE_MAGIC, KIND);
}

static int sign_and_write(making *m) {
    uint8_t *file = NULL;
    size_t len = 0;
    m->signing.meta = m->meta;
    m->signing.shared = &m->receipt;
    m->signing.key = &m->key;
    m->signing.sender_uid = pbts_span_text(m->sender);
    int code = receipt_sign(&file, &len, &m->signing);
    if (code == PBTS_EXIT_OK) code = write_out(m, (pbts_span){ file, len });
    if (code == PBTS_EXIT_OK) {
        printf("%s: %s from %s signed for by %.*s, %zu bytes\n", m->out,
               say_count(pbts_piece_set_count(m->signing.pieces), "piece"), m->sender,
               (int)m->key.uid_len, (const char *)m->key.uid, len);
    }
    free(file);
    return code;
}

static int read_form(making *m) {
    uint64_t batch = RECEIPT_BATCH_PIECES;
    if (!receipt_form_parse(&m->signing.form, m->form)) {
        return say_fail(PBTS_EXIT_USAGE, "--form %s: should be cumulative, piece, batch or session",
                        m->form);
    }
    if (m->batch != NULL &&
        (m->signing.form != PBTS_FORM_BATCH ||
         !options_number(&batch, m->batch, PBTS_RECEIPT_BATCH_PIECES_MAX) || batch == 0)) {
        return say_fail(PBTS_EXIT_USAGE,
                        "--batch %s: should be 1 to %d pieces, and goes with --form batch",
                        m->batch, (int)PBTS_RECEIPT_BATCH_PIECES_MAX);
    }
    m->signing.batch_pieces = (uint32_t)batch;
    return PBTS_EXIT_OK;
}

static int read_epoch(making *m) {
    /* Its session ends a day later, and times are at most INT64_MAX. */
    const uint64_t epoch_max = INT64_MAX / PBTS_EPOCH_SECONDS - 24;
    uint64_t now = pbts_epoch_at((uint64_t)time(NULL));
    m->receipt.epoch = now;
    if (m->epoch == NULL) return PBTS_EXIT_OK;
    if (options_number(&m->receipt.epoch, m->epoch, epoch_max)) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "--epoch %s: should be hours since 1970 (now %llu)", m->epoch,
                    (unsigned long long)now);
}

static int make(making *m) {
    int code = read_form(m);
    if (code == PBTS_EXIT_OK) code = read_epoch(m);
    if (code == PBTS_EXIT_OK) code = torrent_load(&m->meta, m->torrent);
    if (code == PBTS_EXIT_OK) code = read_set(m);
    if (code == PBTS_EXIT_OK) code = content_place_find(&m->place, m->meta, m->data);
    /* What can fail at once comes before the disk is read for hours. */
    if (code == PBTS_EXIT_OK) {
        code = file_check_place(m->out, m->force, PBTS_RECEIPT_FILE_MAGIC, KIND);
    }
    if (code == PBTS_EXIT_OK) code = ask_tracker(m);
    if (code == PBTS_EXIT_OK) code = check_pieces(m);
    if (code != PBTS_EXIT_OK) return code;
    memcpy(m->receipt.infohash, pbts_metainfo_infohash(m->meta), sizeof m->receipt.infohash);
    return sign_and_write(m);
}

int pbts_cmd_receipt_make(int argc, char **argv) {
    making m = { .form = "cumulative" };
    const command_option options[] = {
        OPTION_TRACKER(&m.tracker),
        OPTION_KEY(&m.key_path),
        { "sender", "NAME", &m.sender, NULL, true, "who served you" },
        { "torrent", "FILE", &m.torrent, NULL, true, "the .torrent" },
        { "data", "PATH", &m.data, NULL, true,
          "the content: the folder or file that the torrent was made of, or\nthe folder above it" },
        { "pieces", "SET", &m.pieces, NULL, true, "what you got: \"0-99,120\", or \"all\"" },
        { "out", "FILE", &m.out, NULL, true, "where the receipt goes; hand it to the sender" },
        { "force", NULL, NULL, &m.force, false, "overwrite a file of receipts that is there" },
        { "form", "FORM", &m.form, NULL, false,
          "cumulative (one signature over the set; default), piece (one for each), batch\n"
          "(one over every few), session (a new key, certified once, signs each)" },
        { "batch", "PIECES", &m.batch, NULL, false,
          "how many pieces each batch has (default: 10)" },
        { "epoch", "HOURS", &m.epoch, NULL, false, "hours since 1970 (default: now)" },
        OPTION_CA(&m.ca),
        OPTION_PROGRESS(&m.forced_progress),
    };
    const command_spec spec = {
        "receipt make",
        "",
        "Sign that you received pieces from a sender. Every piece is read and hashed first; one "
        "whose\n"
        "bytes do not match the torrent ends it, and nothing is signed. What you sign for is "
        "debited\n"
        "to you and credited to the sender.\n",
        "  pbts receipt make --tracker http://127.0.0.1:8000 --key bob.key --sender alice \\\n"
        "      --torrent x.torrent --data DIR --pieces 0-99,120 --form cumulative --out r.bin\n",
        options,
        sizeof options / sizeof options[0],
        0,
        0
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = keyfile_load_registered(&m.key, m.key_path);
    if (code != PBTS_EXIT_OK) return code;
    code = make(&m);
    keyfile_wipe(&m.key);
    pbts_metainfo_free(m.meta);
    free(m.bits);
    return code;
}
