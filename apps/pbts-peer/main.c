/* pbts-peer - a BitTorrent client that signs for what it gets, and is signed for what it gives. */
#include "engine.h"
#include "options.h"
#include "program.h"
#include "tell.h"

static int run(peer_command command, int argc, char **argv) {
    settings set;
    int code = settings_read(&set, command, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    tell_as_json(set.json);
    return engine_run(&set);
}

static int run_get(int argc, char **argv) {
    return run(COMMAND_GET, argc, argv);
}

static int run_seed(int argc, char **argv) {
    return run(COMMAND_SEED, argc, argv);
}

static int run_daemon(int argc, char **argv) {
    return run(COMMAND_DAEMON, argc, argv);
}

static const program_command COMMANDS[] = {
    { { "get", NULL }, run_get, "download torrents" },
    { { "seed", NULL }, run_seed, "serve content that is there" },
    { { "daemon", NULL }, run_daemon, "share until it is stopped; \"pbts peer\" speaks to it" },
};

int main(int argc, char **argv) {
    static const program PBTS_PEER = {
        "pbts-peer",
        COMMANDS,
        sizeof COMMANDS / sizeof COMMANDS[0],
        7,
        "examples",
        "  pbts-peer get x.torrent --dir ~/Downloads --key alice.key\n"
        "  pbts-peer seed x.torrent --dir ~/Shared --key bob.key\n",
    };
    return program_run(&PBTS_PEER, argc, argv);
}
