#include "base/secret.h"

#include <stdint.h>
#include <string.h>

void pbts_wipe(void *bytes, size_t len) {
    explicit_bzero(bytes, len);
}

bool pbts_equal_ct(const void *a, const void *b, size_t len) {
    const volatile uint8_t *left = a, *right = b;
    uint8_t differs = 0;
    for (size_t i = 0; i < len; i++) differs = (uint8_t)(differs | (left[i] ^ right[i]));
    return differs == 0;
}
