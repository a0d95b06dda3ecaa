/* A configuration put together: keys set one by one, and the text of a configuration file. */
#include "config.h"

#include <ini.h>
#include <stdio.h>

#include "base/assert.h"
#include "codec/text.h"
#include "config_value.h"
#include "key_source.h"

void config_defaults(struct config *config) {
    char expected[CONFIG_ERROR_MAX];
    memset(config, 0, sizeof *config);
    config->live.policy = pbts_policy_default();
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        bool good = config_value_parse(config, &CONFIG_KEYS[i], CONFIG_KEYS[i].fallback, expected);
        assert(good);
    }
    config->listen_is_default = true;
    config->live.min_interval_is_given = false;
}

bool config_set(struct config *config, char error[static CONFIG_ERROR_MAX], const char *where,
                const char *key, const char *value) {
    char expected[CONFIG_ERROR_MAX];
    const struct config_key *found = config_key_find(key);
    if (found == NULL) {
        snprintf(error, CONFIG_ERROR_MAX,
                 "%.200s: unknown key \"%.60s\"; --help lists all that there are", where, key);
        return false;
    }
    if (!config_value_parse(config, found, value, expected)) {
        snprintf(error, CONFIG_ERROR_MAX, "%.200s: %s = \"%.60s\" is not %.160s", where, key, value,
                 expected);
        return false;
    }
    if (found->type == CONFIG_ADDRS) config->listen_is_default = false;
    if (strcmp(key, "min_interval_s") == 0) config->live.min_interval_is_given = true;
    return true;
}

void config_follow_interval(struct config_live *live) {
    uint32_t usual_s = pbts_policy_default().min_interval_s, half_s = live->policy.interval_s / 2;
    if (live->min_interval_is_given) return;
    live->policy.min_interval_s = half_s < usual_s ? half_s : usual_s;
}

bool config_may_change(const char *key) {
    const struct config_key *found = config_key_find(key);
    return found != NULL && found->may_change;
}

bool config_key_at(const struct config *config, size_t index, const char **key, const char **unit,
                   bool *may_change, char value[static CONFIG_TEXT_MAX]) {
    if (index >= CONFIG_KEY_COUNT) return false;
    *key = CONFIG_KEYS[index].key;
    *unit = CONFIG_KEYS[index].unit;
    *may_change = CONFIG_KEYS[index].may_change;
    config_value_format(config, &CONFIG_KEYS[index], value);
    return true;
}

static bool is_hash(const char *text) {
    uint8_t bytes[32];
    return pbts_hex_decode_exact(bytes, sizeof bytes, pbts_span_text(text)) == PBTS_OK;
}

/* What key_source = kms lacks; NULL: nothing. */
static const char *kms_problem(const struct config *config) {
    if (strcmp(config->key_source, "kms") != 0) return NULL;
    if (config->kms_members[0] == '\0' || config->kms_public[0] == '\0' ||
        config->kms_lineage[0] == '\0' || config->kms_threshold == 0)
        return "key_source = kms needs kms_members, kms_public, kms_threshold and kms_lineage";
    if (config->tee == PBTS_TEE_NONE)
        return "key_source = kms needs tee: it gives keys for evidence";
    if (config->tee == PBTS_TEE_SEV) return "key_source = kms takes no SEV-SNP reports";
    if (config->tee != PBTS_TEE_SIMULATOR && config->tee_collateral[0] == '\0')
        return "key_source = kms needs tee_collateral and tee_policy: quotes go with collateral";
    return NULL;
}

bool config_finish(struct config *config, char error[static CONFIG_ERROR_MAX]) {
    const pbts_policy *policy = &config->live.policy;
    const char *problem = NULL;
    config_follow_interval(&config->live);
    if (policy->min_interval_s > policy->interval_s)
        return snprintf(error, CONFIG_ERROR_MAX,
                        "configuration: min_interval_s = %u is more than interval_s = %u: lower "
                        "it, or leave it out, then it is half of interval_s",
                        (unsigned)policy->min_interval_s, (unsigned)policy->interval_s),
               false;
    if (config->live.policy.numwant_default > config->live.policy.numwant_max)
        config->live.policy.numwant_default = config->live.policy.numwant_max;
    if (pbts_policy_check(&config->live.policy, &problem) != PBTS_OK)
        return snprintf(error, CONFIG_ERROR_MAX, "configuration: %s", problem), false;
    if ((config->tls_cert[0] == '\0') != (config->tls_key[0] == '\0'))
        return snprintf(error, CONFIG_ERROR_MAX,
                        "configuration: tls_cert and tls_key are set together, or neither"),
               false;
    if (key_source_find(config->key_source) == NULL)
        return snprintf(error, CONFIG_ERROR_MAX,
                        "configuration: key_source = \"%.60s\" is not file, dstack or kms",
                        config->key_source),
               false;
    problem = kms_problem(config);
    if (problem != NULL)
        return snprintf(error, CONFIG_ERROR_MAX, "configuration: %s", problem), false;
    if (config->admin_token_hash[0] != '\0' && !is_hash(config->admin_token_hash))
        return snprintf(error, CONFIG_ERROR_MAX,
                        "configuration: admin_token_hash is not 64 hexadecimal digits"),
               false;
    if (config->https_port != 0 && config->https_port == config->port)
        return snprintf(error, CONFIG_ERROR_MAX, "configuration: https_port must differ from port"),
               false;
    if (config->referrer_claims[0] != '\0' && config->referrer[0] == '\0')
        return snprintf(error, CONFIG_ERROR_MAX,
                        "configuration: referrer_claims needs the ledger, referrer"),
               false;
    /* chain_contract is missing at the first start, which makes the key that it is made with. */
    if (config->ledger_ethereum && config->chain_rpc[0] == '\0')
        return snprintf(error, CONFIG_ERROR_MAX,
                        "configuration: ledger = ethereum needs chain_rpc"),
               false;
    bool has_collateral = config->tee_collateral[0] != '\0';
    if (config->tee == PBTS_TEE_SIMULATOR && has_collateral)
        return snprintf(error, CONFIG_ERROR_MAX,
                        "configuration: tee = simulator has collateral of its own: no "
                        "tee_collateral"),
               false;
    if (config->tee != PBTS_TEE_SIMULATOR && has_collateral != (config->tee_policy[0] != '\0'))
        return snprintf(error, CONFIG_ERROR_MAX,
                        "configuration: tee_collateral and tee_policy need each other"),
               false;
    size_t url_len = strlen(config->public_url);
    while (url_len > 0 && config->public_url[url_len - 1] == '/')
        config->public_url[--url_len] = '\0';
    return true;
}

/* ---- the file's text, read by libinih line by line ---- */

struct text_reader {
    pbts_cursor rest;
    unsigned line; /* of the line handed out last, from 1 */
    bool indented; /* that line began with a space */
    char *problem; /* first error; empty: none */
    struct config *config;
    const char *file_name;
    char last_key[64];                /* of the line before */
    bool list_open;                   /* that was a value that may go on */
    unsigned list_line;               /* where it began */
    char list_value[CONFIG_TEXT_MAX]; /* what of it was read */
};

static void complain(struct text_reader *reader, const char *text) {
    if (reader->problem[0] != '\0') return;
    snprintf(reader->problem, CONFIG_ERROR_MAX, "%.200s, line %u: %s", reader->file_name,
             reader->line, text);
}

/* As fgets: the next line with its end, at most num - 1 bytes; NULL at the end. */
static char *next_line(char *line, int num, void *stream) {
    struct text_reader *reader = stream;
    pbts_span rest = pbts_cursor_rest(&reader->rest), taken;
    if (rest.len == 0 || reader->problem[0] != '\0') return NULL;
    const uint8_t *end = memchr(rest.data, '\n', rest.len);
    size_t len = end == NULL ? rest.len : (size_t)(end - rest.data) + 1;
    reader->line++;
    if (len > (size_t)num - 1) {
        complain(reader,
                 "the line is too long; a list or a key may go on in the next line, indented");
        return NULL;
    }
    if (memchr(rest.data, '\0', len) != NULL) {
        complain(reader, "the line holds a NUL byte");
        return NULL;
    }
    if (pbts_read_span(&reader->rest, &taken, len) != PBTS_OK) return NULL;
    memcpy(line, taken.data, len);
    line[len] = '\0';
    reader->indented = line[0] == ' ' || line[0] == '\t';
    return line;
}

static void set_from_line(struct text_reader *reader, unsigned line, const char *key,
                          const char *value) {
    char where[300];
    snprintf(where, sizeof where, "%.200s, line %u", reader->file_name, line);
    (void)config_set(reader->config, reader->problem, where, key, value);
}

/* One more indented line of a list, or of hexadecimal digits. */
static void continue_list(struct text_reader *reader, const struct config_key *found,
                          const char *value) {
    size_t len = strlen(reader->list_value);
    if (!reader->list_open) {
        complain(reader, "the line begins with a space, but only a list or a key may go on");
        return;
    }
    if (len + strlen(value) + 2 > sizeof reader->list_value) {
        complain(reader, "the value is too long");
        return;
    }
    bool comma = config_key_is_list(found) && len > 0 && reader->list_value[len - 1] != ',';
    snprintf(reader->list_value + len, sizeof reader->list_value - len, "%s%s", comma ? "," : "",
             value);
}

/* It is set when what follows shows that it is over, so a line of a list may end in a comma. */
static void end_list(struct text_reader *reader) {
    size_t len = strlen(reader->list_value);
    if (!reader->list_open || reader->problem[0] != '\0') return;
    reader->list_open = false;
    bool is_list = config_key_is_list(config_key_find(reader->last_key));
    if (is_list && len > 0 && reader->list_value[len - 1] == ',')
        reader->list_value[len - 1] = '\0';
    set_from_line(reader, reader->list_line, reader->last_key, reader->list_value);
}

static void begin_list(struct text_reader *reader, const char *value) {
    reader->list_open = true;
    reader->list_line = reader->line;
    snprintf(reader->list_value, sizeof reader->list_value, "%s", value);
}

static int take_pair(void *user, const char *section, const char *key, const char *value) {
    struct text_reader *reader = user;
    const struct config_key *found = config_key_find(key);
    if (reader->problem[0] != '\0') return 1;
    if (section[0] != '\0') {
        complain(reader, "sections like [this] are not used here");
        return 1;
    }
    if (reader->indented && strcmp(key, reader->last_key) == 0) {
        continue_list(reader, found, value);
        return 1;
    }
    end_list(reader);
    if (reader->problem[0] != '\0') return 1;
    snprintf(reader->last_key, sizeof reader->last_key, "%.63s", key);
    if (found != NULL && config_key_goes_on(found))
        begin_list(reader, value);
    else
        set_from_line(reader, reader->line, key, value);
    return 1;
}

bool config_apply_text(struct config *config, char error[static CONFIG_ERROR_MAX],
                       const char *file_name, pbts_span text) {
    struct config changed = *config;
    struct text_reader reader = {
        .rest = pbts_cursor_over(text), .problem = error, .config = &changed, .file_name = file_name
    };
    error[0] = '\0';
    int bad_line = ini_parse_stream(next_line, &reader, take_pair, &reader);
    end_list(&reader);
    if (bad_line > 0) {
        reader.line = (unsigned)bad_line;
        complain(&reader, "expected key = value");
    }
    if (error[0] != '\0') return false;
    *config = changed;
    return true;
}
