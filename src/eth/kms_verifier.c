#include "eth/kms_verifier.h"

#include "bls/eip2537.h"
#include "codec/abi.h"

void pbts_kms_verifier_deploy(pbts_writer *writer, const pbts_kms_verifier_arguments *arguments) {
    uint8_t key[PBTS_EIP2537_G2_LEN];
    pbts_eip2537_public(key, &arguments->key);
    pbts_write_bytes(writer, pbts_eth_kms_verifier_code());
    pbts_abi_tuple tuple = pbts_abi_open(writer, 3);
    pbts_abi_put_address(&tuple, arguments->factory.bytes);
    pbts_abi_put_bytes(&tuple, PBTS_SPAN_OF(key));
    pbts_abi_tuple lineages =
        pbts_abi_put_array(&tuple, arguments->lineages_len, arguments->lineages_len);
    for (size_t i = 0; i < arguments->lineages_len; i++) {
        pbts_abi_put_word(&lineages, arguments->lineages[i]);
    }
    pbts_abi_close(&lineages);
    pbts_abi_close(&tuple);
}
