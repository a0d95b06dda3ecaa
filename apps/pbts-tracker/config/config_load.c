/* Where the configuration comes from: defaults < file < environment < flags. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "config_value.h"

enum { FILE_MAX = 256 * 1024 };

struct sources {
    int argc;
    char **argv, **environment;
    const char *file; /* --config or PBTS_CONFIG; NULL: look in the data directory */
    bool help, version, check;
};

/* The variable PBTS_<KEY>, or one of the two older names. */
static const char *environment_of(const struct sources *sources, const char *name) {
    size_t len = strlen(name);
    for (char **entry = sources->environment; *entry != NULL; entry++)
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=') return *entry + len + 1;
    return NULL;
}

static void variable_name(char out[static 80], const char *key) {
    size_t len = (size_t)snprintf(out, 80, "PBTS_%.70s", key);
    for (size_t i = 0; i < len; i++) out[i] = (char)toupper((unsigned char)out[i]);
}

static bool apply_variable(struct config *config, char *error, const struct sources *sources,
                           const char *variable, const char *key) {
    char where[100];
    const char *value = environment_of(sources, variable);
    if (value == NULL) return true;
    snprintf(where, sizeof where, "environment %.80s", variable);
    return config_set(config, error, where, key, value);
}

static bool apply_environment(struct config *config, char *error, const struct sources *sources) {
    if (!apply_variable(config, error, sources, "MIN_RATIO", "min_ratio") ||
        !apply_variable(config, error, sources, "MAX_PEERS", "numwant_max"))
        return false;
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        char variable[80];
        variable_name(variable, CONFIG_KEYS[i].key);
        if (!apply_variable(config, error, sources, variable, CONFIG_KEYS[i].key)) return false;
    }
    return true;
}

/* One "--key value" or "--key=value" from argv[*index]; `key` with '_' for '-'. */
static bool next_flag(const struct sources *sources, int *index, char key[static 80],
                      const char **value, char *error) {
    const char *flag = sources->argv[*index];
    const char *equals = strchr(flag, '=');
    size_t len = equals ? (size_t)(equals - flag) : strlen(flag);
    if (strncmp(flag, "--", 2) != 0 || len < 3 || len > 78) {
        snprintf(error, CONFIG_ERROR_MAX, "\"%.80s\" is no flag; flags look like --port 8000",
                 flag);
        return false;
    }
    snprintf(key, 80, "%.*s", (int)(len - 2), flag + 2);
    for (char *c = key; *c; c++)
        if (*c == '-') *c = '_';
    *value = equals ? equals + 1 : sources->argv[*index + 1];
    *index += equals ? 1 : 2;
    return true;
}

static bool is_word(struct sources *sources, const char *flag) {
    if (strcmp(flag, "--help") == 0 || strcmp(flag, "-h") == 0) return sources->help = true;
    if (strcmp(flag, "--version") == 0) return sources->version = true;
    if (strcmp(flag, "--check-config") == 0) return sources->check = true;
    return false;
}

/* Apply the flags; `only` restricts to one key (NULL: all). --config is noted, not applied. */
static bool apply_flags(struct config *config, char *error, struct sources *sources,
                        const char *only) {
    for (int i = 1; i < sources->argc;) {
        char key[80], where[100];
        const char *value;
        if (is_word(sources, sources->argv[i])) {
            i++;
            continue;
        }
        if (!next_flag(sources, &i, key, &value, error)) return false;
        snprintf(where, sizeof where, "flag --%.80s", key);
        bool names_file = strcmp(key, "config") == 0;
        if (value == NULL && (names_file || config_key_find(key) != NULL)) {
            snprintf(error, CONFIG_ERROR_MAX, "%s needs a value", where);
            return false;
        }
        if (names_file)
            sources->file = value;
        else if ((only == NULL || strcmp(key, only) == 0) &&
                 !config_set(config, error, where, key, value != NULL ? value : ""))
            return false;
    }
    return true;
}

/* The file's bytes; NULL with a sentence, or with error[0] = 0 when it is allowed not to exist. */
static char *read_file(const char *path, size_t *len, bool optional, char *error) {
    error[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        if (!optional || errno != ENOENT)
            snprintf(error, CONFIG_ERROR_MAX, "%.300s: %s", path, strerror(errno));
        return NULL;
    }
    char *bytes = malloc(FILE_MAX + 1);
    *len = bytes ? fread(bytes, 1, FILE_MAX + 1, file) : 0;
    bool failed = bytes == NULL || ferror(file) || *len > FILE_MAX;
    fclose(file);
    if (!failed) return bytes;
    snprintf(error, CONFIG_ERROR_MAX, "%.300s: cannot be read, or is over %d bytes", path,
             FILE_MAX);
    free(bytes);
    return NULL;
}

static bool apply_file(struct config *config, char *error, const struct sources *sources) {
    char path[CONFIG_TEXT_MAX];
    bool named = sources->file != NULL;
    int wanted = named ? snprintf(path, sizeof path, "%s", sources->file)
                       : snprintf(path, sizeof path, "%s/pbts-tracker.conf", config->data);
    if (wanted < 0 || (size_t)wanted >= sizeof path)
        return snprintf(error, CONFIG_ERROR_MAX, "the configuration file's path is too long"),
               false;
    size_t len;
    char *bytes = read_file(path, &len, !named, error);
    if (bytes == NULL) return error[0] == '\0';
    bool good = config_apply_text(config, error, path, (pbts_span){ (uint8_t *)bytes, len });
    free(bytes);
    memcpy(config->file, path, sizeof path);
    return good;
}

static bool apply_all(struct config *config, char *error, struct sources *sources) {
    config_defaults(config);
    sources->file = environment_of(sources, "PBTS_CONFIG");
    /* The data directory first: the file may lie in it. */
    if (!apply_variable(config, error, sources, "PBTS_DATA", "data") ||
        !apply_flags(config, error, sources, "data"))
        return false;
    if (sources->help || sources->version) return true;
    return apply_file(config, error, sources) && apply_environment(config, error, sources) &&
           apply_flags(config, error, sources, NULL) && config_finish(config, error);
}

bool config_reload(struct config *config, char error[static CONFIG_ERROR_MAX], int argc,
                   char **argv, char **environment) {
    struct sources sources = { .argc = argc, .argv = argv, .environment = environment };
    return apply_all(config, error, &sources);
}

/* PBTS_CONFIG names the file; PBTS_BIN is what test scripts hand on. */
static bool is_known_variable(pbts_span name) {
    char key[80];
    if (name.len >= sizeof key) return false;
    for (size_t i = 0; i < name.len; i++) key[i] = (char)tolower(name.data[i]);
    key[name.len] = '\0';
    return config_key_find(key) != NULL || strcmp(key, "config") == 0 || strcmp(key, "bin") == 0;
}

bool config_unknown_variable(pbts_span *name, size_t *at, char **environment) {
    static const char prefix[] = "PBTS_";
    for (; environment[*at] != NULL; (*at)++) {
        const char *entry = environment[*at];
        if (strncmp(entry, prefix, sizeof prefix - 1) != 0) continue;
        *name = (pbts_span){ (const uint8_t *)entry, strcspn(entry, "=") };
        pbts_span rest = { name->data + sizeof prefix - 1, name->len - (sizeof prefix - 1) };
        if (is_known_variable(rest)) continue;
        (*at)++;
        return true;
    }
    return false;
}

static void say_checked(const struct config *config, char **environment) {
    pbts_span name;
    size_t at = 0;
    while (config_unknown_variable(&name, &at, environment))
        fprintf(stderr, "pbts-tracker: note: the environment's %.*s names no key\n",
                (int)(name.len < 80 ? name.len : 80), (const char *)name.data);
    printf("the configuration is good%s%s\n", config->file[0] ? ": " : "", config->file);
}

enum config_result config_load(struct config *config, int argc, char **argv, char **environment) {
    struct sources sources = { .argc = argc, .argv = argv, .environment = environment };
    char error[CONFIG_ERROR_MAX] = "";
    if (!apply_all(config, error, &sources)) {
        fprintf(stderr, "pbts-tracker: %s\n", error);
        return CONFIG_BAD;
    }
    if (sources.help) {
        config_print_help(argv[0]);
        return CONFIG_SHOWN;
    }
    if (sources.version) {
        puts("pbts-tracker " PBTS_VERSION);
        return CONFIG_SHOWN;
    }
    if (!sources.check) return CONFIG_RUN;
    say_checked(config, environment);
    return CONFIG_CHECKED;
}

void config_print_help(const char *program) {
    printf(
        "Usage: %s [--key value]...\n\n"
        "The tracker: HTTP(S) and UDP announces, REST API, ledger. Every key below can stand in\n"
        "the configuration file (key = value), in the environment (PBTS_KEY), or be a flag\n"
        "(--key value); later ones win. MIN_RATIO and MAX_PEERS are read too.\n\n"
        "  --config FILE          the configuration file (default: <data>/pbts-tracker.conf)\n"
        "  --check-config         say whether the configuration is good, and end\n"
        "  --help, --version\n\n"
        "Keys (* may change while running: edit the file and send SIGHUP)\n\n",
        program);
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_key *key = &CONFIG_KEYS[i];
        printf("%c --%-22s %s\n      [%s; default: %s]\n", key->may_change ? '*' : ' ', key->key,
               key->help, key->unit, key->fallback[0] ? key->fallback : "none");
    }
    puts(
        "\nExit codes: 0 stopped in order; 1 could not start, or the disk failed: the log says "
        "why;\n"
        "2 bad configuration;\n"
        "3 the data directory needs a person: tracker.key is missing or another's, or data fail a\n"
        "check. The log names the file and what to put back.");
    puts("\nExample: pbts-tracker --port 8000 --data /var/lib/pbts --min-ratio 0.5");
}
