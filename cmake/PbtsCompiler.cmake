# Language level, warnings as errors, hardening and sanitizers.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_RUNTIME_OUTPUT_DIRECTORY)
    set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endif()
add_compile_definitions(_GNU_SOURCE PBTS_VERSION="${PROJECT_VERSION}")
add_compile_options(
    -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wno-unused-parameter
    -fno-strict-aliasing -fno-common)
option(PBTS_WERROR "warnings are errors" ON)
if(PBTS_WERROR)
    add_compile_options(-Werror)
endif()
if(CMAKE_C_COMPILER_ID MATCHES Clang)
    # assert(!"what must not be") is how a branch that cannot be reached says so.
    add_compile_options(-Wdocumentation -Wno-documentation-unknown-command -Wno-string-conversion)
endif()

set(PBTS_SANITIZE "" CACHE STRING "sanitizers, as after -fsanitize=")
if(PBTS_SANITIZE)
    # -g1: functions and lines are what a report names; the rest is a quarter of the compilers' time.
    add_compile_options(-fsanitize=${PBTS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
    add_link_options(-fsanitize=${PBTS_SANITIZE})
    # Two hundred programs are linked for the tests; gold does that in a quarter of the time.
    # (What clang's runtime wants exported it warns of, a line for each name.)
    find_program(PBTS_GOLD ld.gold)
    if(PBTS_GOLD AND CMAKE_C_COMPILER_ID STREQUAL GNU)
        add_link_options(-fuse-ld=gold)
    endif()
endif()

option(PBTS_HARDEN "fortify, PIE, RELRO, stack protector" OFF)
if(PBTS_HARDEN)
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
                        -fstack-clash-protection -fcf-protection)
    include(CheckPIESupported)
    check_pie_supported(LANGUAGES C)
    add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()
