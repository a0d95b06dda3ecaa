#!/usr/bin/env python3
# build: asan release
# timeout: 150
# alone: two dozen clients want the processor
"""The tracker is killed for good: its members find each other by DHT. A new one with only his .torrent
and his key joins and gets everything; who is not registered, is below the ratio, or has another's
certificate or memberships gets nothing. Then the tracker is back: the receipts of all that time are
reported, and the totals are exact. Runs in a namespace of its own."""
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import dht_thief  # noqa: E402
import our_peer  # noqa: E402
import pbts_test as t  # noqa: E402

PEERS = int(os.environ.get("PBTS_DHT_PEERS", "8" if os.environ.get("PBTS_BUILD") == "asan" else "20"))
LEECHERS = 2  # of them, in the middle of it when the tracker dies
TRACKER = "10.78.0.1"
SIZE = 3 * 1024 * 1024 + 4321
PIECE = 32768
SLOW = 256 * 1024  # bytes a second
PORT = 23000
SOCKET, NODE_SOCKET = t.TMP / "control.sock", t.TMP / "node.sock"
NODE = 45  # its address
GOES, BACK = 1, 3  # who goes during the outage, and who comes back in it


def enter_namespace():
    if os.environ.get("PBTS_IN_NAMESPACE"):
        for number in range(1, 60):
            subprocess.run(["ip", "addr", "add", f"10.78.0.{number}/32", "dev", "lo"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        t.skip("the DHT in a namespace", "no permission to make a network namespace")
        t.finish()
    os.environ["PBTS_IN_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


def address_of(number):
    return f"10.78.0.{number + 2}"


class World:
    """A tracker, its users, a registered torrent, and who shares it."""

    def __init__(self, daemon):
        self.daemon, self.peers = daemon, []
        self.source = t.TMP / "source"
        self.source.mkdir()
        self.content = os.urandom(SIZE)
        (self.source / "payload.bin").write_bytes(self.content)
        self.users = []
        made = {}
        names = [f"peer{n}" for n in range(PEERS)] + ["new", "poor", "node"]
        t.threads([lambda n=n: made.update({n: t.User(daemon, n)}) for n in names])
        self.users = [made[n] for n in names[:PEERS]]
        self.new, self.poor, self.node = made["new"], made["poor"], made["node"]
        plain = t.TMP / "plain.torrent"
        t.pbts("torrent", "create", self.source / "payload.bin", "--out", plain, "--piece-length",
               PIECE, "--announce", self.users[0].announce)
        t.pbts("torrent", "add", "--tracker", daemon.url, "--key", self.users[0].key, plain)
        self.infohash = our_peer.infohash_of(plain)

    def torrent_of(self, user):
        """As the tracker gives it to this user, with what is needed without a tracker."""
        path = t.TMP / f"{user.uid}.torrent"
        answer = self.daemon.get(f"/torrents/{self.infohash}.torrent?passkey={user.passkey}")
        path.write_bytes(answer.body)
        return path

    def peer(self, number, user, name=None, *flags):
        made = our_peer.OurPeer(t.TMP / (name or f"peer{number}"), address_of(number), PORT, user,
                                *flags)
        made.target = made.folder / "content"
        made.target.mkdir(exist_ok=True)
        return made

    def moved(self, user):
        shown = self.daemon.get(f"/user/{user.uid}").json()
        return shown["up_bytes"] - shown["granted_bytes"] + shown["held_bytes"], shown["down_bytes"]

    def has_all(self, peer):
        path = peer.target / "payload.bin"
        return path.exists() and path.read_bytes() == self.content


def make_poor(world):
    """He has everything, uploaded nothing, and is told so; then he comes with nothing but his .torrent."""
    seeder = world.peer(0, world.users[0], "first").seed(world.torrent_of(world.users[0]), world.source)
    poor = world.peer(50, world.poor, "poor-before")
    poor.get(world.torrent_of(world.poor), poor.target)
    well = t.wait_until(lambda: poor.events("finished"), 30)
    t.check("someone downloads everything and goes", well and poor.stop() == 0, poor.text()[-800:])
    t.check("his seeder reports it", seeder.stop() == 0 and world.moved(world.poor) == (0, SIZE),
            (world.moved(world.poor), seeder.text()[-500:]))


def forged_key(name, of, secret_of=None):
    """A key file that claims to be registered as `of`."""
    path = t.TMP / f"{name}.key"
    t.pbts("key", "new", "--out", path)
    own = path.read_text().splitlines()
    others = of.key.read_text().splitlines()
    lines = [line for line in own if not line.startswith(("uid", "iid"))]
    lines += [line for line in others if line.startswith(("uid", "iid"))]
    path.write_text("\n".join(lines) + "\n")
    return type("Forged", (), {"key": path, "uid": of.uid})


def outsiders(world):
    """They know the torrent, a member's address, and all that another member has on disk but his key."""
    direct = ("--peer", f"{address_of(0)}:{PORT},{address_of(1)}:{PORT}")
    stranger = world.peer(51, forged_key("stranger", world.users[1]), "stranger", *direct)
    stranger.torrent = world.torrent_of(world.users[1])
    poor = world.peer(52, world.poor, "poor", *direct)
    poor.torrent = world.torrent_of(world.poor)
    thief = world.peer(53, forged_key("thief", world.users[2]), "thief", *direct)
    thief.torrent = world.torrent_of(world.users[2])
    shutil.copytree(t.TMP / "peer2" / "state", thief.folder / "state")
    return {"who is not registered": stranger, "who is below the ratio": poor,
            "who has another member's files": thief}


def start_node(world):
    """The node that all .torrent files name: it shares nothing."""
    node = world.peer(NODE, world.node)
    command = node.command("daemon", "", node.target)
    node.process = t.start([*command[:2], *command[3:], "--dht-only", "--dht-member",
                            str(world.torrent_of(world.node)), "--control", str(NODE_SOCKET)], node.log)
    t.check("a node without torrents begins", t.wait_until(NODE_SOCKET.exists))
    refused = t.pbts("peer", "add", "--control", NODE_SOCKET, t.TMP / "node.torrent", check_exit=False)
    t.check("and takes none", refused.returncode == 1 and "--dht-only" in refused.stderr, refused)
    return node


def start_swarm(world):
    for number, user in enumerate(world.users):
        torrent = world.torrent_of(user)
        if number == PEERS - 1 - LEECHERS:
            goes_and_comes_back(world)  # while nobody takes anything from him
        if number == PEERS - 1:
            peer = world.peer(number, user, None, "--control", str(SOCKET))
            peer.process = t.start(peer.command("daemon", torrent, peer.target)[:2] +
                                   peer.command("daemon", torrent, peer.target)[3:], peer.log)
            t.wait_until(SOCKET.exists)
            t.pbts("peer", "add", "--control", SOCKET, torrent)
        elif number >= PEERS - 1 - LEECHERS:
            peer = world.peer(number, user, None, "--limit-down", str(SLOW))
            peer.get(torrent, peer.target)
        else:
            peer = world.peer(number, user).seed(torrent, world.source)
        world.peers.append(peer)
    joined = t.wait_until(lambda: all(p.events("joined") for p in world.peers), 40)
    t.check(f"{PEERS} peers share it", joined, [p.text()[-300:] for p in world.peers
                                                if not p.events("joined")][:2])
    met = t.wait_until(lambda: all(p.events("dht_joined") for p in world.peers), 20)
    t.check("and are nodes of one DHT, while the tracker is there", met,
            [p.text()[-300:] for p in world.peers if not p.events("dht_joined")][:2])
    t.check("but ask it nothing", not any(p.events("dht_found") for p in world.peers))


def goes_and_comes_back(world):
    """A member who comes back with an empty folder and a .torrent that names no node: his state folder does."""
    one = world.peers[BACK]
    met = one.has("joined") and one.has("dht_joined")
    t.check("someone goes before the tracker does", met and one.stop() == 0, one.text()[-500:])
    world.peers[BACK] = world.peer(BACK, world.users[BACK])


def dht(*words, path=SOCKET):
    return t.pbts("dht", words[0], "--control", path, *words[1:], check_exit=False)


def status():
    return json.loads(dht("status", "--json").stdout)


def robbed(world, certificate):
    if not t.check("a certificate is overheard", certificate is not None):
        return
    before = status()
    thief = dht_thief.Thief(address_of(54), *certificate)
    to = (address_of(PEERS - 1), PORT)
    t.check("a node gives a token to anybody", thief.token(to) is not None)
    answers = [thief.query(to, method, os.urandom(20)) for method in ("pbts_find", "pbts_get")]
    t.check("and no answer to who has a certificate without its session key",
            not any(a and b"r" in a for a in answers), answers)
    t.check("it looked at his signatures", t.wait_until(lambda: status()["refused_signatures"] >=
            before["refused_signatures"] + 2), (certificate[1].hex(), before, status()))


def outage(world):
    new = world.peer(40, world.new, "new")
    torrent = world.torrent_of(world.new)
    bad = outsiders(world)
    back = world.peers[BACK]
    heard, own = [], bytes.fromhex(status()["id"])
    ear = threading.Thread(target=lambda: heard.append(dht_thief.overheard(45, own)))
    ear.start()
    world.daemon.kill()
    new.get(torrent, new.target)
    back.get(t.TMP / "plain.torrent", back.target)
    for peer in bad.values():
        peer.get(peer.torrent, peer.target)
    t.check("all notice that the tracker is away",
            t.wait_until(lambda: all(p.events("tracker_away") for p in world.peers), 40),
            [p.text()[-300:] for p in world.peers if not p.events("tracker_away")][:2])
    ear.join()
    robbed(world, heard[0])
    t.check("they announce to one another", t.wait_until(
        lambda: all(p.events("dht_announced") for p in world.peers), 20),
        [p.text()[-500:] for p in world.peers if not p.events("dht_announced")][:2])
    t.check("a new one with his .torrent and his key gets everything",
            t.wait_until(lambda: world.has_all(new), 40) and new.has("finished"), new.text()[-1500:])
    t.check("one who was away, with nothing but his state folder, gets everything",
            t.wait_until(lambda: world.has_all(back), 40), back.text()[-1500:])
    t.check("he found them by DHT", t.wait_until(
        lambda: any(e["peers"] > 0 for e in new.events("dht_found"))), new.text()[-1500:])
    t.check("those who were in the middle of it got everything",
            t.wait_until(lambda: all(world.has_all(p) for p in
                                     world.peers[PEERS - 1 - LEECHERS:]), 40))
    for who, peer in bad.items():
        got = peer.events("stats")[-1]["downloaded_bytes"] if peer.events("stats") else 0
        found = [e["peers"] for e in peer.events("dht_found") if e["peers"] > 0]
        t.check(f"{who} gets nothing, from members that he knows neither", got == 0 and
                not peer.events("finished") and peer.process.poll() is None, (got, peer.text()[-800:]))
        t.check(f"{who} is told of nobody", not found, found)
    poor = bad["who is below the ratio"]
    t.check("the one below the ratio is a node of the DHT all the same", poor.has("dht_joined"),
            poor.text()[-500:])
    commands(world, new)
    stopped(world)
    for peer in bad.values():
        peer.stop()
    return new


def addresses(torrent):
    """Some of those who are in the DHT for the torrent: each node that is asked names two or three."""
    found = dht("lookup", "--json", torrent)
    return {p["address"] for p in json.loads(found.stdout)["peers"]}


def socket_manners(world):
    """An answer that takes a while comes before that of the next question, and nobody has to wait for it."""
    asked = json.dumps({"do": "dht_lookup", "torrent": world.infohash}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX) as impatient:
        impatient.connect(str(SOCKET))
        impatient.sendall(asked * 3)
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(str(SOCKET))
        end.sendall(asked + b'{"do":"dht"}\n' + b'{"do":"dht_lookup"}\n')
        end.settimeout(20)
        answers = [json.loads(line) for _, line in zip(range(3), end.makefile())]
    t.check("questions on one connection are answered in their order",
            ["peers" in answers[0], "dht" in answers[1], answers[2]["ok"]] == [True, True, False],
            answers)


def commands(world, new):
    shown = status()
    t.check("pbts dht status shows the node", shown["joined"] and shown["nodes"] >= PEERS // 2 and
            shown["means"] == "dht", shown)
    t.check("and says so to people", "the tracker is away" in dht("status").stdout)
    found = set()
    t.check("pbts dht lookup names the members that share it", t.wait_until(
        lambda: found.update(addresses(world.infohash)) or len(found) >= PEERS, 10), found)
    members = {f"{p.address}:{PORT}" for p in world.peers + [new]}
    t.check("so it does for a .torrent, and names nobody else",
            members >= found | addresses(t.TMP / "new.torrent"), found - members)
    socket_manners(world)
    told = dht("announce", world.infohash)
    t.check("pbts dht announce says how many nodes keep it", told.returncode == 0 and
            "kept by" in told.stdout, told)


def stopped(world):
    one = f"{address_of(GOES)}:{PORT}"
    here = t.wait_until(lambda: one in addresses(world.infohash), 10)
    world.peers[GOES].stop()
    left = set().union(*(addresses(world.infohash) for _ in range(4)))
    t.check("who stops takes his announce away", here and one not in left, (here, left))


def recovery(world, new):
    stayed = [p for p in world.peers if p is not world.peers[GOES]] + [new]
    waiting = sum(p.events("stats")[-1]["receipts_waiting"] for p in world.peers + [new])
    t.check("receipts wait", waiting > 0)
    world.daemon.start()
    world.peers[GOES].seed(world.torrent_of(world.users[GOES]), world.source)
    t.check("all notice that it is back",
            t.wait_until(lambda: all(p.events("tracker_back") for p in stayed), 40),
            [p.text()[-300:] for p in stayed if not p.events("tracker_back")][:2])
    downs = {u.uid: SIZE for u in [world.new, world.users[BACK], *world.users[PEERS - 1 - LEECHERS:]]}
    everybody = [*world.users, world.new]

    def totals():
        return {u.uid: world.moved(u) for u in everybody}

    def exact():
        now = totals()
        return all(now[u][1] == downs.get(u, 0) for u in now) and \
            sum(up for up, _ in now.values()) - SIZE == sum(downs.values())  # and the poor one's

    t.check("the receipts of the outage are reported without anybody's doing, and all add up",
            t.wait_until(exact, 30, 0.3), totals())
    t.check("announces go on, and bring all of them together again", t.wait_until(
        lambda: new.events("announced") and new.events("announced")[-1]["seeders"] > PEERS - 1, 25),
        new.events("announced")[-1:])
    statuses = []
    t.threads([lambda p=p: statuses.append(p.stop()) for p in world.peers + [new]])
    t.check("all end well", set(statuses) == {0}, statuses)
    t.check("and nothing was counted twice", exact(), totals())
    kept = list((t.TMP / "new" / "state").glob("nodes-*.dht"))
    t.check("the nodes are on disk for the next time", len(kept) == 1 and
            kept[0].read_bytes().startswith(b"pbts-nodes1\n"), kept)


def main():
    enter_namespace()
    with t.Daemon("--interval-s", "10", "--min-interval-s", "1", "--init-credit-bytes", "0",
                  "--overdraft-bytes", "1G", "--dht-nodes",
                  f"{address_of(NODE)}:{PORT}", address=TRACKER) as daemon:
        world = World(daemon)
        make_poor(world)
        node = start_node(world)
        start_swarm(world)
        new = outage(world)
        shown = json.loads(dht("status", "--json", path=NODE_SOCKET).stdout)
        t.check("the node without torrents has neighbours and answers them",
                shown["joined"] and shown["nodes"] >= PEERS // 2 and shown["sent"] > PEERS, shown)
        recovery(world, new)
        t.check("it ends well", node.stop() == 0, node.text()[-500:])
    t.finish()


main()
