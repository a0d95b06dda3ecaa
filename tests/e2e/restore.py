#!/usr/bin/env python3
# build: asan release
# timeout: 180
"""A tracker that comes up again from its exports on a new machine, and a successor that takes over
from them: who has what, whose receipts count, and which exports are refused."""
import os
import shutil
import stat
import sys
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402

INIT = 1 << 20
FLAGS = ("--init-credit-bytes", str(INIT), "--overdraft-bytes", str(1 << 30))
TORRENT = s.Torrent("restore", pieces=64, piece_length=16384, last=11)


class Old:
    """The tracker whose machine will be gone: three users, reported and unreported receipts."""

    def __init__(self, helper):
        self.daemon = t.Daemon(*FLAGS, name="old").start()
        self.alice, self.bob, self.carol = self.users = [
            s.Signer(helper, self.daemon, uid) for uid in ("alice", "bob", "carol")]
        rotate = self.carol.authorization("POST", "/passkey")
        self.carol_old_passkey = self.carol.passkey
        self.carol.passkey = self.daemon.post("/passkey", b"", headers=rotate).json()["passkey"]
        self.alice.add_torrent(TORRENT)
        self.counted = self.bob.cumulative(self.alice, TORRENT, range(10))
        self.growing = self.bob.cumulative(self.alice, TORRENT, range(16))
        self.fresh = [self.carol.piece(self.alice, TORRENT, i) for i in (20, 21)]
        self.alice.report([self.counted])
        self.bytes = sum(TORRENT.sizes[:10])
        self.totals = {u.uid: (u.user()["up_bytes"], u.user()["down_bytes"]) for u in self.users}


class Exports:
    """What was carried away from the old machine."""

    def __init__(self, old, folder):
        self.ledger, self.claims = folder / "ledger.bin", folder / "claims.bin"
        self.key = folder / "tracker.key"
        t.pbts("ledger", "export", "--data", old.daemon.data, "--out", self.ledger, "--claims",
               self.claims)
        shutil.copy(old.daemon.data / "tracker.key", self.key)


def import_(data, exports, *more, ledger=None, key=None):
    return t.pbts("ledger", "import", "--data", data, "--key", key or exports.key,
                  ledger or exports.ledger, *more, check_exit=False)


def restored(old, exports, name, *more):
    """A daemon on a folder that was imported; the old users ask it from now on."""
    data = t.TMP / name
    done = import_(data, exports, *more)
    t.check(f"{name}: the import succeeds", done.returncode == 0, done.stdout + done.stderr)
    daemon = t.Daemon(*FLAGS, data=data).start()
    for user in old.users:
        user.daemon = daemon
    return daemon


def announces(daemon, passkey):
    peer = quote(b"-XX0001-rrrrrrrrrrrr")
    body = daemon.get(f"/announce/{passkey}?info_hash={quote(bytes.fromhex(TORRENT.infohash))}"
                      f"&peer_id={peer}&port=6881&left=0&compact=1").body
    return b"8:complete" in body, body


def statuses(answer):
    """Per statement (status, code); for what is no report answer, that."""
    if answer.status != 200:
        return answer
    return [(x["status"], x.get("code", "")) for x in answer.json()["statements"]]


def identity(daemon, old, name):
    iid = daemon.get("/params").json()["iid"]
    mode = stat.S_IMODE(os.stat(daemon.data / "tracker.key").st_mode)
    t.check(f"{name}: it is the same instance, with its key for nobody else's eyes",
            iid == old.alice.iid and mode == 0o600, (iid, oct(mode)))
    passkeys = [announces(daemon, user.passkey) for user in old.users]
    t.check(f"{name}: the old passkeys are accepted, though the torrent is not there yet",
            all(b"not registered" in body for _, body in passkeys), passkeys)
    t.check(f"{name}: a passkey that was rotated away stays refused",
            b"passkey" in announces(daemon, old.carol_old_passkey)[1])


def another_name(daemon, helper, old, name):
    """Claims are kept by names, receipts name keys: who came back under another name would have all
    that was counted counted again, at the cost of those who paid for it."""
    again = s.Signer(helper, daemon, "alicia", register=False)
    again.secret, again.key = old.alice.secret, old.alice.key
    answer = again.register()
    t.check(f"{name}: a key goes to its name only",
            answer.status == 409 and answer.json()["code"] == "KEY_TAKEN", answer)
    return again


def registrations(daemon, helper, old, name):
    another_name(daemon, helper, old, name)
    t.check(f"{name}: nobody is known by name yet", daemon.get("/user/bob").status == 404)
    thief = s.Signer(helper, daemon, "bob", register=False).register()
    t.check(f"{name}: a name goes to its key only",
            thief.status == 409 and thief.json()["code"] == "KEY_MISMATCH", thief)
    answers = [user.register() for user in old.users]
    t.check(f"{name}: the same keys register again and keep their passkeys",
            [a.json().get("passkey") for a in answers] == [u.passkey for u in old.users], answers)
    now = {u.uid: (u.user()["up_bytes"], u.user()["down_bytes"]) for u in old.users}
    t.check(f"{name}: their totals are as before", now == old.totals, (now, old.totals))
    newcomer = s.Signer(helper, daemon, "dora")
    t.check(f"{name}: a new name gets the initial credit and a passkey of its own",
            newcomer.user()["up_bytes"] == INIT and
            newcomer.passkey not in [u.passkey for u in old.users])
    added = old.alice.add_torrent(TORRENT)
    t.check(f"{name}: the torrent is added again, and announces work",
            added.status == 200 and announces(daemon, old.bob.passkey)[0], added)


def ends(daemon, name, accounts):
    t.check(f"{name}: the daemon ends cleanly", daemon.stop() == 0)
    ledger = t.pbts("ledger", "verify", "--data", daemon.data, check_exit=False)
    t.check(f"{name}: the ledger goes on and verifies",
            ledger.returncode == 0 and f"accounts  {accounts}" in ledger.stdout,
            ledger.stdout + ledger.stderr)


def without_claims(helper, old, exports):
    name = "without claims"
    daemon = restored(old, exports, "alone")
    identity(daemon, old, name)
    registrations(daemon, helper, old, name)
    answer = old.alice.report([old.counted, old.growing, *old.fresh])
    t.check(f"{name}: receipts of the old time are refused, counted or not",
            statuses(answer) == [("refused", "EPOCH_UNKNOWN_CLAIMS")] * 4, statuses(answer))
    t.check(f"{name}: and change nothing",
            old.alice.user()["up_bytes"] == old.totals["alice"][0])
    daemon.kill()
    daemon.start()
    answer = old.alice.report([old.counted])
    t.check(f"{name}: also after the next start",
            statuses(answer) == [("refused", "EPOCH_UNKNOWN_CLAIMS")], statuses(answer))
    ends(daemon, name, 4)
    moved_without_claims(old, daemon)


def moved_without_claims(old, daemon):
    name, folder = "without claims, moved on", t.TMP / "alone-export"
    folder.mkdir()
    again = Exports(old_at(old, daemon), folder)
    t.check(f"{name}: what says so is no claim", "and 0 claims into" in import_(
        t.TMP / "alone-counted", again, "--claims", again.claims).stdout)
    second = restored(old, again, "alone2", "--claims", again.claims)
    for user in old.users:
        user.register()
    old.alice.add_torrent(TORRENT)
    answer = old.alice.report([old.counted])
    t.check(f"{name}: what was lost is not paid again",
            statuses(answer) == [("refused", "EPOCH_UNKNOWN_CLAIMS")], statuses(answer))
    second.stop()


def with_claims(helper, old, exports, folder):
    name = "with claims"
    daemon = restored(old, exports, "whole", "--claims", exports.claims)
    identity(daemon, old, name)
    registrations(daemon, helper, old, name)
    new = sum(TORRENT.sizes[10:16])
    counted_once(old, name, new)
    # A second move: claims of both lives are in one export.
    daemon.stop()
    again = Exports(old_at(old, daemon), folder)
    second = restored(old, again, "whole2", "--claims", again.claims)
    for user in old.users:
        user.register()
    old.alice.add_torrent(TORRENT)
    answer = old.alice.report([old.counted, old.growing, *old.fresh])
    t.check(f"{name}: after a second move all of it is known",
            statuses(answer) == [("duplicate", "")] * 4, statuses(answer))
    ends(second, "with claims, moved twice", 4)


def old_at(old, daemon):
    """The same users' tracker, at another place."""
    class At:
        pass
    at = At()
    at.daemon = daemon
    return at


def counted_once(old, name, new):
    before = old.alice.user()["up_bytes"]
    answer = old.alice.report([old.counted, old.growing])
    t.check(f"{name}: what had counted is a duplicate, what a receipt says beyond it counts",
            statuses(answer) == [("duplicate", ""), ("credited", "")] and
            answer.json()["credited"]["bytes"] == new, answer)
    answer = old.alice.report(old.fresh)
    t.check(f"{name}: receipts that were not reported yet count",
            statuses(answer) == [("credited", "")] * 2, statuses(answer))
    again = old.alice.report([old.counted, old.growing, *old.fresh])
    t.check(f"{name}: all of it once",
            statuses(again) == [("duplicate", "")] * 4 and old.alice.user()["up_bytes"] ==
            before + new + TORRENT.sizes[20] + TORRENT.sizes[21], statuses(again))


def damaged(path, at):
    """A copy with one byte changed; `at` from the end when negative."""
    copy, data = path.with_suffix(".bad"), bytearray(path.read_bytes())
    data[at] ^= 1
    copy.write_bytes(data)
    return copy


def refusals(old, exports, folder):
    """Each says why, ends with the right code and leaves nothing behind."""
    whole = exports.ledger.read_bytes()
    cut, longer = folder / "cut.bin", folder / "longer.bin"
    cut.write_bytes(whole[:-1])
    longer.write_bytes(whole + whole[13:17] + whole[17:40])
    stranger = folder / "stranger.key"
    stranger.write_text("11" * 32 + "\n")
    later = folder / "later"
    later.mkdir()
    old.alice.report([old.bob.piece(old.alice, TORRENT, 40)])
    newer = Exports(old, later)
    cases = (
        ("a flipped byte in the middle", 1, {"ledger": damaged(exports.ledger, len(whole) // 2)}),
        ("a flipped byte in the last signature", 1, {"ledger": damaged(exports.ledger, -1)}),
        ("a file that is cut short", 1, {"ledger": cut}),
        ("bytes after the end", 1, {"ledger": longer}),
        ("something else", 1, {"ledger": exports.claims}),
        ("another key", 1, {"key": stranger}),
        ("no key", 3, {"key": folder / "nowhere"}),
        ("no file", 3, {"ledger": folder / "nowhere"}),
        ("damaged claims", 1, {"more": ("--claims", damaged(exports.claims, 30))}),
        ("claims of a later moment", 1, {"more": ("--claims", newer.claims)}),
        ("older claims than the ledger", 1, {"ledger": newer.ledger,
                                            "more": ("--claims", exports.claims)}),
        ("a referrer where there is none", 1, {"more": ("--referrer", exports.ledger)}),
    )
    for name, code, how in cases:
        more, data = how.pop("more", ()), t.TMP / "refused"
        done = import_(data, exports, *more, **how)
        left = data.exists() and any(data.iterdir())
        t.check(f"{name} is refused with a reason", done.returncode == code and not left and
                len(done.stderr) > 20, (done.returncode, left, done.stderr))
    full = t.TMP / "not-empty"
    full.mkdir()
    (full / "file").write_text("mine")
    done = import_(full, exports)
    t.check("a folder that is not empty is refused and left alone", done.returncode == 3 and
            [x.name for x in full.iterdir()] == ["file"], done.stderr)


def successor(helper, old, exports):
    """A new instance with --referrer: names, keys and totals move one by one, receipts wait."""
    name = "successor"
    daemon = t.Daemon(*FLAGS, "--referrer", str(exports.ledger), "--referrer-claims",
                      str(exports.claims), name="successor").start()
    old_iid, iid = old.alice.iid, daemon.get("/params").json()["iid"]
    t.check(f"{name}: it is an instance of its own that names its predecessor",
            iid != old_iid and daemon.get("/params").json()["predecessor"] == old_iid)
    take_over(daemon, helper, old, iid, name)
    answer = old.alice.report([{**old.growing, "iid": old_iid}])
    t.check(f"{name}: the predecessor's receipts wait while it may still take them itself",
            statuses(answer) == [("refused", "PREDECESSOR_ACTIVE")], statuses(answer))
    answer = old.alice.report([old.bob.piece(old.alice, TORRENT, 30)])
    t.check(f"{name}: its own receipts count", statuses(answer) == [("credited", "")],
            statuses(answer))
    ends(daemon, name, 3)
    return daemon


def take_over(daemon, helper, old, iid, name):
    for user in old.users:
        user.daemon, user.iid = daemon, iid
    thief = s.Signer(helper, daemon, "bob", register=False).register()
    t.check(f"{name}: a name goes to the predecessor's key only",
            thief.status == 409 and thief.json()["code"] == "KEY_MISMATCH", thief)
    another_name(daemon, helper, old, name)
    registered = [old.alice.register(), old.bob.register()]
    migrated = daemon.post("/contract/migrate", {"username": "carol"}, headers=daemon.admin())
    t.check(f"{name}: users come over with their keys, or by the administrator",
            [a.status for a in (*registered, migrated)] == [200] * 3, (registered, migrated))
    t.check(f"{name}: who was migrated registers to be known", old.carol.register().status == 200)
    now = {u.uid: (u.user()["up_bytes"], u.user()["down_bytes"]) for u in old.users}
    t.check(f"{name}: with the totals they had", now == old.totals, (now, old.totals))
    old.alice.add_torrent(TORRENT)


def sealed_successor(helper, old, exports, folder):
    """The predecessor was sealed: its unreported receipts count here, once."""
    name, old_iid = "sealed", exports.iid
    sealed = t.pbts("ledger", "seal", "--data", exports.data, "--successor", "none", "--yes",
                    check_exit=False)
    t.check(f"{name}: the predecessor's ledger is sealed", sealed.returncode == 0, sealed.stderr)
    at = folder / "sealed"
    at.mkdir()
    final = Exports(old_at(old, t.Daemon(data=exports.data)), at)
    daemon = t.Daemon(*FLAGS, "--referrer", str(final.ledger), "--referrer-claims",
                      str(final.claims), name="sealed").start()
    take_over(daemon, helper, old, daemon.get("/params").json()["iid"], name)
    for statement in (old.counted, old.growing, *old.fresh):
        statement["iid"] = old_iid
    counted_once(old, name, sum(TORRENT.sizes[10:16]))
    daemon.stop()
    moved(helper, old, daemon, final, folder)


def moved(helper, old, daemon, final, folder):
    """A successor's own move: its predecessor's accounts must come along."""
    name, at = "a successor that moves", folder / "moved"
    at.mkdir()
    exports = Exports(old_at(old, daemon), at)
    done = import_(t.TMP / "refused", exports, "--claims", exports.claims)
    t.check(f"{name} asks for its predecessor's ledger", done.returncode == 2 and
            "--referrer" in done.stderr, done.stderr)
    other = import_(t.TMP / "refused", exports, "--referrer", exports.ledger)
    t.check(f"{name} takes no other's", other.returncode == 1, other.stderr)
    second = restored(old, exports, "moved2", "--claims", exports.claims, "--referrer",
                      final.ledger)
    for user in old.users:
        user.register()
    old.alice.add_torrent(TORRENT)
    t.check(f"{name} still names its predecessor",
            second.get("/params").json()["predecessor"] == old.counted["iid"])
    answer = old.alice.report([{**old.growing, "iid": old.counted["iid"]}])
    t.check(f"{name} counts nothing of its predecessor twice",
            "credited" not in [x for x, _ in statuses(answer)], statuses(answer))
    ends(second, name, 3)


def bad_referrers(exports):
    bad = damaged(exports.ledger, -1)
    for what, flags in (("a referrer that does not verify", ("--referrer", bad)),
                        ("claims that do not verify", ("--referrer", exports.ledger,
                                                       "--referrer-claims", bad)),
                        ("claims without a ledger", ("--referrer-claims", exports.claims))):
        daemon = t.Daemon(*FLAGS, *map(str, flags), name="bad")
        try:
            daemon.start()
            started = True
            daemon.stop()
        except RuntimeError:
            started = False
        t.check(f"{what} stops the first start", not started and "referrer" in daemon.text(),
                daemon.text())
        daemon.flags = list(FLAGS)
        t.check(f"and {what} leaves nothing behind",
                daemon.start().get("/params").json()["predecessor"] is None)
        daemon.stop()


def main():
    helper = s.Helper()
    old = Old(helper)
    exports = Exports(old, t.TMP)
    exports.data, exports.iid = t.TMP / "old-copy", old.alice.iid
    old.daemon.stop()
    shutil.copytree(old.daemon.data, exports.data)
    without_claims(helper, old, exports)
    moves = t.TMP / "moves"
    moves.mkdir()
    with_claims(helper, old, exports, moves)
    successor(helper, old, exports)
    sealed_successor(helper, old, exports, t.TMP)
    bad_referrers(exports)
    old.daemon.start()
    for user in old.users:
        user.daemon, user.iid = old.daemon, exports.iid
    refusals(old, exports, t.TMP)
    old.daemon.stop()
    t.finish()


if __name__ == "__main__":
    main()
