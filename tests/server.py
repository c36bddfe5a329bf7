"""A real local server of files that can be slow, cut connections, lie and change its mind."""

import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 1 << 14


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        server = self.server
        server.heads.append(self.path)
        content = server.contents.get(self.path)
        if not server.answers_head:
            self.send_error(501)
        elif content is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) + server.lie))
            self.end_headers()

    def do_GET(self):
        with self.server.serving():
            self._get()

    def _get(self):
        server = self.server
        server.requests.append(dict(self.headers))
        self.close_connection = True  # whatever goes wrong ends with this answer
        if server.refusals:
            status, extra = server.refusals.pop(0)
            self.send_response(status)
            for key, value in {"Content-Length": "0", **extra}.items():
                self.send_header(key, value)
            self.end_headers()
            return
        content = server.contents.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and server.ranges and self.headers.get("If-Range", server.tag) == server.tag:
            start = int(asked[1])
            if start >= len(content):
                self.send_error(416)
                return
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            first = start + server.shift
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if server.tells_length:
            self.send_header("Content-Length", str(len(body) + server.lie))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        if server.damaged > 0:
            server.damaged -= 1
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        body = body[: server.cut.pop(0)] if server.cut else body
        for first in range(0, len(body), server.piece):
            self.wfile.write(body[first : first + server.piece])
            time.sleep(server.pause)

    def log_message(self, *arguments):
        pass


class FileServer(ThreadingHTTPServer):
    """Serves ``contents`` by path, and misbehaves as its attributes say.

    Attributes:
        cut: the next answers stop after so many bytes each.
        damaged: so many next answers have a bit flipped in the middle.
        refusals: status and headers of the next answers.
        lie: bytes that the promised length is too long.
        shift: bytes by which a part that is sent is called another.
        tag: of the content's version, or None.
        pause: seconds after each ``piece`` of bytes.
    """

    def __init__(self, contents):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.contents, self.tag, self.ranges, self.cut = contents, '"one"', True, []
        self.damaged, self.refusals, self.lie, self.shift = 0, [], 0, 0
        self.tells_length = self.answers_head = True
        self.requests, self.heads = [], []
        self.pause, self.piece = 0.0, PIECE
        self.busy = self.busiest = 0  # answers at the same time
        self._counting = threading.Lock()
        self.root = f"http://127.0.0.1:{self.server_port}"

    def serving(self):
        """Context of one answer."""
        return _Serving(self)

    def handle_error(self, request, client_address):
        """Nothing to say: clients that were killed leave in the middle."""

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Serving:
    def __init__(self, server):
        self._server = server

    def __enter__(self):
        self._add(1)

    def __exit__(self, *_):
        self._add(-1)

    def _add(self, one):
        server = self._server
        with server._counting:
            server.busy += one
            server.busiest = max(server.busiest, server.busy)
