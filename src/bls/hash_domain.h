/* bls/hash_domain.h - private to bls/: hashing to G1 with any domain tag.
 *
 * The published vectors of RFC 9380 have their own tag; everybody else names a purpose.
 */
#ifndef PBTS_BLS_HASH_DOMAIN_H
#define PBTS_BLS_HASH_DOMAIN_H

#include "bls/bls.h"

/* hash_to_curve of suite BLS12381G1_XMD:SHA-256_SSWU_RO_ (RFC 9380 section 8.8.1); `domain` is
 * 1..255 bytes. */
void pbts_bls_hash_domain(pbts_bls_g1_point *out, pbts_span domain, pbts_span message);

/* Uncompressed affine x and y, 48 bytes each, big-endian, as the vectors write them. */
void pbts_bls_g1_coordinates(uint8_t out[static 96], const pbts_bls_g1_point *point);

#endif
