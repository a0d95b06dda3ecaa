#include "attest/event_digest.h"

#include <openssl/evp.h>

#include "attest/little.h"
#include "base/assert.h"

/* TCG PC Client Platform Firmware Profile, table 27. */
enum {
    EV_SEPARATOR = 0x00000004,
    EV_IPL = 0x0000000d,
    VARIABLE_HEAD_LEN = 32, /* GUID, name length u64, data length u64 */
};
#define EV_EFI_VARIABLE_DRIVER_CONFIG UINT32_C(0x80000001)
#define EV_EFI_VARIABLE_BOOT UINT32_C(0x80000002)
#define EV_EFI_GPT_EVENT UINT32_C(0x80000006)
#define EV_EFI_ACTION UINT32_C(0x80000007)
#define EV_EFI_VARIABLE_AUTHORITY UINT32_C(0x800000e0)

void pbts_sha384(uint8_t out[static PBTS_MEASUREMENT_LEN], pbts_span bytes) {
    unsigned len = 0;
    int done = EVP_Digest(bytes.data, bytes.len, out, &len, EVP_sha384(), NULL);
    assert(done == 1 && len == PBTS_MEASUREMENT_LEN);
}

pbts_status pbts_event_extend(pbts_event_log *log, size_t index,
                              const uint8_t digest[static PBTS_MEASUREMENT_LEN]) {
    uint8_t both[2 * PBTS_MEASUREMENT_LEN];
    assert(index < PBTS_RTMR_COUNT);
    if (log->events == PBTS_EVENTS_MAX) return PBTS_LIMIT;
    memcpy(both, log->rtmr[index], PBTS_MEASUREMENT_LEN);
    memcpy(both + PBTS_MEASUREMENT_LEN, digest, PBTS_MEASUREMENT_LEN);
    pbts_sha384(log->rtmr[index], PBTS_SPAN_OF(both));
    log->events++;
    return PBTS_OK;
}

static bool is_digest_of(pbts_span hashed, const uint8_t digest[static PBTS_MEASUREMENT_LEN]) {
    uint8_t found[PBTS_MEASUREMENT_LEN];
    pbts_sha384(found, hashed);
    return memcmp(found, digest, sizeof found) == 0;
}

/* The data of a UEFI_VARIABLE_DATA: behind its name, which is of 16-bit characters. */
static bool variable_data(pbts_span *out, pbts_span event) {
    if (event.len < VARIABLE_HEAD_LEN) return false;
    uint64_t name_len = pbts_little_u64(event.data + 16);
    uint64_t data_len = pbts_little_u64(event.data + 24);
    uint64_t left = event.len - VARIABLE_HEAD_LEN;
    if (name_len > left / 2 || data_len != left - 2 * name_len) return false;
    *out = (pbts_span){ event.data + VARIABLE_HEAD_LEN + 2 * name_len, (size_t)data_len };
    return true;
}

/* "grub_cmd: " and the like: the text behind it was hashed, without its NUL. */
static bool boot_text(pbts_span *out, pbts_span event) {
    static const char *const PREFIXES[] = { "grub_cmd: ", "kernel_cmdline: ", "module_cmdline: " };
    for (size_t i = 0; i < sizeof PREFIXES / sizeof PREFIXES[0]; i++) {
        size_t len = strlen(PREFIXES[i]);
        if (event.len <= len || memcmp(event.data, PREFIXES[i], len) != 0) continue;
        if (event.data[event.len - 1] != 0) return false;
        *out = (pbts_span){ event.data + len, event.len - len - 1 };
        return true;
    }
    return false;
}

/* What was hashed for an event. Logs may leave the data away. */
static bool hashed_part(pbts_span *out, uint32_t type, pbts_span data) {
    if (data.len == 0) return false;
    switch (type) {
    case EV_SEPARATOR:
    case EV_EFI_VARIABLE_DRIVER_CONFIG:
    case EV_EFI_VARIABLE_AUTHORITY:
    case EV_EFI_GPT_EVENT:
    case EV_EFI_ACTION: *out = data; return true;
    case EV_EFI_VARIABLE_BOOT: return variable_data(out, data);
    case EV_IPL: return boot_text(out, data);
    default: return false;
    }
}

pbts_status pbts_event_recompute(bool *is_known, uint32_t type, pbts_span data,
                                 const uint8_t digest[static PBTS_MEASUREMENT_LEN]) {
    pbts_span hashed;
    *is_known = hashed_part(&hashed, type, data);
    return !*is_known || is_digest_of(hashed, digest) ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_event_log_check(const pbts_event_log *log, const pbts_td_report *td) {
    return memcmp(log->rtmr, td->rtmr, sizeof log->rtmr) == 0 ? PBTS_OK : PBTS_DENIED;
}
