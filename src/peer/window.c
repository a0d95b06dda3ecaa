#include "peer/window.h"

void pbts_window_init(pbts_window *window) {
    *window = (pbts_window){
        .bytes = PBTS_WINDOW_BYTES_MIN,
        .trip_ms = UINT64_MAX,
        .trip_epoch_min_ms = UINT64_MAX,
    };
}

void pbts_window_collapse(pbts_window *window) {
    uint64_t delivered_bytes = window->delivered_bytes;
    pbts_window_init(window);
    window->delivered_bytes = delivered_bytes;
}

pbts_window_mark pbts_window_sent(const pbts_window *window, uint64_t now_ms) {
    return (pbts_window_mark){ now_ms, window->delivered_bytes };
}

uint64_t pbts_window_rate(const pbts_window *window) {
    uint64_t now = window->rate_bytes_per_s, before = window->rate_before_bytes_per_s;
    return now > before ? now : before;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high) {
    if (value < low) return low;
    return value > high ? high : value;
}

static void sample_rate(pbts_window *window, uint64_t rate, uint64_t now_ms) {
    if (now_ms - window->rate_epoch_ms >= PBTS_WINDOW_RATE_EPOCH_MS) {
        window->rate_before_bytes_per_s = window->rate_bytes_per_s;
        window->rate_bytes_per_s = 0;
        window->rate_epoch_ms = now_ms;
    }
    if (rate > window->rate_bytes_per_s) window->rate_bytes_per_s = rate;
}

/* A trip that got longer for good (another route) is believed a quarter at a time: while the window
 * keeps the peer busy, every trip has its queue in it. */
static void sample_trip(pbts_window *window, uint64_t trip_ms, uint64_t now_ms) {
    if (window->trip_ms == UINT64_MAX) window->trip_epoch_ms = now_ms;
    if (now_ms - window->trip_epoch_ms >= PBTS_WINDOW_TRIP_EPOCH_MS) {
        uint64_t most_ms = window->trip_ms + window->trip_ms / 4;
        window->trip_ms = clamp(window->trip_epoch_min_ms, 0, most_ms);
        window->trip_epoch_min_ms = UINT64_MAX;
        window->trip_epoch_ms = now_ms;
    }
    if (trip_ms < window->trip_epoch_min_ms) window->trip_epoch_min_ms = trip_ms;
    if (trip_ms < window->trip_ms) window->trip_ms = trip_ms;
}

void pbts_window_arrived(pbts_window *window, const pbts_window_mark *mark, uint32_t bytes,
                         uint64_t now_ms) {
    window->delivered_bytes += bytes;
    uint64_t trip_ms = now_ms > mark->sent_ms ? now_ms - mark->sent_ms : 1;
    uint64_t delivered_bytes = window->delivered_bytes - mark->delivered_bytes;
    sample_rate(window, delivered_bytes * 1000 / trip_ms, now_ms);
    sample_trip(window, clamp(trip_ms, PBTS_WINDOW_TRIP_MS_MIN, PBTS_WINDOW_TRIP_MS_MAX), now_ms);

    uint64_t rate = pbts_window_rate(window);
    uint64_t twice_ms = clamp(2 * window->trip_ms, 0, PBTS_WINDOW_TRIP_MS_MAX);
    window->bytes = clamp(rate * twice_ms / 1000, PBTS_WINDOW_BYTES_MIN, PBTS_WINDOW_BYTES_MAX);
}
