#include "kms/kms_ask.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/text.h"
#include "exit_codes.h"
#include "files.h"
#include "say.h"

/* Who waited longer for a silent node, and then for a quote, would come too late with the nonces of
 * all others (PBTS_KMS_NONCE_MS). */
enum { TIMEOUT_S = 20, TIMEOUT_MAX_S = 60 };

static int read_members(pbts_kms_members *out, const char *path) {
    uint8_t *bytes;
    size_t len, line;
    int code = file_read(&bytes, &len, path, PBTS_KMS_MEMBERS_LEN_MAX);
    if (code != PBTS_EXIT_OK) return code;
    pbts_status status = pbts_kms_members_parse(out, &line, (pbts_span){ bytes, len });
    free(bytes);
    if (status == PBTS_OK) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "%s, line %zu: %s", path, line, pbts_status_text(status));
}

static int read_hex(uint8_t *out, size_t len, const char *text, const char *option) {
    if (pbts_hex_decode_exact(out, len, pbts_span_text(text)) == PBTS_OK) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "--%s: wanted are %zu hexadecimal digits", option, 2 * len);
}

int kms_ask_read(pbts_kms_fetch_config *out, pbts_kms_members *members,
                 const kms_ask_options *options) {
    pbts_kms_client_config *client = &out->client;
    uint64_t threshold, generation = 0, timeout_s = TIMEOUT_S;
    int code = read_members(members, options->members);
    if (code == PBTS_EXIT_OK)
        code = read_hex(client->group.bytes, sizeof client->group.bytes, options->public, "public");
    if (code == PBTS_EXIT_OK)
        code = read_hex(client->lineage.bytes, sizeof client->lineage.bytes, options->lineage,
                        "lineage");
    if (code != PBTS_EXIT_OK) return code;
    if (!options_number(&threshold, options->threshold, PBTS_KMS_NODES_MAX) ||
        (options->generation != NULL &&
         !options_number(&generation, options->generation, INT64_MAX)) ||
        (options->timeout != NULL &&
         (!options_number(&timeout_s, options->timeout, TIMEOUT_MAX_S) || timeout_s == 0)))
        return say_fail(PBTS_EXIT_USAGE,
                        "--threshold, --generation: a number; --timeout: 1 to %d seconds",
                        TIMEOUT_MAX_S);
    client->threshold = (size_t)threshold;
    client->generation = generation;
    client->mode = options->pinned ? PBTS_KMS_PINNED : PBTS_KMS_GATE;
    out->timeout_ms = (uint32_t)timeout_s * 1000;
    out->members = members;
    out->random = pbts_random_system();
    return PBTS_EXIT_OK;
}

/* ---- what came of it ---- */

static const char *conduct_word(pbts_kms_conduct conduct) {
    switch (conduct) {
    case PBTS_KMS_REPLIED: return "gave a share";
    case PBTS_KMS_LIED: return "LIED";
    case PBTS_KMS_SAID_HELLO: return "gave no share";
    default: return "did not answer";
    }
}

void kms_ask_tell(const pbts_kms_fetch_report *report, size_t nodes) {
    for (size_t i = 0; i < nodes; i++) {
        const char *said = report->nodes[i].said;
        (void)printf("node %zu       %s%s%s%s\n", i + 1, conduct_word(report->nodes[i].conduct),
                     said[0] != '\0' ? " (" : "", said, said[0] != '\0' ? ")" : "");
    }
}

int kms_ask_fail(pbts_status status, const char *what, size_t threshold) {
    if (status == PBTS_IO)
        return say_fail(PBTS_EXIT_IO, "fewer than %zu nodes were reached", threshold);
    if (status == PBTS_DENIED)
        return say_fail(PBTS_EXIT_REFUSED, "fewer than %zu nodes gave a share", threshold);
    return say_fail(PBTS_EXIT_REFUSED, "no %s: %s", what, pbts_status_text(status));
}
