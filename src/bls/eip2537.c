#include "bls/eip2537.h"

#include "bls/hash_domain.h"

enum { ELEMENT = 48, PLACE = 64, G1_ELEMENTS = 2, G2_ELEMENTS = 4 };

static void place(uint8_t *out, size_t to, const uint8_t *elements, size_t from) {
    memset(out + to * PLACE, 0, PLACE - ELEMENT);
    memcpy(out + (to + 1) * PLACE - ELEMENT, elements + from * ELEMENT, ELEMENT);
}

void pbts_eip2537_public(uint8_t out[static PBTS_EIP2537_G2_LEN],
                         const pbts_bls_public_point *key) {
    uint8_t raw[PBTS_BLS_PUBLIC_RAW_LEN];
    pbts_bls_public_to_raw(raw, key);
    for (size_t i = 0; i < G2_ELEMENTS; i++)
        place(out, i, raw, i ^ 1); /* c1 and c0 change places */
}

void pbts_eip2537_signature(uint8_t out[static PBTS_EIP2537_G1_LEN],
                            const pbts_bls_g1_point *signature) {
    uint8_t coordinates[G1_ELEMENTS * ELEMENT];
    pbts_bls_g1_coordinates(coordinates, signature);
    for (size_t i = 0; i < G1_ELEMENTS; i++) place(out, i, coordinates, i);
}
