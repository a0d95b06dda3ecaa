#!/usr/bin/env python3
"""Everything that must hold, in stages. Called by ./test, which explains the options.

  checks  the map, headers alone, format, cppcheck, clang-tidy, scripts; they run behind the other
          stages, in the processor time that tests leave while they wait
  builds  asan, release (gcc, hardened) and tsan; behind other stages fuzz (clang); all with warnings
          as errors; then that the release has no mutable globals, and that manual pages and README
          say what it does
  unit    every unit test under ASan and UBSan, those of cores without I/O behind what follows;
          signing under valgrind, for its timing
  tsan    the unit tests that use threads under TSan
  e2e     tests/e2e/*.sh and *.py against the built programs
  fuzz    every fuzz target: its corpus, then a second of new inputs
  soak    the crash test with 200 kills, clang-tidy without a bound; only when asked for

An end-to-end test is an executable file (one that is not fails; names that end in _kit are parts of
others) that prints "ok NAME", "not ok NAME" or "skip NAME" per
test and ends non-zero on failure. Lines among its first ten may say
  # build: asan tsan      which builds to run it against (default asan; also release)
  # timeout: 200          seconds (default 120)
  # alone: WHY            run while at most one other test runs, none that is alone; checks may, behind it
A second build of a test is for what it alone can find: tsan where threads meet, release for speed,
size, memory and what an optimiser does, or because what it prints is what users see.
It gets PBTS_BIN (programs to test), PBTS_HELPERS (programs of tests/helpers), PBTS_ROOT, PBTS_BUILD
(the build's name) and PBTS_TEST_TMP, an empty folder of its own that is removed afterwards; TMPDIR
is the same. PBTS_TEST_DATA, a folder of published test vectors, is passed on when it is set, and
set to ../shared/data when that is there.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import test_process
from test_report import Report, Result, judge

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOGS = BUILD / "test-logs"
VECTORS = ROOT.parent / "shared/data"
JOBS = max(2, os.cpu_count() or 2)
BUILD_LIMIT_S, CHECK_LIMIT_S, UNIT_LIMIT_S, E2E_LIMIT_S = 1200, 300, 300, 120
BEHIND_LIMIT_S = 3000       # of checks that have to wait for everything else
SCRATCH = f"pbts-test-{os.getpid()}-"
E2E_AT_ONCE = 2 * JOBS      # they wait four times as long as they compute
FUZZ_SECONDS, SOAK_KILLS, SOAK_LIMIT_S = 1, 200, 3600
LEAK_STATUS = 9
# Unit tests of these meet sockets, files, threads or the clock, and are not kept waiting.
UNIT_OUTSIDE = ("bench", "chain", "daemon", "kmsapp", "kmsnet", "net", "pbts", "peerapp", "store", "tee")
CODE_FOLDERS = ("include", "src", "apps", "tests", "bench")
PROGRAMS = ("pbts-tracker", "pbts", "pbts-peer", "pbts-kms")
DEFAULT_STAGES = ("checks", "builds", "unit", "tsan", "e2e", "fuzz")


def sources(*suffixes, folders=CODE_FOLDERS):
    return sorted(str(p.relative_to(ROOT)) for f in folders for p in (ROOT / f).rglob("*")
                  if p.suffix in suffixes)


def shell_scripts():
    """Files that name a shell in their first line."""
    files = [ROOT / "run", ROOT / "test"]
    for folder in (".ci", "tools", "tests", "bench", "deploy"):
        files += [p for p in (ROOT / folder).rglob("*") if p.is_file()]
    return sorted(str(p.relative_to(ROOT)) for p in files
                  if re.match(rb"#!.*\b(ba)?sh\b", p.read_bytes()[:80]))


def file_name(test_name):
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", test_name)


def personality():
    """TSan of gcc 12 cannot start under high-entropy address randomisation; switch it off."""
    wrapper = ["setarch", os.uname().machine, "-R"]
    works = subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode == 0
    return wrapper if works else []


class Runner:
    def __init__(self, report, pattern, fuzz_seconds):
        self.report = report
        self.pattern = re.compile(pattern) if pattern else None
        self.fuzz_seconds = fuzz_seconds
        self.built, self.locks = {}, {}
        self.stages_follow = True
        self.pool_behind, self.units_behind = ThreadPoolExecutor(JOBS), ThreadPoolExecutor(JOBS)
        self.under_way = []     # what runs behind the stages

    def wanted(self, name):
        return self.pattern is None or self.pattern.search(name)

    def log_for(self, name):
        path = LOGS / (file_name(name) + ".log")
        path.write_bytes(b"")
        return path

    def simple(self, name, command, limit_s=CHECK_LIMIT_S, env=None, status=0, behind=False):
        """A test that is one command: it passes when that ends with the status."""
        log = self.log_for(name)
        outcome = test_process.run(command, log, limit_s, name, env=env, cwd=ROOT, behind=behind)
        bad = outcome.code != status or outcome.timed_out
        self.report.add(name, "fail" if bad else "pass", outcome, log,
                        "time limit" if outcome.timed_out else "")
        return not bad

    def program(self, name, command, limit_s, env=None, each=False, behind=False):
        """A program that prints a line per test; sanitizer reports of its children count too."""
        log = self.log_for(name)
        reports = LOGS / "sanitizer" / log.stem
        options = sanitizer_options(reports)
        outcome = test_process.run(command, log, BEHIND_LIMIT_S if behind else limit_s, name,
                                   env={**options, **(env or {})}, cwd=ROOT,
                                   behind=behind and self.stages_follow)
        results = judge(outcome, log.read_text(errors="replace"))
        for found in sorted(reports.parent.glob(reports.name + ".*")):
            said = found.read_bytes().partition(b"Shadow bytes")[0]
            with open(log, "ab") as out:
                out.write(b"\n" + said)
            lines = [line for line in said.decode(errors="replace").splitlines() if line.strip("= ")]
            results.append(Result("fail", f"sanitizer report {found.name}", lines))
        self.report.add_program(name, results, outcome, log, each)
        return not any(r.verdict == "fail" for r in results)

    # builds ------------------------------------------------------------------------------

    def configure(self, preset):
        return self.simple_once(f"configure/{preset}", ["cmake", "--preset", preset])

    def build(self, preset, targets=(), behind=False):
        if not self.configure(preset):
            return False
        command = ["cmake", "--build", str(BUILD / preset), "-j", str(JOBS)]
        if targets:
            command += ["--target", *targets]
        return self.simple_once(f"build/{preset}", [*command, "--", "-k", "0"],
                                BEHIND_LIMIT_S if behind else BUILD_LIMIT_S, behind)

    def simple_once(self, name, command, limit_s=CHECK_LIMIT_S, behind=False):
        with self.locks.setdefault(name, threading.Lock()):
            if name not in self.built:
                self.built[name] = self.simple(name, command, limit_s,
                                               behind=behind and self.stages_follow)
            return self.built[name]

    @staticmethod
    def unit_tests(preset):
        """(name, program) of every unit test, built or not; cmake/PbtsModules.cmake names them."""
        files = sorted((ROOT / "tests/unit").glob("*/test_*.c"))
        return [(f"{f.parent.name}/{f.stem}",
                 BUILD / preset / "tests" / f"unit_{f.parent.name}_{f.stem}") for f in files]

    # what runs behind the stages ---------------------------------------------------------

    def check(self, name, command):
        self.under_way.append(self.pool_behind.submit(
            lambda: self.simple(name, command, BEHIND_LIMIT_S, behind=self.stages_follow)))

    def catch_up(self):
        """Wait for what is still under way; nothing else is left to do."""
        self.stages_follow = False
        test_process.bring_forward()
        for one in self.under_way:
            one.result()

    # stages ------------------------------------------------------------------------------

    def checks(self):
        clang_format = ["clang-format", "--dry-run", "-Werror", *sources(".c", ".h")]
        cache = BUILD / "cppcheck"
        cache.mkdir(parents=True, exist_ok=True)
        cppcheck = ["cppcheck", "-q", f"-j{JOBS}", "--std=c11", "--language=c", "--error-exitcode=1",
                    "--enable=warning,performance,portability", "--inline-suppr", "-D_GNU_SOURCE",
                    "--suppressions-list=tools/cppcheck.supp", f"--cppcheck-build-dir={cache}",
                    "-DPBTS_VERSION=\"0\"", "-Iinclude", "-Isrc",
                    *sources(".c", folders=("src", "apps", "bench"))]
        table = [
            ("layers", [sys.executable, "tools/check_layers.py", "src"]),
            ("scripts parse", ["bash", "-c", SCRIPTS_PARSE, "parse", *shell_scripts()]),
            ("format", clang_format),
            ("headers alone", ["tools/check_headers.sh", "gcc"]),
            ("cppcheck", cppcheck),
        ]
        if shutil.which("shellcheck"):
            table.insert(0, ("shellcheck", ["shellcheck", *shell_scripts()]))
        # The longest first, so that it does not end alone.
        if self.wanted("checks/clang-tidy") and self.configure("fuzz"):
            self.check("checks/clang-tidy", [sys.executable, "tools/check_tidy.py", "build/fuzz"])
        for name, command in table:
            if self.wanted(f"checks/{name}"):
                self.check(f"checks/{name}", command)

    def builds(self):
        for preset in ("asan", "release"):
            self.build(preset)
        self.build_tsan()
        self.under_way.append(self.pool_behind.submit(self.build_fuzz, behind=True))
        if self.built.get("build/release"):
            self.simple("checks/no mutable globals",
                        [sys.executable, "tools/check_globals.py", "build/release"])
            self.simple("checks/papers", [sys.executable, "tools/check_papers.py", "build/bin"])

    def build_tsan(self):
        """Only what TSan is asked about: the programs and the unit tests with threads."""
        if not self.configure("tsan"):
            return
        unit = [program.name for name, program in self.unit_tests("tsan") if threaded(name)]
        apps = [p for p in PROGRAMS if (ROOT / "apps" / p / "main.c").exists()]
        if unit or apps:
            self.build("tsan", [*apps, *unit])

    def build_fuzz(self, behind=False):
        """Not the programs: clang looks at them as clang-tidy, with the same warnings."""
        return self.build("fuzz", [f"fuzz_{noun}" for noun in fuzz_targets()], behind)

    def unit(self):
        self.build("asan")
        tests = [(name, program) for name, program in self.unit_tests("asan")
                 if self.ready(f"unit/{name}", program)]
        outside = [test for test in tests if test[0].partition("/")[0] in UNIT_OUTSIDE]
        self.under_way += [self.units_behind.submit(self.unit_one, *test, behind=True)
                           for test in tests if test not in outside]
        self.in_parallel([lambda t=test: self.unit_one(*t) for test in outside])
        if self.wanted("unit/constant time"):
            self.constant_time()

    def unit_one(self, name, program, behind=False):
        self.program(f"unit/{name}", [str(program)], UNIT_LIMIT_S, UNIT_ENV, behind=behind)

    def constant_time(self):
        """The optimised code must not branch or index on the secret; see tests/helpers/ct_sign.c."""
        name = "unit/constant time"
        if not shutil.which("valgrind"):
            self.report.add(name, "skip", why="there is no valgrind")
            return
        build = ["cmake", "--build", str(BUILD / "release"), "-j", str(JOBS), "--target", "ct_sign"]
        if not self.configure("release") or not self.simple_once("build/ct_sign", build):
            return
        watch = ["valgrind", "-q", f"--error-exitcode={LEAK_STATUS}",
                 "--suppressions=tests/valgrind.supp", str(BUILD / "release/bin/ct_sign")]
        self.simple(f"{name}: signing", watch)
        self.simple(f"{name}: a leak is seen", [*watch, "--leak"], status=LEAK_STATUS)

    def tsan(self):
        self.build_tsan()
        wrap = personality()
        self.in_parallel([
            lambda n=name, p=program: self.program(f"tsan/{n}", [*wrap, str(p)], UNIT_LIMIT_S, UNIT_ENV)
            for name, program in self.unit_tests("tsan")
            if threaded(name) and self.ready(f"tsan/{name}", program)])

    def ready(self, name, program):
        if not self.wanted(name):
            return False
        if not program.exists():
            self.report.add(name, "fail", why="was not built")
            return False
        return True

    def fuzz(self):
        test_process.bring_forward()
        self.build_fuzz()
        self.in_parallel([lambda t=target: self.fuzz_one(t) for target in fuzz_targets()
                          if self.wanted(f"fuzz/{target}")])

    def fuzz_one(self, noun):
        name, program = f"fuzz/{noun}", BUILD / "fuzz/fuzz" / f"fuzz_{noun}"
        seeds = ROOT / "tests/fuzz/corpus" / noun
        if not self.ready(name, program):
            return
        if not seeds.is_dir() or not any(seeds.iterdir()):
            self.report.add(name, "fail", why=f"no seeds in {seeds}")
            return
        grown, crashes = BUILD / "fuzz-corpus" / noun, LOGS / "crashes"
        grown.mkdir(parents=True, exist_ok=True)
        crashes.mkdir(exist_ok=True)
        command = [str(program), f"-max_total_time={self.fuzz_seconds}", "-timeout=10",
                   "-rss_limit_mb=2048", "-print_final_stats=1",
                   f"-artifact_prefix={crashes}/{noun}-", str(grown), str(seeds)]
        words = ROOT / "tests/fuzz/dict" / f"{noun}.dict"
        if words.exists():
            command.insert(1, f"-dict={words}")
        self.simple(name, command, self.fuzz_seconds + CHECK_LIMIT_S)

    def e2e(self):
        files = [f for f in e2e_files() if self.wanted(f"e2e/{f.name}")]
        files.sort(key=time_limit, reverse=True)    # so that no long one ends alone
        jobs = [(f, build) for f in files for build in header(f, "build", "asan").split()]
        for build in sorted({build for _, build in jobs}):
            self.build_tsan() if build == "tsan" else self.build(build)
        if jobs:
            self.build("asan")      # the helpers are taken from there
        alone = [(f, b) for f, b in jobs if header(f, "alone", "")]
        self.in_lanes(alone, [job for job in jobs if job not in alone])

    def in_lanes(self, alone, others):
        """First one lane for those that are alone and one for others, then all lanes for others."""
        waiting, lonely = iter(others), threading.Event()
        taking = threading.Lock()

        def take():
            with taking:
                return next(waiting, None)

        def lane(first=(), after=None):
            if after:
                after.wait()
            try:
                for job in first:
                    self.e2e_one(*job)
            finally:
                lonely.set() if first is alone else None
            while job := take():
                self.e2e_one(*job)

        self.in_parallel([lambda: lane(alone), lane] + [lambda: lane(after=lonely)] *
                         (E2E_AT_ONCE - 2), workers=E2E_AT_ONCE)

    def e2e_one(self, file, build, limit_s=None, extra=None):
        folder = BUILD / "bin" if build == "release" else BUILD / build / "bin"
        limit_s = limit_s or time_limit(file)
        name = f"e2e/{file.name} ({build})"
        if not os.access(file, os.X_OK):
            self.report.add(name, "fail", why="the file is not executable")
            return
        scratch = Path(tempfile.mkdtemp(prefix=SCRATCH))
        env = {"PBTS_BIN": str(folder), "PBTS_BUILD": build, "PBTS_ROOT": str(ROOT),
               "PBTS_HELPERS": str(BUILD / "asan/bin"), "PBTS_TEST_TMP": str(scratch),
               "TMPDIR": str(scratch),
               "PYTHONDONTWRITEBYTECODE": "1", **(extra or {})}
        wrap = personality() if build == "tsan" else []
        try:
            if not self.program(name, [*wrap, str(file)], limit_s, env, each=True):
                keep_logs(scratch, LOGS / (file_name(name) + ".files"))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def soak(self):
        if self.configure("fuzz"):
            self.simple("soak/clang-tidy", [sys.executable, "tools/check_tidy.py", "build/fuzz",
                                            "--unbounded"], SOAK_LIMIT_S)
        file = ROOT / "tests/e2e/crash.py"
        if not file.exists():
            self.report.add("soak/crash.py", "skip", why="there is no such test")
            return
        self.build("asan")
        for build in header(file, "build", "asan").split():
            self.build(build)
            self.e2e_one(file, build, SOAK_LIMIT_S, {"PBTS_CRASH_KILLS": str(SOAK_KILLS)})

    def in_parallel(self, calls, workers=JOBS):
        pool = ThreadPoolExecutor(workers)
        try:
            for done in [pool.submit(call) for call in calls]:
                done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


UNIT_ENV = {"CMOCKA_MESSAGE_OUTPUT": "TAP"}
SCRIPTS_PARSE = r"""
set -e
for f; do bash -n "$f"; done
find tools tests bench -type f -name '*.py' -print0 | xargs -0 -r python3 -c '
import ast, sys
for name in sys.argv[1:]: ast.parse(open(name, encoding="utf-8").read(), name)'
"""


def sanitizer_options(log_path):
    """Reports go to files, so that one of a background daemon is not lost."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    for old in log_path.parent.glob(log_path.name + ".*"):
        old.unlink()
    common = f"log_path={log_path}"
    suppressions = ROOT / "tests/sanitizers/tsan.supp"
    tsan = f":suppressions={suppressions}" if suppressions.exists() else ""
    return {
        "ASAN_OPTIONS": f"{common}:detect_leaks=1:strict_string_checks=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": f"{common}:print_stacktrace=1",
        "TSAN_OPTIONS": f"{common}:exitcode=66:second_deadlock_stack=1{tsan}",
    }


def threaded(test_name):
    """Does this unit test, named module/test_noun, start threads?"""
    module, _, noun = test_name.partition("/")
    if module == "net":
        return True
    file = ROOT / "tests/unit" / module / f"{noun}.c"
    return file.exists() and re.search(r"<(pthread|threads)\.h>", file.read_text()) is not None


def fuzz_targets():
    return sorted(p.stem[len("fuzz_"):] for p in (ROOT / "tests/fuzz").glob("fuzz_*.c"))


def e2e_files():
    """Every test, executable or not; names that end in _kit are parts of others."""
    return sorted(p for p in (ROOT / "tests/e2e").glob("*")
                  if p.suffix in (".sh", ".py") and not p.stem.endswith("_kit"))


def header(file, key, default):
    """The value of a "# key: value" line among the first ten lines of a test."""
    with open(file, encoding="utf-8") as lines:
        for _, line in zip(range(10), lines):
            if hit := re.match(rf"#\s*{key}:\s*(.+?)\s*$", line):
                return hit[1].replace(",", " ")
    return default


def time_limit(file):
    return int(header(file, "timeout", str(E2E_LIMIT_S)))


def keep_logs(scratch, target):
    """Save the log files of a failed test before its folder goes."""
    shutil.rmtree(target, ignore_errors=True)
    for file in scratch.rglob("*.log"):
        if file.is_file() and file.stat().st_size < 10_000_000:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / str(file.relative_to(scratch)).replace("/", "_"))


def list_tests():
    for name in sorted(sources(".c", folders=("tests/unit",))):
        path = Path(name)
        if path.name.startswith("test_"):
            print(f"unit/{path.parent.name}/{path.stem}")
    for noun in fuzz_targets():
        print(f"fuzz/{noun}")
    for file in e2e_files():
        for build in header(file, "build", "asan").split():
            print(f"e2e/{file.name} ({build})")


def arguments():
    parser = argparse.ArgumentParser(
        prog="./test", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Without arguments: every stage but soak, a quarter of an hour on two cores.\n\n"
        + __doc__, epilog="examples:\n  ./test\n  ./test unit e2e\n  ./test unit -k bencode\n"
        "  ./test --fuzz 60\n  ./test soak\nLogs stay in build/test-logs/.")
    parser.add_argument("stages", nargs="*", metavar="STAGE",
                        help="checks builds unit tsan fuzz e2e soak")
    parser.add_argument("-k", dest="pattern", metavar="REGEX", help="only tests whose name matches")
    parser.add_argument("--fuzz", type=int, metavar="SECONDS",
                        help="only the fuzz stage, with this long for each target")
    parser.add_argument("--list", action="store_true", help="name the test files and end")
    args = parser.parse_args()
    for stage in args.stages:
        if stage not in (*DEFAULT_STAGES, "soak"):
            parser.error(f"there is no stage '{stage}'")
    if args.fuzz is not None and args.fuzz < 1:
        parser.error("--fuzz needs a positive number of seconds")
    if args.pattern:
        try:
            re.compile(args.pattern)
        except re.error as error:
            parser.error(f"-k: not a regular expression: {error}")
    return args


def stop(signum, _frame):
    raise KeyboardInterrupt(signum)


def main():
    args = arguments()
    if args.list:
        list_tests()
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    if VECTORS.is_dir():
        os.environ.setdefault("PBTS_TEST_DATA", str(VECTORS))
    signal.signal(signal.SIGTERM, stop)
    test_process.adopt_orphans()
    report = Report()
    runner = Runner(report, args.pattern, args.fuzz or FUZZ_SECONDS)
    stages = args.stages or (("fuzz",) if args.fuzz else DEFAULT_STAGES)
    try:
        for stage in stages:
            report.stage(stage)
            getattr(runner, stage)()
        if runner.under_way:
            report.stage("what runs behind, the rest")
            runner.catch_up()
        left = test_process.kill_everything()
        report.add("no process left behind", "fail" if left else "pass", why="; ".join(left))
    except (KeyboardInterrupt, BrokenPipeError):
        print("stopped", file=sys.stderr)
        test_process.kill_everything()
        for left in Path(tempfile.gettempdir()).glob(SCRATCH + "*"):
            shutil.rmtree(left, ignore_errors=True)
        os._exit(130)     # the threads that still wait have nothing to clean up
    return 0 if report.finish() else 1


if __name__ == "__main__":
    sys.exit(main())
