/* Unit tests of peer/addresses.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "peer/addresses.h"
#include "receipt/faulty_mem.h"

enum { HOUR_MS = 3600 * 1000 };

static pbts_addr address(uint32_t number) {
    return (
        pbts_addr){ .family = PBTS_IPV4,
                    .ip = { 20, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number },
                    .port = 6881 };
}

static pbts_addresses list_new(void) {
    pbts_addresses list;
    assert_int_equal(pbts_addresses_init(&list, pbts_mem_system(), 3), PBTS_OK);
    return list;
}

static uint16_t add(pbts_addresses *list, uint32_t number, bool hearsay) {
    pbts_addr addr = address(number);
    return pbts_addresses_add(list, &addr, hearsay, 1000);
}

static void an_address_is_kept_once_and_found(void **state) {
    (void)state;
    pbts_addresses list = list_new();
    for (uint32_t i = 0; i < 500; i++) assert_int_equal(add(&list, i, false), i);
    for (uint32_t i = 0; i < 500; i++) assert_int_equal(add(&list, i, true), i);
    assert_int_equal(list.count, 500);
    pbts_addr other = address(7);
    other.port++;
    assert_int_equal(pbts_addresses_find(&list, &other), PBTS_ADDRESS_NONE);
    other = address(500);
    assert_int_equal(pbts_addresses_find(&list, &other), PBTS_ADDRESS_NONE);
    /* ::ffff:20.0.0.7 is 20.0.0.7 */
    pbts_addr mapped = { .family = PBTS_IPV6, .port = 6881 };
    memset(mapped.ip + 10, 0xFF, 2);
    memcpy(mapped.ip + 12, address(7).ip, 4);
    assert_int_equal(pbts_addresses_add(&list, &mapped, true, 1000), 7);
    pbts_addresses_deinit(&list);
}

static void what_cannot_be_dialed_is_not_kept(void **state) {
    (void)state;
    pbts_addresses list = list_new();
    pbts_addr bad[] = {
        { .family = PBTS_IPV4, .ip = { 20, 0, 0, 1 }, .port = 0 },
        { .family = PBTS_IPV4, .ip = { 0, 0, 0, 0 }, .port = 1 },
        { .family = PBTS_IPV4, .ip = { 0, 1, 2, 3 }, .port = 1 },
        { .family = PBTS_IPV4, .ip = { 224, 0, 0, 1 }, .port = 1 },
        { .family = PBTS_IPV4, .ip = { 255, 255, 255, 255 }, .port = 1 },
        { .family = PBTS_IPV6, .ip = { 0 }, .port = 1 },
        { .family = PBTS_IPV6, .ip = { 0xFF, 2 }, .port = 1 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(pbts_addresses_add(&list, &bad[i], false, 0), PBTS_ADDRESS_NONE);
    }
    pbts_addr good = { .family = PBTS_IPV4, .ip = { 223, 255, 0, 1 }, .port = 1 };
    assert_int_equal(pbts_addresses_add(&list, &good, false, 0), 0);
    pbts_addresses_deinit(&list);
}

static void at_the_limit_only_what_failed_makes_room_and_hearsay_for_a_tracker(void **state) {
    (void)state;
    pbts_addresses list = list_new();
    for (uint32_t i = 0; i < PBTS_ADDRESSES_MAX; i++) {
        assert_int_not_equal(add(&list, i, i == 77), PBTS_ADDRESS_NONE);
    }
    assert_int_equal(add(&list, 5000, true), PBTS_ADDRESS_NONE);
    assert_int_equal(add(&list, 5000, false), 77);
    assert_int_equal(add(&list, 5001, false), PBTS_ADDRESS_NONE);
    assert_int_equal(list.count, PBTS_ADDRESSES_MAX);
    /* One that failed, even for hearsay; but not while it is in use. */
    pbts_addr dialed;
    assert_true(pbts_addresses_next_dial(&list, &dialed, true, 1000));
    uint16_t number = pbts_addresses_find(&list, &dialed);
    pbts_addresses_over(&list, number, true, 1000);
    pbts_addresses_connected(&list, number);
    assert_int_equal(add(&list, 5002, true), PBTS_ADDRESS_NONE);
    pbts_addresses_over(&list, number, true, 1000);
    assert_int_equal(add(&list, 5002, true), number);
    assert_int_equal(pbts_addresses_find(&list, &dialed), PBTS_ADDRESS_NONE);
    for (uint32_t i = 0; i < list.count; i++) {
        assert_int_equal(pbts_addresses_find(&list, &list.entries[i].addr), i);
    }
    pbts_addresses_deinit(&list);
}

static void failures_back_off_up_to_an_hour_and_success_forgives(void **state) {
    (void)state;
    pbts_addresses list = list_new();
    pbts_addr dialed;
    uint64_t now_ms = 1000, waited_ms = 0;
    uint16_t number = add(&list, 1, false);
    for (int i = 0; i < 300; i++) {
        assert_true(pbts_addresses_next_dial(&list, &dialed, true, now_ms));
        assert_false(pbts_addresses_next_dial(&list, &dialed, true, now_ms));
        pbts_addresses_over(&list, number, true, now_ms);
        assert_false(pbts_addresses_next_dial(&list, &dialed, true, now_ms));
        uint64_t next_ms = pbts_addresses_deadline_ms(&list);
        assert_true(next_ms - now_ms >= waited_ms && next_ms - now_ms <= HOUR_MS);
        assert_false(pbts_addresses_next_dial(&list, &dialed, true, next_ms - 1));
        waited_ms = next_ms - now_ms;
        now_ms = next_ms;
    }
    assert_int_equal(waited_ms, HOUR_MS);
    assert_true(pbts_addresses_next_dial(&list, &dialed, true, now_ms));
    pbts_addresses_connected(&list, number);
    assert_int_equal(list.dialing, 0);
    pbts_addresses_over(&list, number, false, now_ms);
    assert_false(pbts_addresses_next_dial(&list, &dialed, true, now_ms));
    assert_int_equal(pbts_addresses_deadline_ms(&list), now_ms + PBTS_DIAL_BACKOFF_MS);
    pbts_addresses_deinit(&list);
}

static void fewest_failures_first_then_what_is_no_hearsay(void **state) {
    (void)state;
    pbts_addresses list = list_new();
    pbts_addr dialed;
    uint16_t failed = add(&list, 1, false);
    (void)add(&list, 2, true);
    (void)add(&list, 3, false);
    assert_int_equal(failed, 0);
    list.entries[0].fails = 1;
    static const uint32_t order[] = { 3, 2, 1 };
    for (size_t i = 0; i < 3; i++) {
        pbts_addr want = address(order[i]);
        assert_true(pbts_addresses_next_dial(&list, &dialed, true, 1000));
        assert_true(pbts_addr_equal_ip(&dialed, &want));
    }
    assert_false(pbts_addresses_next_dial(&list, &dialed, true, 1000));
    pbts_addresses_deinit(&list);
}

static void seeds_are_dialed_only_when_they_are_wanted(void **state) {
    (void)state;
    pbts_addresses list = list_new();
    pbts_addr dialed;
    list.entries[add(&list, 1, false)].is_seed = true;
    assert_false(pbts_addresses_next_dial(&list, &dialed, false, 1000));
    assert_int_equal(pbts_addresses_deadline_ms(&list), UINT64_MAX);
    pbts_addresses_recheck(&list);
    assert_true(pbts_addresses_next_dial(&list, &dialed, true, 1000));
    pbts_addresses_deinit(&list);
}

static void only_so_many_are_dialed_at_once(void **state) {
    (void)state;
    pbts_addresses list = list_new();
    pbts_addr dialed;
    for (uint32_t i = 0; i < 2 * PBTS_DIALS_MAX; i++) (void)add(&list, i, false);
    for (int i = 0; i < PBTS_DIALS_MAX; i++) {
        assert_true(pbts_addresses_next_dial(&list, &dialed, true, 1000));
    }
    assert_false(pbts_addresses_next_dial(&list, &dialed, true, 1000));
    assert_int_equal(pbts_addresses_deadline_ms(&list), UINT64_MAX);
    pbts_addresses_over(&list, pbts_addresses_find(&list, &dialed), true, 1000);
    assert_true(pbts_addresses_next_dial(&list, &dialed, true, 1000));
    pbts_addresses_deinit(&list);
}

static void a_ban_is_of_an_ip_a_64_or_on_loopback_of_a_port(void **state) {
    (void)state;
    pbts_addresses list = list_new();
    pbts_addr addr = address(1), dialed;
    (void)add(&list, 1, false);
    pbts_addresses_ban(&list, &addr);
    addr.port = 1;
    assert_true(pbts_addresses_is_banned(&list, &addr));
    assert_int_equal(pbts_addresses_add(&list, &addr, false, 1000), PBTS_ADDRESS_NONE);
    assert_false(pbts_addresses_next_dial(&list, &dialed, true, 1000));
    addr = address(2);
    assert_false(pbts_addresses_is_banned(&list, &addr));

    pbts_addr v6 = { .family = PBTS_IPV6, .ip = { 0x20, 1, 0xD, 0xB8, [15] = 1 }, .port = 5 };
    pbts_addresses_ban(&list, &v6);
    v6.ip[8] = 9;
    assert_true(pbts_addresses_is_banned(&list, &v6));
    v6.ip[7] = 9;
    assert_false(pbts_addresses_is_banned(&list, &v6));

    pbts_addr local = { .family = PBTS_IPV4, .ip = { 127, 0, 0, 1 }, .port = 5000 };
    pbts_addr local6 = { .family = PBTS_IPV6, .ip = { [15] = 1 }, .port = 5000 };
    pbts_addresses_ban(&list, &local);
    pbts_addresses_ban(&list, &local6);
    assert_true(pbts_addresses_is_banned(&list, &local));
    assert_true(pbts_addresses_is_banned(&list, &local6));
    local.port = local6.port = 5001;
    assert_false(pbts_addresses_is_banned(&list, &local));
    assert_false(pbts_addresses_is_banned(&list, &local6));
    pbts_addresses_deinit(&list);
}

static void as_many_bans_as_stated_are_kept_and_the_oldest_goes(void **state) {
    (void)state;
    pbts_addresses list = list_new();
    pbts_addr addr;
    for (uint32_t i = 0; i < PBTS_BANS_MAX; i++) {
        addr = address(i);
        pbts_addresses_ban(&list, &addr);
        pbts_addresses_ban(&list, &addr); /* no second entry */
    }
    addr = address(0);
    assert_true(pbts_addresses_is_banned(&list, &addr));
    addr = address(PBTS_BANS_MAX);
    pbts_addresses_ban(&list, &addr);
    assert_true(pbts_addresses_is_banned(&list, &addr));
    addr = address(0);
    assert_false(pbts_addresses_is_banned(&list, &addr));
    addr = address(1);
    assert_true(pbts_addresses_is_banned(&list, &addr));
    pbts_addresses_deinit(&list);
}

static void ourselves_are_not_dialed_again(void **state) {
    (void)state;
    pbts_addresses list = list_new();
    pbts_addr dialed;
    (void)add(&list, 1, false);
    assert_true(pbts_addresses_next_dial(&list, &dialed, true, 1000));
    pbts_addresses_connected(&list, 0);
    pbts_addresses_exclude(&list, 0);
    pbts_addresses_over(&list, 0, false, 1000);
    assert_false(pbts_addresses_next_dial(&list, &dialed, true, 100 * HOUR_MS));
    pbts_addresses_deinit(&list);
}

static void every_allocation_can_fail(void **state) {
    (void)state;
    for (size_t n = 0;; n++) {
        faulty_mem mem = mem_failing_at(n);
        pbts_addresses list;
        pbts_status status = pbts_addresses_init(&list, &mem.mem, 1);
        if (status == PBTS_OK) pbts_addresses_deinit(&list);
        assert_int_equal(mem.live, 0);
        if (status == PBTS_OK) break;
        assert_int_equal(status, PBTS_NO_MEMORY);
        assert_true(n < 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_kept_once_and_found),
        cmocka_unit_test(what_cannot_be_dialed_is_not_kept),
        cmocka_unit_test(at_the_limit_only_what_failed_makes_room_and_hearsay_for_a_tracker),
        cmocka_unit_test(failures_back_off_up_to_an_hour_and_success_forgives),
        cmocka_unit_test(fewest_failures_first_then_what_is_no_hearsay),
        cmocka_unit_test(seeds_are_dialed_only_when_they_are_wanted),
        cmocka_unit_test(only_so_many_are_dialed_at_once),
        cmocka_unit_test(a_ban_is_of_an_ip_a_64_or_on_loopback_of_a_port),
        cmocka_unit_test(as_many_bans_as_stated_are_kept_and_the_oldest_goes),
        cmocka_unit_test(ourselves_are_not_dialed_again),
        cmocka_unit_test(every_allocation_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
