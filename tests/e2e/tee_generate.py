#!/usr/bin/env python3
# build: asan
# timeout: 240
"""`pbts tee generate` against a configfs-tsm and a guest agent that fail in every way they can: evidence
is the one that was asked for, or there is none, and nothing is left behind."""
import errno
import json
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
from commands import EXIT_IO, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, run  # noqa: E402
from fake_dstack import EVENT_LOG, FakeDstack  # noqa: E402
from fake_tsm import FakeTsm, sev_report  # noqa: E402

TD_REPORT_DATA = 48 + 520       # of a quote of version 4
_made = 0


def place(name):
    """A path that nothing has yet."""
    global _made
    _made += 1
    return t.TMP / f"{name}-{_made}"


def generate(tee, path, *more, report_data=None, out=None):
    report_data = report_data or secrets.token_bytes(64)
    out = out or place("evidence")
    begun = time.monotonic()
    done = run("tee", "generate", "--tee", tee, "--out", str(out), "--report-data",
               report_data.hex(), *(("--path", str(path)) if path else ()), *more)
    done.seconds, done.report_data = time.monotonic() - begun, report_data
    done.evidence = out.read_bytes() if out.exists() else None
    return done


def simulated(report_data):
    return generate("simulator", None, report_data=report_data).evidence


# ---- the simulator ----

def simulator():
    done = generate("simulator", None)
    t.check("the simulator makes a quote with the report_data that was asked for",
            done.returncode == EXIT_OK and
            done.evidence[TD_REPORT_DATA:TD_REPORT_DATA + 64] == done.report_data, done)
    t.check("and says what it is worth", "SIMULATED" in done.stderr, done)
    quote, policy = place("quote"), place("policy")
    quote.write_bytes(done.evidence)
    verified = run("tee", "verify", quote, "--simulator")
    t.check("it verifies when that is asked for by name", verified.returncode == EXIT_OK and
            "SIMULATED" in verified.stdout and "ok:" not in verified.stdout, verified)
    said = json.loads(run("tee", "verify", quote, "--simulator", "--json").stdout)
    t.check("JSON says it too", said["simulated"] and said["verified"], said)
    policy.write_text("measurement = any any any any any\n")
    verified = run("tee", "verify", quote, "--simulator", "--policy", policy)
    t.check("a real policy refuses its guest", verified.returncode == EXIT_REFUSED and
            "(debug)" in verified.stderr, verified)
    collateral(quote, policy)
    binding()


def collateral(quote, policy):
    """Under the real root it is refused, whatever collateral is there."""
    folder = place("collateral")
    folder.mkdir()
    for name in ("tcbinfo.json", "qeidentity.json", "root_ca_crl.der", "pck_crl.der",
                 "tcb_signing_chain.pem"):
        (folder / name).write_text("{}")
    done = run("tee", "verify", quote, "--collateral", folder, "--policy", policy)
    t.check("without that option it is refused in step 1", done.returncode == EXIT_REFUSED and
            "step 1 (quote-vendor)" in done.stderr, done)
    for words in ((), ("--policy", policy), ("--collateral", folder),
                  ("--simulator", "--collateral", folder)):
        done = run("tee", "verify", quote, *words)
        t.check(f"tee verify {' '.join(map(str, words[:1]))} is a mistake",
                done.returncode == EXIT_USAGE, done)


def binding():
    """What a tracker's evidence is bound to, part by part."""
    parts = {"--nonce": "11" * 32, "--iid": "22" * 32, "--owner": "0x" + "33" * 20,
             "--tracker-key": "R" * 128}
    words = [word for pair in parts.items() for word in pair]
    out = place("bound")
    done = run("tee", "generate", "--tee", "simulator", "--out", out, *words)
    t.check("evidence can be bound by hand", done.returncode == EXIT_OK, done)
    t.check("and verified so", run("tee", "verify", out, "--simulator", *words).returncode == EXIT_OK)
    for option, value in parts.items():
        other = [word for pair in {**parts, option: value[:-1] + "4"}.items() for word in pair]
        if option == "--tracker-key":
            other[-1] = "S" + "R" * 127
        done = run("tee", "verify", out, "--simulator", *other)
        t.check(f"another {option} is refused", done.returncode == EXIT_REFUSED and
                "(report-data)" in done.stderr, done)
    for option in ("--nonce", "--iid", "--tracker-key"):
        fewer = [word for pair in parts.items() if pair[0] != option for word in pair]
        done = run("tee", "verify", out, "--simulator", *fewer)
        t.check(f"a binding without {option} is a mistake", done.returncode == EXIT_USAGE, done)
    done = run("tee", "generate", "--tee", "simulator", "--out", place("x"), "--nonce", "xy")
    t.check("a nonce that is none is a mistake", done.returncode == EXIT_USAGE, done)
    done = run("tee", "generate", "--tee", "simulator", "--out", place("x"), "--report-data",
               "00" * 64, *words)
    t.check("report_data comes from one source", done.returncode == EXIT_USAGE, done)
    done = run("tee", "generate", "--tee", "none", "--out", place("x"), "--report-data", "00" * 64)
    t.check("tee = none makes nothing", done.returncode == EXIT_USAGE, done)


# ---- configfs-tsm ----

def clean(tsm):
    return not tsm.entries and sorted(tsm.made) == sorted(tsm.removed)


def kernel_good(tsm):
    done = generate("sev", tsm.path)
    t.check("configfs-tsm gives evidence", done.returncode == EXIT_OK and
            done.evidence == sev_report(done.report_data), done)
    t.check("inblob was written once, whole", tsm.writes == [done.report_data], tsm.writes)
    t.check("and the folder is gone", clean(tsm) and len(tsm.made) == 1, tsm.made)
    generate("sev", tsm.path)
    t.check("each time it has another name", len(set(tsm.made)) == 2, tsm.made)


def kernel_passes(tsm):
    for what, attribute, error, attempts in (
            ("read", "outblob", errno.EBUSY, 2), ("read", "outblob", errno.ETIMEDOUT, 2),
            ("read", "outblob", errno.EINTR, 1), ("read", "provider", errno.EINTR, 1),
            ("write", "inblob", errno.EBUSY, 2), ("write", "inblob", errno.EINTR, 1),
            ("read", "generation", errno.EBUSY, 2), ("mkdir", None, errno.EBUSY, 1)):
        tsm.made.clear(), tsm.removed.clear()
        tsm.faults = {(what, attribute): [error]}
        done = generate("sev", tsm.path)
        t.check(f"{errno.errorcode[error]} at {what} {attribute or ''} passes",
                done.returncode == EXIT_OK and done.evidence == sev_report(done.report_data) and
                len(tsm.made) == attempts and clean(tsm), (done, tsm.made))


def kernel_final(tsm):
    for what, attribute, error, words in (
            ("mkdir", None, errno.ENXIO, "NOT_FOUND"), ("read", "provider", errno.ENXIO, "NOT_FOUND"),
            ("read", "outblob", errno.ENXIO, "NOT_FOUND"), ("mkdir", None, errno.EACCES, "DENIED"),
            ("read", "outblob", errno.EINVAL, "MALFORMED"), ("write", "inblob", errno.EINVAL,
                                                             "MALFORMED"),
            ("read", "outblob", errno.EIO, "IO")):
        tsm.made.clear(), tsm.removed.clear()
        tsm.faults = {(what, attribute): [error]}
        done = generate("sev", tsm.path)
        t.check(f"{errno.errorcode[error]} at {what} {attribute or ''} is final",
                done.returncode == EXIT_IO and f"({words})" in done.stderr and
                done.evidence is None and clean(tsm) and len(tsm.made) <= 1, (done, tsm.made))
    tsm.faults = {("read", "outblob"): [errno.EBUSY] * 1000}
    done = generate("sev", tsm.path, "--patience", "1")
    t.check("EBUSY for ever ends", done.returncode == EXIT_IO and "(BUSY)" in done.stderr and
            done.seconds < 20 and clean(tsm), (done, done.seconds))
    tsm.faults = {}


def kernel_spoiled(tsm):
    for spoil in ("other writer", "old outblob", "short outblob"):
        tsm.made.clear(), tsm.removed.clear()
        tsm.spoil = {spoil}
        done = generate("sev", tsm.path, "--patience", "1")
        t.check(f"{spoil}: no evidence", done.returncode == EXIT_IO and done.evidence is None and
                "not what was asked for" in done.stderr and len(tsm.made) > 1 and clean(tsm),
                (done, tsm.made))
    tsm.spoil = {"provider changes"}
    done = generate("sev", tsm.path)
    t.check("a provider that changes is noticed", done.returncode == EXIT_IO and
            done.evidence is None and "not of the kind" in done.stderr and clean(tsm), done)
    tsm.spoil = set()


def kernel_signal(tsm):
    """The process ends while the kernel holds it; a second one finds all in order."""
    tsm.provider, tsm.delay = "sev_guest", {"outblob": 20}
    process = subprocess.Popen([str(t.BIN / "pbts"), "tee", "generate", "--tee", "sev", "--path",
                                str(tsm.path), "--out", str(place("killed")), "--report-data",
                                "00" * 64], stderr=subprocess.DEVNULL)
    t.wait_until(lambda: "outblob" in tsm.held, 20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    tsm.delay = {}
    t.wait_until(lambda: "outblob" in tsm.interrupted, 5)
    left = len(tsm.entries)
    done = generate("sev", tsm.path)
    t.check("what a killed process left is in nobody's way", left == 1 and
            done.returncode == EXIT_OK, (left, done))
    tsm.entries.clear()


def kernel():
    folder = place("tsm")
    try:
        tsm = FakeTsm(folder, "sev_guest", sev_report)
    except OSError as error:
        t.skip("configfs-tsm", f"no file system can be mounted here ({error})")
        return
    with tsm:
        kernel_good(tsm)
        kernel_passes(tsm)
        kernel_final(tsm)
        kernel_spoiled(tsm)
        kernel_signal(tsm)
        tsm.provider, tsm.make = "tdx_guest", simulated
        done = generate("tdx", tsm.path)
        t.check("tdx_guest gives quotes", done.returncode == EXIT_OK and
                done.evidence[TD_REPORT_DATA:TD_REPORT_DATA + 64] == done.report_data, done)
        done = generate("sev", tsm.path)
        t.check("another provider is not what was asked for", done.returncode == EXIT_IO and
                "(DENIED)" in done.stderr and done.evidence is None, done)
    done = generate("tdx", place("nowhere"))
    t.check("without configfs-tsm there is no evidence", done.returncode == EXIT_IO and
            "(NOT_FOUND)" in done.stderr, done)


# ---- dstack ----

def agent_good(agent):
    log = place("log")
    done = generate("dstack", agent.path, "--event-log", log)
    t.check("the guest agent gives a quote", done.returncode == EXIT_OK and
            done.evidence[TD_REPORT_DATA:TD_REPORT_DATA + 64] == done.report_data, done)
    t.check("and the event log", log.read_text() == EVENT_LOG)
    t.check("it was asked with the report_data", agent.requests[-1][1] ==
            {"report_data": done.report_data.hex()}, agent.requests[-1])
    for mode in ("chunked", "slow"):
        agent.mode = mode
        done = generate("dstack", agent.path)
        t.check(f"a {mode} answer is one", done.returncode == EXIT_OK, done)


def agent_bad(agent):
    for mode, word in (("garbage", "MALFORMED"), ("oversize", "LIMIT"), ("endless", "LIMIT"),
                       ("truncated", "MALFORMED"), ("error", "DENIED"), ("other", "MALFORMED"),
                       ("no quote", "MALFORMED"), ("closed", "MALFORMED"), ("hangs", "BUSY")):
        agent.mode = mode
        done = generate("dstack", agent.path, "--patience", "2")
        t.check(f"an agent's fault ({mode}) is no evidence", done.returncode == EXIT_IO and
                done.evidence is None and f"({word})" in done.stderr and done.seconds < 15,
                (done, done.seconds))
    agent.mode = ""


def agents():
    with FakeDstack(place("agent.sock"), simulated) as agent:
        agent_good(agent)
        agent_bad(agent)
    with FakeDstack(place("tappd.sock"), simulated, api="tappd") as agent:
        done = generate("dstack", agent.path)
        t.check("the older agent is spoken to in its own words", done.returncode == EXIT_OK and
                [path for path, _ in agent.requests] == ["/GetQuote", "/prpc/Tappd.RawQuote?json"],
                (done, agent.requests))
    done = generate("dstack", place("nothing.sock"))
    t.check("without an agent there is no evidence", done.returncode == EXIT_IO and
            "(NOT_FOUND)" in done.stderr, done)
    done = generate("dstack", "/" + "x" * 200)
    t.check("nor with a path that no socket can have", done.returncode == EXIT_IO, done)


def main():
    simulator()
    kernel()
    agents()


if __name__ == "__main__":
    main()
    t.finish()
