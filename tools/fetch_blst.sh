#!/usr/bin/env bash
# Build blst from the sources inside the pinned npm package c-kzg, after checking its integrity.
# Leaves build/deps/blst/{libblst.a,include/}. Does nothing when that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
package=c-kzg@4.1.0
integrity=eliOBB2GKoT5Nk4LwN418O8kWfXCwepHj3kd6z0zKrzIdJbry0Y8IDPYzE5Dxw/fs386PGO6zQRqy8LSVtR5tQ==
out=build/deps/blst
stamp=$out/.from-$package
[ -e "$stamp" ] && exit 0
command -v npm >/dev/null || { echo "fetch_blst: npm is missing; install it, or a system blst with pkg-config" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for try in 1 2 3; do
    if (cd "$work" && npm pack --loglevel=error "$package" >"$work/log" 2>&1); then break; fi
    if [ "$try" = 3 ]; then
        cat "$work/log" >&2
        echo "fetch_blst: npm could not fetch $package; behind a proxy or a private certificate authority" >&2
        echo "set npm's https-proxy or NODE_EXTRA_CA_CERTS, or install a system blst with pkg-config" >&2
        exit 1
    fi
    sleep $((try * 2))
done
tarball=$(echo "$work"/*.tgz)
found=$(openssl dgst -sha512 -binary "$tarball" | base64 -w0)
if [ "$found" != "$integrity" ]; then
    echo "fetch_blst: $package has integrity sha512-$found, expected sha512-$integrity; not used" >&2
    exit 1
fi
tar -xzf "$tarball" -C "$work" package/deps/blst
(cd "$work/package/deps/blst" && CFLAGS="-O2 -fPIC -fno-builtin -Wall -D__BLST_PORTABLE__" bash ./build.sh >"$work/log" 2>&1) \
    || { cat "$work/log" >&2; exit 1; }
rm -rf "$out"
mkdir -p "$out/include"
cp "$work/package/deps/blst/libblst.a" "$out/"
cp "$work"/package/deps/blst/bindings/blst.h "$work"/package/deps/blst/bindings/blst_aux.h "$out/include/"
touch "$stamp"
echo "blst built from $package into $out"
