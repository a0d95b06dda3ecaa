/* bench_tracker.c - texts that go to a tracker and come from it; see bench_tracker.h. */
#include "bench_tracker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "codec/text.h"

bool pbts_bench_read_token(char header[static PBTS_BENCH_AUTHORIZATION_LEN], const char *path) {
    char token[128] = "";
    FILE *file = fopen(path, "re");
    bool ok = file && fgets(token, sizeof token, file);
    if (file) (void)fclose(file);
    token[strcspn(token, "\r\n")] = 0;
    if (ok)
        (void)snprintf(header, PBTS_BENCH_AUTHORIZATION_LEN, "Authorization: Bearer %s", token);
    else
        (void)fprintf(stderr, "pbts bench: %s: no token can be read there\n", path);
    pbts_wipe(token, sizeof token);
    return ok;
}

static void write_base64_field(pbts_writer *body, const char *name, pbts_span bytes) {
    pbts_write_text(body, ",\"");
    pbts_write_text(body, name);
    pbts_write_text(body, "\":\"");
    pbts_base64_encode(body, bytes);
    pbts_write_text(body, "\"");
}

void pbts_bench_write_registration(pbts_writer *body, const uint8_t iid[static PBTS_IID_LEN],
                                   const char *uid, const pbts_bls_public *key,
                                   const pbts_bls_secret *secret) {
    pbts_bls_signature signature;
    uint8_t bytes[PBTS_MESSAGE_MAX];
    pbts_writer message = pbts_writer_over(bytes, sizeof bytes);
    pbts_message_register(&message, iid, key, pbts_span_text(uid));
    pbts_bls_sign(&signature, secret, PBTS_BLS_REGISTER, pbts_writer_span(&message));
    pbts_write_text(body, "{\"user_id\":\"");
    pbts_write_text(body, uid);
    pbts_write_text(body, "\"");
    write_base64_field(body, "public_key", PBTS_SPAN_OF(key->bytes));
    write_base64_field(body, "signature", PBTS_SPAN_OF(signature.bytes));
    pbts_write_text(body, "}");
}

bool pbts_bench_read_passkey(char out[static PBTS_PASSKEY_LEN + 1], pbts_span answer) {
    json_t *json = json_loadb((const char *)answer.data, answer.len, 0, NULL);
    const char *passkey = json_string_value(json_object_get(json, "passkey"));
    bool ok = passkey && strlen(passkey) == PBTS_PASSKEY_LEN;
    if (ok) memcpy(out, passkey, PBTS_PASSKEY_LEN + 1);
    json_decref(json);
    return ok;
}

bool pbts_bench_read_iid(uint8_t iid[static PBTS_IID_LEN], const json_t *params) {
    const char *text = json_string_value(json_object_get(params, "iid"));
    if (!text) return false;
    pbts_span span = pbts_span_text(text);
    return pbts_hex_decode_exact(iid, PBTS_IID_LEN, span) == PBTS_OK ||
           pbts_base64_decode_exact(iid, PBTS_IID_LEN, span) == PBTS_OK;
}

bool pbts_bench_read_metric(double *out, const char *text, const char *name) {
    size_t len = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, name, len) != 0 || line[len] != ' ') continue;
        char *end;
        double value = strtod(line + len + 1, &end);
        if (end == line + len + 1 || (*end != '\n' && *end != 0)) return false;
        *out = value;
        return true;
    }
    return false;
}
