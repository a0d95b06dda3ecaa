#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/random.h"
#include "base/secret.h"
#include "codec/text.h"
#include "exit_codes.h"
#include "home.h"
#include "kms/members.h"
#include "kms_commands.h"
#include "options.h"
#include "say.h"
#include "tls.h"

typedef struct {
    pbts_bls_secret identity;
    uint8_t seal_key[HOME_SECRET_LEN];
    char key_pem[TLS_PEM_MAX], certificate_pem[TLS_PEM_MAX], pin[TLS_PIN_MAX];
} new_node;

static pbts_status make(new_node *out) {
    pbts_random *random = pbts_random_system();
    PBTS_TRY(pbts_bls_generate(&out->identity, random));
    PBTS_TRY(pbts_random_fill(random, out->seal_key, sizeof out->seal_key));
    return tls_make(out->key_pem, out->certificate_pem, out->pin);
}

/* The identity last: a directory that has one is whole. */
static pbts_status write_files(const new_node *node, const char *dir) {
    PBTS_TRY(home_write_secret(dir, "seal.key", node->seal_key));
    PBTS_TRY(home_write(dir, "tls.key", pbts_span_text(node->key_pem)));
    PBTS_TRY(home_write(dir, "tls.crt", pbts_span_text(node->certificate_pem)));
    return home_write_secret(dir, "identity.key", node->identity.bytes);
}

static void print_member(const new_node *node, const char *url) {
    pbts_bls_public public;
    char hex[2 * PBTS_BLS_PUBLIC_LEN + 1];
    pbts_writer writer = pbts_writer_over((uint8_t *)hex, sizeof hex);
    pbts_bls_public_of(&public, &node->identity);
    pbts_hex_encode(&writer, PBTS_SPAN_OF(public.bytes));
    pbts_write_u8(&writer, 0);
    (void)printf("%s %s %s\n", url, hex, node->pin + strlen("sha256//"));
}

static int init(const char *dir, const char *url) {
    char path[HOME_PATH_MAX];
    struct stat facts;
    new_node node;
    if (!home_path(path, dir, "identity.key"))
        return say_fail(PBTS_EXIT_USAGE, "the path is too long");
    if (strncmp(url, "https://", 8) != 0 || strlen(url) >= PBTS_KMS_URL_MAX)
        return say_fail(PBTS_EXIT_USAGE, "--url: wanted is https://HOST:PORT");
    if (stat(path, &facts) == 0)
        return say_fail(PBTS_EXIT_IO, "%s is there already; nothing was changed", path);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) return say_errno(dir);
    pbts_status status = make(&node);
    if (status == PBTS_OK) status = write_files(&node, dir);
    if (status == PBTS_OK) print_member(&node, url);
    pbts_wipe(&node, sizeof node);
    return status == PBTS_OK ? PBTS_EXIT_OK : say_status(dir, status);
}

int kms_cmd_init(int argc, char **argv) {
    const char *data = NULL, *url = NULL;
    const command_option options[] = {
        { "data", "DIR", &data, NULL, true, "where the node keeps its state; made if missing" },
        { "url", "URL", &url, NULL, true, "how nodes and trackers reach it" },
    };
    const command_spec spec = {
        .name = "init",
        .arguments = "",
        .about = "Makes a node's keys: with which it signs, seals what it keeps, and is known by\n"
                 "TLS. Prints what follows the number in its line of the members file.\n",
        .examples = "  pbts-kms init --data kms --url https://kms1.example.org:8443\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    return code == OPTIONS_GO_ON ? init(data, url) : code;
}
