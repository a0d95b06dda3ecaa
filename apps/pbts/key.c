/* key.c - `pbts key new`, `pbts key show`. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "exit_codes.h"
#include "hash/sha.h"
#include "keyfile.h"
#include "options.h"
#include "say.h"
#include "tracker_api.h"

int pbts_cmd_key_new(int argc, char **argv) {
    const char *out = NULL;
    bool force = false;
    const command_option options[] = {
        { "out", "FILE", &out, NULL, true, "where the key goes; only you can read it" },
        { "force", NULL, NULL, &force, false, "overwrite a key that is there" },
    };
    const command_spec spec = { "key new",
                                "",
                                "Make a new identity key (BLS12-381) and keep it in FILE. Whoever "
                                "has the file is you: back\n"
                                "it up, and give it to nobody; no tracker ever needs it.\n",
                                "  pbts key new --out alice.key\n",
                                options,
                                sizeof options / sizeof options[0],
                                0,
                                0 };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    keyfile key = { 0 };
    if (pbts_bls_generate(&key.secret, pbts_random_system()) != PBTS_OK) {
        return say_fail(PBTS_EXIT_IO, "the system gives no random bytes");
    }
    pbts_bls_public_of(&key.key, &key.secret);
    code = keyfile_create(out, &key, force);
    char text[160];
    base64_text(text, sizeof text, PBTS_SPAN_OF(key.key.bytes));
    if (code == PBTS_EXIT_OK) printf("%s: new key, public half %s\n", out, text);
    keyfile_wipe(&key);
    return code;
}

static int show_json(const keyfile *key, const char *base64, const char *hex, const char *hash) {
    char iid[2 * PBTS_IID_LEN + 1];
    json_t *json = json_pack("{s:s, s:s, s:s}", "public_key", base64, "public_key_hex", hex,
                             "key_sha256", hash);
    pbts_span uid = keyfile_uid(key);
    if (uid.len > 0) {
        json_object_set_new(json, "uid", json_stringn((const char *)uid.data, uid.len));
    }
    if (key->has_iid) {
        hex_text(iid, sizeof iid, PBTS_SPAN_OF(key->iid));
        json_object_set_new(json, "iid", json_string(iid));
    }
    return say_json(json);
}

static void show_text(const keyfile *key, const char *base64, const char *hex, const char *hash) {
    char iid[2 * PBTS_IID_LEN + 1];
    hex_text(iid, sizeof iid, PBTS_SPAN_OF(key->iid));
    printf("public key  %s\n     (hex)  %s\n   sha-256  %s\n", base64, hex, hash);
    pbts_span uid = keyfile_uid(key);
    if (uid.len > 0) printf("       uid  %.*s\n", (int)uid.len, (const char *)uid.data);
    if (key->has_iid) printf("  instance  %s\n", iid);
}

int pbts_cmd_key_show(int argc, char **argv) {
    bool json = false, secret = false;
    const command_option options[] = {
        OPTION_JSON(&json),
        { "secret", NULL, NULL, &secret, false,
          "print the secret half alone, for a backup on paper" },
    };
    const command_spec spec = { "key show",
                                " FILE",
                                "Show the public half of a key file.\n",
                                "  pbts key show alice.key\n",
                                options,
                                sizeof options / sizeof options[0],
                                1,
                                1 };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    keyfile key;
    code = keyfile_load(&key, arguments[0]);
    if (code != PBTS_EXIT_OK) return code;
    char base64[160], hex[200], hash[2 * PBTS_SHA256_LEN + 1];
    uint8_t digest[PBTS_SHA256_LEN];
    pbts_sha256(digest, PBTS_SPAN_OF(key.key.bytes));
    base64_text(base64, sizeof base64, PBTS_SPAN_OF(key.key.bytes));
    hex_text(hex, sizeof hex, PBTS_SPAN_OF(key.key.bytes));
    hex_text(hash, sizeof hash, PBTS_SPAN_OF(digest));
    if (secret) {
        for (size_t i = 0; i < sizeof key.secret.bytes; i++) printf("%02x", key.secret.bytes[i]);
        puts("");
    } else if (json) {
        code = show_json(&key, base64, hex, hash);
    } else {
        show_text(&key, base64, hex, hash);
    }
    keyfile_wipe(&key);
    return code;
}
