"""A real local server of files that can be slow, cut connections and change its mind."""

import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 1 << 14


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        content = server.contents.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and server.ranges and self.headers.get("If-Range") == server.tag:
            start = int(asked[1])
            if start >= len(content):
                self.send_error(416)
                return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        body = body[: server.cut.pop(0)] if server.cut else body
        for first in range(0, len(body), PIECE):
            self.wfile.write(body[first : first + PIECE])
            time.sleep(server.pause)

    def log_message(self, *arguments):
        pass


class FileServer(ThreadingHTTPServer):
    """Serves ``contents`` by path; ``cut`` answers stop after so many bytes each."""

    def __init__(self, contents):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.contents, self.tag, self.ranges, self.cut = contents, '"one"', True, []
        self.requests, self.pause = [], 0.0  # seconds between pieces
        self.root = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Nothing to say: clients that were killed leave in the middle."""

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.shutdown()
        self.server_close()
        self._thread.join()
