#!/usr/bin/env python3
# build: asan release
# timeout: 240
"""Seeders that have nothing to say for half an hour, and a tracker that dies in that time: somebody new
asks the DHT, by that they hear of it, see for themselves, and he finds them. While the tracker lives
the same question changes nothing. And it comes back: all notice."""
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import our_peer  # noqa: E402
import pbts_test as t  # noqa: E402

SEEDERS = 3
SIZE = 1024 * 1024 + 77
PORT = 23100
SOCKET = t.TMP / "control.sock"
ASKED = 26  # seconds after a sign: OUTAGE_REST_MS, OUTAGE_SPREAD_MS
FOUND = 110  # by then he has everything; announces alone would take from 15 minutes to 30


def address_of(number):
    return f"127.78.{os.getpid() % 254}.{number + 2}"  # of no other run beside this one


class World:
    def __init__(self, daemon):
        self.daemon, self.content = daemon, os.urandom(SIZE)
        self.source = t.TMP / "source"
        self.source.mkdir()
        (self.source / "payload.bin").write_bytes(self.content)
        self.users = [t.User(daemon, f"peer{n}") for n in range(SEEDERS)]
        self.new, self.asker = t.User(daemon, "new"), t.User(daemon, "asker")
        plain = t.TMP / "plain.torrent"
        t.pbts("torrent", "create", self.source / "payload.bin", "--out", plain, "--piece-length",
               32768, "--announce", self.users[0].announce)
        t.pbts("torrent", "add", "--tracker", daemon.url, "--key", self.users[0].key, plain)
        self.infohash = our_peer.infohash_of(plain)
        self.peers = [self.peer(n, u).seed(self.torrent_of(u), self.source)
                      for n, u in enumerate(self.users)]

    def torrent_of(self, user):
        path = t.TMP / f"{user.uid}.torrent"
        answer = self.daemon.get(f"/torrents/{self.infohash}.torrent?passkey={user.passkey}")
        path.write_bytes(answer.body)
        return path

    def peer(self, number, user, *flags):
        return our_peer.OurPeer(t.TMP / user.uid, address_of(number), PORT, user, *flags)


def start_asker(world):
    """A daemon that asks the DHT when it is told to."""
    asker = world.peer(SEEDERS, world.asker, "--control", str(SOCKET))
    command = asker.command("daemon", "", t.TMP)
    asker.process = t.start([*command[:2], *command[3:], "--dht-member",
                             str(world.torrent_of(world.asker))], asker.log)
    asker.has("dht_joined")
    return asker


def joined(peers):
    return t.wait_until(lambda: all(p.events("dht_joined") for p in peers), 30)


def events(peers, name):
    return [p.events(name) for p in peers]


def alarm_without_a_fire(world):
    """`pbts dht lookup` while all is well."""
    t.check("the seeders are nodes", joined(world.peers), [p.text()[-400:] for p in world.peers])
    found = t.pbts("dht", "lookup", "--control", SOCKET, "--json", t.TMP / "peer0.torrent")
    t.check("nobody announces there while the tracker lives",
            json.loads(found.stdout)["peers"] == [], found.stdout)


def outage(world):
    said = [len(p.events("announced")) for p in world.peers]
    world.daemon.kill()
    began = time.monotonic()
    new = world.peer(SEEDERS + 1, world.new)
    target = t.TMP / "target"
    target.mkdir()
    new.get(t.TMP / "new.torrent", target)
    path = target / "payload.bin"
    found = t.wait_until(lambda: path.exists() and path.read_bytes() == world.content, FOUND, 0.2)
    took = time.monotonic() - began
    print(f"# all of it, {took:.0f} s after the tracker's death")
    t.check("a new one gets everything from seeders that announced to the tracker only", found,
            (took, new.text()[-800:], world.peers[0].text()[-800:]))
    t.check("all of them have noticed", t.wait_until(
        lambda: all(events(world.peers, "tracker_away")), 30), world.peers[-1].text()[-500:])
    t.check("none of them by an announce of its own time: they had said one thing", all(
        n == 1 for n in said), said)
    for peer in world.peers:  # tracker_away comes before the first announce that fails
        names = [x["event"] for x in peer.told()]
        first = names.index("announce_failed") if "announce_failed" in names else len(names)
        t.check("it was asked before anything was announced", "tracker_away" in names and
                names.index("tracker_away") < first, names)
    return new


def recovery(world, new):
    world.daemon.start()
    t.check("when it is back all notice, though none has to announce", t.wait_until(
        lambda: all(events([*world.peers, new], "tracker_back")), 60),
        [p.text()[-300:] for p in world.peers])
    t.check("and they are in its swarm again", t.wait_until(
        lambda: max((e["seeders"] for e in new.events("announced")), default=0) > 0 and
        all(len(p.events("announced")) > 1 for p in world.peers), 20), new.events("announced"))


def main():
    with t.Daemon("--interval-s", "1800", "--min-interval-s", "900",
                  "--dht-nodes", f"{address_of(0)}:{PORT}") as daemon:
        world = World(daemon)
        joined(world.peers)     # whom he asks first
        asker = start_asker(world)
        world.torrent_of(world.new)
        alarm_without_a_fire(world)
        time.sleep(ASKED)
        t.check("an alarm without a fire changes nothing", not any(
            events(world.peers, "tracker_away")), world.peers[0].text()[-500:])
        t.check("who asked ends well", asker.stop() == 0, asker.text()[-500:])
        new = outage(world)
        recovery(world, new)
        statuses = [p.stop() for p in [*world.peers, new]]
        t.check("all end well", set(statuses) == {0}, statuses)
    t.finish()


main()
