"""Count results and print them; read the results that a test program prints."""
import re
import threading
import time
from dataclasses import dataclass

TAIL_LINES = 40

# "ok name", "not ok name", "skip name"; TAP's "ok 3 - name" and "ok 3 # SKIP name" as well.
RESULT = re.compile(r"^(ok|not ok|skip)\b[ :]*(?:\d+\b)?[ -]*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)\s*$")
WORD = {"ok": "pass", "not ok": "fail", "skip": "skip"}


@dataclass
class Result:
    verdict: str      # pass, fail, skip
    name: str


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
        self._lock = threading.Lock()

    def stage(self, title):
        with self._lock:
            print(f"\n== {title}  [{time.monotonic() - self.start:.0f} s]", flush=True)

    def add(self, name, verdict, seconds, log=None, why=""):
        """One test. For a failure the end of its log is shown."""
        with self._lock:
            self.count[verdict] += 1
            self._print(verdict, name, f"{seconds:.1f} s", why)
            if verdict == "fail":
                self._show(log)

    def add_program(self, name, results, seconds, log=None, each=False):
        """All tests of one program: one line, or one per test when each is set."""
        with self._lock:
            for result in results:
                self.count[result.verdict] += 1
            bad = [r for r in results if r.verdict == "fail"]
            verdict = "fail" if bad else "skip" if all(
                r.verdict == "skip" for r in results) else "pass"
            self._print(verdict, name, f"{len(results)} tests, {seconds:.1f} s")
            for result in results:
                if each or result.verdict != "pass":
                    self._print(result.verdict, f"    {result.name}", "")
            if bad:
                self._show(log)

    def finish(self):
        """Print the closing line; true when nothing failed."""
        line = f"{self.count['pass']} passed, {self.count['fail']} failed"
        if self.count["skip"]:
            line += f", {self.count['skip']} skipped"
        print(f"\n{time.monotonic() - self.start:.0f} s in all")
        print(line, flush=True)
        return self.count["fail"] == 0 and self.count["pass"] > 0

    @staticmethod
    def _print(verdict, name, note, why=""):
        word = {"pass": "ok", "fail": "FAILED", "skip": "skip"}[verdict]
        tail = (f"  ({note})" if note else "") + (f"  {why}" if why else "")
        print(f"{word:<6} {name}{tail}", flush=True)

    @staticmethod
    def _show(log):
        if log is None or not log.exists():
            return
        lines = log.read_text(errors="replace").splitlines()
        print(f"       ---- {log}" + (f", last {TAIL_LINES} lines" if len(lines) > TAIL_LINES else ""))
        for line in lines[-TAIL_LINES:]:
            print(f"       | {line[:300]}")
        print("       ----", flush=True)
