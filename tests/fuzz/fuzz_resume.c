/* libFuzzer target: resume data decode or are refused; what is taken is in range, has one encoding.
 * Damage is found by a hash, so the target puts the right one into every input. */
#include <stdlib.h>

#include "hash/sha.h"
#include "peer/resume.h"
#include "torrent/piece_set.h"

enum { HASH_AT = 13, BODY_AT = HASH_AT + PBTS_SHA256_LEN };

static void require(bool truth) {
    if (!truth) abort();
}

static void check(const pbts_resume *resume, pbts_span bytes) {
    require(resume->piece_count <= PBTS_PIECES_MAX);
    require(resume->bitmap.len == pbts_piece_set_len(resume->piece_count));
    for (uint32_t i = 0; i < pbts_resume_file_count(resume); i++) {
        uint8_t again[PBTS_RESUME_FILE_LEN];
        pbts_resume_file file = pbts_resume_file_at(resume, i);
        pbts_resume_file_put(again, 0, &file);
        require(memcmp(again, resume->files.data + sizeof again * i, sizeof again) == 0);
    }
    uint8_t *again = malloc(bytes.len);
    require(again != NULL);
    pbts_writer writer = pbts_writer_over(again, bytes.len);
    pbts_resume_encode(&writer, resume);
    require(pbts_writer_status(&writer) == PBTS_OK);
    require(pbts_span_equal(pbts_writer_span(&writer), bytes));
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_resume resume;
    uint8_t *copy = malloc(len > 0 ? len : 1);
    require(copy != NULL);
    if (len > 0) memcpy(copy, data, len);
    if (len >= BODY_AT) {
        pbts_sha256(copy + HASH_AT, (pbts_span){ copy + BODY_AT, len - BODY_AT });
    }
    pbts_span bytes = { copy, len };
    if (pbts_resume_decode(&resume, bytes) == PBTS_OK) check(&resume, bytes);
    free(copy);
    return 0;
}
