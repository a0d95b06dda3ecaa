"""Count results and print them; read the results that a test program prints."""
import re
import resource
import threading
import time
from dataclasses import dataclass, field

TAIL_LINES = 40
SLOWEST = 15      # programs named at the end
FAILED_LINES = 30     # of what failed at the very end, so that the last 40 lines of all show it
EVIDENCE_LINES, EVIDENCE_CHARACTERS = 4, 240      # of each of those

# "ok name", "not ok name", "skip name"; TAP's "ok 3 - name" and "ok 3 # SKIP name" as well.
RESULT = re.compile(r"^(ok|not ok|skip)\b[ :]*(?:\d+\b)?[ -]*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)\s*$")
TELLING = re.compile(r"\berror\b|\bERROR\b|Error: |FAILED|warning:|Traceback")
WORD = {"ok": "pass", "not ok": "fail", "skip": "skip"}


def processor_seconds():
    """What all programs that have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass
class Result:
    verdict: str      # pass, fail, skip
    name: str
    evidence: list = field(default_factory=list)      # lines said right after it; else the log's are shown


def took(seconds, processor_seconds):
    return f"{seconds:.1f} s, {processor_seconds:.1f} of processor"


def evidence_of(lines):
    """The few lines of a log that say most: its last errors, else its end."""
    lines = [line for line in lines if line.strip("= \t")]
    return ([line for line in lines if TELLING.search(line)] or lines)[-EVIDENCE_LINES:]


def parse_results(text):
    """Results in the order printed, and how many a TAP plan promised (0: no plan)."""
    results, planned = [], 0
    for line in text.splitlines():
        if plan := PLAN.match(line):
            planned += int(plan[1])
        elif hit := RESULT.match(line):
            verdict = "skip" if "# SKIP" in line else WORD[hit[1]]
            name = hit[2].replace("# SKIP", "").strip()
            results.append(Result(verdict, name or "unnamed"))
        elif line.startswith("#") and results and results[-1].verdict == "fail":
            results[-1].evidence.append(line)
    return results, planned


def judge(outcome, text):
    """Turn how a program ended and what it printed into results; silence is a failure."""
    results, planned = parse_results(text)
    failed = any(r.verdict == "fail" for r in results)
    if outcome.timed_out:
        results.append(Result("fail", f"ran into its time limit after {outcome.seconds:.0f} s"))
    elif outcome.code and not failed:
        results.append(Result("fail", f"ended with status {outcome.code}"))
    elif len(results) < planned:
        results.append(Result("fail", f"{planned} tests planned, {len(results)} reported"))
    elif not results:
        results.append(Result("fail", "reported no test"))
    if outcome.left_behind:
        results.append(Result("fail", "left behind: " + "; ".join(outcome.left_behind)))
    return results


class Report:
    """The tally. Its methods may be called from several threads."""

    def __init__(self):
        self.count = {"pass": 0, "fail": 0, "skip": 0}
        self.start = time.monotonic()
        self._taken = []      # (seconds, processor seconds, name) of every program
        self._failed = []     # (name, evidence) of everything that failed
        self._lock = threading.Lock()

    def stage(self, title):
        with self._lock:
            print(f"\n== {title}  [{time.monotonic() - self.start:.0f} s, "
                  f"{processor_seconds():.0f} s of processor]", flush=True)

    def add(self, name, verdict, outcome=None, log=None, why=""):
        """One test. For a failure the end of its log is shown."""
        with self._lock:
            self.count[verdict] += 1
            self._print(verdict, name, self._note(name, outcome), why)
            if verdict == "fail":
                lines = self._show(log)
                self._failed.append((name, ([why] if why else []) + evidence_of(lines)))

    def add_program(self, name, results, outcome, log=None, each=False):
        """All tests of one program: one line, or one per test when each is set."""
        with self._lock:
            for result in results:
                self.count[result.verdict] += 1
            bad = [r for r in results if r.verdict == "fail"]
            verdict = "fail" if bad else "skip" if all(
                r.verdict == "skip" for r in results) else "pass"
            self._print(verdict, name, f"{len(results)} tests, {self._note(name, outcome)}")
            for result in sorted(results, key=lambda r: r.verdict == "pass"):   # the bad ones first
                if each or result.verdict != "pass":
                    self._print(result.verdict, f"    {result.name}", "")
            if bad:
                lines = self._show(log)
                self._failed += [(f"{name}: {r.name}", r.evidence or evidence_of(lines))
                                 for r in bad]

    def _note(self, name, outcome):
        if outcome is None:
            return ""
        self._taken.append((outcome.seconds, outcome.processor_seconds, name))
        return took(outcome.seconds, outcome.processor_seconds)

    def slowest(self):
        """Print what took longest, when that is worth reading."""
        longest = sorted(self._taken, reverse=True)[:SLOWEST]
        if len(self._taken) > SLOWEST:
            print("\nslowest (seconds, of processor):")
            for seconds, processor, name in longest:
                print(f"{seconds:7.1f} {processor:7.1f}  {name}")

    def failures(self):
        """Print each failure once more, shortly: the end of a log is what is read first."""
        if not self._failed:
            return
        print("\nfailed:")
        each = min(EVIDENCE_LINES, max(0, FAILED_LINES // len(self._failed) - 1))
        for name, evidence in self._failed[:FAILED_LINES]:
            print(f"  {name}")
            for line in evidence[:each]:
                print(f"    | {line[:EVIDENCE_CHARACTERS]}")
        if len(self._failed) > FAILED_LINES:
            print(f"  and {len(self._failed) - FAILED_LINES} more")

    def finish(self):
        """Print the closing lines; true when nothing failed."""
        self.slowest()
        self.failures()
        line = f"{self.count['pass']} passed, {self.count['fail']} failed"
        if self.count["skip"]:
            line += f", {self.count['skip']} skipped"
        print(f"\n{time.monotonic() - self.start:.0f} s in all, "
              f"{processor_seconds():.0f} s of processor")
        print(line, flush=True)
        return self.count["fail"] == 0 and self.count["pass"] > 0

    @staticmethod
    def _print(verdict, name, note, why=""):
        word = {"pass": "ok", "fail": "FAILED", "skip": "skip"}[verdict]
        tail = (f"  ({note})" if note else "") + (f"  {why}" if why else "")
        print(f"{word:<6} {name}{tail}", flush=True)

    @staticmethod
    def _show(log):
        """Print the end of a log; all of its lines."""
        if log is None or not log.exists():
            return []
        lines = log.read_text(errors="replace").splitlines()
        print(f"       ---- {log}" + (f", last {TAIL_LINES} lines" if len(lines) > TAIL_LINES else ""))
        for line in lines[-TAIL_LINES:]:
            print(f"       | {line[:300]}")
        print("       ----", flush=True)
        return lines
