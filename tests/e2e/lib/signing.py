"""Users who sign: keys and signatures from the helper `sign`, torrents made here, reports."""
import base64
import hashlib
import json
import os
import subprocess
import time
from pathlib import Path

import pbts_test as t

HELPERS = Path(os.environ.get("PBTS_HELPERS", t.BIN))
EPOCH_SECONDS = 3600


def b64(data):
    return base64.b64encode(data).decode()


def now():
    return int(time.time())


def epoch(at=None):
    return int(at or time.time()) // EPOCH_SECONDS


def hour_with_room(seconds):
    """Wait for the next one where this one ends sooner: receipts count by the hour."""
    left = EPOCH_SECONDS - time.time() % EPOCH_SECONDS
    if left < seconds:
        time.sleep(left + 1)


class Helper:
    """The program `sign`, kept running: one line in, one line out."""

    def __init__(self):
        self.process = subprocess.Popen([str(HELPERS / "sign")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        t._children.append(self.process)

    def __call__(self, cmd, **fields):
        self.process.stdin.write(json.dumps({"cmd": cmd, **fields}).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ValueError(f"sign {cmd}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(bencode(v) for v in value) + b"e"
    pairs = sorted((k.encode() if isinstance(k, str) else k, v) for k, v in value.items())
    return b"d" + b"".join(bencode(k) + bencode(v) for k, v in pairs) + b"e"


class Torrent:
    """A v1 torrent of one file whose content is a function of its name."""

    def __init__(self, name, pieces=20, piece_length=16384, last=1000, private=1, more=None):
        content = hashlib.shake_128(name.encode()).digest(16) * (piece_length // 16)
        self.sizes = [piece_length] * (pieces - 1) + [last]
        blocks = [i.to_bytes(4, "big") + content[4:size] for i, size in enumerate(self.sizes)]
        self.content = b"".join(blocks)
        self.hashes = [hashlib.sha1(block).digest() for block in blocks]
        self.info = {"name": name, "piece length": piece_length, "pieces": b"".join(self.hashes),
                     "length": sum(self.sizes), "private": private}
        self.bytes = bencode({"announce": "http://old.example/announce", "info": self.info,
                              **(more or {})})
        self.infohash = hashlib.sha1(bencode(self.info)).hexdigest()
        self.pieces, self.total = pieces, sum(self.sizes)

    def bitmap(self, indices):
        bits = bytearray((self.pieces + 7) // 8)
        for i in indices:
            bits[i // 8] |= 0x80 >> (i % 8)
        return bytes(bits)


class Signer:
    """A user with a key of its own at one daemon."""

    def __init__(self, helper, daemon, uid, register=True, iid=None):
        self.sign, self.daemon, self.uid = helper, daemon, uid
        self.iid = iid or daemon.get("/params").json()["iid"]
        made = helper("keygen")
        self.secret, self.key = made["secret"], made["public"]
        self.passkey = self.announce_url = None
        if register:
            answer = self.register()
            if answer.status != 200:
                raise RuntimeError(f"register {uid}: {answer}")
            self.passkey = answer.json()["passkey"]
            self.announce_url = answer.json()["announce_url"]

    def registration(self, uid=None, iid=None):
        uid = self.uid if uid is None else uid
        signature = self.sign("register", secret=self.secret, iid=iid or self.iid,
                              uid=uid)["signature"]
        return {"user_id": uid, "public_key": self.key, "signature": signature}

    def register(self, **options):
        return self.daemon.post("/register", self.registration(), **options)

    def authorization(self, method, path, body=b"", at=None):
        made = self.sign("request", secret=self.secret, iid=self.iid, method=method, path=path,
                         time=now() if at is None else at, body=b64(body))
        return {"Authorization": made["header"]}

    def add_torrent(self, torrent):
        return self.daemon.post("/torrents", torrent.bytes, "application/x-bittorrent",
                                self.authorization("POST", "/torrents", torrent.bytes))

    def user(self):
        return self.daemon.get(f"/user/{self.uid}").json()

    def cumulative(self, sender, torrent, indices, at=None, iid=None, by=None):
        """A statement: this user got these pieces from `sender`. `by`: who signs it really."""
        bitmap, when = b64(torrent.bitmap(indices)), epoch() if at is None else at
        signature = self.sign("cumulative", secret=(by or self).secret, iid=iid or self.iid,
                              infohash=torrent.infohash, sender=sender.key, epoch=when,
                              bitmap=bitmap)["signature"]
        made = {"form": "cumulative", "infohash": torrent.infohash, "epoch": when,
                "receiver": self.uid, "sender": sender.uid, "bitmap": bitmap,
                "signature": signature}
        return {**made, "iid": iid} if iid else made

    def piece(self, sender, torrent, index, at=None):
        when = epoch() if at is None else at
        signature = self.sign("piece", secret=self.secret, iid=self.iid, infohash=torrent.infohash,
                              sender=sender.key, epoch=when, index=index,
                              piece_hash=torrent.hashes[index].hex())["signature"]
        return {"form": "piece", "infohash": torrent.infohash, "epoch": when, "index": index,
                "receiver": self.uid, "sender": sender.uid, "signature": signature}

    def batch(self, sender, torrent, indices, at=None, by=None):
        indices, when = sorted(indices), epoch() if at is None else at
        bitmap = b64(torrent.bitmap(indices))
        made = self.sign("batch", secret=(by or self).secret, iid=self.iid,
                         infohash=torrent.infohash, sender=sender.key, epoch=when, bitmap=bitmap,
                         piece_hashes=[torrent.hashes[i].hex() for i in indices])
        return {"form": "batch", "infohash": torrent.infohash, "epoch": when,
                "receiver": self.uid, "sender": sender.uid, "bitmap": bitmap,
                "signature": made["signature"]}

    def session(self, sender, torrent, expires=None):
        """A new session key and its certificate, for Session.pieces."""
        return Session(self, sender, torrent, expires)

    def legacy_receipt(self, sender, torrent, index, at=None):
        """A receipt in the prototype's shape, signed by this user, the receiver."""
        at = now() if at is None else at
        made = self.piece(sender, torrent, index, epoch(at))
        return {"receiver_public_key": self.key, "sender_pk": sender.key,
                "piece_hash": torrent.hashes[index].hex(), "piece_index": index,
                "infohash": torrent.infohash, "timestamp": at, "signature": made["signature"]}

    def report_body(self, statements, at=None, **more):
        """The JSON report and the same in bencode, submitted by this user."""
        body = {"user_id": self.uid, "time": now() if at is None else at, "statements": statements,
                **more}
        made = self.sign("report", secret=self.secret, iid=self.iid, body=body)
        return {**body, "signature": made["signature"]}, base64.b64decode(made["bencode"])

    def report(self, statements, encoding="json", **options):
        as_json, as_bencode = self.report_body(statements, **options)
        if encoding == "json":
            return self.daemon.post("/report", as_json)
        return self.daemon.post("/report", as_bencode, "application/x-bencode")


class Session:
    """A key that `receiver` made for what it gets of one torrent from `sender`."""

    def __init__(self, receiver, sender, torrent, expires=None):
        self.receiver, self.sender, self.torrent = receiver, sender, torrent
        self.id, self.secret = os.urandom(32), os.urandom(32).hex()
        self.expires = expires or (epoch() + 23) * EPOCH_SECONDS
        made = receiver.sign("session", secret=receiver.secret, iid=receiver.iid,
                             infohash=torrent.infohash, sender=sender.key, expires=self.expires,
                             session_id=self.id.hex(), session_secret=self.secret)
        self.key, self.certificate = made["session_key"], made["signature"]

    def sign_piece(self, index, when):
        return base64.b64decode(self.receiver.sign(
            "session_piece", session_secret=self.secret, session_id=self.id.hex(),
            infohash=self.torrent.infohash, sender=self.sender.key, epoch=when, index=index,
            piece_hash=self.torrent.hashes[index].hex())["signature"])

    def pieces(self, indices, at=None):
        """A statement of these pieces."""
        indices, when = sorted(indices), epoch() if at is None else at
        return {"form": "session", "infohash": self.torrent.infohash, "epoch": when,
                "receiver": self.receiver.uid, "sender": self.sender.uid,
                "bitmap": b64(self.torrent.bitmap(indices)), "session_id": b64(self.id),
                "session_key": self.key, "expires": self.expires, "signature": self.certificate,
                "piece_signatures": b64(b"".join(self.sign_piece(i, when) for i in indices))}


def merkle_root(leaves):
    """RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return hashlib.sha256(b"".join(b"\0" + leaf for leaf in leaves)).digest()
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle_root(leaves[:left]) + merkle_root(leaves[left:])).digest()


def infohashes(daemon):
    """Of all registered torrents, page after page."""
    found, after = set(), 0
    while after is not None:
        page = daemon.get(f"/torrents?limit=100&after={after}", headers=daemon.admin()).json()
        found |= {torrent["infohash"] for torrent in page["torrents"]}
        after = page["next"]
    return found
