/* dstack's guest agent on its unix socket: one request, one answer, by a deadline. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attest/binding.h"
#include "base/secret.h"
#include "net/clock.h"
#include "tee/tee_parts.h"

static const char AGENT[] = "the guest agent";

/* ---- the socket ---- */

/* Wait for `events`. PBTS_BUSY: the deadline, or stopped. */
static pbts_status wait_for(pbts_tee *tee, int fd, short events, uint64_t until_ms) {
    struct pollfd waits[] = { { .fd = fd, .events = events },
                              { .fd = tee->wake, .events = POLLIN } };
    for (;;) {
        uint64_t now_ms = pbts_clock_mono_ms();
        if (atomic_load(&tee->stopped)) break;
        if (now_ms >= until_ms) break;
        int ready = poll(waits, 2, (int)(until_ms - now_ms));
        if (ready < 0 && errno != EINTR) return PBTS_IO;
        if (ready > 0 && waits[0].revents != 0) return PBTS_OK;
    }
    pbts_tee_complain(tee, AGENT,
                      atomic_load(&tee->stopped) ? "stopped" : "it did not answer in time", 0);
    return PBTS_BUSY;
}

static pbts_status open_socket(pbts_tee *tee, int *out, const char *path, uint64_t until_ms) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    if (len >= sizeof address.sun_path) return PBTS_LIMIT;
    memcpy(address.sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return PBTS_IO;
    /* A unix socket whose backlog is full says EAGAIN; there is nothing to wait for but time. */
    int error = 0;
    while (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        error = errno;
        if (error == EINTR) continue;
        if (error != EAGAIN || pbts_clock_mono_ms() >= until_ms || atomic_load(&tee->stopped))
            break;
        pbts_tee_rest(tee, 20);
        error = 0;
    }
    if (error == 0 || error == EINTR) {
        *out = fd;
        return PBTS_OK;
    }
    (void)close(fd);
    pbts_tee_complain(tee, path, NULL, error);
    if (error == ENOENT || error == ECONNREFUSED) return PBTS_NOT_FOUND;
    return error == EAGAIN ? PBTS_BUSY : error == EACCES ? PBTS_DENIED : PBTS_IO;
}

static pbts_status send_all(pbts_tee *tee, int fd, pbts_span bytes, uint64_t until_ms) {
    for (size_t at = 0; at < bytes.len;) {
        PBTS_TRY(wait_for(tee, fd, POLLOUT, until_ms));
        ssize_t put = send(fd, bytes.data + at, bytes.len - at, MSG_NOSIGNAL);
        if (put >= 0) {
            at += (size_t)put;
        } else if (errno != EINTR && errno != EAGAIN) {
            pbts_tee_complain(tee, AGENT, NULL, errno);
            return PBTS_IO;
        }
    }
    return PBTS_OK;
}

/* ---- one answer ---- */

static void explain(pbts_tee *tee, pbts_status status) {
    switch (status) {
    case PBTS_MALFORMED: pbts_tee_complain(tee, AGENT, "its answer is not HTTP", 0); break;
    case PBTS_LIMIT: pbts_tee_complain(tee, AGENT, "its answer is too long", 0); break;
    case PBTS_DENIED: pbts_tee_complain(tee, AGENT, "it refuses the request", 0); break;
    case PBTS_NOT_FOUND: pbts_tee_complain(tee, AGENT, "it knows no such request", 0); break;
    default: break;
    }
}

/* `answer` has PBTS_DSTACK_ANSWER_MAX bytes. `*len`: what was read of it, in any case. */
static pbts_status receive(pbts_tee *tee, pbts_span *body, uint8_t *answer, size_t *len, int fd,
                           uint64_t until_ms) {
    for (;;) {
        PBTS_TRY(wait_for(tee, fd, POLLIN, until_ms));
        ssize_t got = recv(fd, answer + *len, PBTS_DSTACK_ANSWER_MAX - *len, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) {
            pbts_tee_complain(tee, AGENT, NULL, errno);
            return PBTS_IO;
        }
        *len += (size_t)got;
        pbts_status status = pbts_dstack_answer(body, answer, *len, got == 0);
        if (status == PBTS_NEED_MORE) continue;
        explain(tee, status);
        return status;
    }
}

typedef struct {
    const char *path; /* of the socket */
    pbts_dstack_api api;
} agent_place;

static pbts_status exchange(pbts_tee *tee, pbts_span *body, uint8_t *answer, size_t *len,
                            const agent_place *place, pbts_span request) {
    int fd;
    uint64_t until_ms = pbts_clock_mono_ms() + tee->patience_ms;
    PBTS_TRY(open_socket(tee, &fd, place->path, until_ms));
    pbts_status status = send_all(tee, fd, request, until_ms);
    *len = 0;
    if (status == PBTS_OK) status = receive(tee, body, answer, len, fd, until_ms);
    (void)close(fd);
    return status;
}

/* ---- which agent, which request ---- */

typedef struct {
    enum { ASK_QUOTE, ASK_KEY, ASK_INFO } what;
    const uint8_t *report_data; /* QUOTE */
    const char *path, *purpose; /* KEY */
} agent_question;

static pbts_status write_question(pbts_writer *out, const agent_question *question,
                                  pbts_dstack_api api) {
    switch (question->what) {
    case ASK_QUOTE: pbts_dstack_ask_quote(out, api, question->report_data); break;
    case ASK_KEY: return pbts_dstack_ask_key(out, api, question->path, question->purpose);
    case ASK_INFO: pbts_dstack_ask_info(out, api); break;
    }
    return pbts_writer_status(out);
}

/* Ask the agent of today, and where there is none the older one. With a path of the user's own
 * both are looked for there: the older one does not know the newer one's requests. */
static pbts_status ask(pbts_tee *tee, pbts_span *body, uint8_t *answer, size_t *len,
                       const agent_question *question) {
    const bool own = tee->path[0] != '\0';
    const agent_place places[] = {
        { own ? tee->path : PBTS_TEE_DSTACK_PATH, PBTS_DSTACK_AGENT },
        { own ? tee->path : PBTS_TEE_TAPPD_PATH, PBTS_DSTACK_TAPPD },
    };
    pbts_status status = PBTS_NOT_FOUND;
    for (size_t i = 0; i < 2 && status == PBTS_NOT_FOUND; i++) {
        const agent_place *place = &places[(i + (tee->api == PBTS_DSTACK_TAPPD)) % 2];
        uint8_t bytes[PBTS_DSTACK_REQUEST_MAX];
        pbts_writer request = pbts_writer_over(bytes, sizeof bytes);
        PBTS_TRY(write_question(&request, question, place->api));
        status = exchange(tee, body, answer, len, place, pbts_writer_span(&request));
        if (status == PBTS_OK) tee->api = place->api;
    }
    return status;
}

/* What `read` makes of the answer's body; the answer is wiped, as it may hold a key. */
static pbts_status ask_and_read(pbts_tee *tee, void *out, const agent_question *question,
                                pbts_status (*read)(pbts_tee *tee, void *out, pbts_span body,
                                                    const agent_question *question)) {
    uint8_t *answer = pbts_alloc(pbts_mem_system(), PBTS_DSTACK_ANSWER_MAX);
    size_t len = 0;
    pbts_span body;
    if (answer == NULL) return PBTS_NO_MEMORY;
    tee->problem[0] = '\0';
    pbts_status status = ask(tee, &body, answer, &len, question);
    if (status == PBTS_OK) {
        tee->problem[0] = '\0'; /* of an agent that is not there */
        status = read(tee, out, body, question);
        if (status != PBTS_OK && tee->problem[0] == '\0')
            pbts_tee_complain(tee, AGENT, "its answer is not the one to this request", 0);
    }
    pbts_wipe(answer, len);
    pbts_release(pbts_mem_system(), answer);
    return status;
}

/* ---- quotes ---- */

static pbts_status check_quote(pbts_tee *tee, pbts_span quote, const uint8_t *report_data) {
    uint8_t found[PBTS_REPORT_DATA_LEN];
    PBTS_TRY(pbts_evidence_report_data(found, quote));
    if (memcmp(found, report_data, sizeof found) == 0) return PBTS_OK;
    pbts_tee_complain(tee, AGENT, "its quote is of another request (report_data)", 0);
    return PBTS_MALFORMED;
}

static pbts_status read_quote(pbts_tee *tee, void *out, pbts_span body,
                              const agent_question *question) {
    uint8_t *room = pbts_alloc(pbts_mem_system(), PBTS_QUOTE_LEN_MAX + body.len);
    if (room == NULL) return PBTS_NO_MEMORY;
    pbts_writer quote = pbts_writer_over(room, PBTS_QUOTE_LEN_MAX);
    pbts_writer log = pbts_writer_over(room + PBTS_QUOTE_LEN_MAX, body.len);
    pbts_status status = pbts_dstack_read_quote(&quote, &log, body);
    if (status == PBTS_OK)
        status = check_quote(tee, pbts_writer_span(&quote), question->report_data);
    if (status == PBTS_OK)
        status = pbts_tee_take(out, pbts_writer_span(&quote), pbts_writer_span(&log));
    pbts_release(pbts_mem_system(), room);
    return status;
}

pbts_status pbts_tee_generate_dstack(pbts_tee *tee, pbts_tee_evidence *out,
                                     const uint8_t *report_data) {
    const agent_question question = { .what = ASK_QUOTE, .report_data = report_data };
    return ask_and_read(tee, out, &question, read_quote);
}

/* ---- keys and names ---- */

static pbts_status read_key(pbts_tee *tee, void *out, pbts_span body,
                            const agent_question *question) {
    (void)tee;
    (void)question;
    return pbts_dstack_read_key(out, body);
}

pbts_status pbts_tee_dstack_key(pbts_tee *tee, uint8_t key[static PBTS_DSTACK_KEY_LEN],
                                const char *path, const char *purpose) {
    const agent_question question = { .what = ASK_KEY, .path = path, .purpose = purpose };
    return ask_and_read(tee, key, &question, read_key);
}

static pbts_status read_info(pbts_tee *tee, void *out, pbts_span body,
                             const agent_question *question) {
    (void)tee;
    (void)question;
    return pbts_dstack_read_info(out, body);
}

pbts_status pbts_tee_dstack_info(pbts_tee *tee, pbts_dstack_info *out) {
    const agent_question question = { .what = ASK_INFO };
    return ask_and_read(tee, out, &question, read_info);
}
