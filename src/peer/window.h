/* peer/window.h - how many bytes may be asked of one peer ahead of their arrival: twice the
 * bandwidth-delay product, as measured from the requests themselves.
 *
 * Each request remembers when it was made and how much had arrived by then; its answer gives one
 * sample of the round trip and one of the delivery rate. The window follows from the highest rate
 * and the shortest trip of late, so it doubles per trip while the peer can give more, and is steady
 * when it cannot. It changes when something arrives, never by a timer.
 * Source: Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14(5), 2016: the
 * delivery rate sample, and what is in flight as a multiple of the two extremes.
 */
#ifndef PBTS_PEER_WINDOW_H
#define PBTS_PEER_WINDOW_H

#include <stdint.h>

enum {
    PBTS_WINDOW_BYTES_MIN = 64 * 1024, /* to begin with: four blocks of 16 KiB */
    /* Below it is the clock's resolution and the other's scheduling, not the wire. */
    PBTS_WINDOW_TRIP_MS_MIN = 10,
    PBTS_WINDOW_TRIP_MS_MAX = 3000, /* never ask for more than it gives in 3 s */
    PBTS_WINDOW_RATE_EPOCH_MS = 5000,
    PBTS_WINDOW_TRIP_EPOCH_MS = 30000,
};
#define PBTS_WINDOW_BYTES_MAX (UINT64_C(128) << 20)

typedef struct {
    uint64_t delivered_bytes; /* all that came */
    /* The highest rate of this epoch and of the one before. */
    uint64_t rate_bytes_per_s, rate_before_bytes_per_s, rate_epoch_ms;
    /* The shortest trip of this epoch, and the one in force. */
    uint64_t trip_epoch_min_ms, trip_ms, trip_epoch_ms;
    uint64_t bytes; /* the window */
} pbts_window;

/* Kept with each request until its answer is there. */
typedef struct {
    uint64_t sent_ms;
    uint64_t delivered_bytes; /* of the window, when it was sent */
} pbts_window_mark;

void pbts_window_init(pbts_window *window);
/* A request goes out. */
pbts_window_mark pbts_window_sent(const pbts_window *window, uint64_t now_ms);
/* All `bytes` of its answer are here. */
void pbts_window_arrived(pbts_window *window, const pbts_window_mark *mark, uint32_t bytes,
                         uint64_t now_ms);
/* The highest delivery rate of late, bytes/s. */
uint64_t pbts_window_rate(const pbts_window *window);
/* The peer stopped giving: begin anew from the smallest window, what was measured is forgotten. */
void pbts_window_collapse(pbts_window *window);

#endif
