/* attest/tsm.h - evidence from the kernel, by configfs-tsm, as steps; somebody else makes them
 * (tee/tee_tsm.c), so that every error can be tried.
 *
 * An attempt, in a folder of its own below …/config/tsm/report:
 *
 *   make the folder; read `provider`, which must be the wanted one; read `generation`; write the 64
 *   bytes of report_data to `inblob` at once; read `outblob`; read `generation`, which must have
 *   risen by one; read `provider` again; remove the folder
 *
 * and the evidence must carry that report_data. What another writer, the host or a short read
 * spoils is tried again, PBTS_TSM_ATTEMPTS_MAX times, with rests between; ENXIO, EINVAL and what
 * else does not pass by itself is final. The folder is removed in every case.
 *
 * Source: Linux, Documentation/ABI/testing/configfs-tsm-report; drivers/virt/coco.
 */
#ifndef PBTS_ATTEST_TSM_H
#define PBTS_ATTEST_TSM_H

#include "attest/quote.h"

enum {
    PBTS_TSM_OUTBLOB_MAX = 32 * 1024, /* the kernel's own limit */
    PBTS_TSM_ATTRIBUTE_MAX = 64,      /* of `provider` and `generation` */
    PBTS_TSM_NAME_MAX = 32,
    PBTS_TSM_SEED_LEN = 8,
    PBTS_TSM_ATTEMPTS_MAX = 6,
    PBTS_TSM_REST_MS = 200, /* before the second attempt; doubles */
};

typedef enum {
    PBTS_TSM_MAKE,   /* mkdir(2) the folder `entry` */
    PBTS_TSM_READ,   /* all of `attribute` in it */
    PBTS_TSM_WRITE,  /* `bytes` to `attribute`, in one write(2); fewer written: EIO */
    PBTS_TSM_REMOVE, /* rmdir(2) the folder */
    PBTS_TSM_REST,   /* for `rest_ms` */
    PBTS_TSM_DONE,   /* `bytes` is the evidence */
    PBTS_TSM_FAILED, /* pbts_tsm_failure says why */
} pbts_tsm_action;

typedef struct {
    pbts_tsm_action action;
    const char *entry;     /* MAKE to REMOVE: the folder's name; the machine's, until it is freed */
    const char *attribute; /* READ, WRITE: the file's name; static */
    pbts_span bytes;
    size_t bytes_max; /* READ: more than that is E2BIG */
    uint32_t rest_ms;
} pbts_tsm_step;

/* clang-format off */
#define PBTS_TSM_FAILURE_MAP(X)                                                             \
    X(NONE,        OK,        "nothing failed")                                             \
    X(NO_TSM,      NOT_FOUND, "this kernel has no such folder (configfs-tsm)")              \
    X(NO_PROVIDER, NOT_FOUND, "no TEE driver provides evidence on this machine")            \
    X(PROVIDER,    DENIED,    "the evidence is not of the kind that is configured")         \
    X(ACCESS,      DENIED,    "the folder of configfs-tsm may not be used")                 \
    X(REFUSED,     MALFORMED, "the TEE driver refuses the request")                         \
    X(BUSY,        BUSY,      "the TEE driver is busy, or the host does not answer it")     \
    X(DISTURBED,   BUSY,      "what the TEE driver gave is not what was asked for")         \
    X(STOPPED,     BUSY,      "generation was stopped")                                     \
    X(SYSTEM,      IO,        "the kernel could not do it")
/* clang-format on */

typedef enum {
#define X(name, status, sentence) PBTS_TSM_FAILURE_##name,
    PBTS_TSM_FAILURE_MAP(X)
#undef X
} pbts_tsm_failure;

const char *pbts_tsm_failure_text(pbts_tsm_failure failure); /* static */
pbts_status pbts_tsm_failure_status(pbts_tsm_failure failure);

/* Private but for its size. */
typedef struct {
    int at; /* enum in tsm.c */
    const char *provider;
    uint8_t report_data[PBTS_REPORT_DATA_LEN];
    uint8_t seed[PBTS_TSM_SEED_LEN];
    char entry[PBTS_TSM_NAME_MAX];
    unsigned attempt; /* from 1 */
    uint64_t give_up_ms;
    bool is_made; /* the folder is there */
    bool again;   /* after the folder is removed: another attempt, not the end */
    pbts_tsm_failure failure;
    int error; /* errno of the failure; 0: none */
    uint64_t generation;
    size_t outblob_len;
    uint8_t outblob[PBTS_TSM_OUTBLOB_MAX];
} pbts_tsm;

/* `provider` ("tdx_guest", "sev_guest") is borrowed. `seed`: random, for the folders' names. No
 * attempt begins, and no call is repeated, `patience_ms` from now. */
void pbts_tsm_init(pbts_tsm *tsm, const char *provider,
                   const uint8_t report_data[static PBTS_REPORT_DATA_LEN],
                   const uint8_t seed[static PBTS_TSM_SEED_LEN], uint64_t now_ms,
                   uint32_t patience_ms);
/* What is to be done now. The same until pbts_tsm_take. */
void pbts_tsm_next(const pbts_tsm *tsm, pbts_tsm_step *out);
/* What became of it: 0 or an errno, and what was read. Not after DONE or FAILED. */
void pbts_tsm_take(pbts_tsm *tsm, int error, pbts_span read, uint64_t now_ms);
/* Make no further attempt; a folder that is there is still to be removed. */
void pbts_tsm_stop(pbts_tsm *tsm);
pbts_tsm_failure pbts_tsm_why(const pbts_tsm *tsm, int *error); /* after FAILED */

#endif
