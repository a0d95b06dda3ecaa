/* app.h - the running daemon: what its threads share.
 *
 *   front workers   one per core: announce and scrape over HTTP and UDP (worker.c, src/net/)
 *   MHD pool        everything else over HTTP, and all of HTTPS (http_server.c, rest*.c)
 *   committer       the one writer: groups operations into one durable commit (committer.c)
 *   ethereum        with ledger = ethereum: brings the contract up to date (ethereum/)
 *   tee             with tee = …: has evidence made (tee/)
 *   main            signals, reload, and the clock's tick (main.c)
 *
 * Everything here is set up before the first thread starts and taken down after the last one ended,
 * but for what says otherwise.
 */
#ifndef PBTS_TRACKER_APP_H
#define PBTS_TRACKER_APP_H

#include <pthread.h>
#include <stdatomic.h>

#include "config/config.h"
#include "downloads.h"
#include "keys/tracker_keys.h"
#include "log.h"
#include "metrics.h"
#include "rest/rest_limit.h"
#include "tracker/tracker.h"

struct committer;
struct ethereum;
struct http_server;
struct tee_service;
struct workers;

enum { ADMIN_TOKEN_LEN = 64 }; /* characters: hex of 32 random bytes */

struct app {
    struct config config;                      /* as started; what SIGHUP may change is in `live` */
    pthread_rwlock_t live_lock;                /* guards `live` */
    struct config_live live;                   /* changed by SIGHUP and POST /config */
    struct log log;                            /* usable from any thread */
    struct metrics metrics;                    /* C11 atomics */
    struct rest_limits rest_limits;            /* usable from any thread */
    pbts_store *store;                         /* usable from any thread */
    pbts_tracker *tracker;                     /* usable from any thread, commits apart */
    pthread_mutex_t locks[PBTS_TRACKER_LOCKS]; /* behind the tracker's lock seam */
    struct committer *committer;
    struct ethereum *ethereum; /* NULL: the ledger is local */
    struct tee_service *tee;   /* with tee = none it only verifies */
    struct downloads downloads;
    struct http_server *http;
    struct workers *workers;
    pbts_tracker_keys *keys; /* secret, in memory of pbts_secret_new */
    bool has_admin;
    uint8_t admin_token_hash[32]; /* SHA-256 of its 64 characters; see app_is_admin_token */
    uint8_t limit_seed[32];       /* of what is counted by address; secret, new at each start */
    uint64_t start_unix_s, start_mono_s;
    uint16_t http_port, https_port; /* as bound; https_port 0: none */
    char public_url[256];           /* without a slash at the end: "http://host:port" */
    atomic_bool stopping;           /* SIGTERM came: answer, but take nothing new */
    atomic_bool failed;             /* only another start can help */
};

/* The time now, from the system's clocks. */
pbts_now app_now(void);
/* Whether `addr` may name another client (PROXY protocol, X-Forwarded-For), or read /metrics. */
bool app_is_trusted_proxy(struct app *app, const pbts_addr *addr);
bool app_may_read_metrics(struct app *app, const pbts_addr *addr);
bool app_is_loopback(const pbts_addr *addr);
/* Whether an Authorization header's value is "Bearer <the admin token>"; constant time. */
bool app_is_admin_token(const struct app *app, const char *authorization_or_null);

/* Make the live values of `config` the daemon's; false with a sentence when the policy is wrong. */
bool app_apply_live(struct app *app, const struct config_live *live, const char **problem);
/* The store is lost (store.h): have the daemon stop, for whoever starts it again. */
void app_fail(struct app *app);
/* The tracker's lock seam over app->locks. */
pbts_lock app_lock_seam(struct app *app);
void app_init(struct app *app, const struct config *config);

#endif
