/* Unit tests of tls_self_signed.c, with OpenSSL as the reader. */
#include "pbts-tracker/tls_self_signed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { NOW = 1800000000 };

/* RFC 6979, A.2.5: a key of P-256 and its point. */
static const uint8_t SCALAR[32] = { 0xC9, 0xAF, 0xA9, 0xD8, 0x45, 0xBA, 0x75, 0x16,
                                    0x6B, 0x5C, 0x21, 0x57, 0x67, 0xB1, 0xD6, 0x93,
                                    0x4E, 0x50, 0xC3, 0xDB, 0x36, 0xE8, 0x9B, 0x12,
                                    0x7B, 0x8A, 0x62, 0x2B, 0x12, 0x0F, 0x67, 0x21 };
static const uint8_t POINT_X[32] = { 0x60, 0xFE, 0xD4, 0xBA, 0x25, 0x5A, 0x9D, 0x31,
                                     0xC9, 0x61, 0xEB, 0x74, 0xC6, 0x35, 0x6D, 0x68,
                                     0xC0, 0x49, 0xB8, 0x92, 0x3B, 0x61, 0xFA, 0x6C,
                                     0xE6, 0x69, 0x62, 0x2E, 0x60, 0xF2, 0x9F, 0xB6 };

static X509 *certificate_of(const struct tls_self_signed *tls) {
    BIO *bio = BIO_new_mem_buf(tls->certificate, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

static void the_key_is_the_one_given_and_signs_itself(void **state) {
    struct tls_self_signed tls;
    uint8_t point[100];
    size_t len = 0;
    (void)state;
    assert_int_equal(tls_self_sign(&tls, SCALAR, "tracker.example.org", NOW), PBTS_OK);
    X509 *certificate = certificate_of(&tls);
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    assert_int_equal(EVP_PKEY_get_octet_string_param(key, "pub", point, sizeof point, &len), 1);
    assert_int_equal(len, 65);
    assert_memory_equal(point + 1, POINT_X, 32);
    assert_int_equal(X509_verify(certificate, key), 1);
    assert_int_equal(X509_get_version(certificate), X509_VERSION_3);
    assert_int_equal(X509_check_ca(certificate), 0);
    X509_free(certificate);
    BIO *bio = BIO_new_mem_buf(tls.key, -1);
    EVP_PKEY *secret = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(secret);
    certificate = certificate_of(&tls);
    assert_int_equal(X509_check_private_key(certificate, secret), 1);
    X509_free(certificate);
    EVP_PKEY_free(secret);
}

static void names_and_addresses_are_what_clients_look_for(void **state) {
    struct tls_self_signed tls;
    (void)state;
    assert_int_equal(tls_self_sign(&tls, SCALAR, "tracker.example.org", NOW), PBTS_OK);
    X509 *certificate = certificate_of(&tls);
    assert_int_equal(X509_check_host(certificate, "tracker.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(certificate, "other.example.org", 0, 0, NULL), 0);
    X509_free(certificate);
    static const char *const ADDRS[] = { "192.0.2.7", "2001:db8::7" };
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tls_self_sign(&tls, SCALAR, ADDRS[i], NOW), PBTS_OK);
        certificate = certificate_of(&tls);
        assert_int_equal(X509_check_ip_asc(certificate, ADDRS[i], 0), 1);
        assert_int_equal(X509_check_ip_asc(certificate, "192.0.2.8", 0), 0);
        X509_free(certificate);
    }
}

static void it_holds_from_before_now_for_ten_years(void **state) {
    struct tls_self_signed tls;
    time_t soon = NOW, late = NOW + (time_t)TLS_LIFE_DAYS * 24 * 3600;
    (void)state;
    assert_int_equal(tls_self_sign(&tls, SCALAR, "h", NOW), PBTS_OK);
    X509 *certificate = certificate_of(&tls);
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(certificate), soon), -1);
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate), late), 0);
    X509_free(certificate);
}

static void the_pin_stays_and_the_certificate_is_new(void **state) {
    struct tls_self_signed first, second;
    uint8_t other[32];
    (void)state;
    assert_int_equal(tls_self_sign(&first, SCALAR, "a", NOW), PBTS_OK);
    assert_int_equal(tls_self_sign(&second, SCALAR, "b", NOW + 5), PBTS_OK);
    assert_memory_equal(first.pin, second.pin, sizeof first.pin);
    assert_string_not_equal(first.certificate, second.certificate);
    memcpy(other, SCALAR, sizeof other);
    other[31] ^= 1;
    assert_int_equal(tls_self_sign(&second, other, "a", NOW), PBTS_OK);
    assert_memory_not_equal(first.pin, second.pin, sizeof first.pin);
}

static void a_host_is_cut_out_of_its_url(void **state) {
    static const char *const CASES[][2] = {
        { "https://tracker.example.org", "tracker.example.org" },
        { "http://tracker.example.org:8000/announce", "tracker.example.org" },
        { "https://[2001:db8::7]:8443", "2001:db8::7" },
        { "https://192.0.2.7?x", "192.0.2.7" },
        { "", "localhost" },
        { "https://", "localhost" },
        { "https://a,DNS:evil.example", "localhost" }, /* would name two */
        { "https://a b", "localhost" },
        { "https://[", "localhost" },
    };
    char host[TLS_HOST_MAX], url[400] = "https://";
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        tls_host_of_url(host, CASES[i][0]);
        assert_string_equal(host, CASES[i][1]);
    }
    memset(url + 8, 'a', 253);
    tls_host_of_url(host, url);
    assert_int_equal(strlen(host), 253);
    url[8 + 253] = 'a';
    tls_host_of_url(host, url);
    assert_string_equal(host, "localhost");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_is_the_one_given_and_signs_itself),
        cmocka_unit_test(names_and_addresses_are_what_clients_look_for),
        cmocka_unit_test(it_holds_from_before_now_for_ten_years),
        cmocka_unit_test(the_pin_stays_and_the_certificate_is_new),
        cmocka_unit_test(a_host_is_cut_out_of_its_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
