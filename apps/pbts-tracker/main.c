/* pbts-tracker: start, signals, the clock's tick, stop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "base/secret_memory.h"
#include "committer.h"
#include "data_dir.h"
#include "ethereum/ethereum.h"
#include "http_server.h"
#include "key_source.h"
#include "net/clock.h"
#include "notify.h"
#include "reload.h"
#include "tee/tee_service.h"
#include "worker.h"

enum {
    DRAIN_S = 10,
    TICK_MS = 1000,
    TICK_BUDGET_MS = 200, /* of expiry at a time; then signals get their turn */
};

/* As --help tells them; the systemd unit does not start again after the last two. */
enum { EXIT_STOPPED = 0, EXIT_FAILED = 1, EXIT_CONFIGURATION = 2, EXIT_DATA = 3 };

struct arguments {
    int count;
    char **values, **environment;
};

/* Signals come by a descriptor, to one thread; block them before any thread starts. */
static int block_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A descriptor per client: as many as we may. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void choose_public_url(struct app *app) {
    char host[PBTS_ADDR_TEXT_MAX] = "127.0.0.1";
    const pbts_addr *first = &app->config.listen[0];
    static const uint8_t any[16] = { 0 };
    if (app->config.public_url[0] != '\0') {
        snprintf(app->public_url, sizeof app->public_url, "%s", app->config.public_url);
        return;
    }
    if (memcmp(first->ip, any, sizeof any) != 0) pbts_addr_format(host, first);
    bool brackets = strchr(host, ':') != NULL;
    snprintf(app->public_url, sizeof app->public_url, "http://%s%s%s:%u", brackets ? "[" : "", host,
             brackets ? "]" : "", app->http_port);
}

static pbts_status start(struct app *app) {
    PBTS_TRY(data_dir_open(app));
    PBTS_TRY(workers_open(&app->workers, app));
    if (app->config.ledger_ethereum)
        PBTS_TRY(ethereum_start(&app->ethereum, app, &app->keys->ethereum));
    PBTS_TRY(committer_start(&app->committer, app));
    PBTS_TRY(tee_service_start(&app->tee, app));
    PBTS_TRY(http_server_start(&app->http, app));
    choose_public_url(app);
    return workers_start(app->workers);
}

static void warn_of_unknown_variables(struct app *app) {
    pbts_span name;
    size_t at = 0;
    while (config_unknown_variable(&name, &at, environ))
        LOG(&app->log, LOG_WARN, "unknown_variable", LOG_SPAN("name", name),
            LOG_TEXT("advice", "no key has this name; --help lists all that there are"));
}

/* It lies beside tracker.key, unless its hash is configured. */
static bool has_token_file(const struct app *app) {
    return key_source_find(app->config.key_source)->is_local &&
           app->config.admin_token_hash[0] == '\0';
}

static void say_started(struct app *app) {
    LOG(&app->log, LOG_INFO, "listening", LOG_UINT("http", app->http_port),
        LOG_UINT("udp", app->http_port), LOG_UINT("https", app->https_port),
        LOG_UINT("workers", workers_count(app->workers)), LOG_TEXT("version", PBTS_VERSION));
    if (app->config.log_json) return;
    char stop[CONFIG_TEXT_MAX + 64] = "Stop";
    if (has_token_file(app))
        (void)snprintf(stop, sizeof stop, "The administrator's token is in %s/admin.token; stop",
                       app->config.data);
    fprintf(stderr,
            "\nThe tracker runs at %s (HTTP and UDP), its data are in %s\n"
            "Next, in another terminal:\n"
            "    pbts key new --out alice.key\n"
            "    pbts register --tracker %s --key alice.key --uid alice\n"
            "    pbts torrent create DIR --out x.torrent\n"
            "    pbts torrent add --tracker %s --key alice.key x.torrent\n"
            "%s with Ctrl-C.\n%s\n",
            app->public_url, app->config.data, app->public_url, app->public_url, stop,
            app->config.tee == PBTS_TEE_SIMULATOR
                ? "tee = simulator: the TEE is SIMULATED, its evidence proves nothing.\n"
                : "");
}

/* Expire peers, in parts, until nothing is due or others should have their turn. */
static void tick(struct app *app) {
    uint64_t until = pbts_clock_mono_us() + TICK_BUDGET_MS * 1000;
    while (pbts_tracker_tick(app->tracker, app_now()) && pbts_clock_mono_us() < until) continue;
}

/* Serve until SIGTERM or SIGINT, or until the store is lost. */
static void run(struct app *app, int signals, const struct arguments *arguments) {
    struct signalfd_siginfo info;
    while (!atomic_load(&app->failed)) {
        fd_set readable;
        struct timeval wait = { .tv_sec = TICK_MS / 1000, .tv_usec = TICK_MS % 1000 * 1000 };
        FD_ZERO(&readable);
        FD_SET(signals, &readable);
        (void)select(signals + 1, &readable, NULL, NULL, &wait);
        tick(app);
        http_server_tick(app->http);
        downloads_tick(app, app_now().mono_s);
        if (read(signals, &info, sizeof info) != (ssize_t)sizeof info) continue;
        if (info.ssi_signo != SIGHUP) return;
        reload(app, arguments->count, arguments->values, arguments->environment);
    }
}

static void wait_for_requests(struct app *app, uint64_t until_us) {
    const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
    while (http_server_in_flight(app->http) > 0 && pbts_clock_mono_us() < until_us)
        nanosleep(&pause, NULL);
}

/* Take nothing new, answer what was taken, put what waits on disk, within DRAIN_S. */
static void stop(struct app *app) {
    uint64_t until_us = pbts_clock_mono_us() + (uint64_t)DRAIN_S * 1000000;
    notify_manager("STOPPING=1");
    LOG(&app->log, LOG_INFO, "stopping", LOG_UINT("requests", http_server_in_flight(app->http)),
        LOG_UINT("operations", committer_waiting(app->committer)));
    atomic_store(&app->stopping, true);
    http_server_quiesce(app->http);
    workers_stop(app->workers, 2000);
    tee_service_stop(app->tee);
    wait_for_requests(app, until_us);
    downloads_flush(app, until_us);
    uint64_t now_us = pbts_clock_mono_us();
    committer_stop(app->committer,
                   now_us < until_us ? (unsigned)((until_us - now_us) / 1000000) : 0);
    app->committer = NULL;
    wait_for_requests(app, pbts_clock_mono_us() + 1000000); /* their answers */
}

static void take_down(struct app *app) {
    if (app->workers != NULL) workers_stop(app->workers, 0);
    committer_stop(app->committer, 0);
    app->committer = NULL;
    tee_service_stop(app->tee);
    http_server_stop(app->http);
    workers_free(app->workers);
    tee_service_free(app->tee);
    ethereum_stop(app->ethereum); /* requests look at it until the server has stopped */
    data_dir_close(app);
}

static int exit_code(pbts_status started, bool failed) {
    if (started == PBTS_OK) return failed ? EXIT_FAILED : EXIT_STOPPED;
    return started == PBTS_CORRUPT ? EXIT_DATA : EXIT_FAILED;
}

int main(int argc, char **argv) {
    struct arguments arguments = { argc, argv, environ };
    bool concealed = pbts_process_conceal();
    struct config *config = calloc(1, sizeof *config);
    struct app *app = calloc(1, sizeof *app);
    bool allocated = config != NULL && app != NULL;
    enum config_result result = CONFIG_BAD;
    if (allocated) result = config_load(config, argc, argv, environ);
    if (result != CONFIG_RUN) {
        free(app);
        free(config);
        if (!allocated) return EXIT_FAILED;
        return result == CONFIG_BAD ? EXIT_CONFIGURATION : EXIT_STOPPED;
    }
    app_init(app, config);
    free(config);
    warn_of_unknown_variables(app);
    if (!concealed)
        LOG(&app->log, LOG_WARN, "not_concealed",
            LOG_TEXT("advice", "core dumps and debuggers of this user may show keys"));
    int signals = block_signals();
    raise_descriptor_limit();
    pbts_status started = signals >= 0 ? start(app) : PBTS_IO;
    if (started == PBTS_OK) {
        say_started(app);
        notify_manager("READY=1");
        run(app, signals, &arguments);
        stop(app);
    }
    take_down(app);
    if (started == PBTS_OK) LOG(&app->log, LOG_INFO, "stopped", LOG_TEXT("version", PBTS_VERSION));
    bool failed = atomic_load(&app->failed);
    free(app);
    return exit_code(started, failed);
}
