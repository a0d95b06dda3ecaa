/* bench_udp.c - UDP announces (BEP 15, 41) from many sources over one socket.
 *
 * One socket sends for all sources: IP_PKTINFO names the source address of each datagram, so a
 * batch of sendmmsg or recvmmsg mixes sources and the generator stays cheaper than the tracker.
 * It is bound to the loopback device. A slot is one request in flight; its transaction id is the
 * slot's number and a generation, so that late answers are known as such.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "base/writer.h"
#include "bench_load.h"
#include "wire/udp_tracker.h"

enum {
    BATCH = 64,
    REQUEST_MAX = 98 + 2 + sizeof "/announce/" + PBTS_BENCH_PASSKEY_MAX,
    REPLY_MAX = 2048,
    CONTROL_LEN = CMSG_SPACE(sizeof(struct in_pktinfo)),
};
static const uint64_t TIMEOUT_NS = 1000000000u;           /* then a request is lost */
static const uint64_t CONNECTION_NS = 60 * 1000000000ull; /* BEP 15: an id is good for a minute */
static const uint64_t SWEEP_NS = 100000000u;

typedef struct {
    bool busy, connecting;
    uint16_t generation;
    uint64_t sent_ns;
    pbts_bench_peer peer;
} udp_slot;

typedef struct {
    uint64_t id;
    uint64_t good_until_ns; /* 0: never connected */
} udp_connection;

typedef struct {
    struct iovec io;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_LEN];
    uint8_t bytes[REQUEST_MAX];
} udp_request;

typedef struct {
    pbts_bench_run *run;
    const pbts_bench_options *options;
    int fd;
    udp_slot *slots;
    uint16_t *free_slots; /* a stack */
    uint32_t free_count;
    udp_connection *connections; /* by source */
    uint64_t step;
    uint64_t next_sweep_ns;
    unsigned queued; /* of requests */
    udp_request requests[BATCH];
    struct mmsghdr out[BATCH];
    struct iovec in_io[BATCH];
    struct mmsghdr in[BATCH];
    uint8_t replies[BATCH][REPLY_MAX];
} udp_load;

static int open_socket(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int bytes = 4 << 20;
    struct timeval patience = { .tv_usec = 20000 };
    struct sockaddr_in any = { .sin_family = AF_INET };
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        bind(fd, (struct sockaddr *)&any, sizeof any) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Everything of the batches that stays the same for the whole run. */
static void prepare_batches(udp_load *load) {
    for (unsigned i = 0; i < BATCH; i++) {
        udp_request *request = &load->requests[i];
        request->io.iov_base = request->bytes;
        load->out[i].msg_hdr = (struct msghdr){
            .msg_name = (void *)(uintptr_t)&load->options->target,
            .msg_namelen = sizeof load->options->target,
            .msg_iov = &request->io,
            .msg_iovlen = 1,
            .msg_control = request->control,
            .msg_controllen = CONTROL_LEN,
        };
        struct cmsghdr *header = CMSG_FIRSTHDR(&load->out[i].msg_hdr);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        load->in_io[i] = (struct iovec){ load->replies[i], REPLY_MAX };
        load->in[i].msg_hdr = (struct msghdr){ .msg_iov = &load->in_io[i], .msg_iovlen = 1 };
    }
}

static udp_load *load_new(pbts_bench_run *run) {
    const pbts_bench_options *options = run->options;
    udp_load *load = calloc(1, sizeof *load);
    if (!load) return NULL;
    load->run = run;
    load->options = options;
    load->fd = open_socket();
    load->slots = calloc(options->window, sizeof *load->slots);
    load->free_slots = calloc(options->window, sizeof *load->free_slots);
    load->connections = calloc(options->sources, sizeof *load->connections);
    for (uint32_t i = 0; load->free_slots && i < options->window; i++)
        load->free_slots[load->free_count++] = (uint16_t)i;
    prepare_batches(load);
    return load;
}

static void load_free(udp_load *load) {
    if (load->fd >= 0) close(load->fd);
    free(load->slots);
    free(load->free_slots);
    free(load->connections);
    free(load);
}

static uint32_t transaction_of(const udp_load *load, const udp_slot *slot) {
    return (uint32_t)slot->generation << 16 | (uint32_t)(slot - load->slots);
}

static void write_url_data(pbts_writer *writer, const char *verb, const char *passkey) {
    size_t len = strlen(verb) + strlen(passkey);
    pbts_write_u8(writer, 2);
    pbts_write_u8(writer, (uint8_t)len);
    pbts_write_text(writer, verb);
    pbts_write_text(writer, passkey);
}

/* BEP 15: connection_id action transaction_id info_hash peer_id downloaded left uploaded event ip
 * key num_want port. */
static void write_announce(pbts_writer *writer, const pbts_bench_options *options,
                           const pbts_bench_peer *peer) {
    pbts_write_bytes(writer, (pbts_span){ peer->infohash, 20 });
    pbts_write_bytes(writer, (pbts_span){ (const uint8_t *)peer->id, 20 });
    pbts_write_u64(writer, 0);
    pbts_write_u64(writer, peer->seeder ? 0 : 1 << 20);
    pbts_write_u64(writer, 0);
    pbts_write_u32(writer, peer->started ? PBTS_EVENT_STARTED : PBTS_EVENT_NONE);
    pbts_write_u32(writer, 0);
    pbts_write_u32(writer, peer->number);
    pbts_write_u32(writer, options->numwant);
    pbts_write_u16(writer, peer->port);
    if (peer->passkey) write_url_data(writer, "/announce/", peer->passkey);
}

static void write_request(pbts_writer *writer, const udp_load *load, const udp_slot *slot) {
    const pbts_bench_options *options = load->options;
    if (slot->connecting) {
        pbts_write_u64(writer, PBTS_UDP_PROTOCOL_ID);
        pbts_write_u32(writer, PBTS_UDP_CONNECT);
        pbts_write_u32(writer, transaction_of(load, slot));
        return;
    }
    pbts_write_u64(writer, load->connections[slot->peer.source].id);
    pbts_write_u32(writer, options->scrape ? PBTS_UDP_SCRAPE : PBTS_UDP_ANNOUNCE);
    pbts_write_u32(writer, transaction_of(load, slot));
    if (!options->scrape)
        write_announce(writer, options, &slot->peer);
    else
        pbts_write_bytes(writer, (pbts_span){ slot->peer.infohash, 20 });
}

static bool flush(udp_load *load) {
    unsigned sent = 0;
    while (sent < load->queued) {
        int n = sendmmsg(load->fd, load->out + sent, load->queued - sent, 0);
        if (n < 0 && errno != EINTR && errno != ENOBUFS && errno != ECONNREFUSED) return false;
        if (n > 0) sent += (unsigned)n;
    }
    load->queued = 0;
    return true;
}

/* Queue the slot's request: a handshake first when its source has no good connection id. */
static bool send_slot(udp_load *load, udp_slot *slot) {
    slot->connecting = load->connections[slot->peer.source].good_until_ns <= load->run->now_ns;
    slot->generation++;
    slot->busy = true;
    slot->sent_ns = load->run->now_ns;
    if (slot->connecting) load->run->stats.connects++;
    unsigned i = load->queued++;
    udp_request *request = &load->requests[i];
    pbts_writer writer = pbts_writer_over(request->bytes, sizeof request->bytes);
    write_request(&writer, load, slot);
    request->io.iov_len = writer.len;
    struct in_pktinfo info = { .ipi_spec_dst = pbts_bench_source(slot->peer.source) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&load->out[i].msg_hdr);
    assert(header != NULL);
    memcpy(CMSG_DATA(header), &info, sizeof info);
    return load->queued < BATCH || flush(load);
}

static bool fill_window(udp_load *load) {
    while (load->free_count > 0) {
        udp_slot *slot = &load->slots[load->free_slots[--load->free_count]];
        pbts_bench_peer_at(&slot->peer, load->options, load->step++);
        if (!send_slot(load, slot)) return false;
    }
    return flush(load);
}

static void release_slot(udp_load *load, udp_slot *slot) {
    slot->busy = false;
    load->free_slots[load->free_count++] = (uint16_t)(slot - load->slots);
}

static uint32_t u32_at(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, 4);
    return ntohl(value);
}

static pbts_bench_verdict judge(const udp_load *load, const uint8_t *reply, size_t len) {
    uint32_t action = u32_at(reply);
    if (action == PBTS_UDP_ERROR) return PBTS_BENCH_FAILURE;
    bool good = load->options->scrape
                    ? action == PBTS_UDP_SCRAPE && len == 20
                    : action == PBTS_UDP_ANNOUNCE && len >= 20 && (len - 20) % 6 == 0;
    return good ? PBTS_BENCH_ANSWER : PBTS_BENCH_MALFORMED;
}

static bool take_connection(udp_load *load, udp_slot *slot, const uint8_t *reply, size_t len) {
    if (len < 16 || u32_at(reply) != PBTS_UDP_CONNECT) {
        pbts_bench_note(load->run, PBTS_BENCH_MALFORMED, 0, 0, reply, len);
        release_slot(load, slot);
        return true;
    }
    udp_connection *connection = &load->connections[slot->peer.source];
    connection->id = (uint64_t)u32_at(reply + 8) << 32 | u32_at(reply + 12);
    connection->good_until_ns = load->run->now_ns + CONNECTION_NS;
    return send_slot(load, slot);
}

static bool take_reply(udp_load *load, const uint8_t *reply, size_t len) {
    uint32_t transaction = len >= 8 ? u32_at(reply + 4) : UINT32_MAX;
    uint32_t number = transaction & 0xffff;
    udp_slot *slot = number < load->options->window ? &load->slots[number] : NULL;
    if (!slot || !slot->busy || slot->generation != transaction >> 16) {
        load->run->stats.late++;
        return true;
    }
    if (slot->connecting) return take_connection(load, slot, reply, len);
    pbts_bench_verdict verdict = judge(load, reply, len);
    uint64_t peers = verdict == PBTS_BENCH_ANSWER && len > 20 ? (len - 20) / 6 : 0;
    size_t head = verdict == PBTS_BENCH_FAILURE ? 8 : 0; /* the text begins after it */
    pbts_bench_note(load->run, verdict, slot->sent_ns, peers, reply + head, len - head);
    release_slot(load, slot);
    return true;
}

static bool receive(udp_load *load) {
    int n = recvmmsg(load->fd, load->in, BATCH, MSG_WAITFORONE, NULL);
    load->run->now_ns = pbts_bench_now_ns();
    if (n < 0) return errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED;
    for (int i = 0; i < n; i++)
        if (!take_reply(load, load->replies[i], load->in[i].msg_len)) return false;
    return true;
}

static void give_up_old(udp_load *load) {
    if (load->run->now_ns < load->next_sweep_ns) return;
    load->next_sweep_ns = load->run->now_ns + SWEEP_NS;
    for (uint32_t i = 0; i < load->options->window; i++) {
        udp_slot *slot = &load->slots[i];
        if (!slot->busy || slot->sent_ns + TIMEOUT_NS > load->run->now_ns) continue;
        load->run->stats.losses++;
        release_slot(load, slot);
    }
}

int pbts_bench_udp(pbts_bench_run *run) {
    udp_load *load = load_new(run);
    bool ready = load && load->fd >= 0 && load->slots && load->free_slots && load->connections;
    bool ok = ready;
    while (ok && pbts_bench_continue(run)) {
        ok = fill_window(load) && receive(load);
        give_up_old(load);
    }
    if (!ok) perror("pbts bench: UDP");
    if (load) load_free(load);
    return ok ? 0 : 1;
}
