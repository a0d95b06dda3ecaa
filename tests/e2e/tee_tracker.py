#!/usr/bin/env python3
# build: asan tsan release
# timeout: 240
"""A tracker's attestation: what it is bound to, who may ask how often, what faults of the TEE become,
and that announces never wait for it."""
import base64
import errno
import hashlib
import os
import secrets
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
from commands import EXIT_OK, EXIT_REFUSED, run  # noqa: E402
from fake_dstack import EVENT_LOG, FakeDstack  # noqa: E402
from fake_tsm import FakeTsm, sev_report  # noqa: E402
from rest import refused  # noqa: E402

TD_REPORT_DATA = 48 + 520       # of a quote of version 4
PER_MINUTE = 10
ROOT = Path(__file__).resolve().parents[2]


def nonce():
    return secrets.token_hex(32)


def generate(daemon, value=None, **options):
    return daemon.post("/generate-attestation", {"nonce": value or nonce()}, **options)


def bound(said):
    """The report_data that an answer should have, from docs/tee.md."""
    return hashlib.sha512(b"pbts-tracker-v1" + bytes.fromhex(said["iid"]) +
                          bytes.fromhex(said["owner"].removeprefix("0x")) +
                          base64.b64decode(said["tracker_key"]) +
                          bytes.fromhex(said["nonce"])).digest()


def simulated(report_data):
    out = t.TMP / f"quote-{secrets.token_hex(8)}"
    done = run("tee", "generate", "--tee", "simulator", "--out", out, "--report-data",
               report_data.hex())
    return out.read_bytes() if done.returncode == 0 else b""


# ---- without a TEE ----

def none():
    with t.Daemon(name="none") as daemon:
        said = daemon.get("/tee/status").json()
        t.check("without a TEE it says so", said["tee"] == "none" and said["enabled"] is False and
                said["simulated"] is False, said)
        refused("and makes no evidence", generate(daemon), 501, "NO_TEE")
        refused("and verifies none", daemon.post("/verify-attestation", {}), 501, "NO_COLLATERAL")
        t.check("/params has no attestation", daemon.get("/params").json()["attestation"] is None)
        t.check("metrics say none", b'pbts_tee_info{tee="none",simulated="no"} 1' in
                daemon.get("/metrics").body)
        t.check("nothing is called simulated", b"SIMULATED" not in daemon.get("/").body)


def configuration():
    for flags, words in ((("--tee", "tpm"), "none, tdx, sev, dstack or simulator"),
                         (("--tee-collateral", "/x"), "need each other"),
                         (("--tee-policy", "/x"), "need each other"),
                         (("--tee", "simulator", "--tee-collateral", "/x"), "of its own"),
                         (("--tee", "simulator", "--tee-policy", "/nowhere"), "/nowhere"),
                         (("--tee-policy", "/x", "--tee-collateral", "/nowhere"), "/nowhere")):
        daemon = t.Daemon(*flags, name="wrong")
        daemon.launch()
        code = daemon.process.wait(timeout=30)
        t.check(f"{' '.join(flags)} does not start", code != 0 and words in daemon.text(),
                (code, daemon.text()[-500:]))


# ---- the simulator ----

def shown(daemon):
    """A simulated TEE is called so wherever it is mentioned."""
    said = daemon.get("/tee/status").json()
    t.check("/tee/status says SIMULATED", said["simulated"] is True and said["tee"] == "simulator"
            and "SIMULATED" in said["warning"], said)
    said = daemon.get("/params").json()["attestation"]
    t.check("/params says SIMULATED", said["simulated"] is True and "SIMULATED" in said["warning"],
            said)
    t.check("the status page says SIMULATED", b"SIMULATED TEE" in daemon.get("/").body)
    t.check("metrics say SIMULATED", b'pbts_tee_info{tee="simulator",simulated="SIMULATED"} 1' in
            daemon.get("/metrics").body)
    t.check("the log says SIMULATED", "SIMULATED=yes" in daemon.text() and
            "the TEE is SIMULATED" in daemon.text(), daemon.text())


def evidence(daemon):
    value = nonce()
    answer = generate(daemon, value)
    said, params = answer.json(), daemon.get("/params").json()
    quote = base64.b64decode(said["quote"])
    t.check("evidence comes with its nonce, marked", answer.status == 200 and
            said["nonce"] == value and said["simulated"] is True and "SIMULATED" in said["warning"]
            and said["format"] == "tdx-quote" and said["event_log"] is None, said)
    t.check("it is bound to instance, owner, key and nonce", said["report_data"] ==
            bound(said).hex() and quote[TD_REPORT_DATA:TD_REPORT_DATA + 64] == bound(said), said)
    t.check("of this tracker", said["iid"] == params["iid"] and said["tracker_key"] ==
            params["tracker_key"] and said["owner"] == "0x" + "00" * 20, said)
    t.check("no cache keeps it", answer.headers["Cache-Control"] == "no-store")
    again = generate(daemon, value).json()
    t.check("asked again, it is made again", again["quote"] != said["quote"] and
            again["report_data"] == said["report_data"])
    by_hand(said, quote)
    return said


def by_hand(said, quote):
    """Who asks verifies it by itself."""
    path, nothing = t.TMP / "quote.bin", t.TMP / "empty.policy"
    path.write_bytes(quote)
    nothing.write_text("measurement = any any any any any\n")
    words = ["--iid", said["iid"], "--tracker-key", said["tracker_key"], "--nonce"]
    done = run("tee", "verify", path, "--simulator", *words, said["nonce"])
    t.check("pbts tee verify agrees", done.returncode == EXIT_OK and "SIMULATED" in done.stdout, done)
    done = run("tee", "verify", path, "--simulator", *words, nonce())
    t.check("not with another nonce", done.returncode == EXIT_REFUSED and
            "(report-data)" in done.stderr, done)


def verdicts(daemon, said):
    def verify(**changes):
        body = {"quote": said["quote"], "nonce": said["nonce"], **changes}
        return daemon.post("/verify-attestation", body)
    answer = verify().json()
    t.check("the tracker accepts its own evidence, marked", answer["valid"] is True and
            answer["reason"] == "accepted" and answer["simulated"] is True and
            "SIMULATED" in answer["warning"], answer)
    answer = verify(iid=said["iid"], owner=said["owner"], tracker_key=said["tracker_key"]).json()
    t.check("also when it is told what it is bound to", answer["valid"] is True, answer)
    key = bytearray(base64.b64decode(said["tracker_key"]))
    key[5] ^= 1
    for name, value in (("nonce", nonce()), ("iid", "00" * 32), ("owner", "0x" + "01" * 20),
                        ("tracker_key", base64.b64encode(key).decode())):
        answer = verify(**{name: value}).json()
        t.check(f"evidence for another {name} is refused", answer["valid"] is False and
                answer["reason"] == "report-data" and answer["step"] == 9, answer)
    quote = bytearray(base64.b64decode(said["quote"]))
    quote[200] ^= 1
    answer = verify(quote=base64.b64encode(quote).decode()).json()
    t.check("changed evidence is refused", answer["valid"] is False and
            answer["reason"] == "quote-signature", answer)
    answer = verify(quote=base64.b64encode(sev_report(bytes(64))).decode()).json()
    t.check("so is what is no quote", answer["valid"] is False and answer["step"] == 0, answer)
    for changes in ({"quote": 5}, {"quote": "%%"}, {"nonce": None}, {"nonce": "00"}, {"iid": "x"},
                    {"owner": 7}, {"tracker_key": "AAAA"}, {"tracker_key": None}):
        refused(f"{changes} is no request", verify(**changes), 400, "MALFORMED")
    text = daemon.get("/metrics").body
    t.check("verdicts are counted", b'pbts_tee_verifications_total{verdict="ACCEPTED"} 2' in text
            and b'pbts_tee_verifications_total{verdict="REFUSED"} 6' in text and
            b'pbts_tee_attestations_total{result="OK"} 2' in text, text[-3000:])


def malformed(daemon):
    for body in ({}, {"nonce": 5}, {"nonce": ""}, {"nonce": "00" * 31}, {"nonce": "00" * 33},
                 {"nonce": "zz" * 32}):
        refused(f"{body} has no nonce", daemon.post("/generate-attestation", body), 400, "MALFORMED")
    refused("no JSON is refused", daemon.post("/generate-attestation", b"x"), 400, "MALFORMED")
    t.check("other methods are refused", daemon.get("/generate-attestation").status == 405 and
            daemon.get("/tee/other").status == 404)


def frequency(daemon):
    def ask(address):
        return generate(daemon, headers={"X-Forwarded-For": address})
    begun = time.monotonic()
    codes = [ask("203.0.113.5").status for _ in range(PER_MINUTE)]
    t.check("an address has evidence ten times a minute", codes == [200] * PER_MINUTE, codes)
    while (answer := ask("203.0.113.5")).status == 200 and \
            len(codes) < PER_MINUTE + (time.monotonic() - begun) * PER_MINUTE / 60:
        codes.append(200)   # on a slow machine one more came back meanwhile
    refused("then it is too often", answer, 429, "TOO_OFTEN")
    t.check("and it is told when", 0 < int(answer.headers["Retry-After"]) <= 6 and
            "evidence" in answer.json()["error"], answer)
    t.check("another address is not touched", ask("203.0.113.6").status == 200)
    refused("a bad request costs nothing of it", daemon.post(
        "/generate-attestation", {}, headers={"X-Forwarded-For": "203.0.113.5"}), 400, "MALFORMED")


def simulator():
    with t.Daemon("--tee", "simulator", "--trusted-proxies", "127.0.0.1", name="sim") as daemon:
        shown(daemon)
        said = evidence(daemon)
        verdicts(daemon, said)
        malformed(daemon)
        frequency(daemon)
        policy(said)


def policy(said):
    """A policy of one's own holds instead of the simulator's, and is read again."""
    path = t.TMP / "own.policy"
    path.write_text("allow_debug = yes\nmeasurement = any any any any any\n")
    with t.Daemon("--tee", "simulator", "--tee-policy", str(path), name="policy") as daemon:
        body = {"quote": said["quote"], "nonce": said["nonce"], "iid": said["iid"],
                "tracker_key": said["tracker_key"]}
        answer = daemon.post("/verify-attestation", body).json()
        t.check("evidence of another instance is accepted for that instance", answer["valid"], answer)
        path.write_text("measurement = any any any any any\n")
        hang_up(daemon, "reloaded")
        answer = daemon.post("/verify-attestation", body).json()
        t.check("SIGHUP brings the new policy", answer["reason"] == "debug", answer)
        path.write_text("nonsense\n")
        hang_up(daemon, "tee_failed")
        answer = daemon.post("/verify-attestation", body).json()
        t.check("a bad one does not take its place", answer["reason"] == "debug", answer)


def hang_up(daemon, event):
    before = daemon.text().count(event)
    daemon.process.send_signal(1)
    t.wait_until(lambda: daemon.text().count(event) > before, 10)


# ---- dstack ----

def dstack():
    path = t.TMP / "agent.sock"
    with FakeDstack(path, simulated) as agent, t.Daemon("--tee", "dstack", "--tee-path", str(path),
                                                        name="dstack") as daemon:
        said = generate(daemon).json()
        t.check("dstack's quote is bound too, with its event log", said["report_data"] ==
                bound(said).hex() and said["event_log"] == EVENT_LOG and said["tee"] == "dstack" and
                said["simulated"] is False, said)
        said = daemon.get("/tee/status").json()
        t.check("the application is shown", said["dstack"]["compose_hash"] == "cc" * 32 and
                said["made"] == 1 and said["failed"] == 0 and said["problem"] == "", said)
        agent.mode = "other"
        refused("evidence for something else is none", generate(daemon), 502, "TEE_FAILED")
        said = daemon.get("/tee/status").json()
        t.check("and its problem is shown", said["failed"] == 1 and "report_data" in said["problem"],
                said)
        t.check("and logged", "attestation_failed" in daemon.text())
        waits(daemon, agent)


def waits(daemon, agent):
    """An agent that hangs holds up nobody who wants something else, and the queue is short."""
    agent.mode = "hangs"
    codes, lock = [], threading.Lock()

    def ask():
        status = generate(daemon).status
        with lock:
            codes.append(status)
    asking = [threading.Thread(target=ask) for _ in range(40)]
    for thread in asking:
        thread.start()
    t.wait_until(lambda: 503 in codes, 20)
    slowest = 0.0
    for path in ["/announce", "/health", "/params", "/tee/status"] * 25:
        begun = time.monotonic()
        daemon.get(path)
        slowest = max(slowest, time.monotonic() - begun)
    t.check("announces and others do not wait for the TEE", slowest < 5.0, slowest)
    t.check("who finds the queue full is told at once", 1 <= codes.count(503) < 40 and
            set(codes) == {503}, codes)
    begun = time.monotonic()
    code = daemon.stop()
    for thread in asking:
        thread.join(30)
    t.check("a stop ends what hangs, and all are answered", code == 0 and
            time.monotonic() - begun < 20 and codes == [503] * 40, (code, codes))
    agent.mode = ""


# ---- configfs-tsm ----

def kernel():
    try:
        tsm = FakeTsm(t.TMP / "tsm", "sev_guest", sev_report)
    except OSError as error:
        t.skip("a tracker with configfs-tsm", f"no file system can be mounted here ({error})")
        return
    with tsm, t.Daemon("--tee", "sev", "--tee-path", str(tsm.path), name="sev") as daemon:
        said = generate(daemon).json()
        t.check("SEV-SNP reports are bound", said["format"] == "sev-snp-report" and
                base64.b64decode(said["quote"]) == sev_report(bound(said)), said)
        tsm.faults = {("read", "outblob"): [errno.EBUSY, errno.EINTR, errno.ETIMEDOUT]}
        t.check("what passes is waited for", generate(daemon).status == 200)
        tsm.faults = {("read", "outblob"): [errno.ENXIO]}
        refused("a driver that is gone is no evidence", generate(daemon), 502, "TEE_FAILED")
        t.check("no folder is left", not tsm.entries, tsm.entries)
        tsm.delay = {"outblob": 60}
        answers = []
        thread = threading.Thread(target=lambda: answers.append(generate(daemon).status))
        thread.start()
        t.wait_until(lambda: "outblob" in tsm.held, 20)
        begun = time.monotonic()
        code = daemon.stop()
        thread.join(30)
        t.check("a stop interrupts a read that the kernel holds", code == 0 and answers == [503] and
                time.monotonic() - begun < 20 and "outblob" in tsm.interrupted, (code, answers))
        t.check("and leaves no folder", not tsm.entries, tsm.entries)


# ---- genuine evidence ----

def genuine():
    data = Path(os.environ.get("PBTS_TEST_DATA", ROOT.parent / "shared" / "data"))
    folder = data / "tdx" / "sets" / "v4-phala-2025-06"
    if not folder.is_dir():
        t.skip("a tracker that verifies genuine evidence", f"{folder} is missing")
        return
    path = t.TMP / "any.policy"
    path.write_text("measurement = any any any any any\n")
    with t.Daemon("--tee-collateral", str(folder), "--tee-policy", str(path), name="real") as daemon:
        def verify(quote):
            return daemon.post("/verify-attestation", {
                "quote": base64.b64encode(quote).decode(), "nonce": nonce()}).json()
        answer = verify((folder / "quote.bin").read_bytes())
        t.check("genuine evidence is too old by now", answer["valid"] is False and
                answer["reason"].endswith("-date"), answer)
        answer = verify(simulated(bytes(64)))
        t.check("a real verifier refuses the simulator", answer["valid"] is False and
                answer["reason"] == "quote-vendor" and answer["simulated"] is False, answer)


def main():
    none()
    configuration()
    simulator()
    dstack()
    kernel()
    genuine()


if __name__ == "__main__":
    main()
    t.finish()
