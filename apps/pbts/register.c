/* register.c - `pbts register`, `pbts passkey rotate`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "exit_codes.h"
#include "options.h"
#include "say.h"
#include "tracker_api.h"

/* The proof of possession: REGISTER over the instance, the key and the name. */
static json_t *registration(const keyfile *key, const uint8_t iid[static PBTS_IID_LEN],
                            const char *uid) {
    uint8_t message[PBTS_MESSAGE_MAX];
    char pk[160], sig[80];
    pbts_bls_signature signature;
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_register(&writer, iid, &key->key, pbts_span_text(uid));
    pbts_bls_sign(&signature, &key->secret, PBTS_BLS_REGISTER, pbts_writer_span(&writer));
    base64_text(pk, sizeof pk, PBTS_SPAN_OF(key->key.bytes));
    base64_text(sig, sizeof sig, PBTS_SPAN_OF(signature.bytes));
    return json_pack("{s:s, s:s, s:s}", "user_id", uid, "public_key", pk, "signature", sig);
}

static const char *announce_url(const json_t *answer) {
    return json_string_value(json_object_get(answer, "announce_url"));
}

static int print_passkey(json_t *take, const char *tracker, bool json) {
    if (announce_url(take) == NULL) return tracker_answer_bad(take, tracker, "announce URL");
    if (json) return say_json(take);
    printf("announce URL  ");
    say_clean(stdout, pbts_span_text(announce_url(take)));
    (void)putchar('\n');
    json_decref(take);
    return PBTS_EXIT_OK;
}

static int send_registration(json_t **answer, const char *tracker, const char *ca,
                             const keyfile *key, const uint8_t iid[static PBTS_IID_LEN],
                             const char *uid) {
    json_t *body = registration(key, iid, uid);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (text == NULL) return say_no_memory();
    const http_request request = { .tracker = tracker,
                                   .ca = ca,
                                   .method = "POST",
                                   .path = "/register",
                                   .content_type = "application/json",
                                   .body = pbts_span_text(text) };
    int code = http_json(answer, &request);
    free(text);
    return code;
}

/* What the tracker said of itself is in `key` already. */
static int note_name(keyfile *key, const char *path, const char *uid) {
    key->uid_len = (uint8_t)strlen(uid);
    memcpy(key->uid, uid, key->uid_len);
    key->has_iid = true;
    return keyfile_save(path, key);
}

static int do_register(const char *tracker, const char *ca, const char *path, const char *uid,
                       bool json) {
    keyfile key;
    json_t *answer = NULL;
    if (!pbts_uid_is_valid(pbts_span_text(uid))) {
        return say_fail(PBTS_EXIT_USAGE,
                        "\"%.40s\" is no user name: 1 to 32 characters of A-Z a-z 0-9 . _ -", uid);
    }
    int code = keyfile_load(&key, path);
    if (code != PBTS_EXIT_OK) return code;
    code = tracker_identity(key.iid, &key.tracker_key, &key.has_tracker_key, tracker, ca);
    if (code == PBTS_EXIT_OK) code = send_registration(&answer, tracker, ca, &key, key.iid, uid);
    if (code == PBTS_EXIT_OK) {
        int saved = announce_url(answer) != NULL ? note_name(&key, path, uid) : PBTS_EXIT_OK;
        code = print_passkey(answer, tracker, json);
        if (code == PBTS_EXIT_OK) code = saved;
    }
    keyfile_wipe(&key);
    return code;
}

int pbts_cmd_register(int argc, char **argv) {
    const char *tracker = NULL, *ca = NULL, *key = NULL, *uid = NULL;
    bool json = false;
    const command_option options[] = {
        OPTION_TRACKER(&tracker),
        OPTION_KEY(&key),
        { "uid", "NAME", &uid, NULL, true, "the name: 1 to 32 characters of A-Z a-z 0-9 . _ -" },
        OPTION_CA(&ca),
        OPTION_JSON(&json),
    };
    const command_spec spec = {
        "register",
        "",
        "Register a name with a tracker, proving that you have the key, and print the announce "
        "URL\n"
        "for your client. Name, instance and the tracker's key are noted in the key file: one "
        "file,\n"
        "one tracker. The URL is a secret: it is your passkey; \"pbts passkey rotate\" gives a new "
        "one.\n",
        "  pbts register --tracker http://127.0.0.1:8000 --key alice.key --uid alice\n",
        options,
        sizeof options / sizeof options[0],
        0,
        0
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    return do_register(tracker, ca, key, uid, json);
}

int pbts_cmd_passkey_rotate(int argc, char **argv) {
    const char *tracker = NULL, *ca = NULL, *path = NULL;
    bool json = false;
    const command_option options[] = {
        OPTION_TRACKER(&tracker),
        OPTION_KEY(&path),
        OPTION_CA(&ca),
        OPTION_JSON(&json),
    };
    const command_spec spec = {
        "passkey rotate",
        "",
        "End the old passkey and print a new announce URL. Clients that still announce with the "
        "old\n"
        "one are refused from now on.\n",
        "  pbts passkey rotate --tracker http://127.0.0.1:8000 --key alice.key\n",
        options,
        sizeof options / sizeof options[0],
        0,
        0
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    keyfile key;
    code = keyfile_load_registered(&key, path);
    if (code != PBTS_EXIT_OK) return code;
    http_request request = { .tracker = tracker, .ca = ca, .method = "POST", .path = "/passkey" };
    json_t *answer;
    code = tracker_signed_json(&answer, &request, &key);
    keyfile_wipe(&key);
    return code == PBTS_EXIT_OK ? print_passkey(answer, tracker, json) : code;
}
