#!/usr/bin/env python3
# build: asan
# timeout: 180
"""`pbts kms statement`, from a service's verifier on a real chain to the contract that it opens. The service here
is one node that believes the simulator, which no real one does (kms.py shows that); all else is real."""
import hashlib
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import kms  # noqa: E402
import ledger_attested as la  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from commands import EXIT_IO, EXIT_REFUSED, EXIT_USAGE, asked, fails, good, run  # noqa: E402

SECRET, LINEAGE = "22" * 32, "d4" * 32
VALID_S = 600
MEASUREMENT = hashlib.sha384(b"".join(
    hashlib.sha384(f"simulated {name}".encode()).digest()
    for name in ("MRTD", "RTMR0", "RTMR1", "RTMR2", "RTMR3"))).digest()


class Believer:
    """The node: TLS and its place among the members are those that pbts-kms makes."""

    def __init__(self):
        self.process = subprocess.Popen([str(s.HELPERS / "kms_believer"), SECRET], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.lock, self.asked, self.lies, self.refuses = threading.Lock(), [], False, False
        self.port = kms.free_ports(1)[0]
        self.node = kms.Node(1, self.port)
        self.members = t.TMP / "members"
        self.members.write_text(self.node.init())
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                code, text = node.answer(self.path, body)
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.node.data / "tls.crt", self.node.data / "tls.key")
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path, body):
        self.asked.append(path)
        line = "hello" if path == "/kms/v1/hello" else body.hex()
        if self.refuses and line != "hello":
            return 403, b"statement"
        with self.lock:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            said = self.process.stdout.readline().strip()
        if said == "no":
            return 400, b"request"
        answer = bytearray.fromhex(said)
        if self.lies and line != "hello":
            answer[-2] ^= 1
        return 200, bytes(answer)

    def end(self):
        self.server.shutdown()
        self.process.stdin.close()
        self.process.wait(10)


class Asking:
    """What an operator says, for one owner, verifier and chain."""

    def __init__(self, node, public, verifier, owner, chain_id=a.CHAIN_ID):
        self.out = t.TMP / f"attestation-{len(list(t.TMP.glob('attestation-*')))}"
        self.words = ("kms", "statement", "--members", node.members, "--public", public, "--threshold", 1,
                      "--lineage", LINEAGE, "--tee", "simulator", "--chain-id", chain_id, "--verifier",
                      verifier, "--owner", owner, "--valid", VALID_S, "--out", self.out)

    def but(self, **other):
        words = list(self.words)
        for option, value in other.items():
            words[words.index("--" + option.replace("_", "-")) + 1] = value
        return words


def statement(chain, node, service):
    public, payer, tracker = la.compressed(service.key), la.Payer(), la.Key(chain, "tracker")
    chain.set_balance(payer.address, 10 * k.ETHER)
    chain.mine()
    place = asked(*la.deploy_verifier(chain.url, payer, public, [LINEAGE]))
    asking = Asking(node, public, place["verifier"], tracker.address)
    before = int(time.time())
    text = good(*asking.words)
    after = int(time.time())
    t.check("it says who gave a share, what runs here and that it is simulated",
            all(word in text for word in ("node 1       gave a share", MEASUREMENT.hex(), "SIMULATED")), text)
    made = asking.out.read_bytes()
    expiry = int.from_bytes(made[80:88], "big")
    t.check("what it writes has lineage, measurement, expiry and a point",
            (len(made), made[:32].hex(), made[32:80]) == (216, LINEAGE, MEASUREMENT) and
            before + VALID_S <= expiry <= after + VALID_S and f"expires      {expiry}" in text, made.hex())
    again = run(*asking.words)
    t.check("a file that is there is not replaced", again.returncode == EXIT_IO and asking.out.name in again.stderr and
            asking.out.read_bytes() == made, again)

    def deploy(file):
        return ("ledger", "deploy", "--rpc", chain.url, "--key", tracker.path, "--factory",
                place["factory"], "--attestation", file)

    for name, other in (("another owner", {"owner": payer.address}), ("another chain", {"chain_id": 1}),
                        ("another verifier", {"verifier": place["factory"]})):
        out = t.TMP / name.replace(" ", "-")
        good(*asking.but(**other, out=out))
        fails(f"a statement for {name} opens no contract", EXIT_REFUSED, ["contract refuses", "attestation"],
              *deploy(out))
    opened = asked(*deploy(asking.out))
    state = k.Contract(chain, opened["contract"]).state()
    t.check("the one for this owner, verifier and chain does", state["owner"] == tracker.address, opened)
    return asking


def refused(node, asking):
    out = t.TMP / "nothing"

    def bad(name, code, words, **other):
        done = run(*asking.but(**{"out": out, **other}))
        t.check(name, done.returncode == code and all(word in done.stderr + done.stdout for word in words) and
                not out.exists(), done)

    before = len(node.asked)
    for option, value, words in (("tee", "sev", ["--tee"]), ("tee", "tdx", ["--collateral"]),
                                 ("chain_id", "x", ["--chain-id"]), ("valid", "0", ["--valid"]),
                                 ("valid", str(2 ** 32), ["--valid"]), ("owner", "0x12", ["owner"]),
                                 ("verifier", "x", ["verifier"]), ("lineage", "d4", ["--lineage"]),
                                 ("public", "93", ["--public"]), ("threshold", "x", ["--threshold"])):
        bad(f"--{option} {value} is refused", EXIT_USAGE, words, **{option: value})
    t.check("before anybody is asked", len(node.asked) == before)
    node.lies = True
    bad("a node that lies is seen, and nothing is written", EXIT_REFUSED, ["node 1       LIED"])
    node.lies, node.refuses = False, True
    bad("so is one that refuses, with its word", EXIT_REFUSED, ["gave no share (statement", "fewer than 1"])
    node.refuses = False
    bad("a node of another service is not asked for its share", EXIT_REFUSED, ["not authorised", "fewer than 1"],
        public=asking.other_public)
    node.end()
    node.server.server_close()
    bad("a node that is away is said to be", EXIT_IO, ["did not answer", "fewer than 1"])


def main():
    if a.fetch():
        helper = s.Helper()
        service, other = la.Service(helper), la.Service(helper)
        service.secret, other.secret = SECRET, "33" * 32
        service.key, other.key = (bytes.fromhex(x.sign(b"")["public"]) for x in (service, other))
        node = Believer()
        with a.Anvil() as chain:
            chain.mine(3)
            asking = statement(chain, node, service)
        asking.other_public = la.compressed(other.key)
        refused(node, asking)
    t.finish()


if __name__ == "__main__":
    main()
