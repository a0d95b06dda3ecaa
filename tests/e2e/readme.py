#!/usr/bin/env python3
# build: asan release
# timeout: 120
"""The tour of README.md, command by command: what the programs print is what stands there.

What differs from run to run is masked on both sides: keys, hashes, passkeys, times, the tracker's
address. "…" in the README stands for anything, on a line of its own for any lines."""
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402

README = t.ROOT / "README.md"
# What the test does in its own way: where the programs are, and where to work.
OURS = ("./run", "export ", "mkdir -p /tmp/tour ")
COMMANDS_MIN = 13
MASKS = ((r"http://127\.0\.0\.1:\d+", "URL"), (r"/announce/[a-z2-7]{32}", "/announce/PASSKEY"),
         (r"\b[0-9a-f]{40,}…?", "HASH"), (r"(?<= )[A-Za-z0-9+/]{60,}…?", "KEY"),
         (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, epoch \d+", "TIME"))


def tour():
    """[(command, the lines that it prints)]"""
    text = README.read_text(encoding="utf-8")
    chapter = text.partition("\n## Five minutes\n")[2].partition("\n## ")[0].replace("\\\n", "")
    found = []
    for line in re.findall(r"^    (.*)$", chapter, re.M):
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def mask(text):
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text)
    return text


def same(lines, printed):
    """Whether a README's lines describe what was printed."""
    pattern = "".join(r"(?:.*\n)*" if line.strip() == "…" else
                      re.escape(mask(line)).replace("…", ".*") + r"\n" for line in lines)
    return re.fullmatch(pattern, mask(printed)) is not None


class Tourist:
    def __init__(self, daemon):
        self.folder = t.TMP / "tour"
        self.folder.mkdir()
        self.environment = {**os.environ, "PATH": f"{t.BIN}:{os.environ['PATH']}",
                            "DATA": str(daemon.data), "T": daemon.url}
        self.known = {}     # the latest infohash and the first passkey

    def own(self, command):
        """With our infohash and passkey where the README has its own."""
        command = re.sub(r"(?<=/torrents/)[0-9a-f]{40}", lambda _: self.known["infohash"], command)
        return re.sub(r"(?<=passkey=)[a-z2-7]+…", lambda _: self.known["passkey"], command)

    def learn(self, printed):
        for name, pattern in (("infohash", r"infohash ([0-9a-f]{40})"),
                              ("passkey", r"/announce/([a-z2-7]{32})")):
            if found := re.search(pattern, printed):
                self.known.setdefault(name, found[1])

    def run(self, command, lines):
        done = subprocess.run(["bash", "-c", self.own(command)], cwd=self.folder, timeout=60,
                              env=self.environment, capture_output=True, text=True, check=False)
        printed = done.stdout + done.stderr
        self.learn(printed)
        t.check(f"$ {command[:90]}", done.returncode == 0 and same(lines, printed), printed)


def main():
    commands = tour()
    t.check("the README has a tour", len(commands) >= COMMANDS_MIN, commands)
    with t.Daemon(name="data") as daemon:
        run = next(lines for command, lines in commands if command == "./run")
        started = daemon.text().replace(str(daemon.data), "./data")
        t.check("$ ./run", same(["…", *run, "…"], started), started)
        tourist = Tourist(daemon)
        for command, lines in commands:
            if not command.startswith(OURS):
                tourist.run(command, lines)
        shown = t.pbts("torrent", "show", tourist.folder / "mine.torrent").stdout
        t.check("the .torrent for a client is the one that was made",
                tourist.known["infohash"] in shown, shown)
        made = (tourist.folder / "mine.torrent").read_bytes()
        t.check("and has the user's announce URL", tourist.known["passkey"].encode() in made)
    t.finish()


main()
