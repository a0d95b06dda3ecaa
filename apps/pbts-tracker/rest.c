/* The REST API's table of endpoints. */
#include "rest.h"

enum { BODY_MAX = 64 * 1024, REPORT_MAX = 16 * 1024 * 1024, TORRENT_MAX = 10 * 1024 * 1024 };

static bool begins(const char *path, const char *prefix) {
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

size_t rest_body_max(const char *method, const char *path) {
    if (strcmp(method, "POST") != 0) return BODY_MAX;
    if (strcmp(path, "/report") == 0) return REPORT_MAX;
    if (strcmp(path, "/torrents") == 0) return TORRENT_MAX;
    return BODY_MAX;
}

enum metrics_endpoint rest_endpoint(const char *path) {
    if (begins(path, "/health")) return METRICS_ENDPOINT_HEALTH;
    if (begins(path, "/metrics")) return METRICS_ENDPOINT_METRICS;
    return METRICS_ENDPOINT_OTHER;
}

static void health(struct rest_request *request) {
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(request->app->tracker, &stats);
    uint64_t uptime = app_now().mono_s - request->app->start_mono_s;
    rest_reply_json(request, 200,
                    json_pack("{s:s, s:s, s:I, s:I}", "status", "ok", "version", PBTS_VERSION,
                              "uptime_s", (json_int_t)uptime, "users", (json_int_t)stats.users));
}

static void show_metrics(struct rest_request *request) {
    if (!app_may_read_metrics(request->app, &request->client)) {
        rest_reply_error(request, 403, "DENIED", "your address may not read the metrics");
        return;
    }
    uint8_t *text = malloc(METRICS_TEXT_MAX);
    if (text == NULL) {
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
        return;
    }
    pbts_writer writer = pbts_writer_over(text, METRICS_TEXT_MAX);
    metrics_write(&writer, request->app);
    rest_reply_bytes(request, 200, "text/plain; version=0.0.4", pbts_writer_span(&writer));
    free(text);
}

void rest_handle(struct rest_request *request) {
    if (strcmp(request->path, "/health") == 0)
        health(request);
    else if (strcmp(request->path, "/metrics") == 0)
        show_metrics(request);
    else
        rest_reply_error(request, 404, "NOT_FOUND", "there is no such endpoint");
}
