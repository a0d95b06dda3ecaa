#include "net/udp.h"

#include <netinet/in.h>
#include <unistd.h>

#include "net/socket.h"

/* What the kernel says about where a datagram went to, and is told about where an answer comes
 * from: the same message in both directions. */
typedef union {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
} control;

struct pbts_udp {
    pbts_mem *mem;
    int fd;
    pbts_udp_answer answer;
    void *host;
    struct mmsghdr in[PBTS_UDP_BATCH], out[PBTS_UDP_BATCH];
    struct iovec in_part[PBTS_UDP_BATCH], out_part[PBTS_UDP_BATCH];
    struct sockaddr_in6 from[PBTS_UDP_BATCH]; /* large enough for IPv4 too */
    control where[PBTS_UDP_BATCH];
    uint8_t datagram[PBTS_UDP_BATCH][PBTS_UDP_DATAGRAM_MAX];
    uint8_t reply[PBTS_UDP_BATCH][PBTS_UDP_ANSWER_MAX];
};

pbts_status pbts_udp_new(pbts_udp **out, pbts_mem *mem, int fd, pbts_udp_answer answer,
                         void *host) {
    pbts_udp *udp = pbts_alloc(mem, sizeof *udp);
    if (udp == NULL) return PBTS_NO_MEMORY;
    udp->mem = mem;
    udp->fd = fd;
    udp->answer = answer;
    udp->host = host;
    for (size_t i = 0; i < PBTS_UDP_BATCH; i++) {
        udp->in_part[i] = (struct iovec){ udp->datagram[i], PBTS_UDP_DATAGRAM_MAX };
        udp->in[i].msg_hdr.msg_name = &udp->from[i];
        udp->in[i].msg_hdr.msg_iov = &udp->in_part[i];
        udp->in[i].msg_hdr.msg_iovlen = 1;
        udp->in[i].msg_hdr.msg_control = &udp->where[i];
        udp->out[i].msg_hdr.msg_iov = &udp->out_part[i];
        udp->out[i].msg_hdr.msg_iovlen = 1;
    }
    *out = udp;
    return PBTS_OK;
}

void pbts_udp_free(pbts_udp *udp) {
    if (udp == NULL) return;
    close(udp->fd);
    pbts_release(udp->mem, udp);
}

void pbts_udp_disown(pbts_udp *udp) {
    pbts_release(udp->mem, udp);
}

int pbts_udp_fd(const pbts_udp *udp) {
    return udp->fd;
}

/* The answer leaves by whatever way routing chooses, only its source address is fixed. */
static void forget_interface(struct msghdr *message) {
    struct cmsghdr *part = CMSG_FIRSTHDR(message);
    if (part == NULL) return;
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO)
        ((struct in_pktinfo *)(void *)CMSG_DATA(part))->ipi_ifindex = 0;
    if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo *info = (struct in6_pktinfo *)(void *)CMSG_DATA(part);
        if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr)) info->ipi6_ifindex = 0;
    }
}

/* Answer datagram `i`; true when out[to] holds something to send. */
static bool answer_one(pbts_udp *udp, size_t i, size_t to) {
    struct msghdr *in = &udp->in[i].msg_hdr, *out = &udp->out[to].msg_hdr;
    pbts_addr from;
    if (in->msg_flags & MSG_TRUNC) return false;
    if (pbts_sockaddr_read_len(&from, in->msg_name, in->msg_namelen) != PBTS_OK) return false;
    if (from.port == 0) return false;
    pbts_writer writer = pbts_writer_over(udp->reply[to], PBTS_UDP_ANSWER_MAX);
    udp->answer(udp->host, &writer, (pbts_span){ udp->datagram[i], udp->in[i].msg_len }, &from);
    if (writer.failed || writer.len == 0) return false;
    udp->out_part[to] = (struct iovec){ udp->reply[to], writer.len };
    out->msg_name = in->msg_name;
    out->msg_namelen = in->msg_namelen;
    out->msg_control = in->msg_controllen > 0 ? in->msg_control : NULL;
    out->msg_controllen = in->msg_controllen;
    if (in->msg_controllen > 0) forget_interface(out);
    return true;
}

/* Send out[0..count); one that fails is skipped, and all when the socket's buffer is full. */
static size_t send_all(pbts_udp *udp, size_t count) {
    size_t next = 0, lost = 0;
    while (next < count) {
        int sent = sendmmsg(udp->fd, &udp->out[next], (unsigned)(count - next), MSG_DONTWAIT);
        if (sent > 0) {
            next += (size_t)sent;
            continue;
        }
        lost++;
        next++;
    }
    return lost;
}

size_t pbts_udp_serve(pbts_udp *udp) {
    size_t lost = 0;
    for (unsigned round = 0; round < PBTS_UDP_ROUNDS_MAX; round++) {
        for (size_t i = 0; i < PBTS_UDP_BATCH; i++) {
            udp->in[i].msg_hdr.msg_namelen = sizeof udp->from[i];
            udp->in[i].msg_hdr.msg_controllen = sizeof udp->where[i];
        }
        int got = recvmmsg(udp->fd, udp->in, PBTS_UDP_BATCH, MSG_DONTWAIT, NULL);
        if (got <= 0) break; /* nothing waits, or an ICMP error of an earlier answer */
        size_t answers = 0;
        for (size_t i = 0; i < (size_t)got; i++)
            if (answer_one(udp, i, answers)) answers++;
        lost += send_all(udp, answers);
        if (got < PBTS_UDP_BATCH) break;
    }
    return lost;
}
