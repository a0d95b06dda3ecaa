#!/usr/bin/env python3
# build: asan
# timeout: 180
"""A full store and a full disk: what must be kept is answered 503 STORE_FULL and changes nothing,
announces and reading go on, and when there is room again everything works at once."""
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402

MIB = 1 << 20
INIT = 1 << 30
STORE_SMALL, STORE_LARGE = 2 * MIB, 64 * MIB
DISK = 24 * MIB
TRIES_MAX = 5000


class Site:
    """A daemon, who deals with it, and what it answered 2xx."""

    def __init__(self, daemon, name):
        self.daemon, self.name, self.helper = daemon, name, s.Helper()
        self.users, self.torrents = [], []
        self.sent = self.next_piece = 0
        self.work = s.Torrent(f"{name}.work", pieces=8000, piece_length=16384, last=7)

    def open(self):
        for uid in ("sender", "receiver"):
            user = s.Signer(self.helper, self.daemon, uid)
            self.users.append(user)
        self.sender, self.receiver = self.users
        if self.sender.add_torrent(self.work).status != 200:
            raise RuntimeError("the torrent was not added")
        self.torrents.append(self.work)

    # Each gives the answer, and writes down what was done.

    def register(self):
        user = s.Signer(self.helper, self.daemon, f"u{len(self.users)}", register=False,
                        iid=self.sender.iid)
        answer = user.register()
        if answer.status == 200:
            self.users.append(user)
        return answer

    def report(self):
        answer = self.sender.report([self.receiver.piece(self.sender, self.work, self.next_piece)])
        if answer.status == 200:
            self.sent += answer.json()["credited"]["bytes"]
            self.next_piece += 1
        return answer

    def add_torrent(self, pieces=4000):
        torrent = s.Torrent(f"{self.name}.{len(self.torrents)}", pieces, 16384, 16384)
        answer = self.sender.add_torrent(torrent)
        if answer.status == 200:
            self.torrents.append(torrent)
        return answer

    def announce(self):
        peer = quote(b"-XX0001-ffffffffffff")
        return self.daemon.get(f"/announce/{self.sender.passkey}?info_hash="
                               f"{quote(bytes.fromhex(self.work.infohash))}&peer_id={peer}"
                               "&port=6881&left=0&compact=1&event=started")


def is_full(answer):
    return (answer.status == 503 and answer.json()["code"] == "STORE_FULL"
            and answer.json()["success"] is False and int(answer.headers["Retry-After"]) > 0)


def until_full(name, attempt):
    """Do it until it is refused; nothing but good answers before."""
    for count in range(TRIES_MAX):
        answer = attempt()
        if answer.status != 200:
            return t.check(f"{name} are refused with 503 STORE_FULL when it is full",
                           is_full(answer), (count, answer))
    return t.check(f"{name} fill it within {TRIES_MAX} attempts", False)


def what_fits_is_taken(site):
    """Torrents that are too large for what is left fail for themselves alone."""
    large = [s.Torrent(f"{site.name}.large{i}", 4000, 16384, 16384).bytes for i in range(4)]
    reports = []

    def insist(body):
        answers = []
        while len(reports) < 25:
            answers.append(site.daemon.post(f"/torrents?passkey={site.sender.passkey}", body))
        return answers

    with ThreadPoolExecutor(len(large)) as pool:
        tries = [pool.submit(insist, body) for body in large]
        while len(reports) < 25:
            reports.append(site.report())
    refused = [answer for one in tries for answer in one.result()]
    t.check("torrents that do not fit are refused, time and again",
            len(refused) >= 25 and all(is_full(answer) for answer in refused), len(refused))
    t.check("reports that come with them and fit are taken", all(r.status == 200 for r in reports),
            [r.status for r in reports])


def fill(site):
    until_full("torrents", site.add_torrent)
    until_full("small torrents", lambda: site.add_torrent(4))
    until_full("registrations", site.register)
    until_full("reports", site.report)


def works_without_room(site, what):
    announces = [site.announce() for _ in range(20)]
    t.check(f"announces are served while {what}",
            all(a.status == 200 and b"8:complete" in a.body for a in announces), announces[-1])
    paths = ("/", "/health", "/params", "/metrics", "/user/sender", "/contract/status")
    wrong = [path for path in paths if site.daemon.get(path).status != 200]
    fetched = site.daemon.get(f"/torrents/{site.work.infohash}.torrent?passkey="
                              f"{site.sender.passkey}")
    t.check(f"reading works while {what}", not wrong and fetched.status == 200, (wrong, fetched))


def nothing_is_lost(site, when):
    sender, receiver = site.sender.user(), site.receiver.user()
    t.check(f"{when} the totals are what was answered",
            sender["up_bytes"] == INIT + site.sent and receiver["down_bytes"] == site.sent,
            (site.sent, sender, receiver))
    gone = [user.uid for user in site.users if site.daemon.get(f"/user/{user.uid}").status != 200]
    t.check(f"{when} all registered users are there", not gone, gone)
    next_user = site.daemon.get(f"/user/u{len(site.users)}")
    t.check(f"{when} the refused registration did not happen", next_user.status == 404, next_user)
    listed = s.infohashes(site.daemon)
    t.check(f"{when} exactly the added torrents are there",
            listed == {x.infohash for x in site.torrents}, len(listed))


def everything_works(site, when):
    answers = [site.register(), site.report(), site.add_torrent(4)]
    t.check(f"{when} register, report and torrents work at once",
            [a.status for a in answers] == [200] * 3, answers)


def verify(site):
    ledger = t.pbts("ledger", "verify", "--data", site.daemon.data, check_exit=False)
    t.check("pbts ledger verify passes", ledger.returncode == 0, ledger.stdout + ledger.stderr)


def full_store():
    """store_max_bytes is the limit."""
    daemon = t.Daemon("--init-credit-bytes", str(INIT), "--store-max-bytes", str(STORE_SMALL))
    daemon.start()
    site = Site(daemon, "map")
    site.open()
    until_full("large torrents", site.add_torrent)
    what_fits_is_taken(site)
    fill(site)
    works_without_room(site, "the store is full")
    nothing_is_lost(site, "in a full store")
    t.check("the daemon stops cleanly with a full store", daemon.stop() == 0)
    daemon.start()
    nothing_is_lost(site, "after a start with a full store")
    t.check("a full store stays full", is_full(site.add_torrent()))
    daemon.kill()
    daemon.flags[-1] = str(STORE_LARGE)
    daemon.start()
    everything_works(site, "with a larger store_max_bytes")
    nothing_is_lost(site, "with a larger store_max_bytes")
    daemon.stop()
    verify(site)


class BigFile:
    """Takes all that is left of the disk."""

    def __init__(self, folder):
        self.path = Path(folder) / "big"

    def grow(self):
        for size in (MIB, 4096):
            try:
                with open(self.path, "ab", buffering=0) as file:
                    while file.write(b"\0" * size) == size:
                        pass
            except OSError:
                pass

    def shrink(self):
        self.path.unlink()


def full_disk(folder):
    """Real ENOSPC, on a file system of the test's own."""
    daemon = t.Daemon("--init-credit-bytes", str(INIT), data=folder)
    daemon.start()
    site, big = Site(daemon, "disk"), BigFile(folder)
    site.open()
    for when in ("", " a second time"):
        big.grow()
        fill(site)
        works_without_room(site, "the disk is full" + when)
        nothing_is_lost(site, "on a full disk" + when)
        big.shrink()
        everything_works(site, "when there is room again" + when)
    big.grow()
    until_full("reports on a disk that is full once more", site.report)
    daemon.kill()
    daemon.start()
    works_without_room(site, "the disk is full, after kill -9 and a start")
    nothing_is_lost(site, "after kill -9 and a start on a full disk")
    big.shrink()
    everything_works(site, "when there is room again, after kill -9")
    nothing_is_lost(site, "at the end")
    t.check("the daemon stops cleanly", daemon.stop() == 0)
    verify(site)


def namespace():
    """The command that gives us a mount namespace, or None."""
    for command in (["unshare", "-m"], ["unshare", "-r", "-m"]):
        probe = [*command, "sh", "-c", f"mount -t tmpfs -o size={DISK} none {t.TMP}"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return command
    return None


def main():
    if len(sys.argv) > 1:       # in the namespace
        folder = Path(sys.argv[1])
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "none", folder],
                       check=True)
        full_disk(folder)
        t.finish()
    full_store()
    command, folder = namespace(), t.TMP / "disk"
    if command is None:
        t.skip("a full disk", "needs a mount namespace (unshare -m), which is not allowed here")
    else:
        folder.mkdir()
        env = {**os.environ, "PBTS_TEST_TMP": str(t.TMP)}
        inner = subprocess.run([*command, sys.executable, __file__, folder], env=env, check=False)
        t.check("the tests on a full disk ran to their end", inner.returncode == 0)
    t.finish()


if __name__ == "__main__":
    main()
