/* dkg, refresh, status: one request to the socket of a running node. */
#include <stdio.h>

#include "exit_codes.h"
#include "home.h"
#include "kms_commands.h"
#include "net/http_client.h"
#include "options.h"
#include "say.h"

enum { TIMEOUT_MS = 10000, ANSWER_MAX = 16 * 1024 };

static int tell(const pbts_http_answer *answer, const char *data, bool shows) {
    if (answer->status == PBTS_HTTP_CLIENT_NO_ANSWER)
        return say_fail(PBTS_EXIT_IO, "%s: no node runs there (%s)", data, answer->error);
    if (answer->status == 200) {
        if (shows) (void)fwrite(answer->body.data, 1, answer->body.len, stdout);
        return PBTS_EXIT_OK;
    }
    const uint8_t *line =
        answer->body.len > 0 ? memchr(answer->body.data, '\n', answer->body.len) : NULL;
    int len = line != NULL ? (int)(line - answer->body.data) : 0;
    return say_fail(PBTS_EXIT_REFUSED, "the node refuses: %.*s", len,
                    (const char *)answer->body.data);
}

static int ask(const char *data, const char *path, bool is_post) {
    char control[HOME_PATH_MAX], url[64];
    pbts_http_client *client;
    pbts_http_answer answer;
    if (!home_path(control, data, "control"))
        return say_fail(PBTS_EXIT_USAGE, "the path is too long");
    (void)snprintf(url, sizeof url, "http://localhost%s", path);
    if (pbts_http_client_new(&client, NULL) != PBTS_OK) return say_no_memory();
    const pbts_http_query query = { .url = url,
                                    .local = control,
                                    .content_type = is_post ? "text/plain" : NULL,
                                    .answer_len_max = ANSWER_MAX,
                                    .timeout_ms = TIMEOUT_MS };
    int code = PBTS_EXIT_IO;
    if (pbts_http_client_start(client, &query) == PBTS_OK) {
        while (!pbts_http_client_wait(client, &answer, TIMEOUT_MS)) continue;
        code = tell(&answer, data, !is_post);
    }
    pbts_http_client_free(client);
    return code;
}

static int command(const char *name, const char *about, const char *path, bool is_post, int argc,
                   char **argv) {
    const char *data = NULL;
    const command_option options[] = {
        { "data", "DIR", &data, NULL, true, "of the node that runs" },
    };
    const command_spec spec = {
        .name = name,
        .arguments = "",
        .about = about,
        .examples = "",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    return code == OPTIONS_GO_ON ? ask(data, path, is_post) : code;
}

int kms_cmd_dkg(int argc, char **argv) {
    return command("dkg",
                   "Begins key generation. All nodes must run; they follow by themselves, and\n"
                   "\"pbts-kms status\" shows the public key when it is there.\n",
                   "/dkg", true, argc, argv);
}

int kms_cmd_refresh(int argc, char **argv) {
    return command("refresh",
                   "Begins a refresh: all shares change, the key does not, and what somebody\n"
                   "knows of old shares is worth nothing. All nodes must run.\n",
                   "/refresh", true, argc, argv);
}

int kms_cmd_status(int argc, char **argv) {
    return command("status", "Shows the node's epoch, the group's public key, who lied.\n",
                   "/status", false, argc, argv);
}
