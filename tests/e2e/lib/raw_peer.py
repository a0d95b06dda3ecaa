"""A BitTorrent peer made by hand, for attacks on a real one: it says exactly what the test wants.

One plain TCP connection, BEP 3, 10 and our `pbts` extension; keys and signatures by the helper
`sign`. It keeps what it was given, so that a test can count what an attack cost the victim."""
import hashlib
import os
import socket
import struct
import time

import signing
from signing import bencode

CHOKE, UNCHOKE, INTERESTED, HAVE, BITFIELD, REQUEST, PIECE = 0, 1, 2, 4, 5, 6, 7
HAVE_ALL, HAVE_NONE, REJECT, EXTENDED = 14, 15, 16, 20
AUTH, RECEIPT, RECEIPT_BATCH, REQUEST_RECEIPT, REFUSE, SESSION = range(6)
OUR_PBTS_ID = 3
BLOCK = 16384
FEATURES = bytes([0, 0, 0, 0, 0, 0x10, 0, 0x04])


def bdecode(data):
    """The value at the front of `data`, and what follows it."""
    kind = data[:1]
    if kind == b"i":
        end = data.index(b"e")
        return int(data[1:end]), data[end + 1:]
    if kind in b"ld":
        items, rest = [], data[1:]
        while rest[:1] != b"e":
            item, rest = bdecode(rest)
            items.append(item)
        pairs = dict(zip(items[::2], items[1::2]))
        return (items if kind == b"l" else pairs), rest[1:]
    length, _, rest = data.partition(b":")
    return rest[:int(length)], rest[int(length):]


class Closed(Exception):
    """The other side ended the connection."""


class RawPeer:
    """`identity`: {"secret", "public", "iid", "ticket"}, or None for a client without receipts."""

    def __init__(self, sign, torrent, identity=None, source="127.0.0.1", **hello):
        self.sign, self.torrent, self.identity = sign, torrent, identity
        self.infohash = bytes.fromhex(torrent.infohash)
        self.source, self.hello_changes = source, hello
        self.nonce = hello.get("nonce", os.urandom(32))
        self.buffer, self.socket = b"", None
        self.choked, self.pbts_id, self.theirs = True, None, None
        self.blocks, self.received_bytes, self.refusals, self.asked = {}, 0, [], []
        self.authenticated = False

    def connect(self, address, port, handshake=None):
        self.socket = socket.create_connection((address, port), 10, (self.source, 0))
        self.socket.settimeout(0.2)
        peer_id = b"-XX0001-" + os.urandom(6).hex().encode()
        self.socket.sendall(handshake or b"\x13BitTorrent protocol" + FEATURES + self.infohash +
                            peer_id)
        self.send_extended_handshake()
        self.send(HAVE_NONE)
        return self

    def close(self):
        if self.socket:
            self.socket.close()

    # ---- sending ----

    def send(self, kind, payload=b""):
        self.raw(struct.pack(">IB", 1 + len(payload), kind) + payload)

    def raw(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed from error

    def hello(self):
        identity = self.identity
        made = {"v": 1, "iid": bytes.fromhex(identity["iid"]), "forms": 0x1E, "nonce": self.nonce,
                "pk": signing.base64.b64decode(identity["public"])}
        if identity.get("ticket"):
            made["ticket"] = identity["ticket"]
        made.update(self.hello_changes)
        return {k: v for k, v in made.items() if v is not None}

    def send_extended_handshake(self):
        handshake = {"m": {}, "reqq": 500, "v": "raw peer"}
        if self.identity:
            handshake["m"]["pbts"] = OUR_PBTS_ID
            handshake["pbts"] = self.hello()
        self.send(EXTENDED, b"\0" + bencode(handshake))

    def send_pbts(self, kind, fields):
        body = fields if isinstance(fields, bytes) else bencode(fields)
        self.send(EXTENDED, bytes([self.pbts_id, kind]) + body)

    def prove(self, **changes):
        """Send `auth` for the hello that came."""
        their_key = signing.base64.b64encode(self.theirs[b"pk"]).decode()
        fields = {"secret": self.identity["secret"], "iid": self.identity["iid"],
                  "infohash": self.torrent.infohash, "nonce": self.nonce.hex(),
                  "their_nonce": self.theirs[b"nonce"].hex(), "their_key": their_key, **changes}
        self.send_pbts(AUTH, {"x": signing.base64.b64decode(self.sign("peer", **fields)["signature"])})

    def request(self, piece, offset=0, length=None):
        length = length or min(BLOCK, self.torrent.sizes[piece] - offset)
        self.send(REQUEST, struct.pack(">III", piece, offset, length))

    def request_piece(self, piece):
        for offset in range(0, self.torrent.sizes[piece], BLOCK):
            self.request(piece, offset)

    def give_receipt(self, indices, form="cumulative", epoch=None, secret=None, infohash=None):
        """A receipt for these pieces; what is signed may differ from what is true."""
        sender = signing.base64.b64encode(self.theirs[b"pk"]).decode()
        epoch = signing.epoch() if epoch is None else epoch
        common = {"secret": secret or self.identity["secret"], "iid": self.identity["iid"],
                  "infohash": infohash or self.torrent.infohash, "sender": sender, "epoch": epoch}
        if form == "piece":
            answer = self.sign("piece", **common, index=indices[0],
                               piece_hash=self.torrent.hashes[indices[0]].hex())
            fields = {"i": indices[0]}
        else:
            bitmap = self.torrent.bitmap(indices)
            answer = self.sign("cumulative", **common, bitmap=signing.b64(bytes(bitmap)))
            fields = {"b": bytes(bitmap)}
        signature = signing.base64.b64decode(answer["signature"])
        self.send_pbts(RECEIPT, {**fields, "e": epoch, "x": signature})

    # ---- receiving ----

    def pump(self, seconds=0.5, until=None):
        """Take what comes for so long, or until `until()`; Closed when the other side is gone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until and until()):
            try:
                data = self.socket.recv(1 << 18)
            except TimeoutError:
                continue
            except OSError as error:
                raise Closed from error
            if not data:
                raise Closed
            self.buffer += data
            self.take_messages()
        return until() if until else True

    def take_messages(self):
        if self.theirs is None and self.buffer[:1] == b"\x13":
            if len(self.buffer) < 68:
                return
            self.buffer = self.buffer[68:]
        while len(self.buffer) >= 4:
            length = struct.unpack(">I", self.buffer[:4])[0]
            if len(self.buffer) < 4 + length:
                return
            message, self.buffer = self.buffer[4:4 + length], self.buffer[4 + length:]
            if message:
                self.take(message[0], message[1:])

    def take(self, kind, payload):
        if kind == CHOKE:
            self.choked = True
        elif kind == UNCHOKE:
            self.choked = False
        elif kind == PIECE:
            piece, offset = struct.unpack(">II", payload[:8])
            self.blocks[piece, offset] = payload[8:]
            self.received_bytes += len(payload) - 8
        elif kind == EXTENDED and payload[:1] == b"\0":
            handshake = bdecode(payload[1:])[0]
            self.pbts_id = handshake[b"m"].get(b"pbts", self.pbts_id)
            self.theirs = handshake.get(b"pbts", self.theirs or {})
        elif kind == EXTENDED and payload[0] == OUR_PBTS_ID:
            self.take_pbts(payload[1], bdecode(payload[2:])[0])

    def take_pbts(self, kind, fields):
        if kind == AUTH:
            self.authenticated = True
        elif kind == REFUSE:
            self.refusals.append((fields[b"c"], fields[b"t"].decode()))
        elif kind == REQUEST_RECEIPT:
            self.asked.append(fields)

    def has_piece(self, piece):
        size = self.torrent.sizes[piece]
        parts = [self.blocks.get((piece, at)) for at in range(0, size, BLOCK)]
        return all(parts) and hashlib.sha1(b"".join(parts)).digest() == self.torrent.hashes[piece]

    # ---- whole steps ----

    def join(self, seconds=10):
        """Handshakes and proofs both ways, interested, unchoked; whether that came about."""
        try:
            self.pump(seconds, lambda: self.theirs is not None)
            if self.identity and self.theirs:
                self.prove()
            self.send(INTERESTED)
            return self.pump(seconds, lambda: not self.choked)
        except Closed:
            return False

    def drain(self, seconds=1.5):
        """Take everything that still comes; whether the connection stays."""
        try:
            self.pump(seconds)
            return True
        except Closed:
            return False
