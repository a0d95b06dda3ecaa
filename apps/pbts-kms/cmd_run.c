#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "base/secret_memory.h"
#include "exit_codes.h"
#include "gossip.h"
#include "kms_commands.h"
#include "log.h"
#include "options.h"
#include "say.h"
#include "server.h"

/* Secrets have locked pages of their own (locked.h). Where there is no limit, all else is locked
 * too, for the copies of OpenSSL and GnuTLS; with one, that could fail any allocation. */
static void lock_memory(bool secrets) {
    struct rlimit limit;
    bool unlimited = getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
    bool all = unlimited && mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
    kms_log("memory", "locked=%s", all ? "all" : secrets ? "secrets" : "no");
}

static sigset_t block_signals(void) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    return set;
}

static int serve(kms_service *s, const sigset_t *signals) {
    const struct timespec second = { .tv_sec = 1 };
    kms_server *server = NULL;
    kms_gossip *gossip = NULL;
    int caught;
    int code = server_start(&server, s);
    if (code != PBTS_EXIT_OK) return code;
    if (gossip_start(&gossip, s) != PBTS_OK) code = say_no_memory();
    if (code == PBTS_EXIT_OK) {
        if (s->config.allow_simulator)
            kms_log("SIMULATED", "advice=\"evidence of the simulator is let through\"");
        kms_log("listening", "https=%u node=%zu nodes=%zu threshold=%zu version=%s", s->port,
                s->number, s->config.group.nodes, s->config.group.threshold, PBTS_VERSION);
        while ((caught = sigtimedwait(signals, NULL, &second)) < 0) server_tick(server);
        kms_log("stopping", "signal=%d", caught);
    }
    gossip_stop(gossip);
    server_stop(server);
    return code;
}

static int run(const char *file, const char *const *texts) {
    sigset_t signals = block_signals();
    kms_config *settings = calloc(1, sizeof *settings);
    bool locked = false;
    kms_service *s = pbts_secret_new(sizeof *s, &locked);
    int code = settings != NULL && s != NULL ? config_load(settings, file, texts) : say_no_memory();
    if (code == PBTS_EXIT_OK) {
        lock_memory(locked);
        code = service_open(s, settings);
        if (code == PBTS_EXIT_OK) {
            code = serve(s, &signals);
            service_close(s);
        }
    }
    pbts_secret_free(s);
    free(settings);
    return code;
}

int kms_cmd_run(int argc, char **argv) {
    const char *file = NULL, *texts[CONFIG_KEYS] = { NULL };
    command_option options[CONFIG_KEYS + 1] = {
        { "config", "FILE", &file, NULL, false,
          "lines KEY = VALUE, with the names below; default pbts-kms.conf in data" },
    };
    config_options(options + 1, texts);
    const command_spec spec = {
        .name = "run",
        .arguments = "",
        .about = "Runs the node: HTTPS for nodes and trackers, a socket for the operator. What is\n"
                 "given here wins over the file.\n",
        .examples = "  pbts-kms run --data kms --threshold 3\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    return code == OPTIONS_GO_ON ? run(file, texts) : code;
}
