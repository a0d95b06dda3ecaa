/* One pass over the head, no state kept between calls: a head that arrives in parts is looked at
 * again from its start, which PBTS_HTTP_HEAD_MAX bounds. Every decision depends only on the bytes
 * up to it, so more bytes never change an answer other than NEED_MORE. */
#include "wire/http_request.h"

#include "wire/scan.h"

enum {
    VERSION_LEN = 8, /* "HTTP/1.1" */
    /* A passkey that stands before "/announce" must look like one, so that "/user/announce" (the
     * page of a user named announce) is not taken for it. */
    PASSKEY_SEGMENT_MIN = 16,
    PASSKEY_SEGMENT_MAX = 64,
};

/* tchar of RFC 9110 section 5.6.2. */
enum { TOKEN = 1, ALNUM = 2 };
static const uint8_t CLASS[256] = {
    ['!'] = TOKEN,         ['#' ... '\''] = TOKEN,        ['*' ... '+'] = TOKEN,
    ['-' ... '.'] = TOKEN, ['0' ... '9'] = TOKEN | ALNUM, ['A' ... 'Z'] = TOKEN | ALNUM,
    ['^' ... '`'] = TOKEN, ['a' ... 'z'] = TOKEN | ALNUM, ['|'] = TOKEN,
    ['~'] = TOKEN,
};

/* -- the path ------------------------------------------------------------------------------ */

static bool all_alnum(pbts_span text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((CLASS[text.data[i]] & ALNUM) == 0) return false;
    }
    return true;
}

/* "announce" or "scrape", else OTHER. */
static pbts_http_kind verb_kind(pbts_span segment) {
    if (segment.len == 8 && memcmp(segment.data, "announce", 8) == 0) return PBTS_HTTP_ANNOUNCE;
    if (segment.len == 6 && memcmp(segment.data, "scrape", 6) == 0) return PBTS_HTTP_SCRAPE;
    return PBTS_HTTP_OTHER;
}

static bool starts_a_verb(pbts_span part) {
    return (part.len <= 8 && memcmp(part.data, "announce", part.len) == 0) ||
           (part.len <= 6 && memcmp(part.data, "scrape", part.len) == 0);
}

/* The first segment of a path that starts with '/'; `rest` is what follows the next '/', with
 * data == NULL when there is none. */
static pbts_span first_segment(pbts_span *rest, pbts_span path) {
    pbts_span segment = { path.data + 1, path.len - 1 };
    const uint8_t *slash = memchr(segment.data, '/', segment.len);
    *rest = (pbts_span){ NULL, 0 };
    if (slash == NULL) return segment;
    *rest = (pbts_span){ slash + 1, (size_t)(path.data + path.len - slash) - 1 };
    segment.len = (size_t)(slash - segment.data);
    return segment;
}

pbts_http_kind pbts_http_path_kind(pbts_span path, pbts_span *passkey) {
    *passkey = (pbts_span){ NULL, 0 };
    if (path.len == 0 || path.data[0] != '/') return PBTS_HTTP_OTHER;
    pbts_span rest;
    pbts_span first = first_segment(&rest, path);
    pbts_http_kind kind = verb_kind(first);
    if (rest.data == NULL) return kind;
    if (memchr(rest.data, '/', rest.len) != NULL) return PBTS_HTTP_OTHER;
    if (kind != PBTS_HTTP_OTHER) {
        if (rest.len > 0) *passkey = rest;
        return kind;
    }
    if (first.len < PASSKEY_SEGMENT_MIN || first.len > PASSKEY_SEGMENT_MAX) return PBTS_HTTP_OTHER;
    kind = verb_kind(rest);
    if (kind == PBTS_HTTP_OTHER || !all_alnum(first)) return PBTS_HTTP_OTHER;
    *passkey = first;
    return kind;
}

/* Whether a path that starts so can still become an announce or a scrape. */
static bool path_is_viable(pbts_span part) {
    if (part.len == 0) return true;
    if (part.data[0] != '/') return false;
    pbts_span rest;
    pbts_span first = first_segment(&rest, part);
    if (rest.data == NULL) return first.len <= PASSKEY_SEGMENT_MAX && all_alnum(first);
    if (verb_kind(first) != PBTS_HTTP_OTHER) return memchr(rest.data, '/', rest.len) == NULL;
    return first.len >= PASSKEY_SEGMENT_MIN && first.len <= PASSKEY_SEGMENT_MAX &&
           all_alnum(first) && starts_a_verb(rest);
}

/* -- the request line ---------------------------------------------------------------------- */

/* One decoding under way. Functions below advance `at`, set fields of `request`, and return
 * PBTS_OK; when that leaves `is_other` set, the request is the general server's. */
typedef struct {
    const uint8_t *at, *end;
    const uint8_t *stop; /* end, or where the part being read must have ended */
    bool stop_is_limit;
    pbts_http_request request;
    bool is_other;
    bool close, asked_keep_alive; /* tokens seen in Connection */
} decoding;

/* What an input that ran out means: more may come, unless the limit is what ended it. */
static pbts_status ran_out(const decoding *d) {
    return d->stop_is_limit ? PBTS_LIMIT : PBTS_NEED_MORE;
}

static void set_stop(decoding *d, const uint8_t *from, size_t len_max) {
    d->stop_is_limit = (size_t)(d->end - from) >= len_max;
    d->stop = d->stop_is_limit ? from + len_max : d->end;
}

static pbts_status hand_over(decoding *d) {
    d->is_other = true;
    return PBTS_OK;
}

/* RFC 9112 section 2.2: an empty line before the request line is ignored. */
static pbts_status skip_empty_line(decoding *d) {
    if (d->at == d->end) return PBTS_NEED_MORE;
    if (*d->at != '\r') return PBTS_OK;
    if (d->end - d->at < 2) return PBTS_NEED_MORE;
    if (d->at[1] != '\n') return PBTS_MALFORMED;
    d->at += 2;
    return PBTS_OK;
}

static pbts_status read_method(decoding *d) {
    static const char GET[] = "GET ";
    if (d->end - d->at >= 4 && memcmp(d->at, GET, 4) == 0) {
        d->at += 4;
        return PBTS_OK;
    }
    for (size_t i = 0; i < 4; i++, d->at++) {
        if (d->at == d->end) return PBTS_NEED_MORE;
        if (*d->at == (uint8_t)GET[i]) continue;
        bool still_a_method = (CLASS[*d->at] & TOKEN) != 0 || (i > 0 && *d->at == ' ');
        return still_a_method ? hand_over(d) : PBTS_MALFORMED;
    }
    return PBTS_OK;
}

/* The path, up to '?' or the space; leaves `at` there. */
static pbts_status read_path(decoding *d) {
    const uint8_t *end = pbts_scan_path(d->at, d->stop);
    pbts_span path = { d->at, (size_t)(end - d->at) };
    if (end < d->stop && (*end == '?' || *end == ' ')) {
        d->request.kind = pbts_http_path_kind(path, &d->request.passkey);
        if (d->request.kind == PBTS_HTTP_OTHER) return hand_over(d);
        d->at = end;
        return PBTS_OK;
    }
    if (!path_is_viable(path)) return hand_over(d);
    return end == d->stop ? ran_out(d) : PBTS_MALFORMED;
}

/* Whether the "g=" at `g` ends a key "sig" of the query that starts at `query`. */
static bool is_sig_key(const uint8_t *g, const uint8_t *query) {
    size_t before = (size_t)(g - query);
    if (before < 2 || g[-1] != 'i' || g[-2] != 's') return false;
    return before == 2 || g[-3] == '&';
}

/* The query behind '?', up to the space; leaves `at` at the space. */
static pbts_status read_query(decoding *d) {
    if (*d->at != '?') return PBTS_OK;
    const uint8_t *query = d->at + 1;
    const uint8_t *end = pbts_scan_query(query, d->stop);
    while (end < d->stop && *end == 'g') {
        if (d->request.kind == PBTS_HTTP_ANNOUNCE && is_sig_key(end, query)) return hand_over(d);
        end = pbts_scan_query(end + 1, d->stop);
    }
    if (end == d->stop) return ran_out(d);
    if (*end != ' ') return PBTS_MALFORMED;
    d->request.query = (pbts_span){ query, (size_t)(end - query) };
    d->at = end;
    return PBTS_OK;
}

static pbts_status read_version(decoding *d) {
    static const char LINES[2][11] = { " HTTP/1.0\r", " HTTP/1.1\r" };
    size_t left = (size_t)(d->end - d->at), len = VERSION_LEN + 3;
    size_t known = left < len - 1 ? left : len - 1;
    if (memcmp(d->at, LINES[1], known) != 0) {
        if (memcmp(d->at, LINES[0], known) != 0) return PBTS_MALFORMED;
        d->request.http_1_0 = true;
    }
    if (left < len) return PBTS_NEED_MORE;
    if (d->at[len - 1] != '\n') return PBTS_MALFORMED;
    d->at += len;
    return PBTS_OK;
}

static pbts_status read_request_line(decoding *d) {
    PBTS_TRY(skip_empty_line(d));
    /* The space that closes the target must leave room for the version in PBTS_HTTP_LINE_MAX. */
    set_stop(d, d->at, PBTS_HTTP_LINE_MAX - VERSION_LEN);
    PBTS_TRY(read_method(d));
    if (d->is_other) return PBTS_OK;
    PBTS_TRY(read_path(d));
    if (d->is_other) return PBTS_OK;
    PBTS_TRY(read_query(d));
    if (d->is_other) return PBTS_OK;
    return read_version(d);
}

/* -- the headers that matter --------------------------------------------------------------- */

/* `lower` is lower-case letters and '-'; `name` is a token, so folding bit 5 maps nothing else
 * onto those. */
static bool name_is(pbts_span name, const char *lower) {
    for (size_t i = 0; i < name.len; i++) {
        if ((name.data[i] | 0x20) != (uint8_t)lower[i]) return false;
    }
    return true;
}

static pbts_span trimmed(pbts_span text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

static void read_connection(decoding *d, pbts_span value) {
    while (value.len > 0) {
        const uint8_t *comma = memchr(value.data, ',', value.len);
        size_t len = comma == NULL ? value.len : (size_t)(comma - value.data);
        pbts_span option = trimmed((pbts_span){ value.data, len });
        if (option.len == 5 && name_is(option, "close")) d->close = true;
        if (option.len == 10 && name_is(option, "keep-alive")) d->asked_keep_alive = true;
        size_t used = comma == NULL ? len : len + 1;
        value = (pbts_span){ value.data + used, value.len - used };
    }
}

/* Only a body of no bytes is no body. */
static pbts_status read_content_length(pbts_span value) {
    value = trimmed(value);
    if (value.len == 0) return PBTS_MALFORMED;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] != '0') return PBTS_MALFORMED;
    }
    return PBTS_OK;
}

static pbts_span last_of_list(pbts_span value) {
    const uint8_t *comma = value.len > 0 ? memrchr(value.data, ',', value.len) : NULL;
    if (comma == NULL) return trimmed(value);
    return trimmed((pbts_span){ comma + 1, (size_t)(value.data + value.len - comma) - 1 });
}

static pbts_status take_header(decoding *d, pbts_span name, pbts_span value) {
    switch (name.len) {
    case 10:
        if (name_is(name, "connection")) read_connection(d, value);
        return PBTS_OK;
    case 14: return name_is(name, "content-length") ? read_content_length(value) : PBTS_OK;
    case 15:
        if (name_is(name, "x-forwarded-for")) d->request.forwarded_for = last_of_list(value);
        return PBTS_OK;
    case 17: return name_is(name, "transfer-encoding") ? PBTS_MALFORMED : PBTS_OK;
    default: return PBTS_OK;
    }
}

/* The end of a value: its CR. Tabs are the one control byte that a value may hold. */
static const uint8_t *value_end(const uint8_t *at, const uint8_t *stop) {
    at = pbts_scan_control(at, stop);
    while (at < stop && *at == '\t') at = pbts_scan_control(at + 1, stop);
    return at;
}

/* One "name: value" line. A folded line (it starts with a space), a name that is no token and a
 * space before the colon all fail at the colon. */
static pbts_status read_header(decoding *d) {
    const uint8_t *colon = d->at;
    while (colon < d->stop && (CLASS[*colon] & TOKEN) != 0) colon++;
    if (colon == d->stop) return ran_out(d);
    if (*colon != ':' || colon == d->at) return PBTS_MALFORMED;
    const uint8_t *cr = value_end(colon + 1, d->stop);
    if (cr == d->stop) return ran_out(d);
    if (*cr != '\r') return PBTS_MALFORMED;
    if (cr + 1 == d->stop) return ran_out(d);
    if (cr[1] != '\n') return PBTS_MALFORMED;
    pbts_span name = { d->at, (size_t)(colon - d->at) };
    d->at = cr + 2;
    return take_header(d, name, (pbts_span){ colon + 1, (size_t)(cr - colon) - 1 });
}

static pbts_status read_headers(decoding *d) {
    while (d->at < d->stop && *d->at != '\r') PBTS_TRY(read_header(d));
    if (d->stop - d->at < 2) return ran_out(d);
    if (d->at[1] != '\n') return PBTS_MALFORMED;
    d->at += 2;
    return PBTS_OK;
}

pbts_status pbts_http_request_decode(pbts_http_request *out, pbts_span bytes) {
    if (bytes.len == 0) return PBTS_NEED_MORE;
    decoding d = { .at = bytes.data, .end = bytes.data + bytes.len };
    PBTS_TRY(read_request_line(&d));
    if (d.is_other) {
        *out = (pbts_http_request){ .kind = PBTS_HTTP_OTHER };
        return PBTS_OK;
    }
    set_stop(&d, bytes.data, PBTS_HTTP_HEAD_MAX);
    PBTS_TRY(read_headers(&d));
    d.request.keep_alive = !d.close && (!d.request.http_1_0 || d.asked_keep_alive);
    d.request.head_len = (size_t)(d.at - bytes.data);
    *out = d.request;
    return PBTS_OK;
}

unsigned pbts_http_refusal(pbts_status status, pbts_span bytes) {
    if (status != PBTS_LIMIT) return 400;
    size_t line_room = PBTS_HTTP_LINE_MAX + 2; /* with its CRLF */
    if (bytes.len < line_room) line_room = bytes.len;
    bool line_ended = line_room > 2 && memchr(bytes.data + 2, '\n', line_room - 2) != NULL;
    return line_ended ? 431 : 414;
}
