#include "net/front_pace.h"

/* What a window was like: `per_second` and `per_wake` are of requests. */
typedef struct {
    uint64_t end_ms, per_second, per_wake;
} window;

/* Begin after two windows alike, since in the first the load may only have begun. */
static void decide_to_begin(front_pace *pace, const window *w, bool fast) {
    bool sparse = fast && w->per_wake < FRONT_PACE_FULL;
    pace->pausing = sparse && pace->sparse && w->end_ms >= pace->rest_until_ms;
    pace->sparse = sparse && !pace->pausing;
    pace->per_second = w->per_second;
    pace->stretch_until_ms = w->end_ms + FRONT_PACE_STRETCH_MS;
}

static void decide(front_pace *pace, const window *w) {
    bool fast = w->per_second >= FRONT_PACE_RATE_MIN * 1000;
    if (!pace->pausing) {
        decide_to_begin(pace, w, fast);
        return;
    }
    bool gathers = w->per_wake >= FRONT_PACE_GATHERED_MIN;
    bool slows = w->per_second < pace->per_second - pace->per_second / 10;
    bool pays = gathers && !slows;
    if (fast && !pays) pace->rest_until_ms = w->end_ms + FRONT_PACE_REST_MS;
    pace->pausing = fast && pays && w->end_ms < pace->stretch_until_ms;
    pace->sparse = pays; /* after a stretch one window without is enough */
}

bool front_pace_wants_pause(front_pace *pace, uint64_t now_ms, uint64_t requests) {
    uint64_t elapsed_ms = now_ms - pace->window_ms, answered = requests - pace->requests_before;
    pace->wakes++;
    if (elapsed_ms < FRONT_PACE_WINDOW_MS) return pace->pausing;
    const window w = { now_ms, answered * 1000 / elapsed_ms, answered / pace->wakes };
    decide(pace, &w);
    pace->window_ms = now_ms;
    pace->requests_before = requests;
    pace->wakes = 0;
    return pace->pausing;
}
