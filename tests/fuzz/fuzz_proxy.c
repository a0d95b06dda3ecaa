/* libFuzzer target: a PROXY header decodes totally, inside its input, and needs all its bytes. */
#include <stdlib.h>

#include "wire/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_proxy_header header, part;
    if (pbts_proxy_decode(&header, (pbts_span){ data, len }) != PBTS_OK) return 0;
    if (header.len < 16 || header.len > len || header.len > PBTS_PROXY_LEN_MAX) abort();
    if (!header.local && header.source.family != PBTS_IPV4 && header.source.family != PBTS_IPV6) {
        abort();
    }
    if (pbts_proxy_decode(&part, (pbts_span){ data, header.len - 1 }) != PBTS_NEED_MORE) abort();
    return 0;
}
