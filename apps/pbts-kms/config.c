#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/words.h"
#include "exit_codes.h"
#include "files.h"
#include "say.h"

enum { FILE_MAX = 64 * 1024, VALUE_MAX = HOME_PATH_MAX };

typedef enum {
    KEY_DATA,
    KEY_LISTEN,
    KEY_PORT,
    KEY_MEMBERS,
    KEY_THRESHOLD,
    KEY_LINEAGES,
    KEY_POLL_MS,
    KEY_COMMIT_S,
    KEY_PHASE_S,
    KEY_PAUSE_S,
    KEY_REQUESTS,
    KEY_SIMULATOR,
} key;

/* clang-format off */
static const struct {
    const char *name, *unit, *fallback, *help;
} KEYS[CONFIG_KEYS] = {
    [KEY_DATA] = { "data", "DIR", "kms", "where the node keeps its state, made by \"pbts-kms init\"; default kms" },
    [KEY_LISTEN] = { "listen", "ADDRESS", "0.0.0.0", "address to listen on; default 0.0.0.0" },
    [KEY_PORT] = { "port", "PORT", "8443", "HTTPS port; 0: any free one; default 8443" },
    [KEY_MEMBERS] = { "members", "FILE", "", "the group, the same file at all nodes; default members in data" },
    [KEY_THRESHOLD] = { "threshold", "NODES", "", "how many nodes give a key; at most half of them and one" },
    [KEY_LINEAGES] = { "lineages", "DIR", "", "a file LINEAGE.policy for each lineage; default lineages in data" },
    [KEY_POLL_MS] = { "poll_ms", "MS", "1000", "between questions to the other nodes; default 1000" },
    [KEY_COMMIT_S] = { "commit_s", "SECONDS", "120", "how long a ceremony waits for all nodes; default 120" },
    [KEY_PHASE_S] = { "phase_s", "SECONDS", "60", "how long each later phase waits; default 60" },
    [KEY_PAUSE_S] = { "pause_s", "SECONDS", "60", "between ceremonies that other nodes begin; default 60" },
    [KEY_REQUESTS] = { "requests_per_minute", "REQUESTS", "60", "of one address; default 60" },
    [KEY_SIMULATOR] = { "allow_simulator", "yes|no", "no", "let lineages with kms_simulated through; never where keys matter; default no" },
};
/* clang-format on */

void config_options(command_option *out, const char **texts) {
    for (size_t i = 0; i < CONFIG_KEYS; i++) {
        out[i] =
            (command_option){ KEYS[i].name, KEYS[i].unit, &texts[i], NULL, false, KEYS[i].help };
    }
}

/* ---- the file ---- */

static int read_line(char (*values)[VALUE_MAX], const char *file, unsigned number, pbts_span line) {
    pbts_span text = pbts_trim(line), value = text;
    if (text.len == 0 || text.data[0] == '#') return PBTS_EXIT_OK;
    pbts_span name = pbts_trim(pbts_take_until(&value, '='));
    value = pbts_trim(value);
    for (size_t i = 0; i < CONFIG_KEYS; i++) {
        if (!pbts_span_is(name, KEYS[i].name)) continue;
        if (value.len >= VALUE_MAX)
            return say_fail(PBTS_EXIT_USAGE, "%s, line %u: the value is too long", file, number);
        memcpy(values[i], value.data, value.len);
        values[i][value.len] = '\0';
        return PBTS_EXIT_OK;
    }
    return say_fail(PBTS_EXIT_USAGE, "%s, line %u: there is no such key", file, number);
}

static int read_file(char (*values)[VALUE_MAX], const char *file) {
    uint8_t *bytes;
    size_t len;
    int code = file_read(&bytes, &len, file, FILE_MAX);
    if (code != PBTS_EXIT_OK) return code;
    pbts_span text = { bytes, len };
    for (unsigned line = 1; text.len > 0 && code == PBTS_EXIT_OK; line++) {
        code = read_line(values, file, line, pbts_take_until(&text, '\n'));
    }
    free(bytes);
    return code;
}

/* ---- members ---- */

static int read_members(kms_config *out, const char *file, uint64_t threshold) {
    uint8_t *bytes;
    size_t len, line;
    int code = file_read(&bytes, &len, file, PBTS_KMS_MEMBERS_LEN_MAX);
    if (code != PBTS_EXIT_OK) return code;
    pbts_status status = pbts_kms_members_parse(&out->members, &line, (pbts_span){ bytes, len });
    free(bytes);
    if (status != PBTS_OK)
        return say_fail(PBTS_EXIT_USAGE,
                        "%s, line %zu: wanted is NUMBER URL KEY PIN as \"pbts-kms init\" prints "
                        "it, numbers from 1 on, at most %d",
                        file, line, PBTS_KMS_NODES_MAX);
    status =
        pbts_kms_group_init(&out->group, (size_t)threshold, out->members.keys, out->members.nodes);
    if (status == PBTS_OK) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "%s: %zu nodes, of which %llu give a key: %s", file,
                    out->members.nodes, (unsigned long long)threshold, pbts_status_text(status));
}

/* ---- all of it ---- */

static int number_of(uint64_t *out, const char *text, key which, uint64_t min, uint64_t max) {
    if (options_number(out, text, max) && *out >= min) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "%s: wanted is a number from %llu to %llu", KEYS[which].name,
                    (unsigned long long)min, (unsigned long long)max);
}

static int read_numbers(kms_config *out, char (*values)[VALUE_MAX], uint64_t *threshold) {
    static const struct {
        key which;
        uint64_t min, max;
    } RANGES[] = {
        { KEY_PORT, 0, 65535 },         { KEY_THRESHOLD, 1, PBTS_KMS_NODES_MAX },
        { KEY_POLL_MS, 10, 60 * 1000 }, { KEY_COMMIT_S, 1, 24 * 3600 },
        { KEY_PHASE_S, 1, 24 * 3600 },  { KEY_PAUSE_S, 0, 24 * 3600 },
        { KEY_REQUESTS, 1, 100000 },
    };
    uint64_t numbers[CONFIG_KEYS];
    for (size_t i = 0; i < sizeof RANGES / sizeof RANGES[0]; i++) {
        key which = RANGES[i].which;
        int code = number_of(&numbers[which], values[which], which, RANGES[i].min, RANGES[i].max);
        if (code != PBTS_EXIT_OK) return code;
    }
    out->port = (uint16_t)numbers[KEY_PORT];
    *threshold = numbers[KEY_THRESHOLD];
    out->poll_ms = (uint32_t)numbers[KEY_POLL_MS];
    out->commit_s = (uint32_t)numbers[KEY_COMMIT_S];
    out->phase_s = (uint32_t)numbers[KEY_PHASE_S];
    out->pause_s = (uint32_t)numbers[KEY_PAUSE_S];
    out->requests_per_minute = (uint32_t)numbers[KEY_REQUESTS];
    return PBTS_EXIT_OK;
}

/* False when it is too long. */
static bool copy_text(char *out, size_t size, const char *text) {
    size_t len = strlen(text);
    if (len >= size) return false;
    memcpy(out, text, len + 1);
    return true;
}

static int finish(kms_config *out, char (*values)[VALUE_MAX]) {
    uint64_t threshold;
    bool yes = strcmp(values[KEY_SIMULATOR], "yes") == 0;
    int code = read_numbers(out, values, &threshold);
    if (code != PBTS_EXIT_OK) return code;
    if (!yes && strcmp(values[KEY_SIMULATOR], "no") != 0)
        return say_fail(PBTS_EXIT_USAGE, "allow_simulator: wanted is yes or no");
    out->allow_simulator = yes;
    if (!copy_text(out->listen, sizeof out->listen, values[KEY_LISTEN]))
        return say_fail(PBTS_EXIT_USAGE, "listen: wanted is an address");
    char members[HOME_PATH_MAX];
    bool fits = copy_text(out->data, sizeof out->data, values[KEY_DATA]) &&
                home_path(members, out->data, "members") &&
                home_path(out->lineages, out->data, "lineages");
    if (!fits) return say_fail(PBTS_EXIT_USAGE, "data: the path is too long");
    const char *lineages = values[KEY_LINEAGES];
    if (lineages[0] != '\0' && !copy_text(out->lineages, sizeof out->lineages, lineages))
        return say_fail(PBTS_EXIT_USAGE, "lineages: the path is too long");
    return read_members(out, values[KEY_MEMBERS][0] != '\0' ? values[KEY_MEMBERS] : members,
                        threshold);
}

int config_load(kms_config *out, const char *file, const char *const *texts) {
    static char values[CONFIG_KEYS][VALUE_MAX];
    char beside[HOME_PATH_MAX];
    const char *data = texts[KEY_DATA] != NULL ? texts[KEY_DATA] : KEYS[KEY_DATA].fallback;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < CONFIG_KEYS; i++)
        (void)snprintf(values[i], VALUE_MAX, "%s", KEYS[i].fallback);
    bool is_beside = file == NULL && home_path(beside, data, "pbts-kms.conf");
    if (is_beside) {
        FILE *there = fopen(beside, "re");
        if (there != NULL) file = beside;
        if (there != NULL) (void)fclose(there);
    }
    int code = file != NULL ? read_file(values, file) : PBTS_EXIT_OK;
    if (code != PBTS_EXIT_OK) return code;
    for (size_t i = 0; i < CONFIG_KEYS; i++) {
        if (texts[i] == NULL) continue;
        if (strlen(texts[i]) >= VALUE_MAX)
            return say_fail(PBTS_EXIT_USAGE, "%s: the value is too long", KEYS[i].name);
        (void)snprintf(values[i], VALUE_MAX, "%s", texts[i]);
    }
    return finish(out, values);
}
