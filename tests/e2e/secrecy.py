#!/usr/bin/env python3
# build: asan release
# timeout: 180
"""Keys stay where they belong: not in logs, answers, the store, core dumps or swap, and not in the
hands of another process of the same user. HTTPS with a certificate of the tracker's own."""
import base64
import hashlib
import hmac
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t
import signing as s

NOBODY = 65534


# ---- what there is to find ----

def hkdf(secret, info, length=32, salt=bytes(32)):
    key, out, block = hmac.digest(salt, secret, "sha256"), b"", b""
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes([len(out) // 32 + 1]), "sha256")
        out += block
    return out[:length]


def bls_key(secret, info):
    """KeyGen of draft-irtf-cfrg-bls-signature-05."""
    order = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001
    salt = hashlib.sha256(b"BLS-SIG-KEYGEN-SALT-").digest()
    wide = hkdf(secret + b"\0", info + b"\0\x30", 48, salt)
    return (int.from_bytes(wide, "big") % order).to_bytes(32, "big")


def secrets_of(daemon):
    """Name and bytes of all that is secret."""
    root = bytes.fromhex((daemon.data / "tracker.key").read_text().split()[-1])
    found = {"key_trk": root, "ledger owner": bls_key(root, b"pbts/ledger-owner/1"),
             "admin token": bytes.fromhex((daemon.data / "admin.token").read_text().strip())}
    for name in ("ethereum-writer", "passkey-root", "udp-token", "store", "tls"):
        found[name] = hkdf(root, f"pbts/{name}/1".encode())
    found["store index"] = hkdf(found["store"], b"pbts/store-index/1")
    iid = bytes.fromhex(daemon.get("/params").json()["iid"])
    found["passkey MAC"] = hmac.digest(found["passkey-root"], b"pbts/passkey-key/1" + iid, "sha256")
    return found


def forms_of(secret):
    """Bytes, digits, and base64 at each of its three places in a longer text."""
    yield secret
    yield secret[::-1]      # scalars in little-endian order
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            skip = -(-shift * 4 // 3)
            yield encode(bytes(shift) + secret)[skip + (1 if shift else 0):-4]


def finds(text, secret):
    return any(form in text for form in forms_of(secret))


# ---- a daemon whose process is looked at ----

class Watched(t.Daemon):
    """As an ordinary user when the tests run as root, with core dumps allowed by its parent."""

    def __init__(self, *flags, memlock=None, **options):
        super().__init__(*flags, **options)
        self.memlock = memlock

    def become(self):
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)   # a background job has it ignored
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        if self.memlock is not None:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (self.memlock, self.memlock))
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)

    def launch(self):
        if os.geteuid() == 0:
            os.chmod(t.TMP, 0o755)
            for path in (self.data, *self.data.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        command = [str(t.BIN / "pbts-tracker"), "--data", str(self.data), "--port", str(self.port),
                   "--listen", self.address, *self.flags]
        self.process = t.start(command, self.log, preexec_fn=self.become)

    def proc(self, name):
        return f"/proc/{self.process.pid}/{name}"

    def status(self, field):
        text = Path(self.proc("status")).read_text(encoding="ascii")
        return re.search(rf"^{field}:\s+(.*)$", text, re.MULTILINE)[1]


def can_be_nobody():
    """Whether an ordinary user can start the programs here."""
    if os.geteuid() != 0:
        return True
    done = subprocess.run([str(t.BIN / "pbts-tracker"), "--version"], user=NOBODY, group=NOBODY,
                          capture_output=True, check=False)
    return done.returncode == 0


def read_as_its_user(path):
    """What another process of the same user gets: "" or the error."""
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(["head", "-c", "0", path], capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C"}, **who)
    return done.stderr.strip().rsplit(": ", 1)[-1]


def process(daemon):
    locked_kb = int(daemon.status("VmLck").split()[0])
    t.check("memory with keys is locked", 4 <= locked_kb <= 256, locked_kb)
    t.check("no warning of unlocked keys", "keys_not_locked" not in daemon.text())
    t.check("its files in /proc belong to root: it is not dumpable",
            os.stat(daemon.proc("environ")).st_uid == 0 and
            int(daemon.status("Uid").split()[0]) != 0)
    for name in ("mem", "environ", "maps"):
        got = read_as_its_user(daemon.proc(name))
        t.check(f"another process of its user may not read its {name}", got == "Permission denied", got)
    limits = Path(daemon.proc("limits")).read_text(encoding="ascii")
    t.check("core files have no length", re.search(r"core file size\s+0\s+0\s", limits), limits)


def abort(daemon):
    """What would dump a core dumps none."""
    pid = daemon.process.pid
    os.kill(pid, signal.SIGQUIT)
    how = os.waitpid(pid, 0)[1]
    daemon.process.returncode = -signal.SIGQUIT
    t.check("SIGQUIT ends it, without a core",
            os.WIFSIGNALED(how) and os.WTERMSIG(how) == signal.SIGQUIT and not os.WCOREDUMP(how), how)


def unlocked():
    """Where nothing may be locked the tracker says so once, and runs."""
    daemon = Watched(memlock=0, name="unlocked")
    with daemon:
        t.check("without locked memory it runs all the same", daemon.get("/health").status == 200)
        t.check("and warns once", daemon.text().count("keys_not_locked") == 1, daemon.text())
        t.check("nothing is locked then", int(daemon.status("VmLck").split()[0]) == 0)


# ---- what leaves the process ----

def use(daemon):
    """A bit of everything; all answers as bytes, and the passkeys that they may name."""
    helper = s.Helper()
    alice, bob = (s.Signer(helper, daemon, uid) for uid in ("alice-the-first", "bob-the-second"))
    torrent = s.Torrent("a-telling-torrent-name")
    alice.add_torrent(torrent)
    answers = [daemon.post("/register", {"user_id": "x"})]
    answers.append(alice.report([bob.cumulative(alice, torrent, range(5))]))
    answers.append(daemon.post("/config", {"log_level": "debug"}, headers=daemon.admin()))
    answers.append(daemon.get("/config", headers={"Authorization": "Bearer " + "0" * 64}))
    for path in ("/", "/params", "/health", "/metrics", "/contract/status", "/user/alice-the-first",
                 "/config", "/torrents", "/announce/wrong"):
        answers.append(daemon.get(path, headers=daemon.admin()))
        answers.append(daemon.get(path))
    helper.close()
    return b"\n".join(a.body + str(a.headers).encode() for a in answers)


def spread(daemon):
    answers = use(daemon)
    secrets = secrets_of(daemon)
    t.check("the scan finds what is there", all(
        finds(b"xy" + form, secret) for secret in secrets.values() for form in (
            secret, secret.hex().encode(), base64.b64encode(b"12" + secret), base64.b64encode(
                secret + b"3"))))
    daemon.stop()
    log = daemon.log.read_bytes()
    store = b"".join(x.read_bytes() for x in (daemon.data / "store").iterdir())
    for name, secret in secrets.items():
        t.check(f"{name} is in no log", not finds(log, secret))
        t.check(f"{name} is in no answer", not finds(answers, secret))
        t.check(f"{name} is not in the store", not finds(store, secret))
    return store


def at_rest(store):
    """Names, titles and files; what is public is there, so the scan can find."""
    t.check("the store's file was read", b"tracker/keys" in store and len(store) > 100000)
    for text in (b"alice-the-first", b"bob-the-second", b"a-telling-torrent-name"):
        t.check(f"{text.decode()} is sealed in the store", text not in store)


# ---- the administrator's token as a hash ----

def token_hash():
    token = "5e" * 32
    daemon = t.Daemon("--admin-token-hash", hashlib.sha256(token.encode()).hexdigest(), name="hash")
    with daemon:
        right, wrong = ({"Authorization": "Bearer " + x} for x in (token, "5f" * 32))
        t.check("the token of the hash administers", daemon.get("/config", headers=right).status == 200)
        t.check("another does not", daemon.get("/config", headers=wrong).status == 401)
        t.check("the hash itself neither", daemon.get("/config", headers={
            "Authorization": "Bearer " + hashlib.sha256(token.encode()).hexdigest()}).status == 401)
        t.check("and no token is kept", not (daemon.data / "admin.token").exists())


# ---- HTTPS without a certificate ----

def pin_of(port):
    """SHA-256 of the server's key, in base64, as curl --pinnedpubkey has it."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    with made.wrap_socket(socket.create_connection(("127.0.0.1", port), 10)) as client:
        der = client.getpeercert(binary_form=True)
    pem = subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-pubkey"], input=der,
                         capture_output=True, check=True).stdout
    key = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=pem,
                         capture_output=True, check=True).stdout
    return base64.b64encode(hashlib.sha256(key).digest()).decode(), ssl.DER_cert_to_PEM_cert(der)


def self_signed():
    daemon = t.Daemon("--https-port", str(t.free_port()), name="tls")
    port = int(daemon.flags[1])
    with daemon:
        pin, certificate = pin_of(port)
        t.check("the log names the pin", f"pin_sha256=\"{pin}\"" in daemon.text(), daemon.text())
        ca = t.TMP / "own.pem"
        ca.write_text(certificate)
        strict = ssl.create_default_context(cafile=ca)
        with strict.wrap_socket(socket.create_connection(("127.0.0.1", port), 10),
                                server_hostname="127.0.0.1") as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            t.check("who trusts the certificate finds its address in it",
                    client.recv(4096).startswith(b"HTTP/1.1 200"))
        for want, pinned in ((0, pin), (90, base64.b64encode(bytes(32)).decode())):
            done = subprocess.run(["curl", "-sk", "--pinnedpubkey", f"sha256//{pinned}",
                                   f"https://127.0.0.1:{port}/health"], capture_output=True, check=False)
            t.check(f"curl with {'its' if want == 0 else 'another'} pin ends with {want}",
                    done.returncode == want, done)
        daemon.stop()
        daemon.start()
        again, other = pin_of(port)
        t.check("after a restart the key is the same", again == pin)
        t.check("and the certificate a new one", other != certificate)
    with t.Daemon("--https-port", str(port), name="tls2"):
        t.check("another tracker has another key", pin_of(port)[0] != pin)


def main():
    if can_be_nobody():
        daemon = Watched("--log-level", "debug", name="watched").start()
        process(daemon)
        at_rest(spread(daemon))
        daemon.start()
        abort(daemon)
        unlocked()
    else:
        t.skip("what an ordinary user's process shows", "its programs cannot be started by one here")
        at_rest(spread(t.Daemon("--log-level", "debug", name="plain").start()))
    token_hash()
    self_signed()
    t.finish()


if __name__ == "__main__":
    main()
