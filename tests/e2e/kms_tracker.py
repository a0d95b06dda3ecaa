#!/usr/bin/env python3
# build: asan
# timeout: 240
"""key_source = kms: a tracker's key comes from three of five nodes, for evidence. Its machine is lost, two
nodes are killed, and another machine goes on as the same owner of the same contract, with the same ratios
and passkeys. Who runs something else gets nothing, and a node that lies is named."""
import hashlib
import re
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import kms  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from chain_migrate import hour_passes, known_by_passkey, totals  # noqa: E402
from chain_scene import FLAGS, TORRENT, credited  # noqa: E402
from commands import EXIT_OK, run  # noqa: E402
from fake_dstack import FakeDstack  # noqa: E402
from kms_proxy import VENDOR, NodeProxy, measured, other_guest, pinned  # noqa: E402

LINEAGE, REAL = "a1" * 32, "c3" * 32
TOKEN = "5e" * 32
MEMBERS_MAX = 64 * 1024
REPORT_DATA = slice(568, 632)       # of a quote of version 4
INTEL = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
COLLATERAL = ("tcbinfo.json", "qeidentity.json", "root_ca_crl.der", "pck_crl.der",
              "tcb_signing_chain.pem")
REGISTERS = ("MRTD", "RTMR0", "RTMR1", "RTMR2", "RTMR3")


def bound(service, request):
    """The report_data that a request's evidence should have, from docs/kms.md."""
    nonces = [request[b"n"][at + 1:at + 33] for at in range(0, len(request[b"n"]), 33)]
    return hashlib.sha512(b"pbts-kms-v1" + request[b"a"] + bytes.fromhex(service.public) +
                          request[b"l"] + request[b"g"].to_bytes(8, "big") +
                          b"".join(nonces)).digest()


def measurement(mrtd):
    rest = [measured(f"simulated {name}").hex() for name in REGISTERS[1:]]
    return "measurement = " + " ".join([measured(mrtd).hex(), *rest]) + "\n"


OURS, OTHERS = measurement("simulated MRTD"), measurement("another MRTD")


class Service:
    """Five nodes, each behind a proxy too, that allow the simulator's guest and no other."""

    def __init__(self):
        self.nodes = [kms.Node(i + 1, port) for i, port in enumerate(kms.free_ports(kms.NODES))]
        members = "".join(node.init() for node in self.nodes)
        for node in self.nodes:
            (node.data / "members").write_text(members)
            node.start("--allow_simulator", "yes")
        self.allow(self.nodes, OURS)
        self.allow(self.nodes, OURS, lineage=REAL, simulated=False)
        t.wait_until(lambda: all(node.epoch() == 0 for node in self.nodes), 30)
        kms.kms("dkg", "--data", self.nodes[0].data)
        t.check("five nodes make a key", kms.wait_epoch(self.nodes, 1), self.nodes[0].text())
        self.public = self.nodes[0].status()["public"]
        self.members = self.nodes[0].data / "members"
        self.proxies = [NodeProxy(node, kms.post) for node in self.nodes]
        self.behind = t.TMP / "behind.members"
        lines = [line.split() for line in members.splitlines()]
        self.behind.write_text("".join(f"{number} {proxy.url()} {key} {pin}\n" for proxy, (
            number, _, key, pin) in zip(self.proxies, lines)))
        self.key = self.ask()

    def allow(self, nodes, measurements, lineage=LINEAGE, simulated=True, mode="gate"):
        policy = t.TMP / "lineage.policy"
        policy.write_text(measurements + f"kms_mode = {mode}\nkms_generation_max = 1\n"
                          f"kms_simulated = {'yes' if simulated else 'no'}\n")
        for node in nodes:
            done = kms.kms("allow", lineage, policy, "--data", node.data)
            if done.returncode != EXIT_OK:
                t.check("pbts-kms allow", False, done)

    def tool(self, *more):
        return run("kms", "key", "--members", self.members, "--public", self.public, "--threshold",
                   kms.THRESHOLD, "--lineage", LINEAGE, "--simulate", *more)

    def ask(self):
        """The key, by the tool: what the tracker's must be."""
        out = t.TMP / "key_trk"
        done = self.tool("--out", out)
        t.check("the tool gets the key", done.returncode == EXIT_OK, (done.stdout, done.stderr))
        key = bytes.fromhex(out.read_text())
        out.unlink()
        return key

    def proxied(self):
        """All proxies, honest."""
        return [proxy.clear() for proxy in self.proxies]


class Tracker(k.ChainTracker):
    """Nothing is in its folder before it starts."""

    def __init__(self, service, *flags, name, members=None):
        t.Daemon.__init__(
            self, *FLAGS, "--key-source", "kms", "--kms-members", str(members or service.members),
            "--kms-public", service.public, "--kms-threshold", str(kms.THRESHOLD), "--kms-lineage",
            LINEAGE, "--tee", "simulator", "--admin-token-hash",
            hashlib.sha256(TOKEN.encode()).hexdigest(), *flags, name=name)
        self.key, self.writer = service.key, k.address_of(k.writer_secret(service.key))

    def admin(self):
        return {"Authorization": f"Bearer {TOKEN}"}

    def owner(self):
        """Keys and instance, as evidence is bound to them."""
        said = self.post("/generate-attestation", {"nonce": "00" * 32}).json()
        return said["tracker_key"], said["owner"], said["iid"]

    def fails(self, name, code, *words):
        before = len(self.text())
        self.launch()
        got = self.process.wait(timeout=60)
        text = self.text()[before:]
        return t.check(name, got == code and all(word in text for word in words), (got, text))

    def waits_for(self, words, seconds=20):
        return t.wait_until(lambda: words in self.text(), seconds)


def keeps_no_secret(tracker, key):
    t.check("in its folder is the store and nothing else",
            [x.name for x in tracker.data.iterdir()] == ["store"], list(tracker.data.iterdir()))
    found = [path for path in [tracker.log, *tracker.data.rglob("*")] if path.is_file() and
             any(what in path.read_bytes() for what in (key, key.hex().encode()))]
    t.check("the key is in no file and no log", not found, found)
    t.check("nobody is told of a token's file", "admin.token" not in tracker.text(), tracker.text())


class Life:
    """Of a tracker with users, on the first machine."""

    def __init__(self, service, chain, helper):
        self.tracker = Tracker(service, name="first")
        self.contract = k.make_contract(chain, k.make_factory(chain), self.tracker.writer)
        chain.mine()
        self.tracker.follow(self.contract, [chain.url]).start()
        self.owner = self.tracker.owner()
        t.check("a tracker's key is the nodes'", self.owner[1] == self.tracker.writer, self.owner)
        t.check("the log says of how many it has it, and that its evidence is SIMULATED",
                "event=key_of_kms shares=3 nodes=5" in self.tracker.text() and
                "evidence=SIMULATED" in self.tracker.text(), self.tracker.text())
        with a.Miner(chain):
            self.users = [s.Signer(helper, self.tracker, uid) for uid in ("alice", "bob", "carol")]
            alice, bob, _ = self.users
            bob.add_torrent(TORRENT)
            t.check("its users' receipts count", credited(bob.report(
                [alice.piece(bob, TORRENT, i) for i in range(4)])))
            k.Agreement(self.tracker, self.contract).check("the first machine", self.users)
        with k.ChainTracker(*FLAGS, key=service.key, name="twin") as twin:
            t.check("all its keys are those of one that has this key in a file",
                    twin.get("/params").json()["tracker_key"] == self.owner[0])
        self.totals = totals(self.users)
        t.check("and moved their ratios", len(set(self.totals.values())) == 3, self.totals)

    def lose(self, chain):
        self.tracker.kill()
        keeps_no_secret(self.tracker, self.tracker.key)
        shutil.rmtree(self.tracker.data)
        hour_passes(chain, self.contract)   # receipts count by the hour


def take_over(service, chain, life):
    """Another machine, with three of five nodes."""
    name = "another machine"
    for node in service.nodes[:2]:
        node.kill()
    tracker = Tracker(service, name="second")
    tracker.follow(life.contract, [chain.url]).start()
    t.check(f"{name} has the same key, the same contract's owner, the same instance",
            tracker.owner() == life.owner, (tracker.owner(), life.owner))
    alice, bob, _ = life.users
    for user in life.users:
        user.daemon = tracker
    t.check(f"{name} has the ratios of before", totals(life.users) == life.totals,
            (totals(life.users), life.totals))
    t.check(f"{name} takes every passkey", all(known_by_passkey(tracker, u.passkey)
                                               for u in life.users))
    t.check(f"{name} does not take any", not known_by_passkey(tracker, "0" * 40))
    with a.Miner(chain):
        answers = [user.register() for user in life.users]
        t.check(f"{name}: users keep their passkeys", [x.json().get("passkey") for x in answers] ==
                [u.passkey for u in life.users], answers)
        bob.add_torrent(TORRENT)
        t.check(f"{name} credits new receipts", credited(bob.report(
            [alice.piece(bob, TORRENT, 5)])))
        k.Agreement(tracker, life.contract).check(name, life.users)
    up = totals([bob])["bob"][0]
    t.check(f"{name} counts on", up == life.totals["bob"][0] + TORRENT.sizes[5], up)
    t.check(f"{name} ends cleanly", tracker.stop() == 0, tracker.text()[-2000:])
    return tracker


def other_key(tracker):
    had = list(tracker.flags)
    tracker.flags += ["--kms-generation", "1"]
    tracker.fails("the key of another generation is not this folder's", 3, "event=key_of_kms",
                  "event=key_wrong")
    tracker.flags = had


def liar(service, tracker, life):
    """Node 5 is the first to answer, with a share of another key; four nodes run."""
    service.nodes[0].start("--allow_simulator", "yes")
    t.wait_until(lambda: service.nodes[0].epoch() == 1, 30)
    service.allow(service.nodes[4:], OURS, mode="pinned")
    proxies = service.proxied()
    for proxy in proxies[:4]:
        proxy.waits_for, proxy.late_s = proxies[4].replied, 0.5
    proxies[4].change = pinned
    tracker.flags[tracker.flags.index("--kms-members") + 1] = str(service.behind)
    before = len(tracker.text())
    t.check("node 5 takes up its new list", t.wait_until(
        lambda: re.search("node 5 +gave a share", service.tool("--pinned").stdout), 20, 0.2))
    tracker.start()
    text = tracker.text()[before:]
    t.check("a node that gives a wrong share is named",
            f"event=kms_liar node=5 url={proxies[4].url()}" in text, text)
    t.check("it alone", text.count("event=kms_liar") == 1, text)
    t.check("and the key is the right one", tracker.owner() == life.owner)
    asked = [x.requests[-1] for x in proxies if x.requests]
    t.check("one quote was made for all, bound as it must be", len(asked) == 4 and
            all(x == asked[0] and x[b"q"][REPORT_DATA] == bound(service, x) for x in asked), len(asked))
    tracker.stop()
    service.allow(service.nodes[4:], OURS)
    t.check("node 5 takes up its old list", t.wait_until(
        lambda: re.search(r"node 5 +gave no share \(mode", service.tool("--pinned").stdout), 20, 0.2))


def too_few(service):
    """Three nodes of five cannot be reached, or are silent."""
    proxies = service.proxied()
    proxies[2].mode = "close"
    proxies[3].mode = "close"
    none = Tracker(service, "--key-wait-s", "0", name="few", members=service.behind)
    none.fails("two nodes give no key", 1, "event=key_failed source=kms", "of 3 shares", "1 gave no")
    for proxy in proxies:
        proxy.mode = "silent"
    begun = time.monotonic()
    none = Tracker(service, "--key-wait-s", "0", "--kms-timeout-s", "1", name="timeout",
                   members=service.behind)
    none.fails("silent nodes are waited for as long as was said", 1, "0 of 3 shares")
    t.check("and no longer", 1 <= time.monotonic() - begun < 10, time.monotonic() - begun)
    waiting = Tracker(service, name="silent", members=service.behind)
    for proxy in proxies:
        proxy.asked = 0
    waiting.launch()
    t.check("it asks them all", t.wait_until(lambda: all(x.asked for x in proxies), 20))
    t.check("a tracker that asks silent nodes ends when it is told to", waiting.stop(10) == 1,
            waiting.text())


def other_measurement(service, life):
    """The evidence is genuine, but of a guest that started something else."""
    service.proxied()
    simulated = Tracker(service, "--kms-lineage", REAL, "--key-wait-s", "0", name="real")
    simulated.fails("the simulator gets no key where nodes do not allow it", 1,
                    "event=key_failed source=kms", "0 of 3 shares", "3 simulated", "5 simulated")
    simulated = Tracker(service, "--kms-mode", "pinned", "--key-wait-s", "0", name="mode")
    simulated.fails("nor is there a pinned key where nodes have it as a gate", 1, "0 of 3 shares",
                    "3 mode", "5 mode")
    for proxy in service.proxies:
        proxy.change = other_guest
    other = Tracker(service, name="other", members=service.behind)
    other.launch()
    t.check("a tracker with another measurement is refused, and says so", other.waits_for(
        "event=key_waits source=kms") and "0 of 3 shares" in other.text() and
        all(f"{i} measurement" in other.text() for i in (1, 3, 4, 5)), other.text())
    t.check("without a key it listens to nobody", "event=listening" not in other.text())
    service.allow(service.nodes[:1] + service.nodes[2:4], OURS + OTHERS)
    t.check("when enough operators allow the upgrade it starts", other.waits_for(
        "event=listening", 40) and "event=key_came source=kms" in other.text(), other.text())
    found = other.text().rpartition("event=listening")[2]
    other.port = int(found.split("http=")[1].split()[0])
    t.check("with the key that the one before had", other.owner()[0] == life.owner[0])
    other.stop()


def collateral(service):
    """What a guest in a real TEE sends: its agent's quote, with the files of tee_collateral."""
    folder, policy = t.TMP / "collateral", t.TMP / "tee.policy"
    folder.mkdir()
    policy.write_text(OURS)
    for name in COLLATERAL:
        (folder / name).write_bytes(name.encode() * 3)
    service.proxied()

    def quote(report_data, vendor=INTEL):
        out = t.TMP / "agent.quote"
        run("tee", "generate", "--tee", "simulator", "--out", out, "--report-data", report_data.hex())
        made = bytearray(out.read_bytes())
        out.unlink()
        made[VENDOR] = vendor or made[VENDOR]
        return bytes(made)

    flags = ("--tee", "dstack", "--tee-path", str(t.TMP / "agent.sock"), "--tee-collateral",
             str(folder), "--tee-policy", str(policy), "--key-wait-s", "0")
    guest = Tracker(service, *flags, name="guest", members=service.behind)
    guest.fails("without its agent there is no evidence", 1, "event=key_failed", "no evidence")
    with FakeDstack(t.TMP / "agent.sock", quote):
        guest.fails("a quote that is no good brings nothing", 1, "0 of 3 shares", "1 quote-signature",
                    "5 quote-signature")
    asked = [x.requests[-1] for x in service.proxies if x.requests]
    t.check("each node was sent the agent's quote, with the files", len(asked) == 5 and all(
        x[b"c"] == [name.encode() * 3 for name in COLLATERAL] and x == asked[0] and
        x[b"q"][REPORT_DATA] == bound(service, x) for x in asked), len(asked))
    with FakeDstack(t.TMP / "agent.sock", lambda report_data: quote(report_data, None)):
        guest.fails("a simulator that is not called one is not shown to anybody", 1, "no evidence",
                    "simulator")
    t.check("really not", [len(x.requests) for x in service.proxies] == [1] * 5)
    (folder / COLLATERAL[2]).unlink()
    guest.fails("a file that is missing is named", 3, "event=tee_failed", COLLATERAL[2])


def padded(service, name, length):
    """The members' file, made longer by a comment."""
    path, text = t.TMP / name, service.members.read_text()
    path.write_text(text + "#" * (length - len(text) - 1) + "\n")
    return path


def wrong_starts(service):
    nowhere, bad = t.TMP / "nowhere", t.TMP / "bad.members"
    bad.write_text(service.members.read_text() + "7 https://x y z\n")
    for flags, code, words in ((("--kms-members", str(nowhere)), 3, str(nowhere)),
                               (("--kms-members", str(bad)), 3, "line 6"),
                               (("--kms-members", str(padded(service, "long", MEMBERS_MAX + 1))), 3,
                                "too long"),
                               (("--kms-public", "00" * 96), 3, "no key of a group"),
                               (("--kms-threshold", "6"), 3, "fewer nodes"),
                               (("--kms-public", "00"), 2, "192 hexadecimal digits"),
                               (("--tee", "none"), 2, "needs tee"),
                               (("--tee", "tdx"), 2, "tee_collateral")):
        tracker = Tracker(service, *flags, name="wrong")
        tracker.fails(f"{flags[0]} = {flags[1][-20:]} does not start", code, words)
    path, longest = t.TMP / "tracker.conf", padded(service, "longest", MEMBERS_MAX)
    path.write_text(f"key_source = kms\nkms_members = {longest}\nkms_threshold = 3\n"
                    f"kms_public = {service.public[:96]}\n  {service.public[96:]}\n"
                    f"kms_lineage = {LINEAGE}\ntee = simulator\n")
    with t.Daemon("--config", str(path), name="file") as daemon:
        t.check("a file can hold the group's key", "shares=3" in daemon.text(), daemon.text())
    wrong = Tracker(service, "--kms-threshold", "2", "--key-wait-s", "0", name="threshold")
    wrong.fails("a wrong threshold is told from lies", 1, "nobody can be named")
    t.check("indeed nobody is", "kms_liar" not in wrong.text(), wrong.text())


def main():
    if not a.fetch():
        t.finish()
    helper, service = s.Helper(), Service()
    with a.Anvil() as chain:
        life = Life(service, chain, helper)
        wrong_starts(service)
        collateral(service)
        life.lose(chain)
        tracker = take_over(service, chain, life)
        other_key(tracker)
        liar(service, tracker, life)
    other_measurement(service, life)
    too_few(service)
    keeps_no_secret(tracker, service.key)
    for proxy in service.proxies:
        proxy.stop()
    codes = [service.nodes[i].stop() for i in (0, 2, 3, 4)]
    t.check("the nodes stop in order", codes == [0] * 4, codes)
    t.finish()


if __name__ == "__main__":
    main()
