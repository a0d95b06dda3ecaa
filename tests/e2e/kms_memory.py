#!/usr/bin/env python3
# build: asan release
# timeout: 90
"""A node of the key service keeps what is secret in locked pages, also where it may not lock all of
its memory; no core, no debugger."""
import os
import re
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import kms  # noqa: E402
import pbts_test as t  # noqa: E402

LIMIT = 4 << 20     # far less than a process has, more than its secrets
SECRETS_KB = 40


def limited():
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (LIMIT, LIMIT))


def status(node, field):
    text = Path(f"/proc/{node.process.pid}/status").read_text(encoding="ascii")
    return re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)[1]


def core_limit(node):
    text = Path(f"/proc/{node.process.pid}/limits").read_text(encoding="ascii")
    return re.search(r"^Max core file size\s+(\S+)\s+(\S+)", text, re.MULTILINE).groups()


def main():
    kms.THRESHOLD = 1
    node = kms.Node(1, kms.free_ports(1)[0])
    (t.TMP / "members").write_text(node.init())
    os.rename(t.TMP / "members", node.data / "members")
    node.start(preexec_fn=limited)
    kms.wait_epoch([node], 0)
    t.check("the log says what is locked", "event=memory locked=secrets" in node.text(), node.text())
    before = int(status(node, "VmLck"))
    t.check("secrets are", before >= SECRETS_KB, before)
    t.check("and not all", before * 1024 <= LIMIT, before)
    done = kms.kms("dkg", "--data", node.data)
    t.check("it makes a key", done.returncode == 0 and kms.wait_epoch([node], 1, 30), node.text())
    t.check("pages of what is over are given back", int(status(node, "VmLck")) <= before + 256,
            status(node, "VmLck"))
    t.check("no core file", core_limit(node) == ("0", "0"), core_limit(node))
    t.check("it stops in order", node.stop() == 0, node.text())


if __name__ == "__main__":
    main()
    t.finish()
