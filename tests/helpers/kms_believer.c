/* A node of a key service that believes everybody: it is all of its group and asks for no
 * evidence. For what comes after a real node's yes, which needs a real TEE.
 *
 *     kms_believer SECRET        hexadecimal
 *
 * One line in, one line out, hexadecimal: "hello" -> HELLO; a REQUEST -> the share, or "no". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"
#include "kms/request.h"

enum { LINE_MAX_LEN = 2 * PBTS_KMS_REQUEST_LEN_MAX + 2 };

typedef struct {
    pbts_bls_secret secret;
    pbts_bls_public public;
} believer;

static bool hello(const believer *b, pbts_writer *out) {
    pbts_kms_hello hello = { .node = 1, .epoch = 1, .group = b->public, .nodes = 1 };
    hello.shares[0] = b->public;
    memset(hello.nonce.bytes, 0x4e, sizeof hello.nonce.bytes);
    pbts_kms_hello_encode(out, &hello);
    return true;
}

static bool answer(const believer *b, pbts_writer *out, pbts_span bytes) {
    static const uint8_t ours[PBTS_X25519_LEN] = { 0x77 };
    uint8_t shared[PBTS_X25519_LEN], key[PBTS_BOX_KEY_LEN], report_data[PBTS_REPORT_DATA_LEN];
    pbts_kms_request request;
    pbts_kms_reply reply = { .node = 1, .epoch = 1 };
    pbts_bls_signature share;
    if (pbts_kms_request_decode(&request, bytes) != PBTS_OK ||
        request.kind != PBTS_KMS_ASK_STATEMENT || pbts_x25519_public(reply.ephemeral, ours) ||
        pbts_x25519_shared(shared, ours, request.ephemeral) != PBTS_OK)
        return false;
    pbts_bls_sign(&share, &b->secret, PBTS_BLS_KMS_ATTEST, PBTS_SPAN_OF(request.statement));
    pbts_kms_request_report_data(report_data, &request, &b->public);
    pbts_kms_reply_key(key, &reply, shared, report_data);
    if (pbts_box_seal(reply.sealed, key, (pbts_span){ 0 }, PBTS_SPAN_OF(share.bytes)) != PBTS_OK)
        return false;
    pbts_kms_reply_encode(out, &reply);
    return true;
}

static bool take(const believer *b, pbts_writer *out, char *line, uint8_t *bytes) {
    size_t len;
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "hello") == 0) return hello(b, out);
    return pbts_hex_decode(bytes, &len, PBTS_KMS_REQUEST_LEN_MAX, pbts_span_text(line)) ==
               PBTS_OK &&
           answer(b, out, (pbts_span){ bytes, len });
}

static void say(pbts_span bytes) {
    for (size_t i = 0; i < bytes.len; i++) printf("%02x", bytes.data[i]);
    printf("\n");
    (void)fflush(stdout);
}

static void serve(const believer *b, char *line, uint8_t *bytes) {
    uint8_t room[PBTS_KMS_HELLO_LEN_MAX];
    while (fgets(line, LINE_MAX_LEN, stdin) != NULL) {
        pbts_writer out = pbts_writer_over(room, sizeof room);
        if (take(b, &out, line, bytes)) {
            say(pbts_writer_span(&out));
        } else {
            printf("no\n");
            (void)fflush(stdout);
        }
    }
}

int main(int argc, char **argv) {
    believer b = { .public = { { 0 } } };
    if (argc != 2 ||
        pbts_hex_decode_exact(b.secret.bytes, sizeof b.secret.bytes, pbts_span_text(argv[1])) !=
            PBTS_OK ||
        pbts_bls_secret_check(&b.secret) != PBTS_OK)
        return EXIT_FAILURE;
    pbts_bls_public_of(&b.public, &b.secret);
    char *line = malloc(LINE_MAX_LEN);
    uint8_t *bytes = malloc(PBTS_KMS_REQUEST_LEN_MAX);
    if (line != NULL && bytes != NULL) serve(&b, line, bytes);
    free(line);
    free(bytes);
    return EXIT_SUCCESS;
}
