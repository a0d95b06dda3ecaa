#include "peer/peer_control.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "exit_codes.h"
#include "peer/control_path.h"
#include "say.h"

enum { ANSWER_MAX = 64 << 20, TIMEOUT_S = 30 };

static int open_socket(int *out, const char *path) {
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const struct timeval limit = { .tv_sec = TIMEOUT_S };
    size_t len = strlen(path);
    if (len >= sizeof to.sun_path) return say_fail(PBTS_EXIT_USAGE, "%s: is too long", path);
    memcpy(to.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return say_errno(path);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
        *out = fd;
        return PBTS_EXIT_OK;
    }
    int error = errno;
    (void)close(fd);
    if (error == ENOENT || error == ECONNREFUSED) {
        return say_fail(PBTS_EXIT_IO, "%s: no daemon listens there; start one: pbts-peer daemon",
                        path);
    }
    return say_fail(PBTS_EXIT_IO, "%s: %s", path, strerror(error));
}

static bool send_line(int fd, const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t sent = send(fd, text, left, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return false;
        text += sent;
        left -= (size_t)sent;
    }
    return send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
}

/* A line, without its end; NULL when none came. */
static char *receive_line(int fd) {
    size_t len = 0, capacity = 4096;
    char *line = malloc(capacity);
    while (line != NULL) {
        ssize_t got = recv(fd, line + len, capacity - len, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0 || len + (size_t)got > ANSWER_MAX) break;
        len += (size_t)got;
        if (line[len - 1] == '\n') {
            line[len - 1] = '\0';
            return line;
        }
        if (len < capacity) continue;
        char *bigger = realloc(line, 2 * capacity);
        if (bigger == NULL) break;
        capacity *= 2;
        line = bigger;
    }
    free(line);
    return NULL;
}

static json_t *exchange(int fd, const json_t *question) {
    char *text = json_dumps(question, JSON_COMPACT);
    char *line = text != NULL && send_line(fd, text) ? receive_line(fd) : NULL;
    json_t *answer = line == NULL ? NULL : json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    free(line);
    free(text);
    return answer;
}

static int ask(json_t **out, const char *path, const json_t *question) {
    int fd = -1;
    int code = open_socket(&fd, path);
    if (code != PBTS_EXIT_OK) return code;
    json_t *answer = exchange(fd, question);
    (void)close(fd);
    if (answer == NULL) return say_fail(PBTS_EXIT_IO, "%s: the daemon gives no answer", path);
    if (json_is_true(json_object_get(answer, "ok"))) {
        *out = answer;
        return PBTS_EXIT_OK;
    }
    const char *error = json_string_value(json_object_get(answer, "error"));
    code = say_fail(PBTS_EXIT_REFUSED, "%s", error == NULL ? "the daemon refuses" : error);
    json_decref(answer);
    return code;
}

int peer_ask(json_t **out, const char *path, json_t *take) {
    char usual[PATH_MAX];
    int code = take == NULL ? say_no_memory() : PBTS_EXIT_OK;
    if (code == PBTS_EXIT_OK && path == NULL && !control_default_path(usual)) {
        code = say_fail(PBTS_EXIT_USAGE, "neither XDG_RUNTIME_DIR nor HOME is set: name the "
                                         "daemon's socket with --control");
    }
    if (code == PBTS_EXIT_OK) code = ask(out, path == NULL ? usual : path, take);
    json_decref(take);
    return code;
}

int peer_name_infohash(json_t *question, char **arguments) {
    if (arguments[0] == NULL) return PBTS_EXIT_OK;
    json_t *text = json_string(arguments[0]);
    if (text == NULL) return say_fail(PBTS_EXIT_USAGE, "\"%s\" is no infohash", arguments[0]);
    (void)json_object_set_new(question, "torrent", text);
    return PBTS_EXIT_OK;
}

static int show(const peer_question *q, json_t *answer, bool json) {
    if (q->print == NULL) return PBTS_EXIT_OK;
    json_t *part = q->part == NULL ? answer : json_object_get(answer, q->part);
    if (json) return say_json(json_incref(part));
    q->print(part);
    return PBTS_EXIT_OK;
}

int peer_question_run(const peer_question *q, int argc, char **argv) {
    const char *control = NULL;
    bool json = false;
    const command_option options[] = { OPTION_CONTROL(&control), OPTION_JSON(&json) };
    const command_spec spec = {
        q->name,          q->arguments,
        q->about,         q->examples,
        options,          sizeof options / sizeof options[0] - (q->print == NULL ? 1 : 0),
        q->arguments_min, q->arguments_max,
    };
    char **arguments;
    json_t *answer = NULL;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    json_t *question = json_pack("{s:s}", "do", q->asks);
    code = q->fill == NULL ? PBTS_EXIT_OK : q->fill(question, arguments);
    if (code != PBTS_EXIT_OK) {
        json_decref(question);
        return code;
    }
    code = peer_ask(&answer, control, question);
    if (code == PBTS_EXIT_OK) code = show(q, answer, json);
    json_decref(answer);
    return code;
}

unsigned long long peer_count(const json_t *object, const char *name) {
    return (unsigned long long)json_integer_value(json_object_get(object, name));
}

const char *peer_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}
