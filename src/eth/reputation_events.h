/* eth/reputation_events.h - what Reputation and ReputationFactory say: events in logs, custom
 * errors in reverts. Logs and reverts come from endpoints and prove nothing by themselves:
 * Registered events are checked against the slot `registrations`, a revert against the proved
 * state.
 *
 *   Registered(bytes32 indexed uidHash, uint32 userNo, bytes publicKey)
 *   Written(uint48 sequence, uint48 epoch, uint32 count, bytes32 head)
 *   RootWritten(uint48 sequence, bytes32 root)
 *   Sealed(address indexed successor)
 *   ReputationCreated(address indexed reputation, address indexed owner, address indexed referrer)
 * No heap. Source: docs/ethereum.md; contracts/.
 */
#ifndef PBTS_ETH_REPUTATION_EVENTS_H
#define PBTS_ETH_REPUTATION_EVENTS_H

#include "eth/reputation.h"

enum { PBTS_ETH_LOG_TOPICS_MAX = 4 };

typedef struct {
    pbts_eth_hash topics[PBTS_ETH_LOG_TOPICS_MAX];
    size_t topics_len; /* 0..PBTS_ETH_LOG_TOPICS_MAX; the first is the event's signature */
    pbts_span data;    /* borrowed */
} pbts_eth_log;

typedef enum {
    PBTS_REPUTATION_REGISTERED,
    PBTS_REPUTATION_WRITTEN,
    PBTS_REPUTATION_ROOT_WRITTEN,
    PBTS_REPUTATION_SEALED,
    PBTS_REPUTATION_CREATED,
    PBTS_REPUTATION_EVENTS,
} pbts_reputation_event_kind;

typedef struct {
    pbts_reputation_event_kind kind;
    union {
        struct {
            uint8_t uid_hash[32];
            uint32_t user_no;
            pbts_bls_public public_key;
        } registered;
        struct {
            uint64_t sequence, epoch;
            uint32_t count;
            pbts_eth_hash head;
        } written;
        struct {
            uint64_t sequence;
            uint8_t root[32]; /* SHA-256 */
        } root_written;
        struct {
            pbts_eth_address successor;
        } sealed;
        struct {
            pbts_eth_address reputation, owner, referrer;
        } created;
    };
} pbts_reputation_event;

/* The first topic of an event, for eth_getLogs. */
pbts_eth_hash pbts_reputation_event_topic(pbts_reputation_event_kind kind);
/* PBTS_NOT_FOUND: another event; PBTS_MALFORMED: this event with other topics or data. */
PBTS_MUST_USE pbts_status pbts_reputation_event_decode(pbts_reputation_event *out,
                                                       const pbts_eth_log *log);

/* Why a call reverted: the contracts' errors. */
typedef enum {
    PBTS_REVERT_NONE = 0,             /* the call succeeds */
    PBTS_REVERT_UNKNOWN,              /* no data, out of gas, or an error that is not ours */
    PBTS_REVERT_NOT_OWNER,            /* another key owns the contract */
    PBTS_REVERT_ALREADY_SEALED,       /* no writes any more */
    PBTS_REVERT_WRONG_SEQUENCE,       /* `number`: the contract's sequence */
    PBTS_REVERT_EPOCH_FELL,           /* `number`: the contract's epoch, above the call's */
    PBTS_REVERT_WRONG_MODE,           /* `number`: the contract's mode */
    PBTS_REVERT_BAD_LENGTH,           /* `number`: bytes that are no whole rows */
    PBTS_REVERT_USER_EXISTS,          /* `uid_hash` is registered here */
    PBTS_REVERT_UNKNOWN_USER,         /* `uid_hash` is not: here, or, to adopt, at the referrer */
    PBTS_REVERT_KEY_MISMATCH,         /* `uid_hash` has another key at the referrer */
    PBTS_REVERT_TOO_MANY_USERS,       /* 2^32 */
    PBTS_REVERT_NO_REFERRER,          /* there is none to adopt from */
    PBTS_REVERT_REFERRER_FAILED,      /* it answered something else */
    PBTS_REVERT_UNKNOWN_REFERRER,     /* factory: it did not make that one */
    PBTS_REVERT_ATTESTATION_REFUSED,  /* factory: by its verifier */
    PBTS_REVERT_VERIFIER_HAS_NO_CODE, /* factory: its verifier is no contract */
    PBTS_REVERT_KINDS,
} pbts_reputation_revert_kind;

typedef struct {
    pbts_reputation_revert_kind kind;
    uint64_t number;
    bool has_uid_hash;
    uint8_t uid_hash[32];
} pbts_reputation_revert;

/* Total: what is not an error of ours is PBTS_REVERT_UNKNOWN. */
pbts_reputation_revert pbts_reputation_revert_decode(pbts_span data);
/* Static text for operators; never NULL. */
const char *pbts_reputation_revert_text(pbts_reputation_revert_kind kind);

#endif
