/* report.c - `pbts report`: hand receipts in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "command.h"
#include "exit_codes.h"
#include "hash/sha.h"
#include "options.h"
#include "receipts.h"
#include "say.h"
#include "tracker_api.h"
#include "wire/report_join.h"

enum { FILES_MAX = 1000 };

typedef struct {
    receipts files[FILES_MAX];
    char **paths;
    size_t file_count;
    pbts_statement *given; /* a statement for each receipt of all files, in order */
    const pbts_receipt_record **records;
    size_t given_count;
    pbts_joined joined; /* what is sent: those of one session are one statement */
} reporting;

static void reporting_free(reporting *r) {
    for (size_t i = 0; i < r->file_count; i++) receipts_free(&r->files[i]);
    pbts_joined_free(&r->joined);
    free(r->given);
    free(r->records);
    free(r);
}

static int load_files(reporting *r, size_t *total) {
    for (char **path = r->paths; *path != NULL; path++) {
        if (r->file_count == FILES_MAX) {
            return say_fail(PBTS_EXIT_USAGE, "more than %d files", FILES_MAX);
        }
        int code = receipts_load(&r->files[r->file_count], *path);
        if (code != PBTS_EXIT_OK) return code;
        *total += r->files[r->file_count++].count;
        if (*total > PBTS_REPORT_STATEMENTS_MAX) {
            return say_fail(PBTS_EXIT_REFUSED,
                            "more than %d receipts up to %s; one report takes no more: report "
                            "fewer files at a time",
                            (int)PBTS_REPORT_STATEMENTS_MAX, *path);
        }
    }
    return PBTS_EXIT_OK;
}

/* All receipts of all files, in order. */
static int gather(reporting *r) {
    size_t total = 0;
    int code = load_files(r, &total);
    if (code != PBTS_EXIT_OK) return code;
    r->given = calloc(total, sizeof *r->given);
    r->records = calloc(total, sizeof *r->records);
    if (r->given == NULL || r->records == NULL) return say_no_memory();
    for (size_t i = 0; i < r->file_count; i++) {
        for (size_t k = 0; k < r->files[i].count; k++) {
            r->records[r->given_count] = &r->files[i].records[k];
            r->given[r->given_count++] = pbts_statement_of(&r->files[i].records[k]);
        }
    }
    pbts_status status =
        pbts_statements_join(&r->joined, pbts_mem_system(), r->given, r->given_count);
    return status == PBTS_OK ? PBTS_EXIT_OK : say_no_memory();
}

/* The first receipt that is in a statement, and how many are. */
static size_t first_of(const reporting *r, size_t statement, size_t *count) {
    size_t first = 0;
    *count = 0;
    for (size_t i = r->given_count; i-- > 0;) {
        if (r->joined.places[i] != statement) continue;
        first = i;
        *count += 1;
    }
    return first;
}

/* Where a receipt came from: its file, and `*index` becomes its number there. */
static const char *file_of(const reporting *r, size_t *index) {
    size_t file = 0;
    while (*index >= r->files[file].count) *index -= r->files[file++].count;
    return r->paths[file];
}

static int check_all(const reporting *r) {
    for (size_t i = 0; i < r->given_count; i++) {
        const char *problem = receipt_record_problem(r->records[i]);
        size_t index = i;
        if (problem == NULL) continue;
        const char *path = file_of(r, &index);
        return say_fail(PBTS_EXIT_REFUSED,
                        "%s: receipt %zu: %s; report without --aggregate to have the others count",
                        path, index, problem);
    }
    return PBTS_EXIT_OK;
}

/* Replace the statements' own signatures by their sum: smaller, but one bad one spoils all. */
static int aggregate(reporting *r, pbts_report *report, const uint8_t iid[static PBTS_IID_LEN]) {
    pbts_bls_g1_point sum, point;
    int code = check_all(r);
    if (code != PBTS_EXIT_OK) return code;
    pbts_bls_g1_zero(&sum);
    for (size_t i = 0; i < r->joined.count; i++) {
        pbts_statement *statement = &r->joined.statements[i];
        pbts_status status = pbts_bls_signature_decode(&point, &statement->signature);
        assert(status == PBTS_OK); /* it was checked */
        pbts_bls_g1_add(&sum, &point);
        statement->has_signature = false;
        if (memcmp(statement->iid, iid, PBTS_IID_LEN) == 0) statement->has_iid = false;
    }
    report->has_aggregate = true;
    pbts_bls_signature_encode(&report->aggregate, &sum);
    return PBTS_EXIT_OK;
}

static void sign_report(pbts_report *report, const keyfile *key,
                        const uint8_t iid[static PBTS_IID_LEN], pbts_span statements) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_sha256(report->statements_sha256, statements);
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_report(&writer, iid, &key->key, report->unix_time, report->statements_sha256);
    pbts_bls_sign(&report->signature, &key->secret, PBTS_BLS_REPORT, pbts_writer_span(&writer));
    report->has_signature = true;
}

static int encode(uint8_t **out, size_t *len, reporting *r, const keyfile *key,
                  const uint8_t iid[static PBTS_IID_LEN], bool aggregated) {
    pbts_report report = { .uid = keyfile_uid(key), .unix_time = (uint64_t)time(NULL) };
    if (aggregated) {
        int code = aggregate(r, &report, iid);
        if (code != PBTS_EXIT_OK) return code;
    }
    uint8_t *statements = malloc(PBTS_REPORT_LEN_MAX), *body = malloc(PBTS_REPORT_LEN_MAX);
    if (statements == NULL || body == NULL) {
        free(statements);
        free(body);
        return say_no_memory();
    }
    pbts_writer list = pbts_writer_over(statements, PBTS_REPORT_LEN_MAX);
    pbts_writer whole = pbts_writer_over(body, PBTS_REPORT_LEN_MAX);
    pbts_report_encode_statements(&list, r->joined.statements, r->joined.count);
    sign_report(&report, key, iid, pbts_writer_span(&list));
    pbts_report_encode(&whole, &report, pbts_writer_span(&list));
    bool fits = !list.failed && !whole.failed;
    free(statements);
    if (!fits) {
        free(body);
        return say_fail(PBTS_EXIT_REFUSED, "the report is larger than %d bytes: split the files",
                        PBTS_REPORT_LEN_MAX);
    }
    *out = body;
    *len = whole.len;
    return PBTS_EXIT_OK;
}

/* Whether it is an answer to this report at all: only then were the receipts taken. */
static bool answers(const json_t *answer, const reporting *r) {
    return json_is_true(json_object_get(answer, "success")) &&
           json_is_object(json_object_get(answer, "credited")) &&
           json_is_object(json_object_get(answer, "totals")) &&
           json_is_integer(json_object_get(answer, "refused")) &&
           json_array_size(json_object_get(answer, "statements")) == r->joined.count;
}

static void print_text(const json_t *text) {
    const char *value = json_string_value(text);
    say_clean(stdout, pbts_span_text(value != NULL ? value : "no code"));
}

static void print_refused(const reporting *r, const json_t *statement) {
    size_t place = tracker_count(statement, "index"), count;
    if (json_object_get(statement, "error") == NULL || place >= r->joined.count) return;
    size_t index = first_of(r, place, &count);
    const pbts_receipt_record *record = r->records[index];
    printf("refused     ");
    say_clean(stdout, pbts_span_text(file_of(r, &index)));
    printf(" receipt %zu (", index);
    receipt_record_print(record);
    if (count > 1) printf(", and %zu more of its session", count - 1);
    printf("): ");
    print_text(json_object_get(statement, "error"));
    printf(" (");
    print_text(json_object_get(statement, "code"));
    printf(")\n");
}

static void print_totals(const json_t *totals) {
    const json_t *ratio = json_object_get(totals, "ratio");
    printf("your totals up %s, down %s, ", say_bytes(tracker_count(totals, "up")),
           say_bytes(tracker_count(totals, "down")));
    if (json_is_number(ratio)) {
        printf("ratio %.3f\n", json_number_value(ratio));
    } else {
        printf("no ratio yet: nothing downloaded\n");
    }
}

static void print_answer(const reporting *r, const json_t *answer) {
    const json_t *credited = json_object_get(answer, "credited"), *statement;
    uint64_t duplicates = tracker_count(answer, "duplicates");
    size_t i;
    json_array_foreach(json_object_get(answer, "statements"), i, statement) {
        print_refused(r, statement);
    }
    printf("credited    %s, %s\n", say_bytes(tracker_count(credited, "bytes")),
           say_count(tracker_count(credited, "pieces"), "piece"));
    printf("held        %s until the receivers' ratio recovers\n",
           say_bytes(tracker_count(json_object_get(answer, "held"), "bytes")));
    printf("duplicates  %s counted before\n", say_count(duplicates, "piece"));
    printf("refused     %s\n", say_count(tracker_count(answer, "refused"), "receipt"));
    print_totals(json_object_get(answer, "totals"));
}

static int send(reporting *r, const char *tracker, const char *ca, const keyfile *key,
                bool aggregated, bool json) {
    uint8_t iid[PBTS_IID_LEN], *body = NULL;
    size_t len = 0;
    json_t *answer = NULL;
    int code = tracker_iid_of_key(iid, tracker, ca, key);
    if (code == PBTS_EXIT_OK) code = encode(&body, &len, r, key, iid, aggregated);
    if (code != PBTS_EXIT_OK) return code;
    const http_request request = { .tracker = tracker,
                                   .ca = ca,
                                   .method = "POST",
                                   .path = "/report",
                                   .content_type = "application/x-bencode",
                                   .body = { body, len } };
    code = http_json(&answer, &request);
    free(body);
    if (code != PBTS_EXIT_OK) return code;
    if (!answers(answer, r)) return tracker_answer_bad(answer, tracker, "result of this report");
    if (tracker_count(answer, "refused") > 0) code = PBTS_EXIT_REFUSED;
    if (json) {
        int printed = say_json(answer);
        return code == PBTS_EXIT_OK ? printed : code;
    }
    print_answer(r, answer);
    json_decref(answer);
    return code;
}

int pbts_cmd_report(int argc, char **argv) {
    const char *tracker = NULL, *ca = NULL, *path = NULL;
    bool json = false, aggregated = false;
    const command_option options[] = {
        OPTION_TRACKER(&tracker),
        OPTION_KEY(&path),
        { "aggregate", NULL, NULL, &aggregated, false,
          "send one signature for all: a smaller report, but all count or none" },
        OPTION_CA(&ca),
        OPTION_JSON(&json),
    };
    const command_spec spec = {
        "report",
        " FILE...",
        "Hand receipts in: they become ratio. Each is credited to the sender that it names, "
        "whoever\n"
        "reports it. Reporting again is safe: what was counted is called a duplicate. Of a "
        "pbts-peer's\n"
        "journal what waits, and what was refused before, is handed in.\n",
        "  pbts report --tracker http://127.0.0.1:8000 --key alice.key r.bin\n",
        options,
        sizeof options / sizeof options[0],
        1,
        FILES_MAX
    };
    char **arguments;
    keyfile key;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    code = keyfile_load_registered(&key, path);
    if (code != PBTS_EXIT_OK) return code;
    reporting *r = calloc(1, sizeof *r);
    if (r) r->paths = arguments;
    code = r ? gather(r) : say_no_memory();
    if (r && code == PBTS_EXIT_OK) code = send(r, tracker, ca, &key, aggregated, json);
    keyfile_wipe(&key);
    if (r) reporting_free(r);
    return code;
}
