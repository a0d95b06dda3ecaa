/* pbts-kms - a node of the key service: t of n give trackers their keys. */
#include "kms_commands.h"
#include "program.h"

static const program_command COMMANDS[] = {
    { { "init", NULL }, kms_cmd_init, "make a node's keys; prints its line for the members file" },
    { { "run", NULL }, kms_cmd_run, "the node itself, until it is stopped" },
    { { "dkg", NULL }, kms_cmd_dkg, "have a running node begin key generation" },
    { { "refresh", NULL }, kms_cmd_refresh, "have it begin a refresh: new shares of the same key" },
    { { "status", NULL }, kms_cmd_status, "what a running node knows" },
    { { "allow", NULL },
      kms_cmd_allow,
      "install a lineage's policy, or list those that there are" },
};

int main(int argc, char **argv) {
    static const program PBTS_KMS = {
        "pbts-kms",
        COMMANDS,
        sizeof COMMANDS / sizeof COMMANDS[0],
        8,
        "examples",
        "  pbts-kms init --data kms --url https://kms1.example.org:8443\n"
        "  pbts-kms run --data kms --threshold 3\n"
        "  pbts-kms dkg --data kms\n",
    };
    return program_run(&PBTS_KMS, argc, argv);
}
