#!/usr/bin/env python3
# build: asan tsan
# timeout: 120
"""What the data directory may lack and what not: the tracker's key is never made anew for a ledger
that is there, and a start that was cut short is simply done again. And what outlives a stop."""
import base64
import hashlib
import hmac
import json
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t
import signing as s

NEEDS_A_PERSON = 3


def refusal(daemon):
    """Exit code and new log lines of a start that must fail."""
    before = len(daemon.text())
    daemon.launch()
    return daemon.process.wait(timeout=30), daemon.text()[before:]


def refuses(name, daemon, event, *words):
    key = daemon.data / "tracker.key"
    had = key.read_text() if key.exists() else None
    code, log = refusal(daemon)
    good = code == NEEDS_A_PERSON and f"event={event}" in log and str(key) in log and all(
        word in log for word in words)
    t.check(f"{name} is refused, by name", good, (code, log))
    t.check(f"{name}: the key file is left as it was",
            (key.read_text() if key.exists() else None) == had)


def keys(daemon):
    key, aside = daemon.data / "tracker.key", t.TMP / "aside.key"
    shutil.move(key, aside)
    refuses("a ledger without its key", daemon, "key_missing", "put tracker.key back")
    t.check("and again, so no key was made", not key.exists())
    refuses("a ledger still without its key", daemon, "key_missing")
    key.write_text("11" * 32 + "\n")
    key.chmod(0o600)
    refuses("another instance's key", daemon, "key_wrong", "put its own tracker.key back")
    own = aside.read_text()
    key.write_text(own.split()[-1] + "\n")
    code, log = refusal(daemon)
    t.check("its digits as a key of version 1 are refused", code == NEEDS_A_PERSON and
            ("key_wrong" in log or "data_failed" in log), log)
    for name, text in (("half a key", "11" * 20), ("an empty key", ""), ("zeros", "00" * 32 + "\n"),
                       ("a key above the order", "ff" * 32 + "\n")):
        key.write_text(text)
        refuses(name, daemon, "data_failed", "tracker.key")
    shutil.copy(aside, key)


def timeless_params(daemon):
    """What /params says but the second it was asked in."""
    params = daemon.get("/params").json()
    del params["time"]
    return params


def of_before():
    """A data directory with the keys of version 1, whose tracker.key is the ledger's key itself."""
    daemon = t.Daemon(data=t.TMP / "before")
    daemon.data.mkdir(mode=0o700)
    secret = bytes(range(1, 33))
    (daemon.data / "tracker.key").write_text(secret.hex() + "\n")
    (daemon.data / "tracker.key").chmod(0o600)
    daemon.start()
    user, params = t.User(daemon, "before"), timeless_params(daemon)
    number, generation = 1, 0
    iid = bytes.fromhex(params["iid"])
    root = hmac.digest(secret, b"pbts/passkey-key/1" + iid, "sha256")
    fields = number.to_bytes(4, "big") + generation.to_bytes(4, "big")
    shown = json.loads(t.pbts("key", "show", user.key, "--json").stdout)
    whose = (hashlib.sha256(b"pbts/uid/1" + b"before").digest() +
             hashlib.sha256(base64.b64decode(shown["public_key"])).digest())
    tag = hmac.digest(root, b"pbts/passkey/2" + fields + whose, "sha256")[:12]
    want = base64.b32encode(fields + tag)
    t.check("keys of version 1 give the passkeys that they gave before",
            user.passkey == want.decode().lower(), (user.passkey, want))
    daemon.stop()
    daemon.start()
    t.check("and the instance stays the same", timeless_params(daemon) == params)
    answer = t.http(user.announce + "?info_hash=" + "a" * 20 + "&peer_id=" + "b" * 20 + "&port=1&left=0")
    t.check("its passkeys too", b"not registered" in answer.body, answer)
    daemon.stop()


def cut_short(daemon):
    """What kill -9 in the first start may leave."""
    daemon.data.mkdir(mode=0o700)
    (daemon.data / "tracker.key.new").write_text("1234")
    (daemon.data / "admin.token.new").write_text("")
    daemon.start()
    t.check("a start that was cut short is done again", daemon.get("/health").status == 200)
    t.check("and leaves nothing of the first",
            sorted(x.name for x in daemon.data.iterdir()) == ["admin.token", "store", "tracker.key"])
    daemon.stop()
    shutil.rmtree(daemon.data / "store")
    key = (daemon.data / "tracker.key").read_text()
    daemon.start()
    t.check("a key without a store begins with that key",
            (daemon.data / "tracker.key").read_text() == key)
    daemon.stop()


def announce(daemon, user, torrent, peer, left, event):
    return t.http(f"{user.announce}?info_hash={quote(bytes.fromhex(torrent))}&port=6881&compact=1"
                  f"&peer_id={quote(peer)}&uploaded=0&downloaded=0&left={left}&event={event}").body


def downloads():
    """What scrape says of completed downloads outlives a stop, and what came just before it."""
    daemon = t.Daemon(name="downloads").start()
    user, torrent = t.User(daemon, "dora"), s.Torrent("downloads")
    daemon.post("/torrents", torrent.bytes, headers=daemon.admin())
    scrape = user.announce.replace("/announce/", "/scrape/") + "?info_hash=" + quote(
        bytes.fromhex(torrent.infohash))
    for round_ in (1, 2):
        for n in range(3):
            peer = b"-XX0001-%d%d" % (round_, n) + b"d" * 10
            announce(daemon, user, torrent.infohash, peer, 1000, "started")
            announce(daemon, user, torrent.infohash, peer, 0, "completed")
        t.check(f"a scrape counts downloads (round {round_})",
                b"10:downloadedi%de" % (3 * round_) in t.http(scrape).body, t.http(scrape))
        t.check("the daemon stops in order", daemon.stop() == 0)
        daemon.start()
        t.check(f"and knows the count when it is back (round {round_})",
                b"8:completei0e10:downloadedi%de10:incompletei0e" % (3 * round_) in
                t.http(scrape).body, t.http(scrape))
    page = daemon.get("/torrents", headers=daemon.admin()).json()
    t.check("so does the list of torrents", page["torrents"][0]["downloaded"] == 6, page)
    daemon.stop()


def main():
    daemon = t.Daemon(name="keys").start()
    user = t.User(daemon, "alice")
    iid = daemon.get("/params").json()["iid"]
    daemon.stop()
    keys(daemon)
    (daemon.data / "admin.token").unlink()
    daemon.start()
    t.check("with its key back the instance goes on",
            daemon.get("/params").json()["iid"] == iid and
            daemon.get(f"/user/{user.uid}").status == 200)
    t.check("a missing admin.token is made anew",
            daemon.get("/config", headers=daemon.admin()).status == 200)
    daemon.stop()
    of_before()
    cut_short(t.Daemon(data=t.TMP / "cut"))
    downloads()
    t.finish()


if __name__ == "__main__":
    main()
