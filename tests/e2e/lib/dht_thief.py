"""Somebody who listens to a DHT and has one member's certificate, and not the session key that it
is of: what he hears, what he asks, and whether anybody answers. Needs CAP_NET_RAW (a namespace)."""
import os
import socket
import struct
import time

from raw_peer import bdecode
from signing import bencode

CERTIFICATE_LEN = 346
ETH_P_IP, UDP, HEADERS = 0x0800, 17, 14


def datagrams(seconds):
    """UDP payloads that pass over the loopback device, with their sender's and receiver's (address, port)."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP)) as ear:
        ear.bind(("lo", 0))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ear.settimeout(max(0.01, end - time.monotonic()))
            try:
                packet = ear.recv(4096)[HEADERS:]
            except socket.timeout:
                return
            if packet[9] != UDP:
                continue
            start = (packet[0] & 15) * 4
            source, to, length, _ = struct.unpack(">HHHH", packet[start:start + 8])
            yield ((socket.inet_ntoa(packet[12:16]), source), (socket.inet_ntoa(packet[16:20]), to),
                   packet[start + 8:start + length])


def overheard(seconds, but):
    """(tag, id, certificate) of the first member who shows his, `but` this id; None: nobody did."""
    for _, _, payload in datagrams(seconds):
        try:
            packet, _ = bdecode(payload)
            said = packet.get(b"a") or packet.get(b"r") or {}
        except (ValueError, IndexError, AttributeError):
            continue
        if len(said.get(b"c", b"")) == CERTIFICATE_LEN and said[b"i"] != but:
            return packet[b"n"], said[b"i"], said[b"c"]
    return None


class Thief:
    def __init__(self, address, tag, node, certificate):
        self.tag, self.node, self.certificate = tag, node, certificate
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))

    def ask(self, to, packet, seconds=1.0):
        """The answer to a query within so long, or None."""
        packet = {"n": self.tag, "t": os.urandom(8), "y": "q", **packet}
        self.socket.settimeout(seconds)
        self.socket.sendto(bencode(packet), to)
        try:
            while True:
                answer = bdecode(self.socket.recv(4096))[0]
                if answer.get(b"t") == packet["t"]:
                    return answer
        except socket.timeout:
            return None

    def token(self, to):
        answer = self.ask(to, {"a": {}, "q": "pbts_hello"}, 20)
        return answer and answer.get(b"r", {}).get(b"k")

    def query(self, to, method, target, signature=None):
        """With a good token, the stolen certificate, and a signature of nobody's."""
        said = {"c": self.certificate, "i": self.node, "k": self.token(to) or bytes(8),
                "n": (int(time.time()) + 60) << 20, "t": target,
                "o": socket.inet_aton(to[0]) + struct.pack(">H", to[1])}
        return self.ask(to, {"a": said, "q": method, "s": signature or os.urandom(64)})
