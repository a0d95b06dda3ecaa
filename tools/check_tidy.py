#!/usr/bin/env python3
"""Run clang-tidy over our sources, several at a time: tools/check_tidy.py BUILD_FOLDER [--unbounded]

The analyzer follows so many states of each function and no more, which is a third of the time that
its own bound takes; --unbounded leaves it that.
A file that passed is not looked at again until it, a header of ours that it includes, its flags or
the configuration changes; the memory of that is BUILD_FOLDER/tidy/.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "apps", "bench")
BOUND = [word for argument in ("-analyzer-config", "max-nodes=30000")
         for word in ("--extra-arg=-Xclang", f"--extra-arg={argument}")]
OURS = ("include", *FOLDERS)
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)


def ours(path):
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in OURS


@lru_cache(maxsize=None)
def included(path, folders):
    """The files of ours that a file names in its include lines, wherever they may be found."""
    names = INCLUDE.findall(path.read_text(encoding="utf-8"))
    places = [Path(os.path.normpath(folder / name)) for name in names
              for folder in (path.parent, *folders)]
    return sorted({place for place in places if ours(place) and place.is_file()})


def closure(path, folders):
    """The file and all that it includes, directly or not."""
    seen, waiting = {path}, [path]
    while waiting:
        for found in included(waiting.pop(), folders):
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    return sorted(seen)


def stamp_name(entry, configuration):
    """Of everything of ours that the verdict on a file depends on."""
    words = entry["command"].split()
    folders = tuple(Path(word[2:]) for word in words if word.startswith("-I"))
    total = hashlib.sha256(configuration + entry["command"].encode())
    for path in closure(Path(entry["file"]), folders):
        total.update(f"\0{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def check(stamps, configuration, entry, bound):
    stamp = stamps / stamp_name(entry, configuration)
    if stamp.exists():
        return True
    done = subprocess.run(["clang-tidy", "-p", str(stamps), "--quiet", *bound, entry["file"]],
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        stamp.touch()
    else:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def main():
    build = Path(sys.argv[1])
    entries = {}        # the first of each file: what is compiled for two targets is looked at once
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = Path(entry["file"])
        if file.exists() and ours(file):
            entries.setdefault(file, entry)
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)
    chosen = [entries[file] for file in sorted(entries)]
    (stamps / "compile_commands.json").write_text(json.dumps(chosen))
    bound = [] if "--unbounded" in sys.argv[2:] else BOUND
    configuration = (ROOT / ".clang-tidy").read_bytes() + " ".join(bound).encode()
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        results = list(pool.map(lambda e: check(stamps, configuration, e, bound), chosen))
    print(f"{len(chosen)} files, {results.count(False)} with findings")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
