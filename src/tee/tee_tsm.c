/* The steps of attest/tsm.h, on the files of configfs. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/tsm.h"
#include "base/random.h"
#include "net/clock.h"
#include "tee/tee_parts.h"

/* Big enough for what may be read, and a byte to see that there is more. */
typedef struct {
    pbts_tsm machine;
    uint8_t bytes[PBTS_TSM_OUTBLOB_MAX + 1];
} tsm_work;

/* ---- one step each; 0 or an errno ---- */

static int open_attribute(int entry, const char *attribute, int flags) {
    return openat(entry, attribute, flags | O_CLOEXEC | O_NOFOLLOW);
}

static int read_all(size_t *len, int fd, uint8_t *out, size_t max) {
    for (*len = 0; *len <= max;) {
        ssize_t got = read(fd, out + *len, max + 1 - *len);
        if (got < 0) return errno;
        if (got == 0) return 0;
        *len += (size_t)got;
    }
    return E2BIG;
}

static int read_attribute(size_t *len, int entry, const pbts_tsm_step *step, uint8_t *out) {
    int fd = open_attribute(entry, step->attribute, O_RDONLY);
    if (fd < 0) return errno;
    int error = read_all(len, fd, out, step->bytes_max);
    (void)close(fd);
    return error;
}

/* One write: configfs gives the driver what it has when the file is closed, and takes no second. */
static int write_attribute(int entry, const pbts_tsm_step *step) {
    int fd = open_attribute(entry, step->attribute, O_WRONLY);
    if (fd < 0) return errno;
    ssize_t put = write(fd, step->bytes.data, step->bytes.len);
    int error = put < 0 ? errno : put == (ssize_t)step->bytes.len ? 0 : EIO;
    if (close(fd) != 0 && error == 0) error = errno; /* the driver refuses here */
    return error;
}

static int in_entry(size_t *len, int folder, const pbts_tsm_step *step, uint8_t *out) {
    int entry = openat(folder, step->entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (entry < 0) return errno;
    int error = step->action == PBTS_TSM_WRITE ? write_attribute(entry, step)
                                               : read_attribute(len, entry, step, out);
    (void)close(entry);
    return error;
}

static int take_step(pbts_tee *tee, size_t *len, int folder, const pbts_tsm_step *step,
                     uint8_t *out) {
    *len = 0;
    switch (step->action) {
    case PBTS_TSM_MAKE: return mkdirat(folder, step->entry, 0700) == 0 ? 0 : errno;
    case PBTS_TSM_REMOVE: return unlinkat(folder, step->entry, AT_REMOVEDIR) == 0 ? 0 : errno;
    case PBTS_TSM_REST: pbts_tee_rest(tee, step->rest_ms); return 0;
    default: return in_entry(len, folder, step, out);
    }
}

/* ---- all of them ---- */

static void run(pbts_tee *tee, tsm_work *work, int folder) {
    pbts_tsm_step step;
    size_t len;
    for (;;) {
        pbts_tsm_next(&work->machine, &step);
        if (step.action == PBTS_TSM_DONE || step.action == PBTS_TSM_FAILED) return;
        if (atomic_load(&tee->stopped) && step.action != PBTS_TSM_REMOVE) {
            pbts_tsm_stop(&work->machine);
            continue;
        }
        int error = take_step(tee, &len, folder, &step, work->bytes);
        pbts_span got = { work->bytes, error == 0 ? len : 0 };
        pbts_tsm_take(&work->machine, error, got, pbts_clock_mono_ms());
    }
}

static pbts_status conclude(pbts_tee *tee, pbts_tee_evidence *out, const pbts_tsm *machine) {
    pbts_tsm_step last;
    int error;
    pbts_tsm_next(machine, &last);
    if (last.action == PBTS_TSM_DONE) return pbts_tee_take(out, last.bytes, (pbts_span){ NULL, 0 });
    pbts_tsm_failure failure = pbts_tsm_why(machine, &error);
    pbts_tee_complain(tee, pbts_tsm_failure_text(failure), NULL, error);
    return pbts_tsm_failure_status(failure);
}

pbts_status pbts_tee_generate_tsm(pbts_tee *tee, pbts_tee_evidence *out, const uint8_t *report_data,
                                  const char *provider) {
    uint8_t seed[PBTS_TSM_SEED_LEN];
    PBTS_TRY(pbts_random_fill(pbts_random_system(), seed, sizeof seed));
    int folder = open(tee->path[0] != '\0' ? tee->path : PBTS_TEE_TSM_PATH,
                      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        int error = errno;
        pbts_tee_complain(tee, pbts_tsm_failure_text(PBTS_TSM_FAILURE_NO_TSM), NULL, error);
        return error == ENOENT || error == ENOTDIR ? PBTS_NOT_FOUND : PBTS_IO;
    }
    tsm_work *work = pbts_alloc(pbts_mem_system(), sizeof *work);
    pbts_status status = PBTS_NO_MEMORY;
    if (work != NULL) {
        pbts_tsm_init(&work->machine, provider, report_data, seed, pbts_clock_mono_ms(),
                      tee->patience_ms);
        run(tee, work, folder);
        status = conclude(tee, out, &work->machine);
    }
    pbts_release(pbts_mem_system(), work);
    (void)close(folder);
    return status;
}
