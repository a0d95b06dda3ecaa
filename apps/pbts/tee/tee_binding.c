#include "tee_binding.h"

#include "codec/text.h"
#include "exit_codes.h"
#include "say.h"

bool tee_binding_is_given(const tee_binding_options *options) {
    return options->iid != NULL || options->owner != NULL || options->tracker_key != NULL ||
           options->nonce != NULL;
}

static int read_hex(uint8_t *out, size_t len, const char *option, const char *text) {
    if (strncmp(text, "0x", 2) == 0) text += 2;
    if (pbts_hex_decode_exact(out, len, pbts_span_text(text)) == PBTS_OK) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "--%s should be %zu hexadecimal digits", option, 2 * len);
}

int tee_binding_read(uint8_t report_data[static PBTS_REPORT_DATA_LEN],
                     const tee_binding_options *options) {
    pbts_binding binding = { .owner = { 0 } };
    if (options->nonce == NULL || options->iid == NULL || options->tracker_key == NULL)
        return say_fail(PBTS_EXIT_USAGE, "a binding needs --nonce, --iid and --tracker-key");
    int code = read_hex(binding.nonce, sizeof binding.nonce, "nonce", options->nonce);
    if (code == PBTS_EXIT_OK) code = read_hex(binding.iid, sizeof binding.iid, "iid", options->iid);
    if (code == PBTS_EXIT_OK && options->owner != NULL)
        code = read_hex(binding.owner, sizeof binding.owner, "owner", options->owner);
    if (code != PBTS_EXIT_OK) return code;
    if (pbts_base64_decode_exact(binding.tracker_key, sizeof binding.tracker_key,
                                 pbts_span_text(options->tracker_key)) != PBTS_OK)
        return say_fail(PBTS_EXIT_USAGE, "--tracker-key should be 96 bytes in base64");
    pbts_binding_report_data(report_data, &binding);
    return PBTS_EXIT_OK;
}
