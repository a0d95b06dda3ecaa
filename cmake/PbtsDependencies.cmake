# Everything that is not ours, as imported targets.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(SECP256K1 REQUIRED IMPORTED_TARGET libsecp256k1)
pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)

# blst: a system one, or the one tools/fetch_blst.sh built from the pinned tarball.
set(PBTS_BLST_DIR ${CMAKE_SOURCE_DIR}/build/deps/blst CACHE PATH "folder with libblst.a and blst.h")
pkg_check_modules(BLST QUIET IMPORTED_TARGET libblst)
if(BLST_FOUND)
    add_library(blst ALIAS PkgConfig::BLST)
else()
    if(NOT EXISTS ${PBTS_BLST_DIR}/libblst.a)
        message(FATAL_ERROR "blst is missing: run tools/fetch_blst.sh, or ./run --build which does all")
    endif()
    add_library(blst STATIC IMPORTED)
    set_target_properties(blst PROPERTIES IMPORTED_LOCATION ${PBTS_BLST_DIR}/libblst.a
                          INTERFACE_INCLUDE_DIRECTORIES ${PBTS_BLST_DIR}/include)
endif()

# Which module (or program) may see which library. Nobody else gets its headers.
set(PBTS_LIBS_hash PkgConfig::CRYPTO)
set(PBTS_LIBS_bls blst)
set(PBTS_LIBS_ecc PkgConfig::SECP256K1)
set(PBTS_LIBS_store PkgConfig::LMDB)
set(PBTS_LIBS_wire PkgConfig::JANSSON PkgConfig::CRYPTO)
set(PBTS_LIBS_eth PkgConfig::JANSSON)
set(PBTS_LIBS_attest PkgConfig::CRYPTO PkgConfig::JANSSON)
set(PBTS_LIBS_kms PkgConfig::CRYPTO)
set(PBTS_LIBS_net Threads::Threads PkgConfig::CURL)
set(PBTS_LIBS_pbts-tracker PkgConfig::MICROHTTPD PkgConfig::JANSSON PkgConfig::INIH
    PkgConfig::CRYPTO Threads::Threads)
set(PBTS_LIBS_pbts PkgConfig::CURL PkgConfig::JANSSON PkgConfig::CRYPTO Threads::Threads)
# pbts-peer is built on what pbts is made of: options, messages, files, keys, requests.
set(PBTS_LIBS_pbts-peer pbts_parts PkgConfig::LIBUV PkgConfig::CURL PkgConfig::JANSSON Threads::Threads)
# pbts-kms too; GnuTLS is libmicrohttpd's, and says which key a client has.
set(PBTS_LIBS_pbts-kms pbts_parts PkgConfig::MICROHTTPD PkgConfig::GNUTLS PkgConfig::CURL
    PkgConfig::CRYPTO Threads::Threads)
# Tests of a program link what it is made of.
set(PBTS_LIBS_test_daemon pbts-tracker_parts)
set(PBTS_LIBS_test_eth blst) # to sign as a sync committee does
set(PBTS_LIBS_test_pbts pbts_parts)
set(PBTS_LIBS_test_peerapp pbts-peer_parts)
set(PBTS_LIBS_test_kmsapp pbts-kms_parts)
set(PBTS_LIBS_fuzz_config pbts-tracker_parts)
