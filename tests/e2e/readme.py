#!/usr/bin/env python3
# build: asan release
# timeout: 180
"""The tour of README.md, command by command: what the programs print is what stands there.

What differs from run to run is masked on both sides: keys, hashes, passkeys, times, ports, speeds,
the tracker's address. "…" in the README stands for anything, on a line of its own for any lines. A
command of ENDLESS runs beside those after it until the line "^C", below which is what it says then."""
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402

README = t.ROOT / "README.md"
# What the test does in its own way: where the programs are, and where to work.
OURS = ("./run", "export ", "mkdir -p /tmp/tour ")
ENDLESS = "pbts-peer seed "
INTERRUPT = "^C"
COMMANDS_MIN = 20
MASKS = ((r"http://127\.0\.0\.1:\d+", "URL"), (r"/announce/[a-z2-7]{32}", "/announce/PASSKEY"),
         (r"\b[0-9a-f]{40,}…?", "HASH"), (r"(?<= )[A-Za-z0-9+/]{60,}…?", "KEY"),
         (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, epoch \d+", "TIME"),
         (r"(?m)^\d\d:\d\d:\d\d ", "CLOCK "), (r"(?<=on port )\d+", "PORT"),
         (r" in \d+:\d\d \([0-9.]+ [KMG]iB/s\)", " in TIME"),
         # How many receipts a transfer takes is a matter of speed.
         (r"receipts given [1-9]\d*, taken 0", "receipts given SOME, taken 0"),
         (r"receipts given 0, taken [1-9]\d*", "receipts given 0, taken SOME"))


def tour():
    """[(command, the lines that it prints)]"""
    text = README.read_text(encoding="utf-8")
    chapter = text.partition("\n## Five minutes\n")[2].partition("\n## ")[0].replace("\\\n", "")
    found = []
    for line in re.findall(r"^    (.*)$", chapter, re.M):
        if line.startswith("$ ") or line == INTERRUPT:
            found.append((line.removeprefix("$ "), []))
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
        self.endless = None     # its process
        self.log = t.TMP / "endless.log"
        self.seen_len = 0   # of its log

    def own(self, command):
        """With our infohash and passkey where the README has its own."""
        command = re.sub(r"(?<=/torrents/)[0-9a-f]{40}", lambda _: self.known["infohash"], command)
        return re.sub(r"(?<=passkey=)[a-z2-7]+…", lambda _: self.known["passkey"], command)

    def learn(self, printed):
        for name, pattern in (("infohash", r"infohash ([0-9a-f]{40})"),
                              ("passkey", r"/announce/([a-z2-7]{32})")):
            if found := re.search(pattern, printed):
                self.known.setdefault(name, found[1])

    def said(self):
        """What the endless command has printed since it was last looked at."""
        return self.log.read_text(encoding="utf-8")[self.seen_len:]

    def begin(self, command, lines):
        self.endless = t.start(["bash", "-c", f"exec {command}"], self.log, cwd=self.folder,
                               env=self.environment)
        there = t.wait_until(lambda: same(lines, self.said()), 30)
        t.check(f"$ {command[:90]}", there, self.said())
        self.seen_len = len(self.said())

    def interrupt(self, lines):
        self.endless.send_signal(signal.SIGINT)
        code = self.endless.wait(60)
        t.check(f"{INTERRUPT} ends it", code == 0 and same(lines, self.said()), (code, self.said()))

    def run(self, command, lines):
        if command == INTERRUPT:
            self.interrupt(lines)
        elif command.startswith(ENDLESS):
            self.begin(command, lines)
        else:
            self.finish(command, lines)

    def finish(self, command, lines):
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
