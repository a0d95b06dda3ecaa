#include "eth/writer_key.h"

#include "base/assert.h"

pbts_eth_address pbts_eth_address_of_secret(const pbts_secp256k1_signer *signer,
                                            const pbts_secp256k1_secret *secret) {
    pbts_secp256k1_public encoded;
    pbts_secp256k1_point point;
    pbts_secp256k1_public_of(signer, &encoded, secret);
    pbts_status status = pbts_secp256k1_public_decode(&point, &encoded);
    assert(status == PBTS_OK);
    return pbts_eth_address_of(&point);
}
