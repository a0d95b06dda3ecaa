#!/usr/bin/env python3
# build: asan
# timeout: 120
"""From the local ledger to a contract: the exports of a tracker that is sealed go into a new one with
the same key, whose users find their totals again, and whose receipts count once in both together."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from chain_scene import FLAGS, INIT, TORRENT, announce, credited  # noqa: E402
from commands import asked, good  # noqa: E402


def statuses(answer):
    if answer.status != 200:
        return answer
    return [(x["status"], x.get("code", "")) for x in answer.json()["statements"]]


def totals(users):
    return {u.uid: (u.user()["up_bytes"], u.user()["down_bytes"]) for u in users}


def is_known(daemon, passkey):
    return b"passkey" not in announce(daemon, passkey)


class Old:
    """A tracker with a ledger of its own, at its end: sealed and exported."""

    def __init__(self, helper):
        self.tracker = t.Daemon(*FLAGS, name="local").start()
        self.users = [s.Signer(helper, self.tracker, uid) for uid in ("alice", "bob", "carol")]
        self.alice, self.bob, self.carol = self.users
        self.iid = self.alice.iid
        self.bob.add_torrent(TORRENT)
        self.counted = self.alice.cumulative(self.bob, TORRENT, range(4), iid=self.iid)
        self.growing = self.alice.cumulative(self.bob, TORRENT, range(7), iid=self.iid)
        self.late = {**self.alice.piece(self.bob, TORRENT, 9), "iid": self.iid}
        t.check("a receipt counts in the local ledger", credited(self.bob.report([self.counted])))
        rotate = self.carol.authorization("POST", "/passkey")
        self.tracker.post("/passkey", b"", headers=rotate)
        self.passkeys = [u.passkey for u in self.users]     # carol's is not hers any more
        self.totals = totals(self.users)
        self.tracker.stop()
        self.early = self.export("early")
        good("ledger", "seal", "--data", self.tracker.data, "--successor", "none", "--yes")
        self.ledger, self.claims = self.export("final")
        self.key = bytes.fromhex((self.tracker.data / "tracker.key").read_text().split()[-1])

    def export(self, name):
        ledger, claims = t.TMP / f"{name}.ledger", t.TMP / f"{name}.claims"
        good("ledger", "export", "--data", self.tracker.data, "--out", ledger, "--claims", claims)
        return ledger, claims

    def flags(self):
        return "--referrer", str(self.ledger), "--referrer-claims", str(self.claims)


def new_contract(chain, old):
    """As docs/ethereum.md has it: made by the key of the tracker that is to come."""
    chain.set_balance(k.address_of(k.writer_secret(old.key)), 10 * k.ETHER)
    chain.mine()
    with a.Miner(chain):
        made = asked("ledger", "migrate", "--to", "ethereum", "--rpc", chain.url, "--key",
                     old.tracker.data / "tracker.key", "--from", old.ledger, "--depth", "1",
                     "--yes")
    return k.Contract(chain, made["contract"])


def refused(name, tracker, words):
    """It does not come up, and says why."""
    try:
        tracker.start()
        started = True
        tracker.stop()
    except RuntimeError:
        started = False
    return t.check(f"{name} is refused", not started and words in tracker.text(),
                   tracker.text()[-2000:])


def bad_starts(chain, old, contract):
    """Each leaves a folder in which a right start can be made."""
    whole = old.ledger.read_bytes()
    bad = t.TMP / "bad.ledger"
    bad.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    tracker = k.ChainTracker(*FLAGS, key=old.key, name="bad").follow(contract, [chain.url])
    right = list(tracker.flags)
    for name, flags in (
            ("a ledger that does not verify", ("--referrer", bad)),
            ("a ledger that is not there", ("--referrer", t.TMP / "nowhere")),
            ("claims of another moment", ("--referrer", old.ledger, "--referrer-claims",
                                          old.early[1]))):
        tracker.flags = right + list(map(str, flags))
        refused(name, tracker, "referrer_failed")
    tracker.flags = right + [*old.flags(), "--referrer-contract", contract.address]
    refused("two predecessors", tracker, "one predecessor")
    t.check("and nothing was written", contract.state()["sequence"] == 0, contract.state())
    tracker.flags = list(FLAGS)
    tracker.start().stop()
    tracker.flags = right
    refused("then an instance with a local ledger", tracker, "an instance with a local ledger")


def come_over(name, tracker, helper, old):
    params = tracker.get("/params").json()
    t.check(f"{name}: it is an instance of its own that names its predecessor",
            params["iid"] == k.instance_id(a.CHAIN_ID, tracker.contract.address) and
            params["predecessor"] == old.iid, params)
    for user in old.users:
        user.daemon, user.iid = tracker, params["iid"]
    t.check(f"{name}: nobody's old passkey is anybody's before they come",
            not any(is_known(tracker, x) for x in old.passkeys))
    thief = s.Signer(helper, tracker, "bob", register=False).register()
    t.check(f"{name}: a name goes to the key of the old ledger only",
            thief.status == 409 and thief.json()["code"] == "KEY_MISMATCH", thief)
    # In another order than they once came.
    answers = [u.register() for u in (old.carol, old.alice, old.bob)]
    t.check(f"{name}: users register again with their keys", [x.status for x in answers] ==
            [200] * 3, answers)
    old.carol.passkey, old.alice.passkey, old.bob.passkey = (
        x.json()["passkey"] for x in answers)
    t.check(f"{name}: and have passkeys that are known", all(
        is_known(tracker, u.passkey) for u in old.users))
    t.check(f"{name}: no passkey of old times is anybody's now, least of all one rotated away",
            not any(is_known(tracker, x) for x in old.passkeys))
    now = totals(old.users)
    t.check(f"{name}: they have their totals", now == old.totals, (now, old.totals))
    old.bob.add_torrent(TORRENT)


def counted_once(name, old):
    bob, before = old.bob, totals(old.users)
    answer = bob.report([old.counted])
    t.check(f"{name}: what counted in the local ledger is a duplicate",
            statuses(answer) == [("duplicate", "")] and totals(old.users) == before, answer)
    answer = bob.report([old.late, old.growing])
    t.check(f"{name}: what had not counts, also what a receipt says beyond",
            statuses(answer) == [("credited", "")] * 2, answer)
    new = TORRENT.sizes[9] + sum(TORRENT.sizes[4:7])
    again = bob.report([old.counted, old.growing, old.late])
    t.check(f"{name}: once", statuses(again) == [("duplicate", "")] * 3, statuses(again))
    t.check(f"{name}: its own receipts count",
            credited(bob.report([old.alice.piece(bob, TORRENT, 10)])))
    new += TORRENT.sizes[10]
    (up, down), (got, given) = before["bob"], before["alice"]
    now = totals(old.users)
    t.check(f"{name}: and the totals moved by just that", now == {
        **before, "bob": (up + new, down), "alice": (got, given + new)}, (before, now))


def successor(chain, helper, old, contract):
    name = "the new tracker"
    tracker = k.ChainTracker(*FLAGS, key=old.key, name="new")
    tracker.follow(contract, [chain.url], *old.flags())
    tracker.contract = contract
    tracker.start()
    with a.Miner(chain):
        come_over(name, tracker, helper, old)
        agreement = k.Agreement(tracker, contract)
        agreement.check(f"{name}: who came over", old.users)
        t.check(f"{name}: the contract has the values of the local ledger",
                {u.uid: contract.account(u.uid)[:2] for u in old.users} == old.totals)
        counted_once(name, old)
        dora = s.Signer(helper, tracker, "dora")
        t.check(f"{name}: who is new has the first credit", totals([dora])["dora"] == (INIT, 0))
        agreement.check(f"{name}: and who is new", [*old.users, dora])
    t.check(f"{name} ends cleanly", tracker.stop() == 0, tracker.text()[-2000:])
    return tracker, [*old.users, dora]


def later_starts(chain, old, contract, tracker, users):
    """The same folder goes on, whether the file is still there or not; another does not begin."""
    name, had = "a later start", contract.state()
    again = k.ChainTracker(*FLAGS, key=old.key, name="again")
    again.follow(contract, [chain.url], *old.flags())
    refused("a local ledger for a contract in use", again,
            "the contract is in use; a local ledger is taken over into a new one")
    t.check("and the contract is as it was", contract.state() == had, contract.state())
    old.ledger.unlink()
    tracker.start()
    with a.Miner(chain):
        k.Agreement(tracker, contract).check(name, users)
        answer = old.bob.report([old.counted, old.growing, old.late])
        t.check(f"{name} remembers what counted", statuses(answer) == [("duplicate", "")] * 3,
                statuses(answer))
    t.check(f"{name} ends cleanly", tracker.stop() == 0, tracker.text()[-2000:])


def main():
    if a.fetch():
        helper = s.Helper()
        old = Old(helper)
        with a.Anvil() as chain:
            contract = new_contract(chain, old)
            bad_starts(chain, old, contract)
            tracker, users = successor(chain, helper, old, contract)
            later_starts(chain, old, contract, tracker, users)
    t.finish()


if __name__ == "__main__":
    main()
