#!/usr/bin/env python3
# build: release
"""A disk that fails at the very end of a commit: LMDB then gives nothing more, so the daemon ends for
whoever starts it again; the commit did not happen, and what was answered before is there."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402

# The last write of a commit is LMDB's, of a few bytes into one of the file's first two pages. It
# fails once, when the file FLAG is there.
FAULT = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
typedef ssize_t write_at(int, const void *, size_t, off_t);
static ssize_t fail_or(const char *name, int fd, const void *from, size_t len, off_t at) {
    write_at *real = (write_at *)dlsym(RTLD_NEXT, name);
    const char *flag = getenv("FLAG");
    if (len < 512 && at < 8192 && flag != NULL && unlink(flag) == 0) {
        errno = EIO;
        return -1;
    }
    return real(fd, from, len, at);
}
ssize_t pwrite(int fd, const void *from, size_t len, off_t at) {
    return fail_or("pwrite", fd, from, len, at);
}
ssize_t pwrite64(int fd, const void *from, size_t len, off_t at) {
    return fail_or("pwrite64", fd, from, len, at);
}
"""


def fault():
    """The library that brings the fault, and the file that sets it off."""
    source, library = t.TMP / "fault.c", t.TMP / "fault.so"
    source.write_text(FAULT, encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library, t.TMP / "flag"


def main():
    helper, daemon = s.Helper(), t.Daemon()
    library, flag = fault()
    os.environ.update(LD_PRELOAD=str(library), FLAG=str(flag))
    daemon.start()
    del os.environ["LD_PRELOAD"]
    alice = s.Signer(helper, daemon, "alice")
    flag.touch()
    bob = s.Signer(helper, daemon, "bob", register=False, iid=alice.iid)
    answer = bob.register()
    t.check("what could not be written is answered 503", answer.status == 503, answer)
    t.check("the fault was there, once", not flag.exists())
    code = daemon.process.wait(30)
    t.check("the daemon ends, with a code that has it started again", code == 1, code)
    t.check("and says why", "store_lost" in daemon.text(), daemon.text()[-500:])
    daemon.start()
    t.check("what was answered before is there", alice.user()["user_id"] == "alice")
    t.check("what was refused did not happen", daemon.get("/user/bob").status == 404)
    t.check("and works now", bob.register().status == 200)
    t.check("the daemon stops cleanly", daemon.stop() == 0)
    ledger = t.pbts("ledger", "verify", "--data", daemon.data, check_exit=False)
    t.check("pbts ledger verify passes", ledger.returncode == 0, ledger.stdout + ledger.stderr)
    helper.close()
    t.finish()


if __name__ == "__main__":
    main()
