#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <unistd.h>

#include "net/socket.h"

static pbts_addr addr_of(const char *text, uint16_t port) {
    pbts_addr addr;
    assert_int_equal(pbts_addr_parse(&addr, pbts_span_text(text)), PBTS_OK);
    addr.port = port;
    return addr;
}

static void addresses_of_both_families_survive_the_way_through_a_sockaddr(void **state) {
    static const char *const texts[] = { "1.2.3.4", "255.255.255.255", "2001:db8::7", "::1" };
    for (size_t i = 0; i < 4; i++) {
        pbts_addr addr = addr_of(texts[i], (uint16_t)(1000 + i)), back;
        pbts_sockaddr sock;
        pbts_sockaddr_of(&sock, &addr);
        struct sockaddr *name = (struct sockaddr *)&sock.storage;
        assert_int_equal(pbts_sockaddr_read_len(&back, name, sock.len), PBTS_OK);
        assert_true(pbts_addr_equal_ip(&addr, &back));
        assert_int_equal(back.port, addr.port);
        for (socklen_t len = 0; len < sock.len; len++)
            assert_int_equal(pbts_sockaddr_read_len(&back, name, len), PBTS_MALFORMED);
    }
}

static void a_mapped_address_is_read_as_ipv4_and_other_families_are_refused(void **state) {
    struct sockaddr_in6 mapped = { .sin6_family = AF_INET6 };
    pbts_addr addr;
    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xFF;
    mapped.sin6_addr.s6_addr[12] = 10;
    assert_int_equal(pbts_sockaddr_read(&addr, (struct sockaddr *)&mapped), PBTS_OK);
    assert_int_equal(addr.family, PBTS_IPV4);
    assert_int_equal(addr.ip[0], 10);
    struct sockaddr other = { .sa_family = AF_UNIX };
    assert_int_equal(pbts_sockaddr_read(&addr, &other), PBTS_MALFORMED);
}

static void workers_share_a_port_and_strangers_see_that_it_is_taken(void **state) {
    pbts_addr addr = addr_of("127.0.0.1", 0);
    int tcp[2], udp[2];
    uint16_t port = 0, second = 0;
    assert_int_equal(pbts_socket_listen_tcp(&tcp[0], &port, &addr), PBTS_OK);
    assert_int_not_equal(port, 0);
    addr.port = port;
    assert_int_equal(pbts_socket_listen_tcp(&tcp[1], &second, &addr), PBTS_OK);
    assert_int_equal(second, port);
    assert_int_equal(pbts_socket_is_free(&addr), PBTS_EXISTS);
    close(tcp[0]);
    close(tcp[1]);
    assert_int_equal(pbts_socket_is_free(&addr), PBTS_OK);
    assert_int_equal(pbts_socket_bind_udp(&udp[0], NULL, &addr), PBTS_OK);
    assert_int_equal(pbts_socket_bind_udp(&udp[1], NULL, &addr), PBTS_OK);
    assert_int_equal(pbts_socket_is_free(&addr), PBTS_EXISTS);
    close(udp[0]);
    close(udp[1]);
}

static void an_address_that_the_machine_lacks_is_told_apart(void **state) {
    pbts_addr addr = addr_of("203.0.113.7", 0); /* TEST-NET-3 */
    int fd;
    assert_int_equal(pbts_socket_listen_tcp(&fd, NULL, &addr), PBTS_NOT_FOUND);
    assert_int_equal(pbts_socket_bind_udp(&fd, NULL, &addr), PBTS_NOT_FOUND);
}

static void the_wildcard_is_known_in_both_families(void **state) {
    pbts_addr any4 = addr_of("0.0.0.0", 1), any6 = addr_of("::", 1), one = addr_of("::1", 1);
    assert_true(pbts_addr_is_any(&any4));
    assert_true(pbts_addr_is_any(&any6));
    assert_false(pbts_addr_is_any(&one));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_both_families_survive_the_way_through_a_sockaddr),
        cmocka_unit_test(a_mapped_address_is_read_as_ipv4_and_other_families_are_refused),
        cmocka_unit_test(workers_share_a_port_and_strangers_see_that_it_is_taken),
        cmocka_unit_test(an_address_that_the_machine_lacks_is_told_apart),
        cmocka_unit_test(the_wildcard_is_known_in_both_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
