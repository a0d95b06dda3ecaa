/* Does signing branch or index on the secret? Run under valgrind's memcheck.
 *
 *   valgrind --error-exitcode=9 --suppressions=tests/valgrind.supp ct_sign          exits with 0
 *   valgrind --error-exitcode=9 --suppressions=tests/valgrind.supp ct_sign --leak   exits with 9
 *
 * Built by gcc without sanitizers: this valgrind cannot read the debug information of clang 14.
 *
 * The secret's bytes are marked as undefined: memcheck then reports every branch and every address
 * that depends on them. What is public by design (keys, signatures) is marked as defined when it
 * comes out. Without valgrind the program only signs. --leak branches on the secret on purpose,
 * so that the test can show that it would see one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/memcheck.h>

#include "base/secret.h"
#include "receipt/pieces.h"

static void hide(void *bytes, size_t len) {
    (void)VALGRIND_MAKE_MEM_UNDEFINED(bytes, len);
}

static void reveal(void *bytes, size_t len) {
    (void)VALGRIND_MAKE_MEM_DEFINED(bytes, len);
}

static void require(bool truth, const char *what) {
    if (truth) return;
    (void)fprintf(stderr, "ct_sign: %s\n", what);
    exit(2);
}

/* Seeds a key with bytes that memcheck follows, so that the making of keys is watched too. */
static pbts_status hidden_fill(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)(0x40 + 7 * i);
    hide(out, len);
    return PBTS_OK;
}

static void sign_everything(pbts_bls_secret *secret, const pbts_bls_public *public_key,
                            const pbts_bls_public_point *key) {
    static const uint8_t BITMAP[3] = { 0xFF, 0x00, 0x80 };
    pbts_receipt receipt = { .form = PBTS_FORM_CUMULATIVE, .epoch = 1 };
    receipt.receiver = *public_key;
    receipt.bitmap = PBTS_SPAN_OF(BITMAP);
    for (int form = PBTS_FORM_PIECE; form <= PBTS_FORM_SESSION; form++) {
        pbts_bls_signature bytes;
        pbts_bls_g1_point signature, hashed;
        receipt.form = (pbts_receipt_form)form;
        pbts_receipt_sign(&bytes, &receipt, secret);
        reveal(&bytes, sizeof bytes);
        require(pbts_bls_signature_decode(&signature, &bytes) == PBTS_OK, "signature form");
        pbts_receipt_hash(&hashed, &receipt);
        require(pbts_bls_verify_sums(key, &hashed, 1, &signature) == PBTS_OK, "signature");
    }
}

/* The key of a session: made, turned into its public half, and used. */
static void sign_session(pbts_random *random) {
    static const uint8_t HASH[PBTS_PIECE_HASH_LEN] = { 1 };
    pbts_receipt receipt = { .form = PBTS_FORM_SESSION, .epoch = 1 };
    pbts_secp256k1_signer *signer;
    pbts_secp256k1_secret secret;
    pbts_secp256k1_signature signature;
    pbts_secp256k1_point key;
    require(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()) == PBTS_OK,
            "a signer");
    pbts_status status = pbts_secp256k1_generate(&secret, random);
    reveal(&status, sizeof status); /* that it is a key */
    require(status == PBTS_OK, "session key generation");
    hide(&secret, sizeof secret);
    pbts_secp256k1_public_of(signer, &receipt.session.key, &secret);
    reveal(&receipt.session.key, sizeof receipt.session.key);
    require(pbts_secp256k1_public_decode(&key, &receipt.session.key) == PBTS_OK, "session key");
    pbts_receipt_session_sign(signer, &signature, &secret, &receipt, HASH, 7);
    reveal(&signature, sizeof signature);
    require(pbts_receipt_session_verify(&key, &receipt, HASH, 7, &signature) == PBTS_OK,
            "session signature");
    pbts_wipe(&secret, sizeof secret);
    pbts_secp256k1_signer_free(signer);
}

int main(int argc, char **argv) {
    pbts_random random = { hidden_fill };
    pbts_bls_secret secret, copy;
    pbts_bls_public public_key;
    pbts_bls_public_point key;
    require(pbts_bls_generate(&secret, &random) == PBTS_OK, "key generation");
    hide(&secret, sizeof secret);

    pbts_bls_public_of(&public_key, &secret);
    reveal(&public_key, sizeof public_key);
    require(pbts_bls_public_decode(&key, &public_key) == PBTS_OK, "public key form");
    sign_everything(&secret, &public_key, &key);

    sign_session(&random);

    copy = secret;
    bool equal = pbts_equal_ct(&copy, &secret, sizeof secret);
    reveal(&equal, sizeof equal); /* the verdict may be known, not where they differ */
    require(equal, "comparison");

    bool leak = argc > 1 && strcmp(argv[1], "--leak") == 0;
    if (leak && secret.bytes[0] > 0x20) (void)printf("the secret is large\n");
    pbts_wipe(&secret, sizeof secret);
    pbts_wipe(&copy, sizeof copy);
    (void)printf("signed and verified%s\n", RUNNING_ON_VALGRIND ? " under valgrind" : "");
    return 0;
}
