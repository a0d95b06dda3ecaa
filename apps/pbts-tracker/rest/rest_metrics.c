/* GET /metrics: the counters as Prometheus text. */
#include <stdlib.h>

#include "rest_parts.h"

void rest_metrics(struct rest_request *request, const struct rest_caller *caller) {
    uint8_t *text = malloc(METRICS_TEXT_MAX);
    if (text == NULL) {
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
        return;
    }
    pbts_writer writer = pbts_writer_over(text, METRICS_TEXT_MAX);
    metrics_write(&writer, request->app);
    if (writer.failed)
        rest_reply_error(request, 500, "INTERNAL", "the metrics do not fit their buffer");
    else
        rest_reply_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8",
                         pbts_writer_span(&writer));
    free(text);
}
