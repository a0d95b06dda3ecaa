#!/usr/bin/env python3
# build: asan tsan
# timeout: 200
"""`pbts-peer daemon` and `pbts peer`: torrents come and go while it runs and are there again after a
restart; its socket is for its user alone and answers nonsense with a sentence."""
import contextlib
import json
import os
import re
import resource
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import our_peer
import pbts_test as t

PIECE = 16384
SOCKET = t.TMP / "control.sock"


def make_torrent(daemon, user, name, pieces):
    source = t.TMP / f"source-{name}"
    source.mkdir()
    (source / f"{name}.bin").write_bytes(os.urandom(pieces * PIECE - 5))
    path = t.TMP / f"{name}.torrent"
    t.pbts("torrent", "create", source / f"{name}.bin", "--out", path, "--piece-length", PIECE,
           "--announce", f"{daemon.url}/announce")
    t.pbts("torrent", "add", "--tracker", daemon.url, "--key", user.key, path)
    infohash = json.loads(t.pbts("torrent", "show", "--json", path).stdout)["infohash"]
    return source, path, infohash


def listens():
    with socket.socket(socket.AF_UNIX) as end:
        return end.connect_ex(str(SOCKET)) == 0


class Peer(our_peer.OurPeer):
    def run(self, directory):
        self.directory = directory
        self.process = t.start(
            [str(t.BIN / "pbts-peer"), "daemon", "--dir", str(directory), "--key",
             str(self.user.key), "--bind", "127.0.0.1", "--port", "0", "--control", str(SOCKET),
             "--json", *self.flags], self.log)
        t.wait_until(lambda: listens() or self.process.poll() is not None)
        return self


def peer(*words, **options):
    return t.pbts("peer", words[0], "--control", SOCKET, *words[1:], **options)


def listed():
    return {x["torrent"]: x for x in json.loads(peer("list", "--json").stdout)}


def seeding(infohash):
    return listed().get(infohash, {}).get("state") == "seeding"


def raw(*lines, close=False):
    """Lines to the socket as they are; what comes back."""
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(10)
        try:
            end.connect(str(SOCKET))  # refused while too many wait to be taken
            end.sendall(b"".join(lines))
            if close:
                end.shutdown(socket.SHUT_WR)
            answers = b""
            while answers.count(b"\n") < sum(line.count(b"\n") for line in lines):
                data = end.recv(65536)
                if not data:
                    break
                answers += data
        except OSError:
            return []
    return [json.loads(line) for line in answers.splitlines()]


def add_and_watch(torrents, target):
    (source, path, infohash), (_, second, other) = torrents
    added = peer("add", path)
    t.check("add tells the infohash", added.stdout.strip() == infohash, added.stdout)
    t.check("what was added arrives", t.wait_until(lambda: seeding(infohash)), listed())
    name = next(source.iterdir()).name
    t.check("byte for byte", (target / name).read_bytes() == (source / name).read_bytes())
    elsewhere = t.TMP / "elsewhere"
    elsewhere.mkdir()
    peer("add", second, "--dir", elsewhere)
    t.check("with --dir it arrives there", t.wait_until(lambda: seeding(other)) and
            len(list(elsewhere.glob("*.bin"))) == 1, listed())
    again = peer("add", path, check_exit=False)
    t.check("a torrent is added once", again.returncode == 1 and "already" in again.stderr, again)
    missing = peer("add", t.TMP / "nothing.torrent", check_exit=False)
    t.check("a file that is not there is not added", missing.returncode == 3, missing)


def figures(infohash):
    shown = peer("list").stdout
    t.check("list is readable", infohash in shown and "seeding" in shown, shown)
    stats = json.loads(peer("stats", "--json").stdout)["stats"]
    t.check("stats count what came", stats["downloaded_bytes"] > 0, stats)
    one = json.loads(peer("stats", "--json", infohash).stdout)
    t.check("stats of one torrent have its peers", "peers" in one and
            one["stats"]["torrent"] == infohash, one)
    t.check("stats are readable", "receipts" in peer("stats", infohash).stdout)
    unknown = peer("stats", "00" * 20, check_exit=False)
    t.check("stats of an unknown torrent are refused", unknown.returncode == 1, unknown)


def nonsense():
    mode = stat.S_IMODE(SOCKET.stat().st_mode)
    t.check("the socket is for its user alone", mode == 0o600, oct(mode))
    for line in (b"\n", b"{}\n", b"[]\n", b"nonsense\n", b'{"do": 5}\n', b'{"do": "add"}\n',
                 b'{"do": "add", "source": "/"}\n', b'{"do": "list", "do": "list"}\n',
                 b'{"do": "stats", "torrent": "zz"}\n', b'{"do": "remove"}\n', b"\xff\xfe\n"):
        answers = raw(line)
        t.check(f"{line[:40]!r} is refused with a sentence", len(answers) == 1 and
                answers[0]["ok"] is False and len(answers[0]["error"]) > 5, answers)
    t.check("a line without an end is cut off", raw(b"x" * 70000) == [])
    t.check("two questions in one packet have two answers",
            [a["ok"] for a in raw(b'{"do": "list"}\n{"do": "list"}\n')] == [True, True])
    ends = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for end in ends:
        end.connect(str(SOCKET))
    for end in ends:
        end.close()
    t.check("many connections are no problem", t.wait_until(lambda: raw(b'{"do": "list"}\n') != []))


def bait_of(daemon, user, content):
    """(.torrent of this content, somebody who seeds it)"""
    path = t.TMP / f"{content.name.strip('.')}.torrent"
    t.pbts("torrent", "create", content, "--out", path, "--piece-length", PIECE, "--announce",
           f"{daemon.url}/announce")
    t.pbts("torrent", "add", "--tracker", daemon.url, "--key", user.key, path)
    bait = our_peer.OurPeer(t.TMP / f"baiter-{path.stem}", "127.0.0.1", 0, user).seed(path, content)
    t.wait_until(lambda: bait.events("joined"))
    return path, bait


def own_state(daemon, user, second, outside):
    """A torrent that is called like the state folder, with a note of something that was added."""
    folder = t.TMP / "bait" / ".pbts"
    (folder / "added").mkdir(parents=True)
    note = {"source": str(second), "dir": str(outside)}
    (folder / "added" / "x.json").write_text(json.dumps(note))
    path, bait = bait_of(daemon, user, folder)
    added = peer("add", path, check_exit=False)
    t.check("a torrent in the state folder is refused", added.returncode == 1 and
            "--state" in added.stderr, added)
    if added.returncode == 0:
        t.wait_until(lambda: seeding(added.stdout.strip()))
    bait.stop()


def own_key(daemon, user, key):
    """A torrent that is called like the daemon's key, beside it."""
    secret = key.read_bytes()
    content = t.TMP / "bait" / key.name
    content.write_bytes(os.urandom(3 * PIECE))
    path, bait = bait_of(daemon, user, content)
    infohash = peer("add", path, "--dir", key.parent).stdout.strip()
    t.check("a torrent that would be the key fails", t.wait_until(
        lambda: listed()[infohash]["state"] in ("failed", "seeding")) and
        "key" in listed()[infohash].get("problem", ""), listed()[infohash])
    t.check("the key is as it was", key.read_bytes() == secret)
    peer("remove", infohash)
    t.wait_until(lambda: infohash not in listed())
    bait.stop()


def restarts(running, infohash, other, target):
    second = subprocess.run(running.process.args, capture_output=True, text=True, timeout=30,
                            check=False)
    t.check("a second daemon at the same socket is refused", second.returncode == 3 and
            "already" in second.stderr and "--control" in second.stderr, second.stderr)
    running.kill()
    t.check("after kill -9 the socket is left behind", SOCKET.exists())
    none = peer("list", check_exit=False)
    t.check("without a daemon that is said", none.returncode == 3 and "daemon" in none.stderr, none)
    running.run(target)
    t.check("after a restart everything is there",
            t.wait_until(lambda: seeding(infohash) and seeding(other)), listed())
    peer("remove", other)
    t.check("what is removed goes", t.wait_until(lambda: other not in listed()), listed())
    t.check("the others stay", infohash in listed())
    t.check("it stops cleanly", running.stop() == 0 and not SOCKET.exists(),
            running.text()[-1500:])
    running.run(target)
    t.check("what was removed stays away", t.wait_until(lambda: seeding(infohash)) and
            other not in listed(), listed())
    t.check("the control socket stops it too", raw(b'{"do": "stop"}\n')[0]["ok"] and
            running.process.wait(20) == 0)


def no_descriptors_left():
    """More connections than the daemon can open: it waits for some to close, and does not spin."""
    few, log = 50, t.TMP / "few.log"
    process = t.start(
        [str(t.BIN / "pbts-peer"), "daemon", "--dir", str(t.TMP / "few"), "--bind", "127.0.0.1",
         "--port", "0", "--control", str(t.TMP / "few.sock"), "--json"], log,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (few, few)))

    def port():
        found = re.search(r'"port":(\d+)\D', log.read_text())
        return int(found[1]) if found else None

    def spent_s():
        words = Path(f"/proc/{process.pid}/stat").read_text().split()
        return sum(map(int, words[13:15])) / os.sysconf("SC_CLK_TCK")

    def opened():
        return len(os.listdir(f"/proc/{process.pid}/fd"))

    t.wait_until(port)
    ends = [socket.create_connection(("127.0.0.1", port()), 10) for _ in range(few)]
    t.check("all its descriptors are taken", t.wait_until(lambda: opened() == few), opened())
    before = spent_s()
    time.sleep(2)
    t.check("it does not spin meanwhile", spent_s() - before < 0.5, spent_s() - before)
    for end in ends:
        end.close()
    t.check("and listens on when some are free", t.wait_until(lambda: opened() < few // 2))
    with socket.create_connection(("127.0.0.1", port()), 10) as end:
        end.sendall(b"no protocol at all" * 50)
        end.settimeout(30)
        with contextlib.suppress(OSError):  # reset, or closed
            t.check("who comes then is answered", end.recv(1) == b"")
    process.terminate()
    t.check("it ends", process.wait(20) == 0)


def main():
    with t.Daemon("--init-credit-bytes", "1G", "--min-interval-s", "1") as daemon:
        users = [t.User(daemon, "alice"), t.User(daemon, "bob")]
        torrents = [make_torrent(daemon, users[0], "first", 30),
                    make_torrent(daemon, users[0], "second", 3)]
        seeders = [our_peer.OurPeer(t.TMP / f"seeder{i}", "127.0.0.1", 0, users[0])
                   .seed(path, source) for i, (source, path, _) in enumerate(torrents)]
        t.wait_until(lambda: all(s.events("joined") for s in seeders))
        target = t.TMP / "target"
        running = Peer(t.TMP / "daemon", "127.0.0.1", 0, users[1]).run(target)
        add_and_watch(torrents, target)
        figures(torrents[0][2])
        nonsense()
        own_state(daemon, users[0], torrents[1][1], t.TMP / "outside")
        own_key(daemon, users[0], Path(users[1].key))
        restarts(running, torrents[0][2], torrents[1][2], target)
        t.check("no torrent says what is added", not (t.TMP / "outside").exists())
        for seeder in seeders:
            seeder.stop()
    no_descriptors_left()
    t.finish()


main()
