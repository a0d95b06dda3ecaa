/* pbts/status.h - the one result type of the library.
 *
 * Every fallible function returns pbts_status. PBTS_OK is the only success:
 * "the signature is wrong" is a status, never a bool next to an OK, so a caller
 * who forgets a check fails closed. Policy is chosen by class, never by code.
 */
#ifndef PBTS_STATUS_H
#define PBTS_STATUS_H

#define PBTS_MUST_USE __attribute__((warn_unused_result))

/* clang-format off */
/*    code            class      message */
#define PBTS_STATUS_MAP(X)                                                  \
    X(OK,             DONE,      "success")                                 \
    X(NEED_MORE,      WAIT,      "input ends before the message does")      \
    X(MALFORMED,      REJECT,    "input breaks the format")                 \
    X(LIMIT,          REJECT,    "input exceeds a stated limit")            \
    X(BAD_SIGNATURE,  REJECT,    "signature does not verify")               \
    X(STALE,          REJECT,    "epoch or nonce outside its window")       \
    X(DENIED,         REJECT,    "not authorised")                          \
    X(NOT_FOUND,      REJECT,    "no such thing")                           \
    X(EXISTS,         REJECT,    "already exists")                          \
    X(NO_MEMORY,      RESOURCE,  "allocation failed")                       \
    X(NO_SPACE,       RESOURCE,  "caller's buffer is too small")            \
    X(FULL,           RESOURCE,  "the store or its disk is full")           \
    X(BUSY,           RESOURCE,  "too much work is waiting")                \
    X(CORRUPT,        RESOURCE,  "stored data fails its check")             \
    X(IO,             RESOURCE,  "system call failed, see errno")
/* clang-format on */

/* What a caller does: DONE go on, WAIT keep the bytes and read more,
 * REJECT drop the message and charge its sender, RESOURCE shed load. */
typedef enum { PBTS_DONE, PBTS_WAIT, PBTS_REJECT, PBTS_RESOURCE } pbts_class;

typedef enum {
#define X(code, cls, text) PBTS_##code,
    PBTS_STATUS_MAP(X)
#undef X
} pbts_status;

pbts_class pbts_status_class(pbts_status status);
const char *pbts_status_name(pbts_status status); /* "BAD_SIGNATURE" */
const char *pbts_status_text(pbts_status status); /* never NULL, static */

/* Return early when `expr` fails. Allowed only before anything is owned;
 * a function that owns something uses `goto out`. */
#define PBTS_TRY(expr)                                  \
    do {                                                \
        pbts_status try_status_ = (expr);               \
        if (try_status_ != PBTS_OK) return try_status_; \
    } while (0)

#endif
