#!/usr/bin/env python3
"""Run clang-tidy over our sources, several at a time: tools/check_tidy.py BUILD_FOLDER

A file that passed is not looked at again until it, any header or the configuration changes;
the memory of that is BUILD_FOLDER/tidy/.
"""
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "apps", "bench")


def digest(paths):
    total = hashlib.sha256()
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()


def check(build, stamps, common, file):
    stamp = stamps / hashlib.sha256((common + digest([file]) + str(file)).encode()).hexdigest()
    if stamp.exists():
        return True
    done = subprocess.run(["clang-tidy", "-p", str(build), "--quiet", str(file)],
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        stamp.touch()
    else:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def main():
    build = Path(sys.argv[1])
    known = {Path(e["file"]) for e in json.loads((build / "compile_commands.json").read_text())}
    files = sorted(f for f in known if f.exists() and f.is_relative_to(ROOT)
                   and f.relative_to(ROOT).parts[0] in FOLDERS)
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)
    headers = sorted(p for f in ("include", *FOLDERS) for p in (ROOT / f).rglob("*.h"))
    common = digest([ROOT / ".clang-tidy", *headers])
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        results = list(pool.map(lambda f: check(build, stamps, common, f), files))
    print(f"{len(files)} files, {results.count(False)} with findings")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
