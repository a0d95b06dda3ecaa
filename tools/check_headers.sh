#!/usr/bin/env bash
# Compile every header alone, and twice in a row: it must bring what it uses and guard itself.
# usage: tools/check_headers.sh [COMPILER]   (default: cc)
set -euo pipefail
cd "$(dirname "$0")/.."
compiler=${1:-cc}
read -ra flags <<<"$(pkg-config --cflags libcrypto lmdb libmicrohttpd gnutls libcurl jansson inih libsecp256k1 libuv cmocka)"
flags+=(-std=c17 -D_GNU_SOURCE '-DPBTS_VERSION="0"' -Wall -Wextra -Wundef -Wstrict-prototypes
        -Wno-unused-parameter -Werror -fsyntax-only -xc -Iinclude -Isrc -Ibuild/deps/blst/include
        -Iapps/pbts -Iapps/pbts-peer -Iapps/pbts-tracker -Iapps/pbts-kms -Iapps -Itests/unit -Itests/fuzz)

status=0
while read -r header; do
    printf '#include "%s"\n#include "%s"\ntypedef int pbts_nothing;\n' "$PWD/$header" "$PWD/$header" |
        "$compiler" "${flags[@]}" - || { echo "check_headers: $header does not stand alone" >&2; status=1; }
done < <(find include src apps tests -name '*.h' | sort)
exit $status
