"""A guest agent of dstack that is none, on a unix socket, with faults.

`make(report_data)` gives quotes. `mode` is what goes wrong: "" nothing, "hangs", "garbage", "oversize",
"truncated", "error", "other" (a quote for something else), "no quote", "endless", "chunked" and "slow"
(both good), "closed"."""
import json
import os
import socketserver
import threading
import time

EVENT_LOG = '[{"imr":3,"event":"app-id"}]'
KEY = "11" * 32
PATHS = {"agent": {"/GetQuote": "quote", "/GetKey": "key", "/Info": "info"},
         "tappd": {"/prpc/Tappd.RawQuote?json": "quote", "/prpc/Tappd.DeriveK256Key?json": "key",
                   "/prpc/Tappd.Info?json": "info"}}


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            self.answer_one()
        except OSError:
            pass  # the other side ended it

    def answer_one(self):
        agent = self.server.agent
        line = self.rfile.readline().decode().split()
        length = 0
        while (header := self.rfile.readline().strip()):
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = self.rfile.read(length)
        agent.requests.append((line[1], json.loads(body)))
        what = PATHS[agent.api].get(line[1])
        if what is None:
            self.send("404 Not Found", b'{"error":"no such method"}')
            return
        self.misbehave(agent, what, json.loads(body))

    def misbehave(self, agent, what, asked):
        mode = agent.mode
        answer = json.dumps(agent.answer(what, asked)).encode()
        if mode == "hangs":
            agent.release.wait(60)
        elif mode == "garbage":
            self.wfile.write(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        elif mode == "oversize":
            self.send("200 OK", b" " * (1 << 20) + answer)
        elif mode == "endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not agent.release.is_set():
                self.wfile.write(b"x" * 65536)
        elif mode == "truncated":
            self.send("200 OK", answer[:-10], len(answer))
        elif mode == "error":
            self.send("500 Internal Server Error", b'{"error":"quote provider failed"}')
        elif mode == "chunked":
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(answer[i:i + 777]), answer[i:i + 777])
                              for i in range(0, len(answer), 777))
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
                             b"0\r\n\r\n")
        elif mode == "slow":
            for i in range(0, len(answer), 2000):
                if i == 0:
                    self.send("200 OK", b"", len(answer))
                self.wfile.write(answer[i:i + 2000])
                self.wfile.flush()
                time.sleep(0.01)
        elif mode != "closed":
            self.send("200 OK", answer)

    def send(self, status, body, length=None):
        self.wfile.write(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                         % (status.encode(), len(body) if length is None else length) + body)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads, block_on_close = True, False


class FakeDstack:
    def __init__(self, path, make, api="agent"):
        self.path, self.make, self.api = str(path), make, api
        self.mode, self.requests, self.release = "", [], threading.Event()
        self.server = _Server(self.path, _Handler)
        self.server.agent = self
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def answer(self, what, asked):
        if what == "key":
            return {"key" if self.api == "agent" else "k256_key": KEY, "signature_chain": []}
        if what == "info":
            return {"app_id": "aa" * 20, "instance_id": "bb" * 20, "compose_hash": "cc" * 32,
                    "app_name": "tracker"}
        if self.mode == "no quote":
            return {"event_log": EVENT_LOG}
        report_data = bytes(64) if self.mode == "other" else bytes.fromhex(asked["report_data"])
        return {"quote": self.make(report_data).hex(), "event_log": EVENT_LOG,
                "report_data": asked["report_data"]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        os.unlink(self.path)
