/* user.c - `pbts user show`. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "exit_codes.h"
#include "options.h"
#include "receipt/receipt.h"
#include "say.h"
#include "tracker_api.h"

static void print_user(const json_t *user, const char *name) {
    const json_t *ratio = json_object_get(user, "ratio");
    printf("user        %s\n", name);
    printf("uploaded    %s\n", say_bytes(tracker_count(user, "up_bytes")));
    printf("downloaded  %s\n", say_bytes(tracker_count(user, "down_bytes")));
    if (json_is_number(ratio)) {
        printf("ratio       %.3f\n", json_number_value(ratio));
    } else {
        printf("ratio       none: nothing downloaded yet\n");
    }
    printf("held        %s served, waiting for the receivers' ratio\n",
           say_bytes(tracker_count(user, "held_bytes")));
    if (tracker_count(user, "owed_bytes") > 0) {
        printf("owed        %s received beyond the ratio\n",
               say_bytes(tracker_count(user, "owed_bytes")));
    }
    printf("allowance   %s may still be taken\n",
           say_bytes(tracker_count(user, "allowance_bytes")));
    printf("in          %s now\n", say_count(tracker_count(user, "peers"), "swarm"));
}

int pbts_cmd_user_show(int argc, char **argv) {
    const char *tracker = NULL, *ca = NULL;
    bool json = false;
    const command_option options[] = {
        OPTION_TRACKER(&tracker),
        OPTION_CA(&ca),
        OPTION_JSON(&json),
    };
    const command_spec spec = { "user show",
                                " NAME",
                                "Show a user's totals and ratio. Only receipts move them; "
                                "\"uploaded\" begins with what the\n"
                                "tracker grants to newcomers.\n",
                                "  pbts user show --tracker http://127.0.0.1:8000 alice\n"
                                "  pbts user show --tracker http://127.0.0.1:8000 alice --json\n",
                                options,
                                sizeof options / sizeof options[0],
                                1,
                                1 };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    char path[64];
    if (!pbts_uid_is_valid(pbts_span_text(arguments[0]))) {
        return say_fail(PBTS_EXIT_USAGE, "\"%.40s\" is no user name", arguments[0]);
    }
    snprintf(path, sizeof path, "/user/%s", arguments[0]);
    const http_request request = { .tracker = tracker, .ca = ca, .method = "GET", .path = path };
    json_t *user;
    code = http_json(&user, &request);
    if (code != PBTS_EXIT_OK) return code;
    const char *name = json_string_value(json_object_get(user, "user_id"));
    if (name == NULL || strcmp(name, arguments[0]) != 0 ||
        !json_is_integer(json_object_get(user, "up_bytes")) ||
        !json_is_integer(json_object_get(user, "down_bytes"))) {
        return tracker_answer_bad(user, tracker, "totals of that user");
    }
    if (json) return say_json(user);
    print_user(user, arguments[0]);
    json_decref(user);
    return PBTS_EXIT_OK;
}
