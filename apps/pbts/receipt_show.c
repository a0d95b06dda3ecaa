/* receipt_show.c - `pbts receipt show` and `pbts receipt verify`. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "exit_codes.h"
#include "options.h"
#include "receipt/pieces.h"
#include "receipts.h"
#include "say.h"
#include "torrent.h"
#include "tracker/tracker.h"

/* What became of a journal's receipt. */
static json_t *json_of(const receipts *all, size_t i) {
    json_t *json = receipt_record_json(&all->records[i]);
    if (json == NULL || all->refusals == NULL) return json;
    bool refused = all->refusals[i][0] != '\0';
    json_object_set_new(json, "status", json_string(refused ? "refused" : "waiting"));
    if (refused) json_object_set_new(json, "code", json_string(all->refusals[i]));
    return json;
}

/* The sentence for a tracker's code; NULL: this version knows none. */
static const char *refusal_text(const char *code) {
#define X(name, retry, status, text) PBTS_REFUSAL_##name,
    static const pbts_refusal ALL[] = { PBTS_REFUSAL_MAP(X) };
#undef X
    for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++)
        if (strcmp(pbts_refusal_name(ALL[i]), code) == 0)
            return pbts_refusal_failure(ALL[i]).reason;
    return NULL;
}

static void print_one(const receipts *all, size_t i) {
    receipt_record_print(&all->records[i]);
    if (all->refusals != NULL && all->refusals[i][0] != '\0') {
        const char *text = refusal_text(all->refusals[i]);
        printf(": refused%s%s (%s)", text != NULL ? ": " : "", text != NULL ? text : "",
               all->refusals[i]);
    } else if (all->refusals != NULL) {
        printf(": waits for the tracker");
    }
    (void)putchar('\n');
}

int pbts_cmd_receipt_show(int argc, char **argv) {
    bool json = false;
    const command_option options[] = { OPTION_JSON(&json) };
    const command_spec spec = {
        "receipt show",
        " FILE",
        "Show what receipts say. Nothing is checked: \"pbts receipt verify\" does that. Of a "
        "pbts-peer's\n"
        "journal: those that wait for the tracker, and those that it refused, with its reason.\n",
        "  pbts receipt show r.bin\n"
        "  pbts receipt show ~/Downloads/.pbts/0123456789abcdef.journal\n",
        options,
        1,
        1,
        1
    };
    char **arguments;
    receipts all;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = receipts_load(&all, arguments[0]);
    if (code != PBTS_EXIT_OK) return code;
    json_t *list = json_array();
    for (size_t i = 0; i < all.count; i++) {
        if (json) {
            json_array_append_new(list, json_of(&all, i));
        } else {
            print_one(&all, i);
        }
    }
    if (!json && all.count == 0 && all.journal != NULL) {
        puts("nothing waits for the tracker, and nothing was refused");
    }
    receipts_free(&all);
    if (json) return say_json(list);
    json_decref(list);
    return PBTS_EXIT_OK;
}

static bool listed_are_right(const pbts_receipt_record *record, pbts_piece_hashes hashes) {
    const uint8_t *listed = record->piece_hashes.data;
    for (uint32_t i = 0; pbts_piece_set_next(record->receipt.bitmap, &i); i++) {
        uint8_t hash[PBTS_PIECE_HASH_LEN];
        hashes.get(hashes.context, hash, i);
        if (memcmp(hash, listed, sizeof hash) != 0) return false;
        listed += sizeof hash;
    }
    return true;
}

/* The hashes that the record brings, against the torrent's. */
static const char *hashes_problem(const pbts_receipt_record *record, pbts_piece_hashes hashes) {
    const pbts_receipt *receipt = &record->receipt;
    uint8_t hash[PBTS_PIECE_HASH_LEN];
    switch (receipt->form) {
    case PBTS_FORM_CUMULATIVE: return NULL;
    case PBTS_FORM_PIECE:
        hashes.get(hashes.context, hash, receipt->piece_index);
        if (memcmp(hash, receipt->piece_hash, sizeof hash) == 0) return NULL;
        return "the piece hash is wrong";
    case PBTS_FORM_BATCH:
        pbts_receipt_root(hash, receipt->bitmap, hashes);
        return memcmp(hash, receipt->root, sizeof hash) == 0 ? NULL : "the Merkle root is wrong";
    case PBTS_FORM_SESSION:
        return listed_are_right(record, hashes) ? NULL : "a piece hash is wrong";
    }
    return "the form is unknown";
}

/* Whether the receipt fits the torrent: NULL, or what does not. */
static const char *torrent_problem(const pbts_receipt_record *record, const pbts_metainfo *meta) {
    const pbts_receipt *receipt = &record->receipt;
    bool v1 = pbts_metainfo_has_v1(meta) &&
              memcmp(receipt->infohash, pbts_metainfo_infohash_v1(meta), PBTS_INFOHASH_LEN) == 0;
    bool v2 = pbts_metainfo_has_v2(meta) &&
              memcmp(receipt->infohash, pbts_metainfo_infohash_v2(meta), PBTS_INFOHASH_LEN) == 0;
    if (!v1 && !v2) return "it is for another torrent";
    if (record->piece_count != pbts_metainfo_piece_count(meta)) return "the piece count is wrong";
    return hashes_problem(record, pbts_piece_hashes_of(meta, v2));
}

static const char *problem_of(const pbts_receipt_record *record, const pbts_metainfo *meta) {
    const char *problem = meta ? torrent_problem(record, meta) : NULL;
    if (problem != NULL) return problem;
    return receipt_record_problem(record);
}

static int verify_all(const receipts *all, const pbts_metainfo *meta, json_t *list) {
    size_t bad = 0;
    for (size_t i = 0; i < all->count; i++) {
        const char *problem = problem_of(&all->records[i], meta);
        if (problem != NULL) bad++;
        if (list == NULL) {
            receipt_record_print(&all->records[i]);
            printf(": %s\n", problem ? problem : "good");
            continue;
        }
        json_t *json = receipt_record_json(&all->records[i]);
        json_object_set_new(json, "good", json_boolean(problem == NULL));
        if (problem) json_object_set_new(json, "problem", json_string(problem));
        json_array_append_new(list, json);
    }
    if (list == NULL) printf("%zu good, %zu bad\n", all->count - bad, bad);
    return bad == 0 ? PBTS_EXIT_OK : PBTS_EXIT_REFUSED;
}

int pbts_cmd_receipt_verify(int argc, char **argv) {
    const char *torrent = NULL;
    bool json = false;
    const command_option options[] = {
        { "torrent", "FILE", &torrent, NULL, false, "check against this .torrent too" },
        OPTION_JSON(&json),
    };
    const command_spec spec = {
        "receipt verify",
        " FILE",
        "Check the signature of every receipt in a file, without a tracker. Whether the keys are\n"
        "registered, and whether the pieces were counted before, only the tracker knows.\n",
        "  pbts receipt verify r.bin --torrent x.torrent\n",
        options,
        sizeof options / sizeof options[0],
        1,
        1
    };
    char **arguments;
    receipts all;
    pbts_metainfo *meta = NULL;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (torrent != NULL) code = torrent_load(&meta, torrent);
    if (torrent != NULL && code != PBTS_EXIT_OK) return code;
    code = receipts_load(&all, arguments[0]);
    if (code == PBTS_EXIT_OK) {
        json_t *list = json ? json_array() : NULL;
        code = verify_all(&all, meta, list);
        if (list != NULL) {
            int printed = say_json(list);
            if (code == PBTS_EXIT_OK) code = printed;
        }
        receipts_free(&all);
    }
    pbts_metainfo_free(meta);
    return code;
}
