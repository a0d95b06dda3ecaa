#include "peer/trackers.h"

#include "base/assert.h"
#include "codec/bencode.h"

typedef struct {
    uint32_t id; /* 0.., in order of adding */
    uint32_t tier;
    uint8_t *url;
    size_t url_len;
    bool counts_us;         /* it took `started`, and was not told `stopped` */
    uint32_t failures;      /* since it last answered */
    uint64_t not_before_ms; /* 0: any time; UINT64_MAX: never */
    bool asked;             /* a turn of its is under way */
    uint64_t answers_then;  /* asked: how many answers there had been, of anybody */
} one_tracker;

/* Sorted by tier; within a tier in the order of trying. */
struct pbts_trackers {
    pbts_mem *mem;
    pbts_prng prng;
    one_tracker list[PBTS_TRACKERS_MAX];
    size_t count;
    bool completed_due, stopping;
    uint64_t patient_until_ms; /* the one asked last holds up the others until it ends or this */
    uint32_t last_asked;       /* its id */
    uint64_t answers;
    uint64_t due_ms;
    uint64_t answered_ms;     /* when one last answered */
    uint64_t min_interval_ms; /* as it said */
};

pbts_status pbts_trackers_new(pbts_trackers **out, pbts_mem *mem, uint64_t seed) {
    pbts_trackers *trackers = pbts_alloc(mem, sizeof *trackers);
    if (trackers == NULL) return PBTS_NO_MEMORY;
    trackers->mem = mem;
    trackers->prng = pbts_prng_seeded(seed);
    *out = trackers;
    return PBTS_OK;
}

void pbts_trackers_free(pbts_trackers *trackers) {
    if (trackers == NULL) return;
    for (size_t i = 0; i < trackers->count; i++) {
        pbts_release(trackers->mem, trackers->list[i].url);
    }
    pbts_release(trackers->mem, trackers);
}

/* ---- adding ---- */

static bool begins_with(pbts_span text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len > len && memcmp(text.data, prefix, len) == 0;
}

static pbts_status check_url(pbts_span url) {
    if (url.len > PBTS_TRACKER_URL_LEN_MAX) return PBTS_LIMIT;
    if (!begins_with(url, "http://") && !begins_with(url, "https://") &&
        !begins_with(url, "udp://")) {
        return PBTS_MALFORMED;
    }
    for (size_t i = 0; i < url.len; i++) { /* no blanks, no control characters */
        if (url.data[i] <= 0x20 || url.data[i] == 0x7F) return PBTS_MALFORMED;
    }
    return PBTS_OK;
}

static pbts_span url_of(const one_tracker *tracker) {
    return (pbts_span){ tracker->url, tracker->url_len };
}

/* A random place among those of its tier. */
static size_t place_in(pbts_trackers *trackers, uint32_t tier) {
    size_t first = 0;
    while (first < trackers->count && trackers->list[first].tier < tier) first++;
    size_t end = first;
    while (end < trackers->count && trackers->list[end].tier == tier) end++;
    return first + pbts_prng_below(&trackers->prng, (uint32_t)(end - first) + 1);
}

pbts_status pbts_trackers_add(pbts_trackers *trackers, uint32_t tier, pbts_span url) {
    PBTS_TRY(check_url(url));
    for (size_t i = 0; i < trackers->count; i++) {
        if (pbts_span_equal(url_of(&trackers->list[i]), url)) return PBTS_EXISTS;
    }
    if (trackers->count == PBTS_TRACKERS_MAX) return PBTS_LIMIT;
    one_tracker added = { .id = (uint32_t)trackers->count, .tier = tier, .url_len = url.len };
    added.url = pbts_alloc(trackers->mem, url.len);
    if (added.url == NULL) return PBTS_NO_MEMORY;
    memcpy(added.url, url.data, url.len);
    size_t at = place_in(trackers, tier);
    memmove(&trackers->list[at + 1], &trackers->list[at],
            (trackers->count - at) * sizeof trackers->list[0]);
    trackers->list[at] = added;
    trackers->count++;
    return PBTS_OK;
}

static pbts_status add_unless_bad(pbts_trackers *trackers, uint32_t tier, pbts_span url) {
    return pbts_trackers_add(trackers, tier, url) == PBTS_NO_MEMORY ? PBTS_NO_MEMORY : PBTS_OK;
}

static pbts_status add_tiers(pbts_trackers *trackers, uint32_t tier, const pbts_bvalue *tiers) {
    pbts_biter tier_iter = pbts_bvalue_items(tiers);
    pbts_bvalue urls, url;
    while (pbts_biter_next(&tier_iter, &urls)) {
        if (urls.type != PBTS_BLIST) continue;
        pbts_biter url_iter = pbts_bvalue_items(&urls);
        while (pbts_biter_next(&url_iter, &url)) {
            if (url.type != PBTS_BSTRING) continue;
            PBTS_TRY(add_unless_bad(trackers, tier, url.string));
        }
        tier++;
    }
    return PBTS_OK;
}

pbts_status pbts_trackers_add_metainfo(pbts_trackers *trackers, uint32_t tier,
                                       const pbts_metainfo *meta) {
    pbts_bvalue root, tiers;
    pbts_span url;
    if (pbts_bencode_parse(&root, pbts_metainfo_bytes(meta)) != PBTS_OK) return PBTS_OK;
    if (pbts_bdict_find_typed(&root, "announce-list", PBTS_BLIST, &tiers)) {
        return add_tiers(trackers, tier, &tiers);
    }
    if (!pbts_bdict_find_string(&root, "announce", &url)) return PBTS_OK;
    return add_unless_bad(trackers, tier, url);
}

pbts_status pbts_trackers_add_all(pbts_trackers *trackers, const pbts_trackers *others) {
    for (size_t i = 0; i < others->count; i++) {
        const one_tracker *other = &others->list[i];
        pbts_status status = pbts_trackers_add(trackers, other->tier, url_of(other));
        if (status != PBTS_OK && status != PBTS_EXISTS) return status;
    }
    return PBTS_OK;
}

size_t pbts_trackers_count(const pbts_trackers *trackers) {
    return trackers->count;
}

pbts_span pbts_trackers_url(const pbts_trackers *trackers, size_t i) {
    assert(i < trackers->count);
    return url_of(&trackers->list[i]);
}

/* ---- turns ---- */

static pbts_tracker_turn turn_of(const one_tracker *tracker, pbts_event event) {
    return (pbts_tracker_turn){ tracker->id, url_of(tracker), event };
}

static bool next_stopped(pbts_trackers *trackers, pbts_tracker_turn *out) {
    for (size_t i = 0; i < trackers->count; i++) {
        if (!trackers->list[i].counts_us) continue;
        trackers->list[i].counts_us = false;
        *out = turn_of(&trackers->list[i], PBTS_EVENT_STOPPED);
        return true;
    }
    return false;
}

static pbts_event event_for(const pbts_trackers *trackers, const one_tracker *tracker) {
    if (!tracker->counts_us) return PBTS_EVENT_STARTED;
    return trackers->completed_due ? PBTS_EVENT_COMPLETED : PBTS_EVENT_NONE;
}

/* When the first of them that are not being asked may be asked again. */
static uint64_t first_allowed_ms(const pbts_trackers *trackers) {
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < trackers->count; i++) {
        if (trackers->list[i].asked) continue;
        if (trackers->list[i].not_before_ms < first) first = trackers->list[i].not_before_ms;
    }
    return first;
}

bool pbts_trackers_next(pbts_trackers *trackers, pbts_tracker_turn *out, pbts_moment now) {
    if (trackers->stopping) return next_stopped(trackers, out);
    if (now.mono_ms < trackers->patient_until_ms || now.mono_ms < trackers->due_ms) return false;
    for (size_t i = 0; i < trackers->count; i++) {
        one_tracker *tracker = &trackers->list[i];
        if (tracker->asked || now.mono_ms < tracker->not_before_ms) continue;
        *out = turn_of(tracker, event_for(trackers, tracker));
        tracker->asked = true;
        tracker->answers_then = trackers->answers;
        trackers->patient_until_ms = now.mono_ms + PBTS_TRACKER_PATIENCE_MS;
        trackers->last_asked = tracker->id;
        return true;
    }
    trackers->due_ms = first_allowed_ms(trackers);
    return false;
}

static size_t place_of(const pbts_trackers *trackers, const pbts_tracker_turn *turn) {
    for (size_t i = 0; i < trackers->count; i++) {
        if (trackers->list[i].id == turn->id) return i;
    }
    assert(!"a turn that was given out");
    return 0;
}

/* It is not being asked any more; nor does it hold up the others. */
static one_tracker *end_turn(pbts_trackers *trackers, const pbts_tracker_turn *turn) {
    one_tracker *tracker = &trackers->list[place_of(trackers, turn)];
    if (turn->event == PBTS_EVENT_STOPPED) return tracker;
    tracker->asked = false;
    if (trackers->last_asked == turn->id) trackers->patient_until_ms = 0;
    return tracker;
}

/* The one that answered is the first of its tier from now on. */
static one_tracker *move_to_front(pbts_trackers *trackers, size_t at) {
    one_tracker found = trackers->list[at];
    for (; at > 0 && trackers->list[at - 1].tier == found.tier; at--) {
        trackers->list[at] = trackers->list[at - 1];
    }
    trackers->list[at] = found;
    return &trackers->list[at];
}

static uint64_t interval_ms(uint32_t interval_s, uint32_t fallback_s) {
    uint64_t seconds = interval_s > 0 ? interval_s : fallback_s;
    if (seconds > PBTS_TRACKER_INTERVAL_MAX_S) seconds = PBTS_TRACKER_INTERVAL_MAX_S;
    return seconds * 1000;
}

void pbts_trackers_answered(pbts_trackers *trackers, const pbts_tracker_turn *turn,
                            uint32_t interval_s, uint32_t min_interval_s, pbts_moment now) {
    (void)end_turn(trackers, turn);
    if (turn->event == PBTS_EVENT_STOPPED) return;
    one_tracker *tracker = move_to_front(trackers, place_of(trackers, turn));
    trackers->answers++;
    tracker->counts_us = true;
    tracker->failures = 0;
    tracker->not_before_ms = 0;
    if (turn->event == PBTS_EVENT_COMPLETED) trackers->completed_due = false;
    uint64_t interval = interval_ms(interval_s, PBTS_TRACKER_INTERVAL_DEFAULT_S);
    uint64_t least = interval_ms(min_interval_s, PBTS_TRACKER_MIN_INTERVAL_DEFAULT_S);
    trackers->answered_ms = now.mono_ms;
    trackers->min_interval_ms = least < interval ? least : interval;
    trackers->due_ms = trackers->completed_due ? now.mono_ms : now.mono_ms + interval;
}

/* Up to a quarter more, so that a crowd does not come back as one. */
static uint64_t retry_ms(pbts_trackers *trackers, uint32_t failures) {
    uint64_t seconds = PBTS_TRACKER_RETRY_FIRST_S;
    for (uint32_t i = 1; i < failures && seconds < PBTS_TRACKER_RETRY_MAX_S; i++) seconds *= 2;
    if (seconds > PBTS_TRACKER_RETRY_MAX_S) seconds = PBTS_TRACKER_RETRY_MAX_S;
    return seconds * 1000 + pbts_prng_below(&trackers->prng, (uint32_t)seconds * 250);
}

void pbts_trackers_failed(pbts_trackers *trackers, const pbts_tracker_turn *turn,
                          int32_t retry_in_minutes, pbts_moment now) {
    one_tracker *tracker = end_turn(trackers, turn);
    if (turn->event == PBTS_EVENT_STOPPED) return;
    tracker->failures++;
    if (retry_in_minutes < 0) {
        tracker->not_before_ms = UINT64_MAX;
    } else if (retry_in_minutes > 0) {
        tracker->not_before_ms = now.mono_ms + (uint64_t)retry_in_minutes * 60000;
    } else {
        tracker->not_before_ms = now.mono_ms + retry_ms(trackers, tracker->failures);
    }
    /* When another answered meanwhile, nobody has to be found. */
    if (trackers->answers == tracker->answers_then) trackers->due_ms = first_allowed_ms(trackers);
}

/* ---- wishes ---- */

void pbts_trackers_completed(pbts_trackers *trackers, pbts_moment now) {
    trackers->completed_due = true;
    if (now.mono_ms < trackers->due_ms) trackers->due_ms = now.mono_ms;
}

void pbts_trackers_hurry(pbts_trackers *trackers, pbts_moment now) {
    uint64_t allowed_ms = trackers->answered_ms + trackers->min_interval_ms;
    if (allowed_ms < now.mono_ms) allowed_ms = now.mono_ms;
    if (allowed_ms < trackers->due_ms) trackers->due_ms = allowed_ms;
}

void pbts_trackers_recheck(pbts_trackers *trackers, pbts_moment now) {
    uint64_t at_ms = now.mono_ms + pbts_prng_below(&trackers->prng, PBTS_TRACKER_RECHECK_MS);
    if (at_ms < trackers->due_ms) trackers->due_ms = at_ms;
}

void pbts_trackers_stop(pbts_trackers *trackers, pbts_moment now) {
    (void)now;
    trackers->stopping = true;
}

static bool anybody_counts_us(const pbts_trackers *trackers) {
    for (size_t i = 0; i < trackers->count; i++) {
        if (trackers->list[i].counts_us) return true;
    }
    return false;
}

uint64_t pbts_trackers_deadline_ms(const pbts_trackers *trackers) {
    if (trackers->stopping) return anybody_counts_us(trackers) ? 0 : UINT64_MAX;
    uint64_t first = first_allowed_ms(trackers);
    if (first < trackers->patient_until_ms) first = trackers->patient_until_ms;
    return first > trackers->due_ms ? first : trackers->due_ms;
}
