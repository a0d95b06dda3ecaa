/* config.h - what a node is told: defaults < pbts-kms.conf < options of the command line. */
#ifndef PBTS_KMS_CONFIG_H
#define PBTS_KMS_CONFIG_H

#include "home.h"
#include "kms/members.h"
#include "kms/node.h"
#include "options.h"

typedef struct {
    char data[HOME_PATH_MAX], lineages[HOME_PATH_MAX], listen[64];
    uint16_t port; /* 0: any free one */
    uint32_t poll_ms, commit_s, phase_s, pause_s, requests_per_minute;
    bool allow_simulator;
    pbts_kms_group group;
    pbts_kms_members members;
} kms_config;

enum { CONFIG_KEYS = 12 };

/* The options of "run" and where their texts go; `texts` has CONFIG_KEYS places. */
void config_options(command_option *out, const char **texts);
/* An exit code, and what is wrong is said. `file`: NULL for DATA/pbts-kms.conf, if it is there. */
int config_load(kms_config *out, const char *file, const char *const *texts);

#endif
