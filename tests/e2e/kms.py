#!/usr/bin/env python3
# build: asan tsan
# timeout: 240
"""Five nodes of the key service as processes: key generation that is killed and goes on, a refresh, a
tracker's client that gets the same key from any three, and who gets nothing."""
import os
import re
import resource
import signal
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
from commands import EXIT_IO, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, run  # noqa: E402

NODES, THRESHOLD = 5, 3
LINEAGE, PINNED, REAL = "a1" * 32, "b2" * 32, "c3" * 32
POLICY = "measurement = any any any any any\nkms_generation_max = 1\n"


def kms(*arguments):
    done = subprocess.run([str(t.BIN / "pbts-kms"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    if any(word in done.stdout + done.stderr for word in ("Sanitizer", "runtime error")):
        t.check(f"pbts-kms {arguments[0]} has no accident", False, done)
    return done


def free_ports(count):
    """Different ones."""
    ports = set()
    while len(ports) < count:
        ports.add(t.free_port())
    return sorted(ports)


class Node:
    def __init__(self, number, port):
        self.number, self.port = number, port
        self.data = t.TMP / f"kms{number}"
        self.log = t.TMP / f"kms{number}.log"
        self.process = None

    def init(self):
        done = kms("init", "--data", self.data, "--url", f"https://127.0.0.1:{self.port}")
        if done.returncode != EXIT_OK:
            t.check("pbts-kms init", False, done)
        return f"{self.number} {done.stdout}"

    def start(self, *more, **options):
        self.process = t.start([str(t.BIN / "pbts-kms"), "run", "--data", str(self.data), "--listen",
                                "127.0.0.1", "--port", str(self.port), "--threshold", str(THRESHOLD),
                                "--poll_ms", "100", "--phase_s", "20", "--commit_s", "40",
                                "--pause_s", "0", "--requests_per_minute", "100000", *more], self.log,
                               **options)
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)

    def status(self):
        done = kms("status", "--data", self.data)
        return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)

    def epoch(self):
        return int(self.status().get("epoch", -1))

    def text(self):
        return self.log.read_text()


def post(port, path, body=b"", certificate=None):
    """Over TLS, with the certificate of a folder, or none; status and text."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context.wrap_socket(plain) as tls:
            tls.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = b""
            while True:
                try:
                    part = tls.recv(65536)
                except (ssl.SSLError, ConnectionError):
                    break
                if not part:
                    break
                answer += part
    head, _, text = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), text


def set_up():
    nodes = [Node(i + 1, port) for i, port in enumerate(free_ports(NODES))]
    members = "".join(node.init() for node in nodes)
    for node in nodes:
        (node.data / "members").write_text(members)
    modes = [stat.S_IMODE((nodes[0].data / name).stat().st_mode)
             for name in ("identity.key", "seal.key", "tls.key")]
    t.check("secrets are files that nobody else may read", modes == [0o600] * 3, modes)
    again = kms("init", "--data", nodes[0].data, "--url", "https://127.0.0.1:1")
    t.check("init does not touch a node that is there", again.returncode == EXIT_IO and
            (nodes[0].data / "members").read_text() == members, again)
    return nodes


def allow(nodes):
    policy = t.TMP / "any.policy"
    for node in nodes:
        for lineage, more in ((LINEAGE, "kms_simulated = yes\n"), (REAL, ""),
                              (PINNED, "kms_simulated = yes\nkms_mode = pinned\n")):
            policy.write_text(POLICY + more)
            done = kms("allow", lineage, policy, "--data", node.data)
            if done.returncode != EXIT_OK:
                t.check("pbts-kms allow", False, done)
    policy.write_text(POLICY + "kms_mode = open\n")
    done = kms("allow", LINEAGE, policy, "--data", nodes[0].data)
    t.check("a wrong policy is shown with its line and not installed", done.returncode == EXIT_USAGE and
            "line 3: kms_mode: should be gate or pinned" in done.stderr and kms("allow", "--data", nodes[0].data).stdout.count("\n") == 3, done)


def mistakes():
    """What an operator gets wrong is named."""
    file = t.TMP / "a-file"
    file.write_text("x")
    done = kms("init", "--data", file, "--url", "https://x:1")
    t.check("a node's folder that is a file is named", done.returncode == EXIT_IO and
            f"{file}: Not a directory" in done.stderr, done)
    done = kms("allow", "--data", t.TMP / "nowhere")
    t.check("a node's folder that is not there is named", done.returncode == EXIT_IO and
            "nowhere: No such file" in done.stderr, done)
    data = t.TMP / "mistaken"
    data.mkdir()
    (data / "lineages").write_text("x")
    done = kms("allow", "--data", data)
    t.check("lineages that are no folder are not taken for none", done.returncode == EXIT_IO and
            "lineages: Not a directory" in done.stderr, done)


def wait_epoch(nodes, epoch, seconds=100):
    return t.wait_until(lambda: all(node.epoch() == epoch for node in nodes), seconds, 0.2)


def generate(nodes):
    """Key generation; a node is killed in the middle of it, twice."""
    for node in nodes[:4]:
        node.start("--allow_simulator", "yes")
    t.wait_until(lambda: all(node.epoch() == 0 for node in nodes[:4]), 30)
    done = kms("dkg", "--data", nodes[0].data)
    t.check("key generation begins", done.returncode == EXIT_OK, done)
    t.wait_until(lambda: (nodes[1].data / "journal.sealed").exists(), 30)
    t.check("without the fifth node there is no key", all(n.epoch() == 0 for n in nodes[:4]))
    nodes[1].kill()
    nodes[4].start("--allow_simulator", "yes")
    nodes[1].start("--allow_simulator", "yes")
    t.wait_until(lambda: nodes[4].status().get("ceremony") == "running" or nodes[4].epoch() == 1, 60)
    nodes[4].kill()
    nodes[4].start("--allow_simulator", "yes")
    t.check("nodes that were killed in between go on and all have a share", wait_epoch(nodes, 1),
            [node.status() for node in nodes])
    keys = {node.status().get("public") for node in nodes}
    t.check("all know the same public key", len(keys) == 1 and None not in keys, keys)
    done = kms("dkg", "--data", nodes[2].data)
    t.check("a second key generation is refused", done.returncode == EXIT_REFUSED and
            "EXISTS" in done.stderr, done)
    return keys.pop()


class Client:
    def __init__(self, nodes, public):
        self.members, self.public = nodes[0].data / "members", public

    def ask(self, *more, lineage=LINEAGE, simulate=True):
        return run("kms", "key", "--members", self.members, "--public", self.public, "--threshold",
                   THRESHOLD, "--lineage", lineage, *(["--simulate"] if simulate else []), *more)

    def fingerprint(self, *more, lineage=LINEAGE):
        done = self.ask(*more, lineage=lineage)
        found = re.search(r"^fingerprint  (\w{64})$", done.stdout, re.M)
        if not found:
            t.check("a key is given", False, (done.stdout, done.stderr))
        return found and found[1]


def keys_of_lineages(client):
    first = client.fingerprint()
    t.check("the same key each time", first is not None and client.fingerprint() == first)
    others = {client.fingerprint("--generation", 1), client.fingerprint("--pinned", lineage=PINNED)}
    t.check("other keys of another generation and lineage", len(others | {first}) == 3, others)
    out = t.TMP / "key_trk"
    done = client.ask("--out", out)
    t.check("the key is written for its owner only and never shown", done.returncode == EXIT_OK and
            stat.S_IMODE(out.stat().st_mode) == 0o600 and
            out.read_text().strip() not in done.stdout, done)
    return first


def nothing_for(client, *more, lineage=LINEAGE, why):
    done = client.ask(*more, lineage=lineage)
    t.check(f"nothing is given: {why}", done.returncode == EXIT_REFUSED and why in done.stdout and
            "fingerprint" not in done.stdout, (done.stdout, done.stderr))


def refused(client):
    nothing_for(client, lineage=REAL, why="simulated")
    nothing_for(client, lineage="00" * 32, why="lineage")
    nothing_for(client, "--generation", 2, why="generation")
    nothing_for(client, "--pinned", why="mode")
    done = client.ask(simulate=False)
    t.check("without --simulate the client has no evidence", done.returncode == EXIT_USAGE, done)


def no_statement(client):
    """For the chain: the simulator gets none, though it gets keys here."""
    out = t.TMP / "attestation"
    done = run("kms", "statement", "--members", client.members, "--public", client.public, "--threshold",
               THRESHOLD, "--lineage", LINEAGE, "--tee", "simulator", "--chain-id", 1, "--verifier",
               "0x" + "11" * 20, "--owner", "0x" + "22" * 20, "--out", out)
    t.check("no node vouches for a simulated guest", done.returncode == EXIT_REFUSED and
            done.stdout.count("gave no share (statement)") == NODES and not out.exists(), done)


def strangers(nodes):
    question = b"d1:ei0e1:h0:e"
    status, text = post(nodes[0].port, "/kms/v1/gossip", question)
    t.check("who shows no certificate hears no gossip", status == 403 and b"stranger" in text,
            (status, text))
    stranger = t.TMP / "stranger"
    kms("init", "--data", stranger, "--url", "https://127.0.0.1:1")
    status, text = post(nodes[0].port, "/kms/v1/gossip", question, stranger)
    t.check("nor does who shows another's", status == 403 and b"stranger" in text, (status, text))
    status, text = post(nodes[0].port, "/kms/v1/gossip", question, nodes[1].data)
    t.check("a node does", status == 200 and text.startswith(b"d1:ei1e1:ml"), (status, text[:80]))
    status, text = post(nodes[0].port, "/kms/v1/request", b"d1:a3:xyze")
    t.check("a request that cannot be read is refused", status == 400 and b"request" in text,
            (status, text))
    status, _ = post(nodes[0].port, "/kms/v1/hello", b"x")
    t.check("a body that is too long is refused", status == 400, status)


def two_die(nodes, client, first):
    nodes[0].kill()
    nodes[3].kill()
    t.check("with two nodes killed a tracker gets the same key", client.fingerprint() == first)
    nodes[2].kill()
    done = client.ask("--timeout", 5)
    t.check("with three killed nobody gets any", done.returncode == EXIT_IO, (done.stdout, done.stderr))
    done = client.ask("--timeout", 61)
    t.check("nobody is waited for until the nonces of others end", done.returncode == EXIT_USAGE and
            "1 to 60 seconds" in done.stderr, done)
    for i in (0, 2, 3):
        nodes[i].start("--allow_simulator", "yes")
    t.check("they come back with their shares", wait_epoch(nodes, 1))
    t.check("and give the same key", client.fingerprint() == first)


def refresh(nodes, client, first):
    shares = [(node.data / "share.sealed").read_bytes() for node in nodes]
    done = kms("refresh", "--data", nodes[1].data)
    t.check("a refresh begins", done.returncode == EXIT_OK, done)
    t.wait_until(lambda: (nodes[3].data / "journal.sealed").exists() or nodes[3].epoch() == 2, 30, 0.02)
    nodes[3].kill()
    nodes[3].start("--allow_simulator", "yes")
    t.check("it ends although a node is killed in between", wait_epoch(nodes, 2),
            [node.status() for node in nodes])
    t.check("every share is another one", all((node.data / "share.sealed").read_bytes() != old
                                              for node, old in zip(nodes, shares)))
    t.check("the public key is the same", {node.status()["public"] for node in nodes} == {client.public})
    t.check("a tracker's key is the same", client.fingerprint() == first)
    t.check("no seed is kept", not any((node.data / "journal.sealed").exists() for node in nodes))


def not_allowed(nodes, client):
    """The simulator at nodes that were not told to let it through."""
    for node in nodes[:3]:
        node.stop()
        node.start()
    wait_epoch(nodes, 2)
    done = client.ask()
    t.check("the simulator gets nothing where it is not allowed", done.returncode == EXIT_REFUSED and
            "quote-vendor" in done.stdout, (done.stdout, done.stderr))


def secrets_stay_inside(nodes):
    secrets = [(node.data / name).read_text().strip() for node in nodes
               for name in ("identity.key", "seal.key")]
    secrets.append((t.TMP / "key_trk").read_text().strip())
    logs = "".join(node.text() for node in nodes)
    t.check("no secret is in a log", not any(secret in logs for secret in secrets))
    t.check("simulated evidence is called that", "SIMULATED" in logs and
            "SIMULATED" in str(nodes[4].status()))


def leaves_core(process):
    """Abort it; whether the kernel dumped its memory."""
    process.send_signal(signal.SIGABRT)
    _, how = os.waitpid(process.pid, 0)
    process.returncode = -signal.SIGABRT
    return os.WIFSIGNALED(how) and os.WCOREDUMP(how)


def no_core(node):
    """With the limit on cores lifted for both. The sanitizers set it to 0 by themselves."""
    def lift():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        other = subprocess.Popen(["sleep", "60"], cwd=t.TMP, preexec_fn=lift)
    except subprocess.SubprocessError:
        return t.skip("no core of a node", "the limit on cores cannot be lifted")
    if not leaves_core(other):
        return t.skip("no core of a node", "nothing leaves a core on this machine")
    node.stop()
    node.start(cwd=t.TMP, preexec_fn=lift)
    t.wait_until(lambda: node.epoch() == 2, 30)
    t.check("a node that is aborted leaves no core", not leaves_core(node.process))


def main():
    nodes = set_up()
    allow(nodes)
    mistakes()
    client = Client(nodes, generate(nodes))
    first = keys_of_lineages(client)
    refused(client)
    no_statement(client)
    strangers(nodes)
    two_die(nodes, client, first)
    refresh(nodes, client, first)
    secrets_stay_inside(nodes)
    not_allowed(nodes, client)
    no_core(nodes[4])
    codes = [node.stop() for node in nodes[:4]]
    t.check("all stop in order", codes == [0] * 4, codes)
    for node in nodes:
        if "Sanitizer" in node.text() or "runtime error" in node.text():
            t.check(f"node {node.number} has no accident", False, node.text()[-3000:])


if __name__ == "__main__":
    main()
    t.finish()
