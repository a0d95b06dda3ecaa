#!/usr/bin/env python3
# build: asan
# timeout: 120
"""key_source = dstack: the key comes from a guest agent, late or not at all, and from nowhere else;
another machine that gets the same key is the same owner."""
import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import fake_dstack
import pbts_test as t
from fake_dstack import FakeDstack

SOCKET = t.TMP / "agent.sock"
TOKEN = "5e" * 32
FLAGS = ("--key-source", "dstack", "--tee-path", str(SOCKET), "--admin-token-hash",
         hashlib.sha256(TOKEN.encode()).hexdigest())
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


def agent():
    return FakeDstack(SOCKET, lambda report_data: b"")


def fails(name, daemon, code, *words):
    before = len(daemon.text())
    daemon.launch()
    got = daemon.process.wait(timeout=60)
    text = daemon.text()[before:]
    t.check(name, got == code and all(word in text for word in words), (got, text))


def late(daemon):
    """The agent comes after the tracker."""
    daemon.launch()
    t.check("without its key it waits, and says for whom",
            t.wait_until(lambda: "event=key_waits source=dstack" in daemon.text()), daemon.text())
    t.check("and listens to nobody", "event=listening" not in daemon.text())
    with agent() as asked:
        t.check("when the agent is there it starts",
                t.wait_until(lambda: "event=listening" in daemon.text()), daemon.text())
        t.check("and has asked for one key", [r[1]["path"] for r in asked.requests] == ["pbts/key_trk"],
                asked.requests)
    t.check("the log says when it came", "event=key_came source=dstack" in daemon.text())
    t.check("it ends well without the agent", daemon.stop() == 0)


def owner(daemon):
    params = daemon.get("/params").json()
    return params["tracker_key"], params["iid"]


def lives(daemon):
    """Restarts, and a second machine."""
    with agent():
        daemon.port = 0
        daemon.start()
        first = owner(daemon)
        user = t.User(daemon, "alice")
        t.check("the token of the hash administers", daemon.get("/config", headers=ADMIN).status == 200)
        daemon.stop()
        t.check("nothing secret is kept in the data directory",
                sorted(x.name for x in daemon.data.iterdir()) == ["store"], list(daemon.data.iterdir()))
        daemon.start()
        t.check("the same key is the same instance", owner(daemon) == first)
        answer = t.http(user.announce + "?info_hash=" + "a" * 20 + "&peer_id=" + "b" * 20 +
                        "&port=1&left=0")
        t.check("with the same passkeys", b"not registered" in answer.body, answer)
        daemon.stop()
        with t.Daemon(*FLAGS, name="second") as second:
            t.check("on another machine it is the same owner of another ledger",
                    owner(second)[0] == first[0] and owner(second)[1] != first[1])
        with t.Daemon(*FLAGS[:4], name="nobody") as none:
            t.check("without a token's hash nobody administers",
                    none.get("/config", headers=ADMIN).status == 401 and "admin_none" in none.text())
    key = bytes.fromhex(fake_dstack.KEY)
    bytes_ = daemon.log.read_bytes() + b"".join(x.read_bytes() for x in daemon.data.rglob("*")
                                                if x.is_file())
    t.check("what the agent gave is in no file", key not in bytes_ and key.hex().encode() not in bytes_)


def others(daemon):
    """Another key, and no key."""
    own = fake_dstack.KEY
    with agent():
        fake_dstack.KEY = "22" * 32
        fails("another key is refused", daemon, 3, "key_wrong", "another key than key_source delivers")
        fake_dstack.KEY = own
        daemon.start()
        t.check("and nothing was changed", daemon.get("/user/alice").status == 200)
        daemon.stop()
    file_ = t.Daemon(data=daemon.data)
    fails("no file is made in its place", file_, 3, "key_missing")
    t.check("really none", not (daemon.data / "tracker.key").exists())
    daemon.flags += ["--key-wait-s", "1"]
    fails("an agent that never comes ends the start", daemon, 1, "event=key_failed source=dstack")
    with agent() as broken:
        for mode in ("garbage", "truncated", "error", "oversize"):
            broken.mode = mode
            fails(f"so does one whose answer is {mode}", daemon, 1, "event=key_failed")
    daemon.flags[-1] = "60"
    before = daemon.text().count("key_waits")
    daemon.launch()
    t.wait_until(lambda: daemon.text().count("key_waits") > before)
    t.check("a tracker that waits ends when it is told to", daemon.stop(10) == 1)


def main():
    daemon = t.Daemon(*FLAGS, name="first")
    late(daemon)
    lives(daemon)
    others(daemon)
    t.finish()


if __name__ == "__main__":
    main()
