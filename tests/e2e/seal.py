#!/usr/bin/env python3
# build: asan release
# timeout: 120
"""`pbts ledger seal`: when it is refused, what it writes, and what the tracker does afterwards. What
a successor makes of it is in restore.py."""
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from commands import EXIT_IO, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, asked, fails, run  # noqa: E402

INIT, OVERDRAFT = 1 << 20, 0
TORRENT = s.Torrent("seal", pieces=200, piece_length=16384, last=5)
NEXT = "5a" * 32


def seal(data, *more, successor=NEXT):
    return ("ledger", "seal", "--data", data, "--successor", successor, *more)


def unchanged(name, data, head):
    now = asked("ledger", "verify", "--data", data)
    t.check(f"{name}: nothing was written", now["head"] == head and not now["sealed"], now)


def refusals(daemon, iid):
    data = daemon.data
    head = asked("ledger", "verify", "--data", data)["head"]
    fails("a running tracker's ledger is not sealed", EXIT_IO, ["running", "stop it"],
          *seal(data, "--yes"))
    t.check("and the tracker goes on", daemon.get("/health").status == 200)
    daemon.stop()
    said = "cannot be taken back"
    done = run(*seal(data))
    t.check("without --yes it only says what it would do", done.returncode == EXIT_USAGE and
            not done.stdout and all(word in done.stderr for word in (said, iid, NEXT)), done)
    t.check("and that held credit would be lost", "held       " in done.stderr, done)
    fails("the instance is no successor of itself", EXIT_USAGE, ["itself"],
          *seal(data, "--yes", successor=iid))
    for bad in ("", "5a", NEXT[:-1], NEXT + "0", NEXT[:-1] + "g", "None"):
        fails(f"a successor {bad[:8]!r} is no instance", EXIT_USAGE, ["64 hexadecimal", "none"],
              *seal(data, "--yes", successor=bad))
    key = data / "tracker.key"
    mine = key.read_text()
    key.write_text("11" * 32 + "\n")
    fails("another key does not seal", EXIT_REFUSED, ["owner"], *seal(data, "--yes"))
    key.write_text("no key\n")
    fails("no key does not seal", EXIT_IO, ["no tracker key"], *seal(data, "--yes"))
    key.unlink()
    fails("a missing key does not seal", EXIT_IO, ["tracker.key"], *seal(data, "--yes"))
    key.write_text(mine)
    key.chmod(0o600)
    empty = t.TMP / "empty"
    empty.mkdir()
    shutil.copy(key, empty)
    fails("a folder without a ledger is not sealed", EXIT_IO, ["no store"], *seal(empty, "--yes"))
    t.check("and nothing is made in it", [x.name for x in empty.iterdir()] == ["tracker.key"])
    unchanged("after all refusals", data, head)


def sealed(daemon, iid, copy):
    data = daemon.data
    before = asked("ledger", "verify", "--data", data)
    done = asked(*seal(data, "--yes"))
    t.check("the seal is the next entry and names the successor", (
        done["sealed"], done["iid"], done["successor"], done["sequence"]) ==
        (True, iid, NEXT, before["sequence"] + 1), (done, before))
    after = asked("ledger", "verify", "--data", data)
    t.check("the sealed ledger verifies", after == {
        **before, "entries": before["entries"] + 1, "sequence": before["sequence"] + 1,
        "head": done["head"], "sealed": True, "successor": NEXT, "unix_time": after["unix_time"],
        "epoch": after["epoch"]}, after)
    fails("it is sealed once", EXIT_REFUSED, ["sealed already"], *seal(data, "--yes"))
    done = run(*seal(copy, "--yes", successor="none"))
    t.check("it says how to go on", done.returncode == EXIT_OK and all(
        word in done.stdout for word in ("ledger export", "--claims", "--referrer")), done)
    t.check("a seal may name nobody", asked("ledger", "verify", "--data", copy)["successor"] is None
            and "not named" in run("ledger", "verify", "--data", copy).stdout)


def afterwards(daemon, helper, alice, bob, totals):
    daemon.start()
    t.check("a sealed tracker starts and answers", daemon.get("/health").status == 200 and
            daemon.get("/contract/status").json()["sealed"] is True)
    t.check("its totals are as they were", [alice.user()["up_bytes"], bob.user()["down_bytes"]] ==
            totals)
    answer = alice.report([bob.piece(alice, TORRENT, 199)])
    t.check("it takes no receipts", answer.status == 409 and answer.json()["code"] == "SEALED",
            answer)
    answer = s.Signer(helper, daemon, "late", register=False).register()
    t.check("and nobody new", answer.status == 409 and answer.json()["code"] == "SEALED", answer)
    t.check("it stops cleanly", daemon.stop() == 0)


def main():
    helper = s.Helper()
    daemon = t.Daemon("--init-credit-bytes", str(INIT), "--overdraft-bytes", str(OVERDRAFT)).start()
    alice, bob = (s.Signer(helper, daemon, uid) for uid in ("alice", "bob"))
    alice.add_torrent(TORRENT)
    # More than bob's credit and ratio cover: some of it is held.
    answer = alice.report([bob.cumulative(alice, TORRENT, range(199))])
    t.check("some credit is held", answer.json()["held"]["bytes"] > 0, answer)
    totals = [alice.user()["up_bytes"], bob.user()["down_bytes"]]
    refusals(daemon, alice.iid)
    copy = t.TMP / "copy"
    shutil.copytree(daemon.data, copy)
    sealed(daemon, alice.iid, copy)
    afterwards(daemon, helper, alice, bob, totals)
    helper.close()
    t.finish()


if __name__ == "__main__":
    main()
