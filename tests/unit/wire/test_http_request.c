/* Unit tests of wire/http_request.c.
 *
 * Method: tables of heads with what they are; every prefix of each (an answer other than NEED_MORE
 * never changes when more bytes come); a naive twin that works on whole heads only, compared under
 * random damage; the limits at and past them. */
#include "wire/http_request.h"

#include "wire_test.h"

#define PK "abcdefghijklmnopqrstuvwxyz234567"
#define HOST "Host: t.example:8000\r\n"

/* Spans of the result are valid while `copy` is; the caller frees it. */
static pbts_status decode(pbts_http_request *out, uint8_t **copy, pbts_span bytes) {
    *copy = exact_copy(bytes);
    return pbts_http_request_decode(out, (pbts_span){ *copy, bytes.len });
}

static pbts_status status_of(pbts_span bytes) {
    pbts_http_request request;
    uint8_t *copy;
    pbts_status status = decode(&request, &copy, bytes);
    free(copy);
    return status;
}

/* -- the naive twin: whole heads only ------------------------------------------------------ */

typedef struct {
    pbts_status status;
    pbts_http_request request;
} verdict;

static bool slow_is_tchar(uint8_t c) {
    return c != 0 && strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                            c) != NULL;
}

static bool slow_is_alnum(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool slow_equal_folded(pbts_span a, const char *lower) {
    if (a.len != strlen(lower)) return false;
    for (size_t i = 0; i < a.len; i++) {
        uint8_t c = a.data[i];
        if (c >= 'A' && c <= 'Z') c = (uint8_t)(c + 32);
        if (c != (uint8_t)lower[i]) return false;
    }
    return true;
}

static pbts_span slow_trim(pbts_span s) {
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) s.data++, s.len--;
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) s.len--;
    return s;
}

/* Everything up to the first `mark` (or all), cut off `rest`. */
static pbts_span slow_cut(pbts_span *rest, uint8_t mark, bool *found) {
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->data[i] != mark) continue;
        pbts_span head = { rest->data, i };
        *rest = (pbts_span){ rest->data + i + 1, rest->len - i - 1 };
        *found = true;
        return head;
    }
    pbts_span head = *rest;
    rest->len = 0;
    *found = false;
    return head;
}

/* One line without its CRLF; false when it ends in anything else, or holds a forbidden byte. */
static bool slow_line(pbts_span *rest, pbts_span *line, bool tabs) {
    bool found;
    *line = slow_cut(rest, '\n', &found);
    if (!found || line->len == 0 || line->data[line->len - 1] != '\r') return false;
    line->len--;
    for (size_t i = 0; i < line->len; i++) {
        if (line->data[i] < 0x20 && !(tabs && line->data[i] == '\t')) return false;
    }
    return true;
}

static bool slow_header(pbts_http_request *out, bool *close, bool *keep, pbts_span line) {
    bool found;
    pbts_span name = slow_cut(&line, ':', &found);
    if (!found || name.len == 0) return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!slow_is_tchar(name.data[i])) return false;
    }
    if (slow_equal_folded(name, "transfer-encoding")) return false;
    if (slow_equal_folded(name, "content-length")) {
        pbts_span value = slow_trim(line);
        for (size_t i = 0; i < value.len; i++) {
            if (value.data[i] != '0') return false;
        }
        return value.len > 0;
    }
    bool more = true;
    while (more && slow_equal_folded(name, "connection")) {
        pbts_span option = slow_trim(slow_cut(&line, ',', &more));
        *close |= slow_equal_folded(option, "close");
        *keep |= slow_equal_folded(option, "keep-alive");
    }
    while (more && slow_equal_folded(name, "x-forwarded-for")) {
        out->forwarded_for = slow_trim(slow_cut(&line, ',', &more));
    }
    return true;
}

static pbts_http_kind slow_kind(pbts_span path, pbts_span *passkey) {
    static const char *const WORDS[] = { "announce", "scrape" };
    *passkey = (pbts_span){ NULL, 0 };
    for (pbts_http_kind kind = PBTS_HTTP_ANNOUNCE; kind <= PBTS_HTTP_SCRAPE; kind++) {
        bool found;
        pbts_span rest = path;
        if (slow_cut(&rest, '/', &found).len != 0 || !found) return PBTS_HTTP_OTHER;
        pbts_span first = slow_cut(&rest, '/', &found);
        if (!found) {
            if (pbts_span_is(first, WORDS[kind])) return kind;
            continue;
        }
        pbts_span second = slow_cut(&rest, '/', &found);
        if (found) return PBTS_HTTP_OTHER;
        if (pbts_span_is(first, WORDS[kind])) {
            if (second.len > 0) *passkey = second;
            return kind;
        }
        bool looks_right = first.len >= 16 && first.len <= 64;
        for (size_t i = 0; i < first.len; i++) looks_right &= slow_is_alnum(first.data[i]);
        if (looks_right && pbts_span_is(second, WORDS[kind])) {
            *passkey = first;
            return kind;
        }
    }
    return PBTS_HTTP_OTHER;
}

static bool slow_has_sig(pbts_span query) {
    bool more = true;
    while (more) {
        pbts_span pair = slow_cut(&query, '&', &more);
        if (pair.len >= 4 && memcmp(pair.data, "sig=", 4) == 0) return true;
    }
    return false;
}

/* `bytes` start with "GET /" and hold a blank line. */
static verdict slow_decode(pbts_span bytes) {
    verdict bad = { .status = PBTS_MALFORMED }, v = { .status = PBTS_OK };
    verdict other = { .status = PBTS_OK, .request = { .kind = PBTS_HTTP_OTHER } };
    pbts_span rest = { bytes.data + 4, bytes.len - 4 }, line, target = rest;
    target.len = 0;
    while (rest.data[target.len] > 0x20) target.len++;
    bool asked;
    pbts_span query = target;
    pbts_span path = slow_cut(&query, '?', &asked);
    v.request.kind = slow_kind(path, &v.request.passkey);
    bool could_be_path = !asked && rest.data[target.len] != ' ';
    if (v.request.kind == PBTS_HTTP_OTHER && !could_be_path) return other;
    if (could_be_path) return (verdict){ .status = PBTS_NEED_MORE }; /* not judged here */
    if (asked && v.request.kind == PBTS_HTTP_ANNOUNCE && slow_has_sig(query)) return other;
    if (asked) v.request.query = query;
    if (!slow_line(&rest, &line, false)) return bad;
    pbts_span version = { line.data + target.len, line.len - target.len };
    v.request.http_1_0 = pbts_span_is(version, " HTTP/1.0");
    if (!v.request.http_1_0 && !pbts_span_is(version, " HTTP/1.1")) return bad;
    bool close = false, keep = false;
    for (;;) {
        if (!slow_line(&rest, &line, true)) return bad;
        if (line.len == 0) break;
        if (!slow_header(&v.request, &close, &keep, line)) return bad;
    }
    v.request.keep_alive = !close && (!v.request.http_1_0 || keep);
    v.request.head_len = (size_t)(rest.data - bytes.data);
    return v;
}

/* -- tables -------------------------------------------------------------------------------- */

typedef struct {
    const char *head;
    pbts_http_kind kind;
    const char *passkey, *query, *forwarded_for;
    bool keep_alive, http_1_0;
} good_head;

#define Q "info_hash=%AA&peer_id=x"

static const good_head GOOD[] = {
    { "GET /announce?" Q " HTTP/1.1\r\n" HOST "\r\n", PBTS_HTTP_ANNOUNCE, "", Q, "", true, false },
    { "GET /announce HTTP/1.1\r\n\r\n", PBTS_HTTP_ANNOUNCE, "", "", "", true, false },
    { "GET /announce? HTTP/1.1\r\n\r\n", PBTS_HTTP_ANNOUNCE, "", "", "", true, false },
    { "GET /announce/?a HTTP/1.1\r\n\r\n", PBTS_HTTP_ANNOUNCE, "", "a", "", true, false },
    { "GET /announce/" PK "?" Q " HTTP/1.1\r\n\r\n", PBTS_HTTP_ANNOUNCE, PK, Q, "", true, false },
    { "GET /announce/short%20one?" Q " HTTP/1.1\r\n\r\n", PBTS_HTTP_ANNOUNCE, "short%20one", Q, "",
      true, false },
    { "GET /" PK "/announce?" Q " HTTP/1.0\r\n\r\n", PBTS_HTTP_ANNOUNCE, PK, Q, "", false, true },
    { "GET /scrape/" PK "?a=b HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n", PBTS_HTTP_SCRAPE, PK,
      "a=b", "", true, true },
    { "GET /" PK "/scrape?sig=x HTTP/1.1\r\nConnection:close\r\n\r\n", PBTS_HTTP_SCRAPE, PK,
      "sig=x", "", false, false },
    { "GET /scrape HTTP/1.1\r\nCONNECTION: te, \tClose\t, x\r\n\r\n", PBTS_HTTP_SCRAPE, "", "", "",
      false, false },
    { "GET /announce?xsig=1&sigh=2&g=3&si=4&sig HTTP/1.1\r\nConnection: closed\r\n\r\n",
      PBTS_HTTP_ANNOUNCE, "", "xsig=1&sigh=2&g=3&si=4&sig", "", true, false },
    { "GET /announce?msg=1&nsig=sig=2 HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
      PBTS_HTTP_ANNOUNCE, "", "msg=1&nsig=sig=2", "1.2.3.4", true, false },
    { "GET /announce?a?b HTTP/1.1\r\nX-Forwarded-For: 9.9.9.9\r\n"
      "x-forwarded-FOR:\t1.2.3.4 ,  2001:db8::1 \t\r\nX-Forwarded-Fox: 8.8.8.8\r\n\r\n",
      PBTS_HTTP_ANNOUNCE, "", "a?b", "2001:db8::1", true, false },
    { "GET /announce?a HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4,\r\n\r\n", PBTS_HTTP_ANNOUNCE, "", "a",
      "", true, false },
    { "GET /announce?a HTTP/1.1\r\nContent-Length: 000\r\nUser-Agent: a\tb\r\nX:\r\n\r\n",
      PBTS_HTTP_ANNOUNCE, "", "a", "", true, false },
    { "\r\nGET /announce?a HTTP/1.1\r\n\r\n", PBTS_HTTP_ANNOUNCE, "", "a", "", true, false },
    { "GET /announce?a HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", PBTS_HTTP_ANNOUNCE, "",
      "a", "", false, true },
};

static const char *const OTHER[] = {
    "GET / HTTP/1.1\r\n\r\n",
    "GET /health HTTP/1.1\r\n\r\n",
    "GET /?a HTTP/1.1\r\n\r\n",
    "GET /user/announce HTTP/1.1\r\n\r\n",
    "GET /contract/user/announce HTTP/1.1\r\n\r\n",
    "GET /announce/a/b HTTP/1.1\r\n\r\n",
    "GET /announces HTTP/1.1\r\n\r\n",
    "GET /Announce HTTP/1.1\r\n\r\n",
    "GET /%61nnounce HTTP/1.1\r\n\r\n",
    "GET /announce.php HTTP/1.1\r\n\r\n",
    "GET /" PK "/ HTTP/1.1\r\n\r\n",
    "GET /" PK "/announc HTTP/1.1\r\n\r\n",
    "GET /" PK "/announce/ HTTP/1.1\r\n\r\n",
    "GET /" PK "/health HTTP/1.1\r\n\r\n",
    "GET /" PK PK "a/announce HTTP/1.1\r\n\r\n",
    "GET /abcdefghijklmno/announce HTTP/1.1\r\n\r\n",
    "GET /abcdefghijklm-op/announce HTTP/1.1\r\n\r\n",
    "GET http://t/announce HTTP/1.1\r\n\r\n",
    "GET  /announce HTTP/1.1\r\n\r\n",
    "POST /announce HTTP/1.1\r\n\r\n",
    "POST /report HTTP/1.1\r\n\r\n",
    "HEAD /announce HTTP/1.1\r\n\r\n",
    "GETS /announce HTTP/1.1\r\n\r\n",
    "get /announce HTTP/1.1\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /announce?sig=1 HTTP/1.1\r\n\r\n",
    "GET /announce?a=b&sig=1 HTTP/1.1\r\n\r\n",
    "GET /announce/" PK "?info_hash=0123456789abcdefghij&peer_id=x&sig= HTTP/1.1\r\n\r\n",
    "GET /announce?xsig=1&msg=2&sig=3 HTTP/1.1\r\n\r\n",
};

static const char *const BAD[] = {
    "\x16\x03\x01\x02",
    "\r\r",
    "\r\n\r\nGET /announce HTTP/1.1\r\n\r\n",
    "\nGET /announce HTTP/1.1\r\n\r\n",
    " GET /announce HTTP/1.1\r\n\r\n",
    "G\x01",
    "GET /announce\r\n\r\n",
    "GET /announce\tHTTP/1.1\r\n\r\n",
    "GET /announce?a\tb HTTP/1.1\r\n\r\n",
    "GET /announce?a\r\n",
    "GET /announce  HTTP/1.1\r\n\r\n",
    "GET /announce http/1.1\r\n\r\n",
    "GET /announce HTTP/1.2\r\n\r\n",
    "GET /announce HTTP/2.0\r\n\r\n",
    "GET /announce HTTP/11\r\n\r\n",
    "GET /announce HTTP/1.1 \r\n\r\n",
    "GET /announce HTTP/1.1\n\r\n",
    "GET /announce HTTP/1.1\r\r\n",
    "GET /announce HTTP/1.1\r\n folded: x\r\n\r\n",
    "GET /announce HTTP/1.1\r\nA: b\r\n\tfolded\r\n\r\n",
    "GET /announce HTTP/1.1\r\n: x\r\n\r\n",
    "GET /announce HTTP/1.1\r\nno colon\r\n\r\n",
    "GET /announce HTTP/1.1\r\nHost : x\r\n\r\n",
    "GET /announce HTTP/1.1\r\nHo\"st: x\r\n\r\n",
    "GET /announce HTTP/1.1\r\nA: b\n\r\n",
    "GET /announce HTTP/1.1\r\nA: b\rc\r\n\r\n",
    "GET /announce HTTP/1.1\r\nA: b\r\n\rx",
    "GET /announce HTTP/1.1\r\nA: \x01\r\n\r\n",
    "GET /announce HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
    "GET /announce HTTP/1.1\r\nContent-Length:\r\n\r\n",
    "GET /announce HTTP/1.1\r\nContent-Length: 0, 0\r\n\r\n",
    "GET /announce HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "GET /announce HTTP/1.1\r\nContent-Length: +0\r\n\r\n",
    "GET /announce HTTP/1.1\r\ntransfer-ENCODING: chunked\r\n\r\n",
    "GET /scrape HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
};

/* -- tests --------------------------------------------------------------------------------- */

static void a_head_gives_its_kind_passkey_query_and_connection(void **state) {
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) {
        pbts_http_request r;
        uint8_t *copy;
        assert_int_equal(decode(&r, &copy, pbts_span_text(GOOD[i].head)), PBTS_OK);
        assert_int_equal(r.kind, GOOD[i].kind);
        assert_span_is(r.passkey, GOOD[i].passkey);
        assert_span_is(r.query, GOOD[i].query);
        assert_span_is(r.forwarded_for, GOOD[i].forwarded_for);
        assert_int_equal(r.keep_alive, GOOD[i].keep_alive);
        assert_int_equal(r.http_1_0, GOOD[i].http_1_0);
        assert_int_equal(r.head_len, strlen(GOOD[i].head));
        free(copy);
    }
}

static void what_belongs_to_the_general_server_is_other(void **state) {
    for (size_t i = 0; i < COUNT_OF(OTHER); i++) {
        pbts_http_request r;
        uint8_t *copy;
        if (decode(&r, &copy, pbts_span_text(OTHER[i])) != PBTS_OK || r.kind != PBTS_HTTP_OTHER) {
            fail_msg("not OTHER: %s", OTHER[i]);
        }
        assert_int_equal(r.head_len, 0);
        assert_int_equal(r.passkey.len + r.query.len + r.forwarded_for.len, 0);
        free(copy);
    }
}

static void a_malformed_head_is_refused_and_changes_nothing(void **state) {
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        pbts_http_request r, before;
        uint8_t *copy;
        memset(&r, 0x5A, sizeof r);
        memcpy(&before, &r, sizeof r);
        if (decode(&r, &copy, pbts_span_text(BAD[i])) != PBTS_MALFORMED) {
            fail_msg("not refused: %s", BAD[i]);
        }
        assert_memory_equal(&r, &before, sizeof r);
        assert_int_equal(pbts_http_refusal(PBTS_MALFORMED, pbts_span_text(BAD[i])), 400);
        free(copy);
    }
}

static void a_nul_anywhere_in_a_head_is_refused(void **state) {
    const char *head = GOOD[0].head;
    size_t len = strlen(head);
    for (size_t at = 4; at + 2 < len; at++) { /* not in the final CRLF, where more may come */
        uint8_t bytes[200];
        memcpy(bytes, head, len);
        bytes[at] = 0;
        pbts_status status = status_of((pbts_span){ bytes, len });
        /* Before the path is whole it may already be another's. */
        if (at >= 5) assert_int_equal(status, PBTS_MALFORMED);
    }
}

/* The answer to every prefix of `bytes` is NEED_MORE or the answer to all of them. */
static void check_prefixes(pbts_span bytes) {
    pbts_http_request whole, part;
    uint8_t *copy, *part_copy;
    pbts_status want = decode(&whole, &copy, bytes);
    bool decided = false;
    for (size_t len = 0; len <= bytes.len; len++) {
        pbts_status status = decode(&part, &part_copy, (pbts_span){ bytes.data, len });
        free(part_copy);
        if (status == PBTS_NEED_MORE) {
            assert_false(decided);
            continue;
        }
        decided = true;
        if (status != want ||
            (want == PBTS_OK && (part.kind != whole.kind || part.head_len != whole.head_len))) {
            fail_msg("%d, then %d, for %.*s", (int)status, (int)want, (int)bytes.len,
                     (const char *)bytes.data);
        }
    }
    free(copy);
}

static void an_answer_never_changes_when_more_bytes_come(void **state) {
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) check_prefixes(pbts_span_text(GOOD[i].head));
    for (size_t i = 0; i < COUNT_OF(OTHER); i++) check_prefixes(pbts_span_text(OTHER[i]));
    for (size_t i = 0; i < COUNT_OF(BAD); i++) check_prefixes(pbts_span_text(BAD[i]));
}

static void every_proper_prefix_of_an_announce_needs_more(void **state) {
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) {
        for (size_t len = 0; len < strlen(GOOD[i].head); len++) {
            assert_int_equal(status_of((pbts_span){ (const uint8_t *)GOOD[i].head, len }),
                             PBTS_NEED_MORE);
        }
    }
}

static void other_is_decided_at_the_first_byte_that_shows_it(void **state) {
    static const char *const SHORTEST[] = {
        "P",
        "H",
        "g",
        "GETS",
        "GE ",
        "GET h",
        "GET /heal-",
        "GET /health ",
        "GET /health?",
        "GET /torrents/",
        "GET /announce/a/",
        "GET /" PK "/x",
        "GET /" PK "/announce/",
        "GET /announce?sig=",
        "GET /announce?a=b&sig=",
        "GET /announce.",
    };
    for (size_t i = 0; i < COUNT_OF(SHORTEST); i++) {
        pbts_span text = pbts_span_text(SHORTEST[i]);
        pbts_http_request r;
        uint8_t *copy;
        assert_int_equal(decode(&r, &copy, text), PBTS_OK);
        assert_int_equal(r.kind, PBTS_HTTP_OTHER);
        free(copy);
        text.len--;
        assert_int_equal(status_of(text), PBTS_NEED_MORE);
    }
}

static void pipelined_requests_are_taken_one_by_one(void **state) {
    char both[1024];
    (void)snprintf(both, sizeof both, "%s%s%s", GOOD[0].head, GOOD[6].head, "GET /health ");
    pbts_span rest = pbts_span_text(both);
    pbts_http_request r;
    assert_int_equal(pbts_http_request_decode(&r, rest), PBTS_OK);
    assert_int_equal(r.head_len, strlen(GOOD[0].head));
    rest = (pbts_span){ rest.data + r.head_len, rest.len - r.head_len };
    assert_int_equal(pbts_http_request_decode(&r, rest), PBTS_OK);
    assert_span_is(r.passkey, PK);
    rest = (pbts_span){ rest.data + r.head_len, rest.len - r.head_len };
    assert_int_equal(pbts_http_request_decode(&r, rest), PBTS_OK);
    assert_int_equal(r.kind, PBTS_HTTP_OTHER);
}

/* "GET /announce?aaaa HTTP/1.1\r\n" whose line has `line_len` bytes without its CRLF, then headers
 * that fill the head up to `head_len`. Returns the bytes on the heap. */
static uint8_t *sized_head(size_t line_len, size_t head_len) {
    uint8_t *bytes = malloc(head_len);
    assert_non_null(bytes);
    memset(bytes, 'a', head_len);
    memcpy(bytes, "GET /announce?", 14);
    memcpy(bytes + line_len - 9, " HTTP/1.1\r\n", 11);
    if (head_len > line_len + 4) memcpy(bytes + line_len + 2, "A:", 2);
    memcpy(bytes + head_len - 4, "\r\n\r\n", 4);
    return bytes;
}

static void the_request_line_may_be_as_long_as_its_limit_and_no_longer(void **state) {
    uint8_t *bytes = sized_head(PBTS_HTTP_LINE_MAX, PBTS_HTTP_LINE_MAX + 4);
    assert_int_equal(status_of((pbts_span){ bytes, PBTS_HTTP_LINE_MAX + 4 }), PBTS_OK);
    free(bytes);
    bytes = sized_head(PBTS_HTTP_LINE_MAX + 1, PBTS_HTTP_LINE_MAX + 5);
    pbts_span longer = { bytes, PBTS_HTTP_LINE_MAX + 5 };
    assert_int_equal(status_of(longer), PBTS_LIMIT);
    assert_int_equal(pbts_http_refusal(PBTS_LIMIT, longer), 414);
    check_prefixes(longer);
    free(bytes);
}

static void the_head_may_be_as_long_as_its_limit_and_no_longer(void **state) {
    static const size_t LINES[] = { 40, PBTS_HTTP_LINE_MAX };
    for (size_t i = 0; i < COUNT_OF(LINES); i++) {
        uint8_t *bytes = sized_head(LINES[i], PBTS_HTTP_HEAD_MAX);
        assert_int_equal(status_of((pbts_span){ bytes, PBTS_HTTP_HEAD_MAX }), PBTS_OK);
        assert_int_equal(status_of((pbts_span){ bytes, PBTS_HTTP_HEAD_MAX - 1 }), PBTS_NEED_MORE);
        free(bytes);
        bytes = sized_head(LINES[i], PBTS_HTTP_HEAD_MAX + 1);
        pbts_span longer = { bytes, PBTS_HTTP_HEAD_MAX + 1 };
        assert_int_equal(status_of(longer), PBTS_LIMIT);
        assert_int_equal(pbts_http_refusal(PBTS_LIMIT, longer), 431);
        longer.len--;
        assert_int_equal(status_of(longer), PBTS_LIMIT);
        free(bytes);
    }
}

static void a_passkey_that_never_ends_hits_the_limit(void **state) {
    uint8_t bytes[PBTS_HTTP_LINE_MAX];
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes, "GET /announce/", 14);
    assert_int_equal(status_of((pbts_span){ bytes, sizeof bytes }), PBTS_LIMIT);
    assert_int_equal(status_of((pbts_span){ bytes, 1000 }), PBTS_NEED_MORE);
}

static void same_span(pbts_span a, pbts_span b) {
    assert_int_equal(a.len, b.len);
    if (a.len > 0) assert_ptr_equal(a.data, b.data);
}

static void compare_with_twin(pbts_span bytes) {
    pbts_http_request r;
    uint8_t *copy;
    pbts_status status = decode(&r, &copy, bytes);
    verdict want = slow_decode((pbts_span){ copy, bytes.len });
    if (want.status == PBTS_NEED_MORE) {
        free(copy);
        return;
    }
    /* The twin judges a damaged end as a line that never ends. */
    if (status != want.status && !(status == PBTS_NEED_MORE && want.status == PBTS_MALFORMED)) {
        fail_msg("%d, twin %d: %.*s", (int)status, (int)want.status, (int)bytes.len,
                 (const char *)bytes.data);
    }
    if (status == PBTS_OK) {
        assert_int_equal(r.kind, want.request.kind);
        same_span(r.passkey, want.request.passkey);
        same_span(r.query, want.request.query);
        same_span(r.forwarded_for, want.request.forwarded_for);
        assert_int_equal(r.keep_alive, want.request.keep_alive);
        assert_int_equal(r.http_1_0, want.request.http_1_0);
        assert_int_equal(r.head_len, want.request.head_len);
    }
    free(copy);
}

static void every_single_byte_of_damage_is_judged_as_the_twin_does(void **state) {
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) {
        uint8_t bytes[512];
        size_t len = strlen(GOOD[i].head);
        if (GOOD[i].head[0] != 'G') continue;
        for (size_t at = 5; at < len; at++) {
            for (unsigned value = 0; value < 256; value++) {
                memcpy(bytes, GOOD[i].head, len);
                bytes[at] = (uint8_t)value;
                compare_with_twin((pbts_span){ bytes, len });
            }
        }
    }
}

static void random_heads_are_judged_as_the_twin_does(void **state) {
    static const char *const PARTS[] = {
        "/announce",
        "/scrape",
        ("/" PK),
        "/",
        "?",
        "&",
        "sig=",
        "g=",
        "s",
        "a=b",
        " ",
        "HTTP/1.1",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "\r\n",
        "\r\n",
        "\r",
        "\n",
        "\t",
        ":",
        ",",
        "Connection: ",
        "close",
        "keep-alive",
        "X-Forwarded-For:",
        "1.2.3.4",
        "Content-Length: 0\r\n",
        "Content-Length: 7\r\n",
        "Host: x\r\n",
        "\x80",
    };
    pbts_prng prng = pbts_prng_seeded(1);
    size_t announces = 0;
    for (size_t round = 0; round < 200000; round++) {
        uint8_t buffer[600];
        pbts_writer w = pbts_writer_over(buffer, sizeof buffer);
        pbts_write_text(&w, round % 2 ? "GET /announce?" : "GET /");
        size_t middle = pbts_prng_below(&prng, 4);
        for (size_t i = 0; i < middle; i++) {
            pbts_write_text(&w, PARTS[pbts_prng_below(&prng, COUNT_OF(PARTS))]);
        }
        if (round % 4) pbts_write_text(&w, " HTTP/1.1\r\n");
        size_t tail = pbts_prng_below(&prng, 5);
        for (size_t i = 0; i < tail; i++) {
            pbts_write_text(&w, PARTS[pbts_prng_below(&prng, COUNT_OF(PARTS))]);
        }
        pbts_write_text(&w, "\r\n\r\n");
        compare_with_twin(pbts_writer_span(&w));
        pbts_http_request r;
        announces += pbts_http_request_decode(&r, pbts_writer_span(&w)) == PBTS_OK &&
                     r.kind == PBTS_HTTP_ANNOUNCE;
        if (round % 16 == 0) check_prefixes(pbts_writer_span(&w));
    }
    assert_true(announces > 10000); /* the comparison is not about refusals alone */
}

static void a_bare_path_is_classified_as_in_a_request(void **state) {
    static const struct {
        const char *path;
        pbts_http_kind kind;
        const char *passkey;
    } CASES[] = {
        { "", PBTS_HTTP_OTHER, "" },
        { "announce", PBTS_HTTP_OTHER, "" },
        { "/", PBTS_HTTP_OTHER, "" },
        { "//", PBTS_HTTP_OTHER, "" },
        { "//announce", PBTS_HTTP_OTHER, "" },
        { "/announce", PBTS_HTTP_ANNOUNCE, "" },
        { "/announce/", PBTS_HTTP_ANNOUNCE, "" },
        { "/announce/announce", PBTS_HTTP_ANNOUNCE, "announce" },
        { "/announce/" PK, PBTS_HTTP_ANNOUNCE, PK },
        { "/" PK "/announce", PBTS_HTTP_ANNOUNCE, PK },
        { "/" PK "/scrape", PBTS_HTTP_SCRAPE, PK },
        { "/scrape/" PK, PBTS_HTTP_SCRAPE, PK },
        { "/" PK, PBTS_HTTP_OTHER, "" },
        { "/user/announce", PBTS_HTTP_OTHER, "" },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pbts_span passkey;
        assert_int_equal(pbts_http_path_kind(pbts_span_text(CASES[i].path), &passkey),
                         CASES[i].kind);
        assert_span_is(passkey, CASES[i].passkey);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_gives_its_kind_passkey_query_and_connection),
        cmocka_unit_test(what_belongs_to_the_general_server_is_other),
        cmocka_unit_test(a_malformed_head_is_refused_and_changes_nothing),
        cmocka_unit_test(a_nul_anywhere_in_a_head_is_refused),
        cmocka_unit_test(an_answer_never_changes_when_more_bytes_come),
        cmocka_unit_test(every_proper_prefix_of_an_announce_needs_more),
        cmocka_unit_test(other_is_decided_at_the_first_byte_that_shows_it),
        cmocka_unit_test(pipelined_requests_are_taken_one_by_one),
        cmocka_unit_test(the_request_line_may_be_as_long_as_its_limit_and_no_longer),
        cmocka_unit_test(the_head_may_be_as_long_as_its_limit_and_no_longer),
        cmocka_unit_test(a_passkey_that_never_ends_hits_the_limit),
        cmocka_unit_test(every_single_byte_of_damage_is_judged_as_the_twin_does),
        cmocka_unit_test(random_heads_are_judged_as_the_twin_does),
        cmocka_unit_test(a_bare_path_is_classified_as_in_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
