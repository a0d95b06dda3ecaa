#include "key_source.h"

#include <signal.h>
#include <time.h>

#include "base/secret.h"
#include "key_dstack.h"
#include "key_file.h"
#include "key_kms.h"
#include "net/clock.h"

enum { PAUSE_FIRST_MS = 500, PAUSE_MAX_MS = 30 * 1000, SAY_EVERY_MS = 60 * 1000, LOOK_MS = 100 };

static const struct key_source SOURCES[] = {
    { .name = "file", .fetch = key_file_fetch, .is_local = true },
    { .name = "dstack", .fetch = key_dstack_fetch, .is_local = false },
    { .name = "kms", .fetch = key_kms_fetch, .is_local = false },
};

const struct key_source *key_source_find(const char *name) {
    for (size_t i = 0; i < sizeof SOURCES / sizeof SOURCES[0]; i++)
        if (strcmp(SOURCES[i].name, name) == 0) return &SOURCES[i];
    return NULL;
}

/* Signals are blocked, and main reads them later. */
bool key_source_told_to_stop(void) {
    sigset_t waiting;
    return sigpending(&waiting) == 0 &&
           (sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGINT) == 1);
}

static void pause_until(uint64_t mono_ms) {
    const struct timespec moment = { .tv_nsec = LOOK_MS * 1000 * 1000 };
    while (pbts_clock_mono_ms() < mono_ms && !key_source_told_to_stop()) nanosleep(&moment, NULL);
}

static pbts_status give_up(struct app *app, const struct key_source *source, const char *problem) {
    LOG(&app->log, LOG_ERROR, "key_failed", LOG_TEXT("source", source->name),
        LOG_TEXT("reason", key_source_told_to_stop() ? "told to stop before it came" : problem));
    return PBTS_IO;
}

pbts_status key_source_read(struct app *app, const struct key_source *source, pbts_key_trk *out) {
    char problem[KEY_SOURCE_PROBLEM_MAX] = "";
    uint64_t began_ms = pbts_clock_mono_ms(), said_ms = 0, pause_ms = PAUSE_FIRST_MS;
    uint64_t until_ms = began_ms + (uint64_t)app->config.key_wait_s * 1000;
    for (;;) {
        pbts_status status = source->fetch(app, out, problem);
        uint64_t now_ms = pbts_clock_mono_ms();
        if (status != PBTS_BUSY) {
            if (status == PBTS_OK && said_ms > 0)
                LOG(&app->log, LOG_INFO, "key_came", LOG_TEXT("source", source->name),
                    LOG_UINT("after_s", (now_ms - began_ms) / 1000));
            return status;
        }
        if (now_ms >= until_ms || key_source_told_to_stop()) return give_up(app, source, problem);
        if (said_ms == 0 || now_ms - said_ms >= SAY_EVERY_MS) {
            LOG(&app->log, LOG_WARN, "key_waits", LOG_TEXT("source", source->name),
                LOG_TEXT("reason", problem), LOG_UINT("since_s", (now_ms - began_ms) / 1000));
            said_ms = now_ms;
        }
        pause_until(now_ms + pause_ms < until_ms ? now_ms + pause_ms : until_ms);
        pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
    }
}
