#include "eth/reputation_events.h"

#include "codec/abi.h"
#include "hash/keccak.h"

/* ---- events ---- */

static const char *const EVENT_SIGNATURES[PBTS_REPUTATION_EVENTS] = {
    [PBTS_REPUTATION_REGISTERED] = "Registered(bytes32,uint32,bytes)",
    [PBTS_REPUTATION_WRITTEN] = "Written(uint48,uint48,uint32,bytes32)",
    [PBTS_REPUTATION_ROOT_WRITTEN] = "RootWritten(uint48,bytes32)",
    [PBTS_REPUTATION_SEALED] = "Sealed(address)",
    [PBTS_REPUTATION_CREATED] = "ReputationCreated(address,address,address)",
};
static const size_t EVENT_TOPICS[PBTS_REPUTATION_EVENTS] = {
    [PBTS_REPUTATION_REGISTERED] = 2,   [PBTS_REPUTATION_WRITTEN] = 1,
    [PBTS_REPUTATION_ROOT_WRITTEN] = 1, [PBTS_REPUTATION_SEALED] = 2,
    [PBTS_REPUTATION_CREATED] = 4,
};

pbts_eth_hash pbts_reputation_event_topic(pbts_reputation_event_kind kind) {
    return pbts_eth_hash_of(pbts_span_text(EVENT_SIGNATURES[kind]));
}

static pbts_status read_registered(pbts_reputation_event *event, const pbts_eth_log *log,
                                   pbts_abi_reader *data) {
    uint64_t user_no;
    pbts_span key;
    PBTS_TRY(pbts_abi_read_uint(data, &user_no, UINT32_MAX));
    PBTS_TRY(pbts_abi_read_bytes(data, &key));
    if (key.len != PBTS_BLS_PUBLIC_LEN) return PBTS_MALFORMED;
    memcpy(event->registered.uid_hash, log->topics[1].bytes, 32);
    event->registered.user_no = (uint32_t)user_no;
    memcpy(event->registered.public_key.bytes, key.data, key.len);
    return PBTS_OK;
}

static pbts_status read_written(pbts_reputation_event *event, pbts_abi_reader *data) {
    uint64_t count;
    PBTS_TRY(pbts_abi_read_uint(data, &event->written.sequence, PBTS_REPUTATION_U48_MAX));
    PBTS_TRY(pbts_abi_read_uint(data, &event->written.epoch, PBTS_REPUTATION_U48_MAX));
    PBTS_TRY(pbts_abi_read_uint(data, &count, UINT32_MAX));
    event->written.count = (uint32_t)count;
    return pbts_abi_read_word(data, event->written.head.bytes);
}

static pbts_status read_root_written(pbts_reputation_event *event, pbts_abi_reader *data) {
    PBTS_TRY(pbts_abi_read_uint(data, &event->root_written.sequence, PBTS_REPUTATION_U48_MAX));
    return pbts_abi_read_word(data, event->root_written.root);
}

static pbts_status read_topic_address(pbts_eth_address *out, const pbts_eth_hash *topic) {
    pbts_abi_reader reader = pbts_abi_reader_over(PBTS_SPAN_OF(topic->bytes));
    return pbts_abi_read_address(&reader, out->bytes);
}

static pbts_status read_created(pbts_reputation_event *event, const pbts_eth_log *log) {
    PBTS_TRY(read_topic_address(&event->created.reputation, &log->topics[1]));
    PBTS_TRY(read_topic_address(&event->created.owner, &log->topics[2]));
    return read_topic_address(&event->created.referrer, &log->topics[3]);
}

static pbts_status read_event(pbts_reputation_event *event, const pbts_eth_log *log) {
    pbts_abi_reader data = pbts_abi_reader_over(log->data);
    switch (event->kind) {
    case PBTS_REPUTATION_REGISTERED: return read_registered(event, log, &data);
    case PBTS_REPUTATION_WRITTEN: return read_written(event, &data);
    case PBTS_REPUTATION_ROOT_WRITTEN: return read_root_written(event, &data);
    case PBTS_REPUTATION_SEALED:
        return read_topic_address(&event->sealed.successor, &log->topics[1]);
    case PBTS_REPUTATION_CREATED: return read_created(event, log);
    case PBTS_REPUTATION_EVENTS: break;
    }
    return PBTS_NOT_FOUND;
}

pbts_status pbts_reputation_event_decode(pbts_reputation_event *out, const pbts_eth_log *log) {
    if (log->topics_len == 0 || log->topics_len > PBTS_ETH_LOG_TOPICS_MAX) return PBTS_NOT_FOUND;
    for (int kind = 0; kind < PBTS_REPUTATION_EVENTS; kind++) {
        pbts_reputation_event event = { .kind = (pbts_reputation_event_kind)kind };
        pbts_eth_hash topic = pbts_reputation_event_topic(event.kind);
        if (!pbts_eth_hash_equal(&topic, &log->topics[0])) continue;
        if (log->topics_len != EVENT_TOPICS[kind]) return PBTS_MALFORMED;
        PBTS_TRY(read_event(&event, log));
        *out = event;
        return PBTS_OK;
    }
    return PBTS_NOT_FOUND;
}

/* ---- errors ---- */

typedef enum { TAKES_NOTHING, TAKES_NUMBER, TAKES_UID_HASH, TAKES_ADDRESS } argument;
typedef struct {
    const char *signature; /* NULL: not an error of the contracts */
    argument takes;
    const char *text;
} error;

static const error ERRORS[PBTS_REVERT_KINDS] = {
    [PBTS_REVERT_NONE] = { NULL, TAKES_NOTHING, "succeeds" },
    [PBTS_REVERT_UNKNOWN] = { NULL, TAKES_NOTHING, "reverted without a reason of the contract" },
    [PBTS_REVERT_NOT_OWNER] = { "NotOwner()", TAKES_NOTHING, "another key owns the contract" },
    [PBTS_REVERT_ALREADY_SEALED] = { "AlreadySealed()", TAKES_NOTHING, "the contract is sealed" },
    [PBTS_REVERT_WRONG_SEQUENCE] = { "WrongSequence(uint48)", TAKES_NUMBER, "not the next batch" },
    [PBTS_REVERT_EPOCH_FELL] = { "EpochFell(uint48)", TAKES_NUMBER,
                                 "an epoch before the last batch's" },
    [PBTS_REVERT_WRONG_MODE] = { "WrongMode(uint8)", TAKES_NUMBER,
                                 "the contract keeps its accounts the other way" },
    [PBTS_REVERT_BAD_LENGTH] = { "BadLength(uint256)", TAKES_NUMBER, "not whole rows" },
    [PBTS_REVERT_USER_EXISTS] = { "UserExists(bytes32)", TAKES_UID_HASH,
                                  "the user is registered already" },
    [PBTS_REVERT_UNKNOWN_USER] = { "UnknownUser(bytes32)", TAKES_UID_HASH,
                                   "the user is not registered" },
    [PBTS_REVERT_KEY_MISMATCH] = { "KeyMismatch(bytes32)", TAKES_UID_HASH,
                                   "the user has another key at the referrer" },
    [PBTS_REVERT_TOO_MANY_USERS] = { "TooManyUsers()", TAKES_NOTHING, "too many users" },
    [PBTS_REVERT_NO_REFERRER] = { "NoReferrer()", TAKES_NOTHING, "there is no referrer" },
    [PBTS_REVERT_REFERRER_FAILED] = { "ReferrerFailed(address)", TAKES_ADDRESS,
                                      "the referrer does not answer as a contract of ours" },
    [PBTS_REVERT_UNKNOWN_REFERRER] = { "UnknownReferrer(address)", TAKES_ADDRESS,
                                       "the referrer is not of this factory" },
    [PBTS_REVERT_ATTESTATION_REFUSED] = { "AttestationRefused()", TAKES_NOTHING,
                                          "the attestation was refused" },
    [PBTS_REVERT_VERIFIER_HAS_NO_CODE] = { "VerifierHasNoCode(address)", TAKES_ADDRESS,
                                           "the verifier is not a contract" },
};

/* The argument after the selector, and nothing behind it. */
static bool read_argument(pbts_reputation_revert *out, argument takes, pbts_span bytes) {
    pbts_abi_reader reader = pbts_abi_reader_over(bytes);
    uint8_t address[PBTS_ABI_ADDRESS_LEN];
    if (bytes.len != (takes == TAKES_NOTHING ? 0 : PBTS_ABI_WORD_LEN)) return false;
    switch (takes) {
    case TAKES_NOTHING: return true;
    case TAKES_NUMBER: return pbts_abi_read_uint(&reader, &out->number, UINT64_MAX) == PBTS_OK;
    case TAKES_ADDRESS: return pbts_abi_read_address(&reader, address) == PBTS_OK;
    case TAKES_UID_HASH: break;
    }
    out->has_uid_hash = true;
    return pbts_abi_read_word(&reader, out->uid_hash) == PBTS_OK;
}

pbts_reputation_revert pbts_reputation_revert_decode(pbts_span data) {
    static const pbts_reputation_revert UNKNOWN = { .kind = PBTS_REVERT_UNKNOWN };
    if (data.len < PBTS_ABI_SELECTOR_LEN) return UNKNOWN;
    pbts_span rest = { data.data + PBTS_ABI_SELECTOR_LEN, data.len - PBTS_ABI_SELECTOR_LEN };
    for (int kind = PBTS_REVERT_UNKNOWN + 1; kind < PBTS_REVERT_KINDS; kind++) {
        pbts_reputation_revert revert = { .kind = (pbts_reputation_revert_kind)kind };
        uint8_t selector[PBTS_ABI_SELECTOR_LEN];
        pbts_abi_selector(selector, ERRORS[kind].signature);
        if (memcmp(selector, data.data, sizeof selector) != 0) continue;
        return read_argument(&revert, ERRORS[kind].takes, rest) ? revert : UNKNOWN;
    }
    return UNKNOWN;
}

const char *pbts_reputation_revert_text(pbts_reputation_revert_kind kind) {
    return kind < PBTS_REVERT_KINDS ? ERRORS[kind].text : ERRORS[PBTS_REVERT_UNKNOWN].text;
}
