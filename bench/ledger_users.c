/* bench/ledger_users.c - batches that register many users with keys of their own, for bench/ledger.
 *
 * usage: ledger_users USERS BATCH EPOCH
 * Standard output: for every BATCH users a line with the calldata of register() in hexadecimal;
 * sequences from 1. Keys are real points, because a tracker decodes them; users are called
 * "user 1" and so on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "codec/text.h"
#include "eth/reputation.h"
#include "hash/sha.h"

enum { BATCH_MAX = 320, CALL_MAX = BATCH_MAX * 164 + 256 };

static void must(pbts_status status, const char *what) {
    if (status == PBTS_OK) return;
    fprintf(stderr, "ledger_users: %s: %s\n", what, pbts_status_text(status));
    exit(EXIT_FAILURE);
}

static void print_hex(pbts_span bytes) {
    static uint8_t text[2 * CALL_MAX];
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    pbts_hex_encode(&writer, bytes);
    must(pbts_writer_status(&writer), "output");
    (void)printf("0x%.*s\n", (int)writer.len, (const char *)text);
}

static void write_user(pbts_writer *rows, uint32_t user_no) {
    char uid[64];
    pbts_bls_secret secret;
    pbts_reputation_account user = { .user_no = user_no,
                                     .word = { .up_bytes = (UINT64_C(1) << 30) + user_no,
                                               .down_bytes = user_no } };
    int len = snprintf(uid, sizeof uid, "pbts/uid/1user %" PRIu32, user_no);
    pbts_sha256(user.uid_hash, (pbts_span){ (const uint8_t *)uid, (size_t)len });
    must(pbts_bls_generate(&secret, pbts_random_system()), "a key");
    pbts_bls_public_of(&user.public_key, &secret);
    pbts_reputation_register_row_write(rows, &user);
}

static void print_batches(uint32_t users, uint32_t batch, uint64_t epoch) {
    static uint8_t rows_bytes[BATCH_MAX * PBTS_REPUTATION_REGISTER_ROW_LEN], call_bytes[CALL_MAX];
    uint64_t sequence = 0;
    for (uint32_t done = 0; done < users;) {
        pbts_writer rows = pbts_writer_over(rows_bytes, sizeof rows_bytes);
        pbts_writer call = pbts_writer_over(call_bytes, sizeof call_bytes);
        for (uint32_t i = 0; i < batch && done < users; i++) write_user(&rows, ++done);
        pbts_reputation_call_register(&call, ++sequence, epoch, pbts_writer_span(&rows));
        must(pbts_writer_status(&call), "a batch");
        print_hex(pbts_writer_span(&call));
    }
}

static uint64_t number(const char *text, uint64_t max) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end == '\0' && value >= 1 && value <= max) return value;
    fprintf(stderr, "ledger_users: %s is not a number from 1 to %" PRIu64 "\n", text, max);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: ledger_users USERS BATCH EPOCH\n");
        return EXIT_FAILURE;
    }
    print_batches((uint32_t)number(argv[1], 1 << 22), (uint32_t)number(argv[2], BATCH_MAX),
                  number(argv[3], PBTS_REPUTATION_U48_MAX));
    return EXIT_SUCCESS;
}
