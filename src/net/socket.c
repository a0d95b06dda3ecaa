#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/assert.h"

enum {
    UDP_BUFFER_BYTES = 4 * 1024 * 1024, /* asked for; the kernel cuts it to net.core.rmem_max */
    UNSENT_BYTES = 64 * 1024, /* what a reader that does not read may leave in the kernel */
    DEFER_ACCEPT_S = 1,       /* a client that says nothing for a second is accepted all the same */
};

void pbts_sockaddr_of(pbts_sockaddr *out, const pbts_addr *addr) {
    memset(out, 0, sizeof *out);
    if (addr->family == PBTS_IPV4) {
        struct sockaddr_in *in = (struct sockaddr_in *)&out->storage;
        in->sin_family = AF_INET;
        in->sin_port = htons(addr->port);
        memcpy(&in->sin_addr, addr->ip, 4);
        out->len = sizeof *in;
        return;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->storage;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(addr->port);
    memcpy(&in6->sin6_addr, addr->ip, 16);
    out->len = sizeof *in6;
}

pbts_status pbts_sockaddr_read(pbts_addr *out, const struct sockaddr *from) {
    pbts_addr addr;
    memset(&addr, 0, sizeof addr);
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        addr.family = PBTS_IPV4;
        addr.port = ntohs(in->sin_port);
        memcpy(addr.ip, &in->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        addr.family = PBTS_IPV6;
        addr.port = ntohs(in6->sin6_port);
        memcpy(addr.ip, &in6->sin6_addr, 16);
        addr = pbts_addr_unmapped(&addr);
    } else {
        return PBTS_MALFORMED;
    }
    *out = addr;
    return PBTS_OK;
}

pbts_status pbts_sockaddr_read_len(pbts_addr *out, const struct sockaddr *from, socklen_t len) {
    if (len < sizeof(sa_family_t)) return PBTS_MALFORMED;
    if (from->sa_family == AF_INET && len < sizeof(struct sockaddr_in)) return PBTS_MALFORMED;
    if (from->sa_family == AF_INET6 && len < sizeof(struct sockaddr_in6)) return PBTS_MALFORMED;
    return pbts_sockaddr_read(out, from);
}

bool pbts_addr_is_any(const pbts_addr *addr) {
    static const uint8_t zero[16] = { 0 };
    return memcmp(addr->ip, zero, pbts_addr_ip_len(addr->family)) == 0;
}

const char *pbts_listen_failure_text(pbts_status status) {
    switch (status) {
    case PBTS_EXISTS: return "the port is in use there";
    case PBTS_NOT_FOUND: return "this machine has no such address";
    default: return pbts_status_text(status);
    }
}

static pbts_status status_of_errno(void) {
    switch (errno) {
    case EADDRINUSE: return PBTS_EXISTS;
    case EACCES:
    case EPERM: return PBTS_DENIED;
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL: return PBTS_NOT_FOUND;
    default: return PBTS_IO;
    }
}

static void set_option(int fd, int level, int name, int value) {
    /* Options here only tune; a kernel without one still serves. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static uint16_t port_of(int fd) {
    pbts_sockaddr bound = { .len = sizeof bound.storage };
    pbts_addr addr;
    if (getsockname(fd, (struct sockaddr *)&bound.storage, &bound.len) != 0) return 0;
    if (pbts_sockaddr_read(&addr, (struct sockaddr *)&bound.storage) != PBTS_OK) return 0;
    return addr.port;
}

/* A bound socket of `type`; -1 with errno. */
static int bound_socket(const pbts_addr *addr, int type, bool shared) {
    int family = addr->family == PBTS_IPV4 ? AF_INET : AF_INET6;
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int yes = 1;
    if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0) goto out;
    if (type == SOCK_STREAM) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) != 0)
        goto out;
    pbts_sockaddr to;
    pbts_sockaddr_of(&to, addr);
    if (bind(fd, (struct sockaddr *)&to.storage, to.len) == 0) return fd;
out:;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

pbts_status pbts_socket_is_free(const pbts_addr *addr) {
    static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
    for (size_t i = 0; i < 2; i++) {
        int fd = bound_socket(addr, types[i], false);
        if (fd < 0) return status_of_errno();
        close(fd);
    }
    return PBTS_OK;
}

pbts_status pbts_socket_listen_tcp(int *fd, uint16_t *bound_port, const pbts_addr *addr) {
    int made = bound_socket(addr, SOCK_STREAM, true);
    if (made < 0) return status_of_errno();
    set_option(made, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_ACCEPT_S);
    set_option(made, IPPROTO_TCP, TCP_NODELAY, 1); /* inherited by what it accepts, as the next */
    set_option(made, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
    set_option(made, SOL_SOCKET, SO_OOBINLINE, 1); /* an urgent byte must not stop a peek */
    if (listen(made, PBTS_LISTEN_BACKLOG) != 0) {
        pbts_status status = status_of_errno();
        close(made);
        return status;
    }
    if (bound_port) *bound_port = port_of(made);
    *fd = made;
    return PBTS_OK;
}

pbts_status pbts_socket_bind_udp(int *fd, uint16_t *bound_port, const pbts_addr *addr) {
    int made = bound_socket(addr, SOCK_DGRAM, true);
    if (made < 0) return status_of_errno();
    set_option(made, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER_BYTES);
    set_option(made, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER_BYTES);
    if (pbts_addr_is_any(addr) && addr->family == PBTS_IPV4)
        set_option(made, IPPROTO_IP, IP_PKTINFO, 1);
    if (pbts_addr_is_any(addr) && addr->family == PBTS_IPV6)
        set_option(made, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    if (bound_port) *bound_port = port_of(made);
    *fd = made;
    return PBTS_OK;
}
