/* GET and POST /config: what the daemon goes by, and what of it may change while it runs. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "rest_parts.h"

static const char WHERE[] = "POST /config";

/* The configuration as started, with what changed since. NULL without memory. */
static struct config *present_config(struct app *app) {
    struct config *config = malloc(sizeof *config);
    if (config == NULL) return NULL;
    *config = app->config;
    pthread_rwlock_rdlock(&app->live_lock);
    config->live = app->live;
    pthread_rwlock_unlock(&app->live_lock);
    return config;
}

static json_t *describe(const struct config *config) {
    const char *key, *unit;
    bool may_change;
    char value[CONFIG_TEXT_MAX];
    json_t *keys = json_object();
    for (size_t i = 0; config_key_at(config, i, &key, &unit, &may_change, value); i++)
        json_object_set_new(keys, key,
                            json_pack("{s:o, s:s, s:b}", "value",
                                      rest_json_text(pbts_span_text(value)), "unit", unit,
                                      "may_change", may_change));
    /* The prototype's three stand beside the keys, under its names. */
    return json_pack("{s:b, s:b, s:f, s:o, s:o}", "success", 1, "verify_signatures", 1, "min_ratio",
                     config->live.policy.min_ratio_milli / 1000.0, "max_peers",
                     rest_json_uint(config->live.policy.numwant_max), "config", keys);
}

void rest_config_show(struct rest_request *request, const struct rest_caller *caller) {
    struct config *config = present_config(request->app);
    if (config == NULL)
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
    else
        rest_reply_json(request, 200, describe(config));
    free(config);
}

/* ---- POST /config ---- */

static bool append(char out[static CONFIG_TEXT_MAX], const char *text) {
    size_t len = strlen(out);
    int wanted = snprintf(out + len, CONFIG_TEXT_MAX - len, "%s%s", len > 0 ? ", " : "", text);
    return wanted >= 0 && (size_t)wanted < CONFIG_TEXT_MAX - len;
}

static bool join_texts(char out[static CONFIG_TEXT_MAX], const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || !append(out, text)) return false;
    }
    return true;
}

/* A JSON value as the configuration file would have it. */
static bool text_of(char out[static CONFIG_TEXT_MAX], const json_t *value) {
    out[0] = '\0';
    switch (json_typeof(value)) {
    case JSON_STRING: return append(out, json_string_value(value));
    case JSON_TRUE: return append(out, "yes");
    case JSON_FALSE: return append(out, "no");
    case JSON_INTEGER:
        snprintf(out, CONFIG_TEXT_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return true;
    case JSON_REAL: snprintf(out, CONFIG_TEXT_MAX, "%.10g", json_real_value(value)); return true;
    case JSON_ARRAY: return join_texts(out, value);
    case JSON_OBJECT:
    case JSON_NULL: break;
    }
    return false;
}

struct refusal {
    const char *code;
    char sentence[CONFIG_ERROR_MAX];
};

__attribute__((format(printf, 3, 4))) static bool refuse(struct refusal *refusal, const char *code,
                                                         const char *format, ...) {
    va_list arguments;
    refusal->code = code;
    va_start(arguments, format);
    vsnprintf(refusal->sentence, sizeof refusal->sentence, format, arguments);
    va_end(arguments);
    return false;
}

/* Set one key; "verify_signatures" can only be confirmed. */
static bool set_one(struct config *config, struct refusal *refusal, const char *key,
                    const json_t *value) {
    char text[CONFIG_TEXT_MAX];
    if (strcmp(key, "verify_signatures") == 0) {
        if (json_is_true(value)) return true;
        return refuse(refusal, "VERIFICATION_REQUIRED",
                      "%s is always true: this tracker cannot switch verification off", key);
    }
    if (strcmp(key, "max_peers") == 0) key = "numwant_max";
    refusal->code = "MALFORMED";
    if (!text_of(text, value))
        return refuse(refusal, "MALFORMED",
                      "%.60s should be a text, a number, true or false, or a list of texts", key);
    if (!config_set(config, refusal->sentence, WHERE, key, text)) return false;
    if (config_may_change(key)) return true;
    return refuse(refusal, "NOT_CHANGEABLE",
                  "%s cannot change while the daemon runs: set it in the configuration file and "
                  "start again",
                  key);
}

static bool set_all(struct config *config, struct refusal *refusal, json_t *body) {
    const char *key;
    json_t *value;
    json_object_foreach(body, key, value) {
        if (!set_one(config, refusal, key, value)) return false;
    }
    refusal->code = "MALFORMED";
    return config_finish(config, refusal->sentence);
}

static bool apply(struct app *app, struct refusal *refusal, const struct config *config) {
    const char *problem = NULL;
    if (app_apply_live(app, &config->live, &problem)) return true;
    return refuse(refusal, "MALFORMED", "%s", problem);
}

void rest_config_change(struct rest_request *request, const struct rest_caller *caller) {
    struct refusal refusal;
    json_t *body = rest_json_body(request);
    if (body == NULL) return;
    struct config *config = present_config(request->app);
    if (config == NULL) {
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
    } else if (set_all(config, &refusal, body) && apply(request->app, &refusal, config)) {
        LOG(&request->app->log, LOG_INFO, "config_changed",
            LOG_UINT("keys", json_object_size(body)), LOG_ADDR("client", &request->client));
        rest_reply_json(request, 200, describe(config));
    } else {
        rest_reply_quoting(request, 400, refusal.code, refusal.sentence);
    }
    free(config);
    json_decref(body);
}
