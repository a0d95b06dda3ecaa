"""Run one test program: bounded in time, with its output in a log, leaving no process behind.

A process belongs to a test when its environment carries the test's mark; so daemons that
detach, change session or are orphaned are still found. Only marked processes are ever killed.
"""
import ctypes
import os
import select
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

RUN_ID = f"{os.getpid()}-{int(time.time())}"
GRACE_S = 3.0            # for children of a finished test to go by themselves
PR_SET_CHILD_SUBREAPER = 36
BEHIND_NICE = 10         # a tenth of the share of others

_own_children = set()    # pids that subprocess itself waits for
_behind = set()          # those of them that give way to the others
_own_lock = threading.Lock()


@dataclass
class Outcome:
    code: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0     # of the program and of all that it waited for
    timed_out: bool = False
    left_behind: list = field(default_factory=list)   # command lines of killed survivors


def adopt_orphans():
    """Make orphans of the tests our children, so that they can be reaped."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _read(pid, name):
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def marked(mark):
    """Pids of living processes whose environment holds the mark; never our own."""
    needle = mark.encode() + b"\0"
    pids = (int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit())
    return [p for p in pids if p != os.getpid() and needle in _read(p, "environ")]


def reap_orphans():
    """Collect adopted children that have ended; subprocess waits for its own."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        fields = _read(entry.name, "stat").rpartition(b") ")[2].split()
        if len(fields) < 2 or fields[0] != b"Z" or int(fields[1]) != os.getpid():
            continue
        with _own_lock:
            adopted = int(entry.name) not in _own_children
        if adopted:
            try:
                os.waitpid(int(entry.name), os.WNOHANG)
            except ChildProcessError:
                pass


def kill_marked(mark):
    """Kill what carries the mark, and say what it was."""
    told = []
    for _ in range(20):
        pids = marked(mark)
        if not pids:
            break
        for pid in pids:
            told.append(_read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")[:200])
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.1)
    reap_orphans()
    return sorted(set(told))


def _wait_until_gone(mark, limit_s):
    end = time.monotonic() + limit_s
    while marked(mark) and time.monotonic() < end:
        time.sleep(0.1)


def _end_group(process):
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            continue


def _ends_within(process, limit_s):
    """Does it end in time? It is not reaped here, so that /proc still tells what it took."""
    handle = os.pidfd_open(process.pid)
    try:
        return bool(select.select([handle], [], [], limit_s)[0])
    finally:
        os.close(handle)


def _processor_seconds(pid):
    """Of a process and of its children that it has waited for."""
    fields = _read(pid, "stat").rpartition(b") ")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def set_priority(pid, nice):
    """Of a session that was started here."""
    try:
        os.setpriority(os.PRIO_PGRP, pid, nice)
        # Where sessions are scheduled as groups, priority counts only inside one; this is the group's.
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")
    except OSError:
        pass        # it has ended, this kernel has no such groups, or only root may raise it again


def bring_forward():
    """Give what runs behind the others its full share again."""
    with _own_lock:
        for pid in _behind:
            set_priority(pid, 0)
        _behind.clear()


def run(command, log, timeout_s, mark_id, env=None, cwd=None, behind=False):
    """Run a command with its output appended to log; kill it and its offspring at the limit.

    With behind it gets little more than the processor time that the others leave.
    """
    mark = f"PBTS_TEST_ID={RUN_ID}/{mark_id}"
    full_env = {**os.environ, **(env or {}), "PBTS_TEST_RUN": RUN_ID}
    full_env["PBTS_TEST_ID"] = mark.partition("=")[2]
    outcome, start = Outcome(), time.monotonic()
    with open(log, "ab") as out:
        with _own_lock:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, env=full_env, cwd=cwd,
                                       start_new_session=True)
            _own_children.add(process.pid)
            if behind:
                _behind.add(process.pid)
                set_priority(process.pid, BEHIND_NICE)
        outcome.timed_out = not _ends_within(process, timeout_s)
        outcome.processor_seconds = _processor_seconds(process.pid)
        if outcome.timed_out:
            _end_group(process)
            outcome.code = -signal.SIGKILL
        else:
            outcome.code = process.wait()
        with _own_lock:
            _own_children.discard(process.pid)
            _behind.discard(process.pid)
    if not outcome.timed_out:
        _wait_until_gone(mark, GRACE_S)
    outcome.left_behind = kill_marked(mark)
    outcome.seconds = time.monotonic() - start
    return outcome


def kill_everything():
    """Kill every process of this run; returns what there was."""
    return kill_marked(f"PBTS_TEST_RUN={RUN_ID}")
