/* A policy from its text. */
#include "attest/little.h"
#include "attest/policy.h"
#include "base/assert.h"
#include "codec/text.h"
#include "codec/words.h"

/* ---- values ---- */

static pbts_status read_bool(bool *out, pbts_span value) {
    if (!pbts_span_is(value, "yes") && !pbts_span_is(value, "no")) return PBTS_MALFORMED;
    *out = pbts_span_is(value, "yes");
    return PBTS_OK;
}

static pbts_status read_bits(uint64_t *out, pbts_span value) {
    uint8_t bytes[8];
    PBTS_TRY(pbts_hex_decode_exact(bytes, sizeof bytes, value));
    *out = pbts_little_u64(bytes);
    return PBTS_OK;
}

static pbts_status read_number(uint32_t *out, pbts_span value) {
    uint64_t number = 0;
    if (value.len == 0 || value.len > 10) return PBTS_MALFORMED;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') return PBTS_MALFORMED;
        number = number * 10 + (uint64_t)(value.data[i] - '0');
    }
    if (number > UINT32_MAX) return PBTS_LIMIT;
    *out = (uint32_t)number;
    return PBTS_OK;
}

static pbts_status read_accepted(pbts_attest_policy *policy, pbts_span value) {
    pbts_span word = pbts_take_word(&value);
    policy->accepted = 0;
    if (word.len == 0) return PBTS_MALFORMED;
    for (; word.len > 0; word = pbts_take_word(&value)) {
        pbts_tcb_status status;
        if (pbts_tcb_status_parse(&status, word) != PBTS_OK) return PBTS_MALFORMED;
        if (status == PBTS_TCB_REVOKED) return PBTS_MALFORMED;
        policy->accepted |= 1U << status;
    }
    return PBTS_OK;
}

static pbts_status read_register(bool *any, pbts_measurement *out, pbts_span word) {
    *any = pbts_span_is(word, "any");
    return *any ? PBTS_OK : pbts_hex_decode_exact(out->bytes, sizeof out->bytes, word);
}

static pbts_status read_measurement(pbts_attest_policy *policy, pbts_span value) {
    pbts_attest_policy_measurement measurement = { 0 };
    if (policy->measurements_len == PBTS_POLICY_MEASUREMENTS_MAX) return PBTS_LIMIT;
    for (size_t i = 0; i < PBTS_POLICY_REGISTERS; i++) {
        PBTS_TRY(
            read_register(&measurement.any[i], &measurement.registers[i], pbts_take_word(&value)));
    }
    if (pbts_take_word(&value).len != 0) return PBTS_MALFORMED;
    policy->measurements[policy->measurements_len++] = measurement;
    return PBTS_OK;
}

/* The first value takes the default's place. */
static pbts_status add_value(pbts_attest_policy_values *values, bool is_first, pbts_span value) {
    pbts_measurement measurement;
    bool any;
    if (is_first) *values = (pbts_attest_policy_values){ 0 };
    if (values->len == PBTS_POLICY_VALUES_MAX) return PBTS_LIMIT;
    PBTS_TRY(read_register(&any, &measurement, value));
    if (any) {
        values->any = true;
    } else {
        values->values[values->len++] = measurement;
    }
    return PBTS_OK;
}

static pbts_status read_report_data(pbts_attest_policy *policy, pbts_span value) {
    policy->has_report_data = true;
    return pbts_hex_decode_exact(policy->report_data, sizeof policy->report_data, value);
}

/* ---- lines ---- */

typedef enum {
    KEY_ACCEPT,
    KEY_MEASUREMENT,
    KEY_MRSEAM,
    KEY_MRCONFIGID,
    KEY_MROWNER,
    KEY_MROWNERCONFIG,
    KEY_MRSERVICETD,
    KEY_SNP_MEASUREMENT,
    KEY_REPORT_DATA,
    KEY_TCB_EVALUATION_MIN,
    KEY_TD_ATTRIBUTES_ALLOWED,
    KEY_XFAM_ALLOWED,
    KEY_ALLOW_DEBUG,
    KEY_ALLOW_SEPT_VE,
    KEY_COUNT
} policy_key;

#define REGISTER "should be 96 hexadecimal digits or any, in at most 16 lines"
#define BITS "should be 16 hexadecimal digits"
#define YES_NO "should be yes or no"

static const struct {
    const char *name;
    bool repeatable;
    const char *wanted;
} KEYS[KEY_COUNT] = {
    [KEY_ACCEPT] = { "accept", false,
                     "should be TCB statuses with blanks between them, such as UpToDate "
                     "SWHardeningNeeded; Revoked is never accepted" },
    [KEY_MEASUREMENT] = { "measurement", true,
                          "should be MRTD and RTMR0 to RTMR3 with blanks between them, each 96 "
                          "hexadecimal digits or any, in at most 64 lines" },
    [KEY_MRSEAM] = { "mrseam", true, REGISTER },
    [KEY_MRCONFIGID] = { "mrconfigid", true, REGISTER },
    [KEY_MROWNER] = { "mrowner", true, REGISTER },
    [KEY_MROWNERCONFIG] = { "mrownerconfig", true, REGISTER },
    [KEY_MRSERVICETD] = { "mrservicetd", true, REGISTER },
    [KEY_SNP_MEASUREMENT] = { "snp_measurement", true, REGISTER },
    [KEY_REPORT_DATA] = { "report_data", false, "should be 128 hexadecimal digits" },
    [KEY_TCB_EVALUATION_MIN] = { "tcb_evaluation_min", false,
                                 "should be a number from 0 to 4294967295" },
    [KEY_TD_ATTRIBUTES_ALLOWED] = { "td_attributes_allowed", false, BITS },
    [KEY_XFAM_ALLOWED] = { "xfam_allowed", false, BITS },
    [KEY_ALLOW_DEBUG] = { "allow_debug", false, YES_NO },
    [KEY_ALLOW_SEPT_VE] = { "allow_sept_ve", false, YES_NO },
};
static_assert(PBTS_POLICY_VALUES_MAX == 16 && PBTS_POLICY_MEASUREMENTS_MAX == 64,
              "KEYS says how many lines");

static pbts_status set(pbts_attest_policy *policy, policy_key key, bool is_first, pbts_span value) {
    switch (key) {
    case KEY_ACCEPT: return read_accepted(policy, value);
    case KEY_MEASUREMENT: return read_measurement(policy, value);
    case KEY_MRSEAM: return add_value(&policy->mrseam, is_first, value);
    case KEY_MRCONFIGID: return add_value(&policy->mrconfigid, is_first, value);
    case KEY_MROWNER: return add_value(&policy->mrowner, is_first, value);
    case KEY_MROWNERCONFIG: return add_value(&policy->mrownerconfig, is_first, value);
    case KEY_MRSERVICETD: return add_value(&policy->mrservicetd, is_first, value);
    case KEY_SNP_MEASUREMENT: return add_value(&policy->snp_measurement, is_first, value);
    case KEY_REPORT_DATA: return read_report_data(policy, value);
    case KEY_TCB_EVALUATION_MIN: return read_number(&policy->tcb_evaluation_min, value);
    case KEY_TD_ATTRIBUTES_ALLOWED: return read_bits(&policy->td_attributes_allowed, value);
    case KEY_XFAM_ALLOWED: return read_bits(&policy->xfam_allowed, value);
    case KEY_ALLOW_DEBUG: return read_bool(&policy->allow_debug, value);
    case KEY_ALLOW_SEPT_VE: return read_bool(&policy->allow_sept_ve, value);
    default: return PBTS_NOT_FOUND;
    }
}

static policy_key find_key(pbts_span name) {
    int key = 0;
    while (key < KEY_COUNT && !pbts_span_is(name, KEYS[key].name)) key++;
    return (policy_key)key;
}

static pbts_status read_line(pbts_attest_policy *policy, pbts_policy_mistake *mistake,
                             unsigned *seen, pbts_span line) {
    pbts_span rest = line, value = pbts_trim(pbts_take_until(&rest, '#'));
    if (value.len == 0) return PBTS_OK;
    bool has_value = memchr(value.data, '=', value.len) != NULL;
    pbts_span name = pbts_trim(pbts_take_until(&value, '='));
    policy_key key = find_key(name);
    if (!has_value)
        return pbts_policy_wrong(mistake, PBTS_MALFORMED, name, "should be key = value");
    if (key == KEY_COUNT)
        return pbts_policy_wrong(mistake, PBTS_NOT_FOUND, name, "there is no such key");
    bool is_first = (*seen & 1U << key) == 0;
    if (!is_first && !KEYS[key].repeatable)
        return pbts_policy_wrong(mistake, PBTS_EXISTS, name, "stands here for the second time");
    *seen |= 1U << key;
    pbts_status status = set(policy, key, is_first, pbts_trim(value));
    return status == PBTS_OK ? PBTS_OK : pbts_policy_wrong(mistake, status, name, KEYS[key].wanted);
}

pbts_status pbts_attest_policy_parse(pbts_attest_policy *out, pbts_policy_mistake *mistake,
                                     pbts_span text) {
    pbts_attest_policy policy;
    unsigned seen = 0;
    pbts_attest_policy_init(&policy);
    *mistake = (pbts_policy_mistake){ .line = 0 };
    if (text.len > PBTS_POLICY_LEN_MAX) return PBTS_LIMIT;
    while (text.len > 0) {
        mistake->line++;
        PBTS_TRY(read_line(&policy, mistake, &seen, pbts_take_until(&text, '\n')));
    }
    *out = policy;
    return PBTS_OK;
}

/* ---- mistakes ---- */

/* Whoever wrote the file may not be who reads this on his terminal. */
pbts_status pbts_policy_wrong(pbts_policy_mistake *out, pbts_status status, pbts_span name,
                              const char *text) {
    size_t len = name.len < sizeof out->key ? name.len : sizeof out->key - 1;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = name.data[i];
        if (c <= ' ' || c >= 0x7f) c = '?';
        out->key[i] = (char)c;
    }
    out->key[len] = '\0';
    out->text = text;
    return status;
}

void pbts_policy_mistake_text(char out[static PBTS_POLICY_MISTAKE_MAX],
                              const pbts_policy_mistake *mistake, pbts_status status) {
    pbts_writer writer = pbts_writer_over((uint8_t *)out, PBTS_POLICY_MISTAKE_MAX);
    if (mistake->text == NULL) {
        pbts_write_text(&writer, pbts_status_text(status));
    } else {
        pbts_write_text(&writer, "line ");
        pbts_write_decimal(&writer, mistake->line);
        pbts_write_text(&writer, ": ");
        pbts_write_text(&writer, mistake->key);
        pbts_write_text(&writer, ": ");
        pbts_write_text(&writer, mistake->text);
    }
    pbts_write_u8(&writer, 0);
    assert(!writer.failed);
}
