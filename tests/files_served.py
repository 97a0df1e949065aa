"""A real server on this machine whose misbehaviour can be asked for, and a list of what it serves."""

import hashlib
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from theracast.features.sources import ORIGIN, PublicSource, RemoteFile


class Handler(BaseHTTPRequestHandler):
    """Serves bytes; breaks, stalls or lies when its server was told to."""

    def do_GET(self):
        served = self.server.served
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        break_at = served.breaks.pop(0) if served.breaks else None
        whole = served.files.get(self.path)
        served.log.append((self.path, start))
        served.authorization.append(self.headers.get("Authorization"))
        status = served.statuses.pop(0) if served.statuses else (200 if whole is not None else 404)
        if status != 200:
            return self.send_error(status)
        if not served.ranges:
            start = 0
        elif start >= len(whole) > 0:
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(whole) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start + served.lie}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        end = len(whole) if break_at is None else break_at
        for at in range(start, end, served.chunk):
            self.wfile.write(whole[at : min(at + served.chunk, end)])
            self.wfile.flush()
            served.sent += min(served.chunk, end - at)
            time.sleep(served.pause)
        if break_at is not None:
            self.connection.shutdown(socket.SHUT_RDWR)
        return None

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:  # the client went away: some tests kill it
            self.close_connection = True

    def log_message(self, *arguments):
        pass


class Served:
    """What the server has, how it shall misbehave, and what it was asked for."""

    def __init__(self, files):
        self.files, self.chunk, self.pause, self.ranges, self.lie = files, 1 << 14, 0.0, True, 0
        self.breaks, self.statuses, self.log, self.authorization, self.sent = [], [], [], [], 0
        self.url = ""


@contextmanager
def serving(files):
    """Serve bytes by path on a free port of this machine."""
    served = Served(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.served = True, served
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def source(content, name="thing", **changes):
    """List some files as a source that stays as it is."""
    files = tuple(
        RemoteFile(n, f"{ORIGIN}/who/what/{n}", len(c), hashlib.sha256(c).hexdigest()) for n, c in content.items()
    )
    fields = {"about": "", "reference": "", "licence": "", "caveats": "", "converter": "", "unit": ""}
    return PublicSource(**{"name": name, **fields, "needs": (), "cohorts": {}, "files": files, **changes})


def listing(source, path):
    """Write a source as a list that a process of its own can read."""
    import dataclasses

    import yaml

    entry = dataclasses.asdict(source)
    entry |= {"needs": list(source.needs), "cohorts": {}, "files": [dict(f) for f in entry["files"]]}
    path.write_text(yaml.safe_dump([entry]))
    return path
