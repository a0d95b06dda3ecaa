#include "eth/types.h"

#include "codec/rlp.h"
#include "hash/keccak.h"

const pbts_eth_hash PBTS_ETH_EMPTY_TRIE = { {
    0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6, 0xff, 0x83, 0x45, 0xe6, 0x92, 0xc0, 0xf8, 0x6e,
    0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c, 0xad, 0xc0, 0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21,
} };
const pbts_eth_hash PBTS_ETH_EMPTY_CODE = { {
    0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d, 0xb2, 0xdc, 0xc7, 0x03, 0xc0,
    0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82, 0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70,
} };

bool pbts_eth_hash_equal(const pbts_eth_hash *a, const pbts_eth_hash *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool pbts_eth_address_equal(const pbts_eth_address *a, const pbts_eth_address *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

pbts_eth_hash pbts_eth_hash_of(pbts_span bytes) {
    pbts_eth_hash out = { { 0 } };
    pbts_keccak256(out.bytes, bytes);
    return out;
}

/* The last 20 bytes of a hash. */
static pbts_eth_address tail_of(const pbts_eth_hash *hash) {
    pbts_eth_address out;
    memcpy(out.bytes, hash->bytes + PBTS_ETH_HASH_LEN - PBTS_ETH_ADDRESS_LEN, sizeof out.bytes);
    return out;
}

pbts_eth_address pbts_eth_address_of(const pbts_secp256k1_point *key) {
    uint8_t affine[PBTS_SECP256K1_AFFINE_LEN];
    pbts_secp256k1_public_affine(affine, key);
    pbts_eth_hash hash = pbts_eth_hash_of(PBTS_SPAN_OF(affine));
    return tail_of(&hash);
}

pbts_eth_address pbts_eth_address_created(const pbts_eth_address *creator, uint64_t nonce) {
    uint8_t buffer[32]; /* 1 of the list, 21 of the address, at most 9 of the nonce */
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    size_t list = pbts_rlp_open_list(&writer);
    pbts_rlp_write_string(&writer, PBTS_SPAN_OF(creator->bytes));
    pbts_rlp_write_u64(&writer, nonce);
    pbts_rlp_close_list(&writer, list);
    pbts_eth_hash hash = pbts_eth_hash_of(pbts_writer_span(&writer));
    return tail_of(&hash);
}

pbts_u256 pbts_eth_mapping_slot(const uint8_t key[static 32], const pbts_u256 *slot) {
    uint8_t both[64];
    pbts_u256 out = { { 0 } };
    memcpy(both, key, 32);
    memcpy(both + 32, slot->bytes, 32);
    pbts_keccak256(out.bytes, PBTS_SPAN_OF(both));
    return out;
}
