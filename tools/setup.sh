#!/usr/bin/env bash
# Make this machine able to build PBTS, and with --test to run its tests.
# On Debian it installs what is missing, as root; elsewhere it says what is missing and exits 1.
# Changes nothing and takes well under a second when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: tools/setup.sh [--test] [--check]
  --test    also what the tests need (compilers, analysers, BitTorrent clients)
  --check   install nothing: say what is missing, exit 1 if anything is
TEXT
}

# package|probe. A package that dpkg does not know as installed still counts as there when its
# probe succeeds: npm may come from elsewhere, and other distributions have other package names.
# Probes: cmd:PROGRAM, pc:PKG-CONFIG-MODULE, file:PATH, py:MODULE.
build_packages='
build-essential|cmd:gcc
cmake|cmd:cmake
ninja-build|cmd:ninja
pkg-config|cmd:pkg-config
libssl-dev|pc:libcrypto
liblmdb-dev|pc:lmdb
libmicrohttpd-dev|pc:libmicrohttpd
libgnutls28-dev|pc:gnutls
libcurl4-openssl-dev|pc:libcurl
libjansson-dev|pc:jansson
libinih-dev|pc:inih
libuv1-dev|pc:libuv
libsecp256k1-dev|pc:libsecp256k1
nodejs|cmd:node
npm|cmd:npm
ca-certificates|file:/etc/ssl/certs/ca-certificates.crt
openssl|cmd:openssl
python3|cmd:python3
git|cmd:git'
test_packages='
libcmocka-dev|pc:cmocka
nettle-dev|pc:nettle
valgrind|cmd:valgrind
clang|cmd:clang
clang-tidy|cmd:clang-tidy
clang-format|cmd:clang-format
libclang-rt-14-dev|file:/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a
cppcheck|cmd:cppcheck
mandoc|cmd:mandoc
transmission-daemon|cmd:transmission-daemon
transmission-cli|cmd:transmission-remote
aria2|cmd:aria2c
rtorrent|cmd:rtorrent
python3-libtorrent|py:libtorrent
haproxy|cmd:haproxy
opentracker|cmd:opentracker
iproute2|cmd:ip
curl|cmd:curl
jq|cmd:jq
tmux|cmd:tmux
socat|cmd:socat'
# Packages whose installation would start a service and enable it at boot; tests run them by hand.
daemons='transmission-daemon haproxy opentracker'
policy=/usr/sbin/policy-rc.d

# The daemons live in sbin, which an ordinary user's PATH may lack.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

installed_packages() {
    dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' 2>/dev/null | sed -n 's/^ii *|//p'
}

probe() { # kind:what
    local what=${1#*:}
    case $1 in
    cmd:*) command -v "$what" >/dev/null ;;
    pc:*) pkg-config --exists "$what" 2>/dev/null ;;
    file:*) [ -e "$what" ] ;;
    py:*) /usr/bin/python3 -c "import $what" 2>/dev/null ;;
    esac
}

list_missing() { # table -> "package|probe" lines
    local known=" " line
    if command -v dpkg-query >/dev/null; then known=" $(installed_packages | tr '\n' ' ') "; fi
    for line in $1; do
        [[ $known == *" ${line%%|*} "* ]] || probe "${line#*|}" || echo "$line"
    done
}

explain_missing() { # reason
    echo "setup: $1" >&2
    echo "Missing (Debian 12 name, and what was looked for):" >&2
    local line
    for line in $missing; do printf '  %-22s %s\n' "${line%%|*}" "${line#*|}" >&2; done
    echo "On Debian 12, as root:  apt-get install -y --no-install-recommends ${names[*]}" >&2
    echo "Elsewhere: install the packages that provide these programs (cmd:), pkg-config" >&2
    echo "modules (pc:), Python modules (py:) and files (file:); then run this again." >&2
}

# While packages are being installed nothing may start their services. A policy that the
# machine already has is put back afterwards, whatever happens.
forbid_service_starts() {
    if [ -e "$policy" ] && [ ! -e "$policy.before-pbts" ]; then mv "$policy" "$policy.before-pbts"; fi
    trap allow_service_starts EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

allow_service_starts() {
    rm -f "$policy"
    if [ -e "$policy.before-pbts" ]; then mv "$policy.before-pbts" "$policy"; fi
}

disable_new_daemons() {
    local name
    for name in $daemons; do
        [[ " ${names[*]} " == *" $name "* ]] || continue
        # The helper insists on being called from a package script.
        DPKG_MAINTSCRIPT_PACKAGE=$name deb-systemd-helper disable "$name.service" >/dev/null 2>&1 || true
        update-rc.d "$name" disable >/dev/null 2>&1 || true
    done
}

apt_install() {
    apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 install -y -qq \
        --no-install-recommends "$@" </dev/null
}

install_missing() {
    export DEBIAN_FRONTEND=noninteractive
    echo "setup: installing ${names[*]}"
    forbid_service_starts
    local log try ok=no
    log=$(mktemp)
    for try in 1 2 3; do
        # The first try uses the package lists as they are, unless there are none.
        if [ "$try" -gt 1 ] || [ -z "$(find /var/lib/apt/lists -name '*Packages*' -print -quit)" ]; then
            apt-get -o Acquire::Retries=3 update -qq >>"$log" 2>&1 || true
        fi
        if apt_install "${names[@]}" >>"$log" 2>&1; then ok=yes; break; fi
        sleep $((try * 2))
    done
    disable_new_daemons
    allow_service_starts
    trap - EXIT
    if [ $ok = no ]; then
        tail -40 "$log" >&2
        rm -f "$log"
        explain_missing "apt-get could not install everything"
        return 1
    fi
    rm -f "$log"
}

want=$build_packages
check=no
test=no
for argument; do
    case $argument in
    --test) want+=$test_packages; test=yes ;;
    --check) check=yes ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
done

missing=$(list_missing "$want")
mapfile -t names < <(sed -n 's/|.*//p' <<<"$missing")
if [ -n "$missing" ]; then
    if [ $check = yes ]; then
        explain_missing "something is missing"
        exit 1
    elif ! command -v apt-get >/dev/null; then
        explain_missing "this machine has no apt-get"
        exit 1
    elif [ "$(id -u)" -ne 0 ]; then
        explain_missing "installing needs root"
        exit 1
    fi
    install_missing
fi
if [ $check = no ]; then bash tools/fetch_blst.sh; fi
# Without them everything else can still be tested; the test of the contracts says what is missing.
if [ $check = no ] && [ $test = yes ]; then bash tools/fetch_contract_tools.sh || true; fi
