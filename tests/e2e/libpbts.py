#!/usr/bin/env python3
# build: asan release
# timeout: 120
"""libpbts as another client gets it: the names it shows, the header alone, the example, an
installation that C and C++ programs are built against, shared and static."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t

BUILD = t.ROOT / "build" / os.environ.get("PBTS_BUILD", "release")
LIB = BUILD / "lib"
HEADER = t.ROOT / "include/pbts/pbts.h"
NAMES = (t.ROOT / "tests/abi/libpbts.symbols").read_text().split()
VERSION = (t.ROOT / "VERSION").read_text().strip()
COMPILERS = [c for c in ("gcc", "clang") if shutil.which(c)]

# A client in C++ that has a function of its own with the name of one of our insides.
CLIENT = """
#include <pbts/pbts.h>
#include <cstdio>
#include <cstring>
extern "C" int pbts_link_new(void) { return 42; }
int main() {
    libpbts_key *key = 0, *again = 0;
    uint8_t secret[LIBPBTS_SECRET_LEN], one[LIBPBTS_PUBLIC_LEN], two[LIBPBTS_PUBLIC_LEN];
    if (libpbts_key_generate(&key) != LIBPBTS_OK) return 1;
    libpbts_key_secret(key, secret);
    if (libpbts_key_load(&again, secret) != LIBPBTS_OK) return 2;
    libpbts_key_public(key, one);
    libpbts_key_public(again, two);
    libpbts_key_free(key);
    libpbts_key_free(again);
    std::printf("%s %d\\n", libpbts_version(), std::memcmp(one, two, sizeof one) == 0);
    return pbts_link_new() == 42 ? 0 : 3;
}
"""


def run(*command, **more):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          check=False, **more)


def symbols():
    for kind, library in (("-D", LIB / "libpbts.so"), ("-g", LIB / "libpbts.a")):
        shown = run("nm", kind, "--defined-only", library).stdout
        names = sorted({line.split()[2].partition("@")[0] for line in shown.splitlines()
                        if len(line.split()) == 3 and line.split()[1] not in "Aa"})
        extra, missing = set(names) - set(NAMES), set(NAMES) - set(names)
        t.check(f"{library.name} shows exactly the names of tests/abi/libpbts.symbols",
                not extra and not missing, f"more {sorted(extra)}, less {sorted(missing)}")
    declared = sorted(set(re.findall(r"\b(libpbts_[a-z_]+)\(", HEADER.read_text())))
    t.check("the header declares exactly these", declared == sorted(NAMES),
            set(declared) ^ set(NAMES))
    dynamic = run("readelf", "-d", LIB / "libpbts.so").stdout
    t.check("the soname is libpbts.so.0", "soname: [libpbts.so.0]" in dynamic, dynamic)


def header():
    languages = [("c", "c99"), ("c", "c17"), ("c++", "c++98"), ("c++", "c++17")]
    for compiler in COMPILERS:
        for language, standard in languages:
            done = run(compiler, "-x", language, f"-std={standard}", "-pedantic", "-Wall", "-Wextra",
                       "-Werror", "-fsyntax-only", HEADER)
            t.check(f"the header compiles alone, {compiler} {standard}", done.returncode == 0,
                    done.stderr)
    t.check("it includes nothing of ours", '#include "' not in HEADER.read_text())


def is_right(done):
    wanted = ["alice: served 655360 bytes, has receipts for 655360;",
              "received 655360, signed for 655360", "answer: 1 counted, 655360 bytes credited",
              "journal: 0 waiting, 1 counted"]
    return done.returncode == 0 and all(line in done.stdout for line in wanted)


def example():
    done = run(BUILD / "examples/receipts")
    t.check("the example exchanges receipts and reports them", is_right(done),
            done.stdout + done.stderr)


def installed():
    prefix = t.TMP / "prefix"
    done = run("cmake", "--install", BUILD, "--prefix", prefix, "--component", "libpbts")
    if not t.check("it installs", done.returncode == 0, done.stdout + done.stderr):
        return
    files = sorted(str(p.relative_to(prefix)) for p in prefix.rglob("*") if not p.is_dir())
    folder = Path(files[-1]).parent.parent if "pkgconfig" in files[-1] else Path("lib")
    wanted = sorted(["include/pbts/pbts.h"] + [str(folder / name) for name in (
        "libpbts.a", "libpbts.so", "libpbts.so.0", f"libpbts.so.{VERSION}", "pkgconfig/pbts.pc")])
    t.check("header, libraries and pbts.pc, nothing else", files == wanted, files)
    programs(prefix, prefix / folder)


def flags(folder, *options):
    environment = {**os.environ, "PKG_CONFIG_PATH": f"{folder}/pkgconfig"}
    done = run("pkg-config", *options, "pbts", env=environment)
    return done.stdout.split()


def programs(prefix, folder):
    client, shared = t.TMP / "client.cc", {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    client.write_text(CLIENT)
    t.check("pkg-config knows the version", flags(folder, "--modversion") == [VERSION])
    use = flags(folder, "--cflags", "--libs")
    done = run("cc", "-std=c99", t.ROOT / "examples/receipts.c", "-o", t.TMP / "shared", *use)
    t.check("a C program is built against the shared library", done.returncode == 0, done.stderr)
    done = run(t.TMP / "shared", env=shared)
    t.check("and runs", is_right(done), done.stdout + done.stderr)
    done = run("c++", client, "-o", t.TMP / "client", *use)
    t.check("a C++ program too", done.returncode == 0, done.stderr)
    done = run(t.TMP / "client", env=shared)
    t.check("and it runs", done.stdout == f"{VERSION} 1\n", done.stdout + done.stderr)

    for library in folder.glob("libpbts.so*"):      # only the static one is left
        library.unlink()
    use = flags(folder, "--static", "--cflags", "--libs")
    for name, command in (("C", ["cc", "-std=c99", t.ROOT / "examples/receipts.c"]),
                          ("C++", ["c++", client])):
        done = run(*command, "-o", t.TMP / "static", *use)
        t.check(f"a {name} program is built against the static library", done.returncode == 0,
                done.stderr)
        done = run(t.TMP / "static")
        good = is_right(done) if name == "C" else done.stdout == f"{VERSION} 1\n"
        t.check(f"and the {name} program runs", good and done.returncode == 0,
                done.stdout + done.stderr)


symbols()
header()
example()
if BUILD.name == "release":
    installed()
t.finish()
