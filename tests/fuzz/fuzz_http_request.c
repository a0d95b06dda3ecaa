/* libFuzzer target: a head is judged the same however much follows it, spans lie inside the input,
 * and pipelined requests are taken one after the other. */
#include <stdlib.h>

#include "wire/http_request.h"

static void check_inside(pbts_span part, pbts_span whole) {
    if (part.len == 0) return;
    if (part.data < whole.data || part.data + part.len > whole.data + whole.len) abort();
}

/* A shorter input gives NEED_MORE or the same answer. */
static void check_prefix(pbts_status status, const pbts_http_request *request, pbts_span bytes) {
    pbts_http_request part;
    pbts_status part_status = pbts_http_request_decode(&part, bytes);
    if (part_status == PBTS_NEED_MORE) return;
    if (part_status != status) abort();
    if (status == PBTS_OK && (part.kind != request->kind || part.head_len != request->head_len)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_span rest = { data, len };
    for (;;) {
        pbts_http_request request = { 0 };
        pbts_status status = pbts_http_request_decode(&request, rest);
        for (size_t cut = 1; cut < 40 && cut <= rest.len; cut++) {
            check_prefix(status, &request, (pbts_span){ rest.data, rest.len - cut });
        }
        check_prefix(status, &request, (pbts_span){ rest.data, rest.len / 2 });
        if (status != PBTS_OK) {
            unsigned refusal = pbts_http_refusal(status, rest);
            if (refusal != 400 && refusal != 414 && refusal != 431) abort();
            return 0;
        }
        if (request.kind == PBTS_HTTP_OTHER) return 0;
        if (request.head_len == 0 || request.head_len > rest.len) abort();
        pbts_span head = { rest.data, request.head_len };
        check_inside(request.passkey, head);
        check_inside(request.query, head);
        check_inside(request.forwarded_for, head);
        rest = (pbts_span){ rest.data + request.head_len, rest.len - request.head_len };
    }
}
