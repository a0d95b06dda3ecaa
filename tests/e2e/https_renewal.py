#!/usr/bin/env python3
# build: release
# timeout: 60
"""New certificates while connections come: one that was accepted, and that no thread of the general
server has taken up yet, is served by the certificate that it came for."""
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import https as h  # noqa: E402
import pbts_test as t  # noqa: E402

STILL_MS = 600
# A thread of libmicrohttpd that was woken stands still before it looks why, as on a busy machine.
SLOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms) {
    int (*real)(int, struct epoll_event *, int, int) =
        (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    int count = real(fd, events, max, timeout_ms);
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (count > 0 && strncmp(name, "MHD", 3) == 0) usleep(STILL_US);
    return count;
}
"""


def slow_threads():
    """The library that makes them slow."""
    source, library = t.TMP / "slow.c", t.TMP / "slow.so"
    source.write_text(SLOW, encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", f"-DSTILL_US={1000 * STILL_MS}", "-o", library, source,
                    "-ldl"], check=True)
    return library


def come(port, answers):
    try:
        with h.connect(port) as client:
            answers.append(h.whole(client))
    except OSError as error:
        answers.append(error)


def main():
    cert, secret = h.certificate("ec", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    https = t.free_port()
    daemon = t.Daemon("--https-port", str(https), "--tls-cert", cert, "--tls-key", secret,
                      "--rest-threads", "2")
    os.environ["LD_PRELOAD"] = str(slow_threads())
    daemon.start()
    del os.environ["LD_PRELOAD"]
    for n in range(2):
        answers = []
        client = threading.Thread(target=come, args=(https, answers))
        client.start()
        time.sleep(STILL_MS / 3000)
        for i in range(2):      # the second one clears away what the first one retired
            daemon.process.send_signal(signal.SIGHUP)
            t.wait_until(lambda: daemon.text().count("event=reloaded") > 2 * n + i, 20, 0.01)
        client.join()
        t.check(f"who came just before new certificates is served ({n})",
                answers and isinstance(answers[0], tuple) and answers[0][0] == 200, answers)
    t.check("each new certificate is taken", daemon.text().count("certificate=ok") == 4,
            daemon.text()[-1000:])
    t.check("the daemon ends well", daemon.stop() == 0, daemon.text()[-500:])
    t.finish()


if __name__ == "__main__":
    main()
