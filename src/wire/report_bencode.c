/* The report as bencode. Keys are single letters, so a dictionary is walked once into a table. */
#include "base/assert.h"
#include "codec/bencode.h"
#include "hash/sha.h"
#include "wire/report_draft.h"

typedef struct {
    bool has[26];
    pbts_bvalue value[26]; /* of the keys "a" to "z" */
} letters;

static bool has(const letters *fields, char key) {
    return fields->has[key - 'a'];
}

static const pbts_bvalue *value_of(const letters *fields, char key) {
    return &fields->value[key - 'a'];
}

/* False when there is a key that `allowed` does not name. */
static bool read_letters(letters *out, const pbts_bvalue *dict, const char *allowed) {
    pbts_biter pairs = pbts_bvalue_items(dict);
    pbts_span key;
    pbts_bvalue value;
    memset(out->has, 0, sizeof out->has);
    while (pbts_biter_next_pair(&pairs, &key, &value)) {
        if (key.len != 1 || key.data[0] < 'a' || key.data[0] > 'z') return false;
        if (strchr(allowed, key.data[0]) == NULL) return false;
        out->has[key.data[0] - 'a'] = true;
        out->value[key.data[0] - 'a'] = value;
    }
    return true;
}

/* A field of exactly `len` bytes; false when it is absent or something else. */
static bool read_bytes(uint8_t *out, size_t len, const letters *fields, char key) {
    const pbts_bvalue *value = value_of(fields, key);
    if (!has(fields, key) || value->type != PBTS_BSTRING || value->string.len != len) return false;
    memcpy(out, value->string.data, len);
    return true;
}

/* The same where the field may be absent. */
static bool read_optional(bool *present, uint8_t *out, size_t len, const letters *fields,
                          char key) {
    *present = has(fields, key);
    return !*present || read_bytes(out, len, fields, key);
}

static bool read_uint(uint64_t *out, const letters *fields, char key) {
    const pbts_bvalue *value = value_of(fields, key);
    if (!has(fields, key) || value->type != PBTS_BINT || value->integer < 0) return false;
    *out = (uint64_t)value->integer;
    return true;
}

static bool read_string(pbts_span *out, const letters *fields, char key) {
    const pbts_bvalue *value = value_of(fields, key);
    if (!has(fields, key) || value->type != PBTS_BSTRING) return false;
    *out = value->string;
    return true;
}

/* A key by its length, or a uid. */
static bool read_party(pbts_party *out, const letters *fields, char key) {
    pbts_span name;
    if (!read_string(&name, fields, key)) return false;
    if (name.len == PBTS_BLS_PUBLIC_LEN) {
        out->has_key = true;
        memcpy(out->key.bytes, name.data, name.len);
        return true;
    }
    out->uid = name;
    return pbts_uid_is_valid(name);
}

/* ---- one statement ---- */

static pbts_status read_index(pbts_report_draft *draft, pbts_statement *out,
                              const letters *fields) {
    uint64_t index;
    if (!read_uint(&index, fields, 'i') || index >= PBTS_PIECES_MAX) {
        return pbts_draft_bad(draft, "a statement's piece index (i) is no piece's");
    }
    out->form = PBTS_FORM_PIECE;
    out->piece_index = (uint32_t)index;
    return PBTS_OK;
}

static pbts_status read_pieces(pbts_report_draft *draft, size_t at, const letters *fields) {
    pbts_statement *out = &draft->report.statements[at];
    pbts_span pieces;
    if (has(fields, 'b') + has(fields, 'c') + has(fields, 'i') != 1) {
        return pbts_draft_bad(draft, "a statement needs one of b (bitmap), c (runs), i (index)");
    }
    if (has(fields, 'i')) return read_index(draft, out, fields);
    if (!read_string(&pieces, fields, has(fields, 'b') ? 'b' : 'c')) {
        return pbts_draft_bad(draft, "a statement's pieces (b or c) must be a string");
    }
    if (has(fields, 'c')) return pbts_draft_pieces_runs(draft, at, pieces);
    if (pieces.len == 0) return pbts_draft_bad(draft, "a bitmap is empty");
    if (pieces.len > PBTS_PIECES_MAX / 8) {
        return pbts_draft_limit(draft, "a statement's bitmap is longer than any torrent's");
    }
    out->bitmap = pieces;
    return PBTS_OK;
}

static pbts_status read_session(pbts_report_draft *draft, size_t at, const letters *fields) {
    pbts_statement *out = &draft->report.statements[at];
    pbts_receipt_session *session = &out->session;
    pbts_span signatures;
    if (!read_bytes(session->id, sizeof session->id, fields, 'd')) {
        return pbts_draft_bad(draft, "a session needs d, its id of 32 bytes");
    }
    if (!read_bytes(session->key.bytes, sizeof session->key.bytes, fields, 'k')) {
        return pbts_draft_bad(draft, "a session needs k, its key of 33 bytes");
    }
    if (!read_uint(&session->expires, fields, 't')) {
        return pbts_draft_bad(draft, "a session needs t, when it expires in unix seconds");
    }
    if (!read_string(&signatures, fields, 'y')) {
        return pbts_draft_bad(draft, "a session needs y, the signatures of its pieces");
    }
    out->form = PBTS_FORM_SESSION;
    return pbts_draft_signatures(draft, at, signatures);
}

/* The form is what is there; only a batch has to be told from a cumulative statement. */
static pbts_status read_form(pbts_report_draft *draft, size_t at, const letters *fields) {
    pbts_statement *out = &draft->report.statements[at];
    bool is_session = has(fields, 'd') || has(fields, 'k') || has(fields, 't') || has(fields, 'y');
    uint64_t form;
    if (has(fields, 'i')) {
        if (is_session) return pbts_draft_bad(draft, "a session has a set of pieces (b or c)");
    } else if (is_session) {
        PBTS_TRY(read_session(draft, at, fields));
    } else {
        out->form = PBTS_FORM_CUMULATIVE;
    }
    if (!has(fields, 'f')) return PBTS_OK;
    if (!read_uint(&form, fields, 'f')) form = 0;
    if (out->form == PBTS_FORM_CUMULATIVE && form == PBTS_FORM_BATCH) out->form = PBTS_FORM_BATCH;
    if (form == (uint64_t)out->form) return PBTS_OK;
    return pbts_draft_bad(draft, "a statement's form (f) is not that of its pieces");
}

static pbts_status read_statement(pbts_report_draft *draft, size_t at, const pbts_bvalue *item) {
    pbts_statement *out = &draft->report.statements[at];
    letters fields;
    if (item->type != PBTS_BDICT || !read_letters(&fields, item, "bcdefhiknrstxy")) {
        return pbts_draft_bad(draft, "a statement must be a dictionary of known keys");
    }
    if (!read_bytes(out->infohash, sizeof out->infohash, &fields, 'h')) {
        return pbts_draft_bad(draft, "a statement needs h, the infohash of 20 bytes");
    }
    if (!read_uint(&out->epoch, &fields, 'e')) {
        return pbts_draft_bad(draft, "a statement needs e, its epoch");
    }
    if (!read_party(&out->receiver, &fields, 'r')) {
        return pbts_draft_bad(draft, "a statement needs r, the receiver's uid or key of 96 bytes");
    }
    if (has(&fields, 's') && !read_party(&out->sender, &fields, 's')) {
        return pbts_draft_bad(draft, "a statement's sender (s) must be a uid or key of 96 bytes");
    }
    if (!read_optional(&out->has_iid, out->iid, sizeof out->iid, &fields, 'n')) {
        return pbts_draft_bad(draft, "a statement's instance (n) must be 32 bytes");
    }
    if (!read_optional(&out->has_signature, out->signature.bytes, sizeof out->signature.bytes,
                       &fields, 'x')) {
        return pbts_draft_bad(draft, "a statement's signature (x) must be 48 bytes");
    }
    PBTS_TRY(read_pieces(draft, at, &fields));
    return read_form(draft, at, &fields);
}

/* ---- the report ---- */

static pbts_status read_list(pbts_report_draft *draft, const pbts_bvalue *list) {
    pbts_bvalue item;
    size_t count = 0;
    if (list->type != PBTS_BLIST) return pbts_draft_bad(draft, "l must be a list of statements");
    pbts_sha256(draft->report.statements_sha256, list->raw);
    pbts_biter items = pbts_bvalue_items(list);
    while (count <= PBTS_REPORT_STATEMENTS_MAX && pbts_biter_next(&items, &item)) count++;
    PBTS_TRY(pbts_draft_begin(draft, count));
    items = pbts_bvalue_items(list);
    for (size_t i = 0; i < count; i++) {
        bool more = pbts_biter_next(&items, &item);
        assert(more);
        PBTS_TRY(read_statement(draft, i, &item));
    }
    return pbts_draft_expand(draft);
}

static pbts_status read_default_iid(pbts_report_draft *draft, const letters *fields) {
    uint8_t iid[PBTS_IID_LEN];
    bool present;
    if (!read_optional(&present, iid, sizeof iid, fields, 'i')) {
        return pbts_draft_bad(draft, "the instance (i) must be 32 bytes");
    }
    for (size_t i = 0; present && i < draft->report.count; i++) {
        pbts_statement *statement = &draft->report.statements[i];
        if (statement->has_iid) continue;
        statement->has_iid = true;
        memcpy(statement->iid, iid, sizeof iid);
    }
    return PBTS_OK;
}

static pbts_status read_report(pbts_report_draft *draft, pbts_span body) {
    pbts_report *report = &draft->report;
    pbts_bvalue dict;
    letters fields;
    if (body.len > PBTS_REPORT_LEN_MAX) {
        return pbts_draft_limit(draft, "the report is longer than 16 MiB");
    }
    pbts_status status = pbts_bencode_parse(&dict, body);
    if (status == PBTS_LIMIT) return pbts_draft_limit(draft, "the report is nested too deeply");
    if (status != PBTS_OK || dict.type != PBTS_BDICT || !read_letters(&fields, &dict, "ailstu")) {
        return pbts_draft_bad(draft, "the report must be a bencoded dictionary of known keys");
    }
    if (!read_string(&report->uid, &fields, 'u') || !pbts_uid_is_valid(report->uid)) {
        return pbts_draft_bad(draft, "the report needs u, the uid of its submitter");
    }
    if (!read_uint(&report->unix_time, &fields, 't')) {
        return pbts_draft_bad(draft, "the report needs t, its time in unix seconds");
    }
    report->has_signature = true;
    if (!read_bytes(report->signature.bytes, sizeof report->signature.bytes, &fields, 's')) {
        return pbts_draft_bad(draft, "the report needs s, its signature of 48 bytes");
    }
    if (!read_optional(&report->has_aggregate, report->aggregate.bytes,
                       sizeof report->aggregate.bytes, &fields, 'a')) {
        return pbts_draft_bad(draft, "the aggregate signature (a) must be 48 bytes");
    }
    if (!has(&fields, 'l')) return pbts_draft_bad(draft, "the report needs l, its statements");
    PBTS_TRY(read_list(draft, value_of(&fields, 'l')));
    return read_default_iid(draft, &fields);
}

pbts_status pbts_report_decode_bencode(pbts_report *out, const char **problem, pbts_mem *mem,
                                       pbts_span body) {
    pbts_report_draft draft;
    pbts_draft_init(&draft, mem);
    pbts_status status = read_report(&draft, body);
    if (status == PBTS_OK) {
        pbts_draft_take(&draft, out);
    } else {
        *problem = draft.problem;
    }
    pbts_draft_deinit(&draft);
    return status;
}
