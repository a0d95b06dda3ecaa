#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "codec/text.h"
#include "exit_codes.h"
#include "files.h"
#include "home.h"
#include "kms_commands.h"
#include "lineages.h"
#include "options.h"
#include "say.h"
#include "service.h"

static void print_lineage(const pbts_kms_lineage *lineage) {
    char hex[2 * PBTS_KMS_LINEAGE_LEN + 1];
    pbts_writer writer = pbts_writer_over((uint8_t *)hex, sizeof hex);
    pbts_hex_encode(&writer, PBTS_SPAN_OF(lineage->id.bytes));
    pbts_write_u8(&writer, 0);
    (void)printf("%s %s generations 0-%llu measurements %zu%s\n", hex,
                 lineage->mode == PBTS_KMS_PINNED ? "pinned" : "gate",
                 (unsigned long long)lineage->generation_max, lineage->policy.measurements_len,
                 lineage->allow_simulated ? " SIMULATED" : "");
}

static int list(const char *folder) {
    pbts_kms_lineage *lineages;
    size_t len;
    int code = lineages_load(&lineages, &len, folder, SERVICE_LINEAGES_MAX);
    if (code != PBTS_EXIT_OK) return code;
    for (size_t i = 0; i < len; i++) print_lineage(&lineages[i]);
    free(lineages);
    return PBTS_EXIT_OK;
}

static int install(const char *folder, const char *lineage, const char *file) {
    pbts_kms_lineage *parsed = calloc(1, sizeof *parsed);
    char name[LINEAGES_NAME_MAX];
    uint8_t *text = NULL;
    size_t len = 0;
    if (parsed == NULL) return say_no_memory();
    int code = PBTS_EXIT_OK;
    if (pbts_hex_decode_exact(parsed->id.bytes, sizeof parsed->id.bytes, pbts_span_text(lineage)) !=
        PBTS_OK)
        code = say_fail(PBTS_EXIT_USAGE, "LINEAGE: wanted are %d hexadecimal digits",
                        2 * PBTS_KMS_LINEAGE_LEN);
    if (code == PBTS_EXIT_OK) code = file_read(&text, &len, file, PBTS_POLICY_LEN_MAX);
    if (code == PBTS_EXIT_OK) code = lineages_parse(parsed, file, (pbts_span){ text, len });
    if (code == PBTS_EXIT_OK && mkdir(folder, 0700) != 0 && errno != EEXIST)
        code = say_errno(folder);
    if (code == PBTS_EXIT_OK) {
        lineages_file_name(name, &parsed->id);
        pbts_status status = home_write(folder, name, (pbts_span){ text, len });
        if (status != PBTS_OK) code = say_status(folder, status);
    }
    if (code == PBTS_EXIT_OK) print_lineage(parsed);
    free(text);
    free(parsed);
    return code;
}

int kms_cmd_allow(int argc, char **argv) {
    const char *data = NULL;
    char folder[HOME_PATH_MAX];
    struct stat facts;
    const command_option options[] = {
        { "data", "DIR", &data, NULL, true, "of the node; it may run" },
    };
    const command_spec spec = {
        .name = "allow",
        .arguments = " [LINEAGE FILE]",
        .about =
            "Checks a lineage's policy and puts it in place of the one before; a running node\n"
            "takes it up within a second or so. Alone, lists what is allowed.\n",
        .examples = "  pbts-kms allow --data kms 8f3c…e1 tracker.policy\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .arguments_min = 0,
        .arguments_max = 2,
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (!home_path(folder, data, "lineages"))
        return say_fail(PBTS_EXIT_USAGE, "the path is too long");
    if (stat(data, &facts) != 0) return say_errno(data);
    if (arguments[0] == NULL) return list(folder);
    if (arguments[1] == NULL) return say_fail(PBTS_EXIT_USAGE, "LINEAGE goes with a FILE");
    return install(folder, arguments[0], arguments[1]);
}
