"""A tracker whose ledger is a contract, behind a server that can be made to misbehave, and users who
exchange pieces."""
from urllib.parse import quote

import chain_kit as k
import pbts_test as t
import signing as s
from fault_proxy import FaultProxy

INIT = 1 << 20
FLAGS = ("--init-credit-bytes", str(INIT), "--overdraft-bytes", str(1 << 30))
TORRENT = s.Torrent("chain", pieces=64, piece_length=16384, last=11)


def announce(daemon, passkey):
    peer = quote(b"-XX0001-rrrrrrrrrrrr")
    return daemon.get(f"/announce/{passkey}?info_hash={quote(bytes.fromhex(TORRENT.infohash))}"
                      f"&peer_id={peer}&port=6881&left=0&compact=1").body


def credited(answer):
    return answer.status == 200 and {x["status"] for x in answer.json()["statements"]} == {
        "credited"}


class Scene:
    """A chain, a contract, a tracker behind one faulty server, three users."""

    def __init__(self, helper, chain, factory, name, depth=1, **options):
        self.helper, self.chain = helper, chain
        self.proxy = FaultProxy(chain.url)
        self.tracker = k.ChainTracker(*FLAGS, name=name)
        self.contract = k.make_contract(chain, factory, self.tracker.writer)
        chain.mine()
        self.tracker.follow(self.contract, [self.proxy.url], depth=depth, **options).start()
        self.agreement = k.Agreement(self.tracker, self.contract)
        self.users, self.next_piece = [], 0

    def add_users(self, *uids):
        self.users += [s.Signer(self.helper, self.tracker, uid) for uid in uids]
        return self.users[-len(uids):]

    def exchange(self, pieces=1):
        """The second user reports what the first got from it."""
        sender, receiver = self.users[1], self.users[0]
        some = [receiver.piece(sender, TORRENT, self.next_piece + i) for i in range(pieces)]
        self.next_piece += pieces
        return sender.report(some)

    def set_balance(self, wei):
        """Of the writer. Anvil's newest block cannot be proved after that, so one follows."""
        self.chain.set_balance(self.tracker.writer, wei)
        self.chain.mine()

    def agrees(self, name, seconds=20):
        self.agreement.check(name, self.users, seconds)

    def end(self, name):
        t.check(f"{name}: the tracker ends cleanly", self.tracker.stop() == 0,
                self.tracker.text()[-3000:])
        self.proxy.stop()
