/* bench_http_text.c - see bench_http.h. */
#include <stdlib.h>
#include <string.h>

#include "bench_http.h"

static void write_percent(pbts_writer *writer, const uint8_t *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    uint8_t *out = pbts_write_reserve(writer, 3 * len);
    for (size_t i = 0; out && i < len; i++) {
        out[3 * i] = '%';
        out[3 * i + 1] = (uint8_t)digits[bytes[i] >> 4];
        out[3 * i + 2] = (uint8_t)digits[bytes[i] & 15];
    }
}

static void write_query(pbts_writer *writer, const pbts_bench_options *options,
                        const pbts_bench_peer *peer) {
    pbts_write_text(writer, "&peer_id=");
    pbts_write_bytes(writer, (pbts_span){ (const uint8_t *)peer->id, 20 });
    pbts_write_text(writer, "&port=");
    pbts_write_decimal(writer, peer->port);
    pbts_write_text(writer, "&uploaded=0&downloaded=0&left=");
    pbts_write_text(writer, peer->seeder ? "0" : "1048576");
    pbts_write_text(writer, "&compact=1&numwant=");
    pbts_write_decimal(writer, options->numwant);
    if (peer->started) pbts_write_text(writer, "&event=started");
}

void pbts_bench_http_request(pbts_writer *writer, const pbts_bench_options *options,
                             const pbts_bench_peer *peer) {
    pbts_write_text(writer, options->scrape ? "GET /scrape" : "GET /announce");
    if (peer->passkey) {
        pbts_write_text(writer, "/");
        pbts_write_text(writer, peer->passkey);
    }
    pbts_write_text(writer, "?info_hash=");
    write_percent(writer, peer->infohash, 20);
    if (!options->scrape) write_query(writer, options, peer);
    pbts_write_text(writer, " HTTP/1.1\r\nHost: ");
    pbts_write_text(writer, options->target_text);
    pbts_write_text(writer, "\r\nUser-Agent: pbts-bench\r\n");
    bool keep = options->mode == PBTS_BENCH_HTTP;
    pbts_write_text(writer, keep ? "\r\n" : "Connection: close\r\n\r\n");
}

/* The number after `label` in text, or SIZE_MAX. */
static size_t number_after(pbts_span text, const char *label) {
    const uint8_t *at = memmem(text.data, text.len, label, strlen(label));
    if (!at) return SIZE_MAX;
    const uint8_t *end = text.data + text.len;
    const uint8_t *digit = at + strlen(label);
    size_t value = 0;
    bool any = false;
    for (; digit < end && *digit >= '0' && *digit <= '9' && value < 1 << 24; digit++, any = true)
        value = value * 10 + (size_t)(*digit - '0');
    return any ? value : SIZE_MAX;
}

size_t pbts_bench_http_answer_len(pbts_span *body, pbts_span bytes) {
    const uint8_t *blank = memmem(bytes.data, bytes.len, "\r\n\r\n", 4);
    if (!blank) return 0;
    size_t head_len = (size_t)(blank - bytes.data) + 4;
    size_t body_len = number_after((pbts_span){ bytes.data, head_len }, "\r\nContent-Length: ");
    if (body_len == SIZE_MAX) return SIZE_MAX;
    if (bytes.len < head_len + body_len) return 0;
    *body = (pbts_span){ bytes.data + head_len, body_len };
    return head_len + body_len;
}

static bool begins(pbts_span text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

pbts_bench_verdict pbts_bench_http_judge(uint64_t *peers, const pbts_bench_options *options,
                                         pbts_span head, pbts_span body) {
    *peers = 0;
    if (!begins(head, "HTTP/1.1 200") && !begins(head, "HTTP/1.0 200")) return PBTS_BENCH_FAILURE;
    if (begins(body, "d14:failure reason")) return PBTS_BENCH_FAILURE;
    if (options->scrape)
        return begins(body, "d5:filesd20:") ? PBTS_BENCH_ANSWER : PBTS_BENCH_MALFORMED;
    size_t peers_len = number_after(body, "5:peers");
    if (!begins(body, "d") || peers_len == SIZE_MAX || peers_len % 6 != 0)
        return PBTS_BENCH_MALFORMED;
    *peers = peers_len / 6;
    return PBTS_BENCH_ANSWER;
}
