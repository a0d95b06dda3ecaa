/* tee/tee.h - evidence of the machine that this runs on: the kernel's (configfs-tsm), dstack's
 * guest agent, or the simulator, which proves nothing.
 *
 * pbts_tee_generate blocks its thread until there is evidence or patience ends; one thread at a
 * time. pbts_tee_stop, from any thread, ends what runs and all that follows; a thread that the
 * kernel holds in a read comes back when a signal interrupts it, or the read ends.
 */
#ifndef PBTS_TEE_TEE_H
#define PBTS_TEE_TEE_H

#include "attest/dstack.h"
#include "base/mem.h"

#define PBTS_TEE_KIND_MAP(X) \
    X(NONE, "none")          \
    X(TDX, "tdx")            \
    X(SEV, "sev")            \
    X(DSTACK, "dstack")      \
    X(SIMULATOR, "simulator")

typedef enum {
#define X(name, text) PBTS_TEE_##name,
    PBTS_TEE_KIND_MAP(X)
#undef X
        PBTS_TEE_KINDS
} pbts_tee_kind;

const char *pbts_tee_kind_text(pbts_tee_kind kind); /* "tdx"; static */

#define PBTS_TEE_TSM_PATH "/sys/kernel/config/tsm/report"
#define PBTS_TEE_DSTACK_PATH "/var/run/dstack.sock"
#define PBTS_TEE_TAPPD_PATH "/var/run/tappd.sock"

enum {
    PBTS_TEE_PATIENCE_MS = 30 * 1000,
    PBTS_TEE_PATH_MAX = 1024,
    PBTS_TEE_PROBLEM_MAX = 256,
};

typedef struct {
    pbts_tee_kind kind;   /* not NONE */
    const char *path;     /* of configfs-tsm's folder or the agent's socket; copied; NULL or "": the
                             usual one */
    uint32_t patience_ms; /* of one call here; 0: PBTS_TEE_PATIENCE_MS */
} pbts_tee_config;

/* What pbts_tee_generate gives. */
typedef struct {
    size_t len, event_log_len;
    uint8_t *bytes;     /* a TDX quote, or a SEV-SNP report */
    uint8_t *event_log; /* dstack's, JSON; NULL: none */
} pbts_tee_evidence;

typedef struct pbts_tee pbts_tee; /* opaque */

/* PBTS_LIMIT: the path; PBTS_NO_MEMORY; PBTS_IO. The machine is not looked at. */
PBTS_MUST_USE pbts_status pbts_tee_open(pbts_tee **out, const pbts_tee_config *config);
void pbts_tee_close(pbts_tee *tee); /* NULL is a no-op */
void pbts_tee_stop(pbts_tee *tee);
/* What went wrong last, a sentence for people; empty: nothing. Of the thread that generates. */
const char *pbts_tee_problem(const pbts_tee *tee);

/* Evidence with this report_data. PBTS_NOT_FOUND: there is no such TEE here; PBTS_DENIED: it is
 * another one, or must not be used; PBTS_MALFORMED, PBTS_LIMIT: it answers with something else;
 * PBTS_BUSY: not in time, or stopped; PBTS_IO; PBTS_NO_MEMORY. pbts_tee_problem says more. */
PBTS_MUST_USE pbts_status pbts_tee_generate(pbts_tee *tee, pbts_tee_evidence *out,
                                            const uint8_t report_data[static PBTS_REPORT_DATA_LEN]);
void pbts_tee_evidence_free(pbts_tee_evidence *evidence);

/* dstack only, statuses as above. The key is the application's, for this path, and secret. */
PBTS_MUST_USE pbts_status pbts_tee_dstack_key(pbts_tee *tee,
                                              uint8_t key[static PBTS_DSTACK_KEY_LEN],
                                              const char *path, const char *purpose);
PBTS_MUST_USE pbts_status pbts_tee_dstack_info(pbts_tee *tee, pbts_dstack_info *out);

#endif
