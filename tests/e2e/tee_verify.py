#!/usr/bin/env python3
# build: asan release
# timeout: 60
"""`pbts tee verify` on genuine evidence: what it accepts, what it refuses and in which words, and what
it says to wrong command lines. The evidence is data beside the repository: skipped where missing."""
import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
from commands import EXIT_IO, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, run  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("PBTS_TEST_DATA", ROOT.parent / "shared" / "data")) / "tdx" / "sets"
SNP = DATA.parent / "sev-snp" / "go-sev-guest"
SET = DATA / "v4-phala-2025-06"
INSIDE = "2025-07-01T00:00:00Z"


def verify(folder, policy, *more, quote=None):
    return run("tee", "verify", str(quote or folder / "quote.bin"), "--collateral", str(folder),
               "--policy", str(policy), *more)


def accepted(policy):
    done = verify(SET, policy, "--at", INSIDE)
    t.check("genuine evidence is accepted in its time", done.returncode == EXIT_OK and
            "status       UpToDate" in done.stdout and
            "2025-06-19T10:32:27Z to 2025-07-19T10:00:35Z" in done.stdout, done)
    said = json.loads(verify(SET, policy, "--at", "1751328000", "--json").stdout)
    t.check("JSON says the same", said["verified"] and said["reason"] == "accepted" and
            said["status"] == "UpToDate" and said["valid_to"] == 1752919235, said)


def refused(policy, strict):
    done = verify(SET, policy)
    t.check("now it is too old", done.returncode == EXIT_REFUSED and "-date)" in done.stderr, done)
    done = verify(SET, strict, "--at", INSIDE)
    t.check("a policy without a measurement accepts nothing", done.returncode == EXIT_REFUSED and
            "step 9 (measurement)" in done.stderr, done)
    quote = strict.parent / "changed.bin"
    changed = bytearray((SET / "quote.bin").read_bytes())
    changed[568] ^= 1
    quote.write_bytes(changed)
    done = verify(SET, policy, "--at", INSIDE, quote=quote)
    t.check("a changed report_data is refused in step 1", done.returncode == EXIT_REFUSED and
            "step 1 (quote-signature)" in done.stderr, done)
    said = json.loads(verify(DATA / "v4-automata-gcp-2025-07", policy, "--at", "1753175614",
                             "--json").stdout)
    t.check("what is out of date is, with its advisories", not said["verified"] and
            said["reason"] == "tcb-status" and said["status"] == "OutOfDate" and
            "INTEL-SA-00960" in said["advisories"], said)


def wrong(policy, folder):
    bad = folder / "bad.policy"
    bad.write_text("accept = UpToDate\nallow = all\n")
    done = verify(SET, bad, "--at", INSIDE)
    t.check("a policy's mistake is shown with its line", done.returncode == EXIT_USAGE and
            "line 2: allow: there is no such key" in done.stderr, done)
    done = verify(SET, policy, "--at", "yesterday")
    t.check("a time that is none is refused", done.returncode == EXIT_USAGE, done)
    part = folder / "part"
    shutil.copytree(SET, part)
    (part / "pck_crl.der").unlink()
    done = verify(part, policy, "--at", INSIDE)
    t.check("a missing file is named", done.returncode == EXIT_IO and
            "pck_crl.der" in done.stderr, done)


def snp(folder):
    """A report of a genuine Milan, and what is wrong with it else."""
    if not SNP.is_dir():
        t.skip("pbts tee verify of a SEV-SNP report", f"{SNP} is missing")
        return
    chip, policy, strict = folder / "chip", folder / "snp.policy", folder / "snp-strict.policy"
    chip.mkdir()
    shutil.copy(SNP / "vcek.der", chip)
    shutil.copy(SNP / "ask_ark_milan.pem", chip / "ask_ark.pem")
    report = (SNP / "report.bin").read_bytes()
    policy.write_text("snp_measurement = any\nallow_debug = yes\n")
    strict.write_text(f"snp_measurement = {report[0x90:0xc0].hex()}\nallow_debug = yes\n"
                      f"report_data = {64 * '0'}{64 * '1'}\n")
    at = ("--at", "2023-06-01T00:00:00Z")
    done = verify(chip, policy, *at, quote=SNP / "report.bin")
    t.check("a report of a genuine chip is accepted", done.returncode == EXIT_OK and
            "generation   Milan, report version 2" in done.stdout and
            f"measurement  {report[0x90:0xc0].hex()}" in done.stdout, done)
    said = json.loads(verify(chip, policy, *at, "--json", quote=SNP / "report.bin").stdout)
    t.check("JSON says the same", said["verified"] and said["generation"] == "Milan" and
            said["report_data"] == report[0x50:0x90].hex() and
            said["chip_id"] == report[0x1a0:0x1e0].hex() and
            said["tcb"]["microcode"] == report[0x187], said)
    changed = folder / "changed-report.bin"
    changed.write_bytes(report[:0x50] + bytes([report[0x50] ^ 1]) + report[0x51:])
    done = verify(chip, policy, *at, quote=changed)
    t.check("a changed one is not", done.returncode == EXIT_REFUSED and
            "(snp-signature)" in done.stderr and done.stdout == "", done)
    said = json.loads(verify(chip, policy, *at, "--json", quote=changed).stdout)
    t.check("nor in JSON", not said["verified"] and said["reason"] == "snp-signature" and
            "measurement" not in said, said)
    done = verify(chip, strict, *at, quote=SNP / "report.bin")
    t.check("nor one for something else", done.returncode == EXIT_REFUSED and
            "(snp-report-data)" in done.stderr, done)
    done = verify(chip, policy, "--at", "2019-01-01T00:00:00Z", quote=SNP / "report.bin")
    t.check("nor before its certificates", done.returncode == EXIT_REFUSED and
            "(snp-date)" in done.stderr, done)
    (chip / "vcek.der").unlink()
    done = verify(chip, policy, *at, quote=SNP / "report.bin")
    t.check("a certificate that is missing is named", done.returncode == EXIT_IO and
            "vcek.der" in done.stderr, done)


def main():
    snp(t.TMP)
    if not SET.is_dir():
        t.skip("pbts tee verify on genuine evidence", f"{SET} is missing")
        return
    folder = t.TMP
    policy, strict = folder / "any.policy", folder / "strict.policy"
    policy.write_text("measurement = any any any any any\n")
    strict.write_text("# nothing\n")
    accepted(policy)
    refused(policy, strict)
    wrong(policy, folder)


if __name__ == "__main__":
    main()
    t.finish()
