#include "kms/lineage.h"

#include "codec/words.h"

typedef enum {
    KEY_MODE,
    KEY_GENERATION_MAX,
    KEY_STATEMENT_MAX_S,
    KEY_SIMULATED,
    KEY_COUNT
} lineage_key;

static const struct {
    const char *name, *wanted;
} KEYS[KEY_COUNT] = {
    [KEY_MODE] = { "kms_mode", "should be gate or pinned" },
    [KEY_GENERATION_MAX] = { "kms_generation_max", "should be a number from 0 on" },
    [KEY_STATEMENT_MAX_S] = { "kms_statement_max_s", "should be seconds, 0 to 4294967295" },
    [KEY_SIMULATED] = { "kms_simulated", "should be yes or no" },
};

static pbts_status read_number(uint64_t *out, pbts_span value, uint64_t max) {
    uint64_t number = 0;
    if (value.len == 0 || value.len > 18) return PBTS_MALFORMED;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') return PBTS_MALFORMED;
        number = number * 10 + (uint64_t)(value.data[i] - '0');
    }
    if (number > max) return PBTS_MALFORMED;
    *out = number;
    return PBTS_OK;
}

/* One of two words. */
static pbts_status read_choice(bool *out, pbts_span value, const char *no, const char *yes) {
    if (!pbts_span_is(value, no) && !pbts_span_is(value, yes)) return PBTS_MALFORMED;
    *out = pbts_span_is(value, yes);
    return PBTS_OK;
}

static pbts_status set(pbts_kms_lineage *out, lineage_key key, pbts_span value) {
    uint64_t number;
    bool is_pinned;
    switch (key) {
    case KEY_MODE:
        PBTS_TRY(read_choice(&is_pinned, value, "gate", "pinned"));
        out->mode = is_pinned ? PBTS_KMS_PINNED : PBTS_KMS_GATE;
        return PBTS_OK;
    case KEY_GENERATION_MAX: return read_number(&out->generation_max, value, INT64_MAX);
    case KEY_STATEMENT_MAX_S:
        PBTS_TRY(read_number(&number, value, UINT32_MAX));
        out->statement_max_s = (uint32_t)number;
        return PBTS_OK;
    case KEY_SIMULATED: return read_choice(&out->allow_simulated, value, "no", "yes");
    default: return PBTS_NOT_FOUND;
    }
}

/* The host of a guest that it can debug reads the key there. */
static bool lets_debug(pbts_span name, pbts_span value) {
    return pbts_span_is(name, "allow_debug") && pbts_span_is(value, "yes");
}

/* Whether the line is one of ours; PBTS_NOT_FOUND: it is the policy's. */
static pbts_status read_line(pbts_kms_lineage *out, pbts_policy_mistake *mistake, unsigned *seen,
                             pbts_span line) {
    pbts_span rest = line, value = pbts_trim(pbts_take_until(&rest, '#'));
    pbts_span name = pbts_trim(pbts_take_until(&value, '='));
    if (lets_debug(name, pbts_trim(value)))
        return pbts_policy_wrong(mistake, PBTS_DENIED, name,
                                 "must not be yes: who runs such a guest reads its key");
    for (int key = 0; key < KEY_COUNT; key++) {
        if (!pbts_span_is(name, KEYS[key].name)) continue;
        if ((*seen & 1U << key) != 0)
            return pbts_policy_wrong(mistake, PBTS_EXISTS, name, "stands here for the second time");
        *seen |= 1U << key;
        pbts_status status = set(out, (lineage_key)key, pbts_trim(value));
        return status == PBTS_OK ? PBTS_OK
                                 : pbts_policy_wrong(mistake, status, name, KEYS[key].wanted);
    }
    return PBTS_NOT_FOUND;
}

/* The policy's lines go on with empty ones in place of ours, so that its numbers are right. */
static pbts_status split(pbts_kms_lineage *out, pbts_policy_mistake *mistake, pbts_writer *policy,
                         pbts_span text) {
    unsigned seen = 0;
    while (text.len > 0) {
        mistake->line++;
        pbts_span part = pbts_take_until(&text, '\n');
        pbts_status status = read_line(out, mistake, &seen, part);
        if (status == PBTS_NOT_FOUND) {
            pbts_write_bytes(policy, part);
        } else if (status != PBTS_OK) {
            return status;
        }
        pbts_write_u8(policy, '\n');
    }
    return PBTS_OK;
}

pbts_status pbts_kms_lineage_parse(pbts_kms_lineage *out, pbts_policy_mistake *mistake,
                                   pbts_mem *mem, pbts_span text) {
    *mistake = (pbts_policy_mistake){ .line = 0 };
    if (text.len >= PBTS_POLICY_LEN_MAX) return PBTS_LIMIT;
    size_t size = sizeof *out + text.len + 1;
    pbts_kms_lineage *draft = pbts_alloc(mem, size);
    if (draft == NULL) return PBTS_NO_MEMORY;
    pbts_writer policy = pbts_writer_over((uint8_t *)(draft + 1), text.len + 1);
    pbts_status status = split(draft, mistake, &policy, text);
    if (status == PBTS_OK)
        status = pbts_attest_policy_parse(&draft->policy, mistake, pbts_writer_span(&policy));
    if (status == PBTS_OK) {
        draft->id = out->id;
        *out = *draft;
    }
    pbts_release(mem, draft);
    return status;
}
