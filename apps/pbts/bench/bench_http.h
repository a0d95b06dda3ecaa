/* bench_http.h - the text of HTTP announces and the reading of their answers. */
#ifndef PBTS_APPS_BENCH_HTTP_H
#define PBTS_APPS_BENCH_HTTP_H

#include "base/cursor.h"
#include "base/writer.h"
#include "bench_load.h"

enum { PBTS_BENCH_REQUEST_MAX = 512 };

/* Append one whole GET request. Never fails with PBTS_BENCH_REQUEST_MAX bytes of room. */
void pbts_bench_http_request(pbts_writer *writer, const pbts_bench_options *options,
                             const pbts_bench_peer *peer);
/* The length of the whole answer, 0 while its head or body is incomplete, or SIZE_MAX when it is
 * no HTTP answer with a Content-Length. `body` is set once the length is known. */
size_t pbts_bench_http_answer_len(pbts_span *body, pbts_span bytes);
pbts_bench_verdict pbts_bench_http_judge(uint64_t *peers, const pbts_bench_options *options,
                                         pbts_span head, pbts_span body);

#endif
