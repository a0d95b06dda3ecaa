/* net/socket.h - sockets of a server: non-blocking, close-on-exec, shared by SO_REUSEPORT.
 *
 * Every worker opens its own socket on the same address; the kernel spreads clients over them.
 * IPv6 sockets are IPv6 only: each family has its own. Source: socket(7), ip(7), ipv6(7).
 */
#ifndef PBTS_NET_SOCKET_H
#define PBTS_NET_SOCKET_H

#include <sys/socket.h>

#include "base/addr.h"

/* Enough for both families. */
typedef struct {
    struct sockaddr_storage storage;
    socklen_t len;
} pbts_sockaddr;

void pbts_sockaddr_of(pbts_sockaddr *out, const pbts_addr *addr);
/* IPv4-mapped addresses come out as IPv4. PBTS_MALFORMED for another family. */
PBTS_MUST_USE pbts_status pbts_sockaddr_read(pbts_addr *out, const struct sockaddr *from);
/* The same with a length from the kernel, which must cover the family's structure. */
PBTS_MUST_USE pbts_status pbts_sockaddr_read_len(pbts_addr *out, const struct sockaddr *from,
                                                 socklen_t len);

enum { PBTS_LISTEN_BACKLOG = 4096 }; /* the kernel cuts it to net.core.somaxconn */

/* A listening TCP socket, or a bound UDP socket. `addr->port` 0 asks for any; `bound_port` (may be
 * NULL) tells which. PBTS_EXISTS (address in use), PBTS_NOT_FOUND (the machine has no such family
 * or address), PBTS_DENIED (port below 1024), PBTS_IO (errno is set). */
PBTS_MUST_USE pbts_status pbts_socket_listen_tcp(int *fd, uint16_t *bound_port,
                                                 const pbts_addr *addr);
/* UDP: asks for the destination address of each datagram when `addr` is the wildcard, so that a
 * machine with several addresses answers from the one that was asked. */
PBTS_MUST_USE pbts_status pbts_socket_bind_udp(int *fd, uint16_t *bound_port,
                                               const pbts_addr *addr);
/* Whether nobody listens on the address, neither by TCP nor by UDP. SO_REUSEPORT would let a second
 * program of the same user share a port unnoticed. Statuses as above. */
PBTS_MUST_USE pbts_status pbts_socket_is_free(const pbts_addr *addr);
/* What such a status means for who wanted to listen, for a log. */
const char *pbts_listen_failure_text(pbts_status status);
bool pbts_addr_is_any(const pbts_addr *addr);

#endif
