#include "tee_service.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "app.h"
#include "ethereum/ethereum.h"
#include "net/clock.h"
#include "tee_verifier.h"

enum { NUDGE_MS = 50 };

struct tee_service {
    struct app *app;
    pbts_tee *source; /* NULL: tee = none */
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t mutex; /* guards what follows, to `ended` */
    pthread_cond_t wake;
    struct tee_job *first, **last;
    size_t waiting;
    struct tee_status status;
    bool stopping, ended;
    pthread_mutex_t verify_mutex;
    struct tee_verifier verifier; /* guarded by it */
    bool can_verify;              /* does not change */
};

/* ---- the thread ---- */

static void remember(struct tee_service *service, const struct tee_job *job, uint64_t micros) {
    struct metrics *metrics = &service->app->metrics;
    bool good = job->status == PBTS_OK;
    metric_add(good ? &metrics->tee_made : &metrics->tee_failed, 1);
    metric_add(&metrics->tee_us_sum, micros);
    pthread_mutex_lock(&service->mutex);
    struct tee_status *status = &service->status;
    if (good) {
        status->made++;
        status->last_unix_s = app_now().unix_s;
    } else {
        status->failed++;
    }
    memcpy(status->problem, job->problem, sizeof status->problem);
    pthread_mutex_unlock(&service->mutex);
    if (!good)
        LOG(&service->app->log, LOG_ERROR, "attestation_failed",
            LOG_TEXT("tee", pbts_tee_kind_text(service->status.kind)),
            LOG_TEXT("status", pbts_status_name(job->status)), LOG_TEXT("reason", job->problem));
}

static void make(struct tee_service *service, struct tee_job *job) {
    uint64_t start_us = pbts_clock_mono_us();
    job->status = pbts_tee_generate(service->source, &job->evidence, job->report_data);
    const char *problem = job->status == PBTS_OK ? "" : pbts_tee_problem(service->source);
    if (job->status != PBTS_OK && problem[0] == '\0') problem = pbts_status_text(job->status);
    (void)snprintf(job->problem, sizeof job->problem, "%s", problem);
    remember(service, job, pbts_clock_mono_us() - start_us);
    job->done(job->host, job);
}

static void refuse(struct tee_job *job) {
    job->status = PBTS_BUSY;
    (void)snprintf(job->problem, sizeof job->problem, "the tracker is stopping");
    job->done(job->host, job);
}

/* The mutex is held. */
static struct tee_job *take_job(struct tee_service *service) {
    struct tee_job *job = service->first;
    if (job == NULL) return NULL;
    service->first = job->next;
    if (service->first == NULL) service->last = &service->first;
    service->waiting--;
    return job;
}

/* What dstack's agent says of the application; it may come up later than we do. */
static void ask_info(struct tee_service *service) {
    pbts_dstack_info info;
    if (service->status.kind != PBTS_TEE_DSTACK || service->status.has_info) return;
    if (pbts_tee_dstack_info(service->source, &info) != PBTS_OK) return;
    pthread_mutex_lock(&service->mutex);
    service->status.info = info;
    service->status.has_info = true;
    pthread_mutex_unlock(&service->mutex);
}

static void *run(void *argument) {
    struct tee_service *service = argument;
    sigset_t nudge;
    sigemptyset(&nudge);
    sigaddset(&nudge, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &nudge, NULL);
    ask_info(service);
    pthread_mutex_lock(&service->mutex);
    for (;;) {
        while (service->first == NULL && !service->stopping)
            pthread_cond_wait(&service->wake, &service->mutex);
        struct tee_job *job = take_job(service);
        if (job == NULL) break;
        bool stopping = service->stopping;
        pthread_mutex_unlock(&service->mutex);
        if (stopping) {
            refuse(job);
        } else {
            ask_info(service);
            make(service, job);
        }
        pthread_mutex_lock(&service->mutex);
    }
    service->ended = true;
    pthread_mutex_unlock(&service->mutex);
    return NULL;
}

pbts_refusal tee_service_submit(struct tee_service *service, struct tee_job *job) {
    pthread_mutex_lock(&service->mutex);
    bool room = service->thread_runs && service->waiting < TEE_QUEUE_MAX && !service->stopping;
    if (room) {
        job->next = NULL;
        *service->last = job;
        service->last = &job->next;
        service->waiting++;
        pthread_cond_signal(&service->wake);
    }
    pthread_mutex_unlock(&service->mutex);
    return room ? PBTS_REFUSAL_NONE : PBTS_REFUSAL_OVERLOADED;
}

/* ---- start and stop ---- */

static void nothing(int signal_number) {
    (void)signal_number;
}

/* A read of the kernel's that waits for the host comes back when a signal comes; the handler is
 * there for that alone. */
static void handle_nudges(void) {
    struct sigaction action = { .sa_handler = nothing }; /* no SA_RESTART */
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGUSR1, &action, NULL);
}

static pbts_status start_thread(struct tee_service *service) {
    const struct app *app = service->app;
    pbts_tee_config config = { .kind = app->config.tee, .path = app->config.tee_path };
    if (config.kind == PBTS_TEE_NONE) return PBTS_OK;
    PBTS_TRY(pbts_tee_open(&service->source, &config));
    handle_nudges();
    service->thread_runs = pthread_create(&service->thread, NULL, run, service) == 0;
    return service->thread_runs ? PBTS_OK : PBTS_IO;
}

static void say(struct tee_service *service) {
    struct log *log = &service->app->log;
    const char *kind = pbts_tee_kind_text(service->status.kind);
    if (service->status.simulated)
        LOG(log, LOG_WARN, "tee", LOG_TEXT("tee", kind), LOG_TEXT("SIMULATED", "yes"),
            LOG_TEXT("advice", "evidence of the simulator proves nothing; for development only"));
    else if (service->source != NULL)
        LOG(log, LOG_INFO, "tee", LOG_TEXT("tee", kind),
            LOG_TEXT("verifies", service->can_verify ? "yes" : "no"));
}

pbts_status tee_service_start(struct tee_service **out, struct app *app) {
    struct tee_service *service = calloc(1, sizeof *service);
    if (service == NULL) return PBTS_NO_MEMORY;
    service->app = app;
    service->last = &service->first;
    service->status.kind = (pbts_tee_kind)app->config.tee;
    service->status.simulated = service->status.kind == PBTS_TEE_SIMULATOR;
    pthread_mutex_init(&service->mutex, NULL);
    pthread_mutex_init(&service->verify_mutex, NULL);
    pthread_cond_init(&service->wake, NULL);
    pbts_status status = tee_verifier_open(&service->verifier, app);
    service->can_verify = service->status.can_verify = service->verifier.collateral != NULL;
    if (status == PBTS_OK) status = start_thread(service);
    if (status != PBTS_OK) {
        tee_service_free(service);
        return status;
    }
    say(service);
    *out = service;
    return PBTS_OK;
}

static bool has_ended(struct tee_service *service) {
    pthread_mutex_lock(&service->mutex);
    bool ended = service->ended;
    pthread_mutex_unlock(&service->mutex);
    return ended;
}

void tee_service_stop(struct tee_service *service) {
    const struct timespec pause = { .tv_nsec = NUDGE_MS * 1000000L };
    if (service == NULL || !service->thread_runs) return;
    pthread_mutex_lock(&service->mutex);
    service->stopping = true;
    pthread_cond_signal(&service->wake);
    pthread_mutex_unlock(&service->mutex);
    pbts_tee_stop(service->source);
    while (!has_ended(service)) {
        (void)pthread_kill(service->thread, SIGUSR1);
        (void)nanosleep(&pause, NULL);
    }
    pthread_join(service->thread, NULL);
    pthread_mutex_lock(&service->mutex);
    service->thread_runs = false;
    pthread_mutex_unlock(&service->mutex);
}

void tee_service_free(struct tee_service *service) {
    if (service == NULL) return;
    pbts_tee_close(service->source);
    tee_verifier_close(&service->verifier);
    pthread_cond_destroy(&service->wake);
    pthread_mutex_destroy(&service->verify_mutex);
    pthread_mutex_destroy(&service->mutex);
    free(service);
}

/* ---- verifying, and looking ---- */

void tee_service_reload(struct tee_service *service) {
    struct tee_verifier *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) return;
    if (tee_verifier_open(fresh, service->app) == PBTS_OK) {
        pthread_mutex_lock(&service->verify_mutex);
        struct tee_verifier old = service->verifier;
        service->verifier = *fresh;
        pthread_mutex_unlock(&service->verify_mutex);
        tee_verifier_close(&old);
    }
    free(fresh);
}

bool tee_service_can_verify(const struct tee_service *service) {
    return service->can_verify;
}

pbts_status tee_service_verify(struct tee_service *service, pbts_attest_verdict *out,
                               pbts_span quote,
                               const uint8_t report_data[static PBTS_REPORT_DATA_LEN],
                               uint64_t now_s) {
    struct tee_verifier *verifier = &service->verifier;
    pthread_mutex_lock(&service->verify_mutex);
    pbts_status status = tee_verifier_refresh(verifier, now_s);
    if (status == PBTS_OK) {
        verifier->policy.has_report_data = true;
        memcpy(verifier->policy.report_data, report_data, PBTS_REPORT_DATA_LEN);
        status = pbts_attest_verify(out, quote, verifier->collateral, verifier->root,
                                    &verifier->policy, now_s);
    }
    pthread_mutex_unlock(&service->verify_mutex);
    return status;
}

void tee_service_bind(pbts_binding *out, struct app *app) {
    struct ethereum_status chain;
    memcpy(out->iid, pbts_tracker_iid(app->tracker), sizeof out->iid);
    memcpy(out->tracker_key, pbts_tracker_owner(app->tracker)->bytes, sizeof out->tracker_key);
    memset(out->owner, 0, sizeof out->owner);
    if (app->ethereum == NULL) return;
    ethereum_look(app->ethereum, &chain);
    memcpy(out->owner, chain.writer.bytes, sizeof out->owner);
}

void tee_service_look(struct tee_service *service, struct tee_status *out) {
    pthread_mutex_lock(&service->mutex);
    *out = service->status;
    pthread_mutex_unlock(&service->mutex);
}
