"""A server that speaks the model hub's protocol, as much of it as fetching needs, and has bad
days."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
BIG = (".bin", ".safetensors", ".spm", ".model")  # kept apart, with their checksums


class FakeHub:
    """One repository. `asked` are the files that were asked for, each with the byte from which on;
    `breaks` counts down: so many answers end in the middle of `model.bin`. When `dies_after` of
    these have ended so, `is_down`, and no answer about a file has a byte."""

    def __init__(self, repository: str, files: Mapping[str, bytes]) -> None:
        self.repository = repository
        self.files = dict(files)
        self.commit = COMMIT
        self.asked: list[tuple[str, int]] = []
        self.keys: set[str | None] = set()
        self.breaks = 0
        self.dies_after = -1
        self.is_down = False
        self.lies: dict[str, bytes] = {}  # what is sent in the place of a file

    @contextmanager
    def served(self) -> Iterator[str]:
        """The address, while it is served."""
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def entry(self, name: str) -> dict[str, object]:
        data = self.files[name]
        about: dict[str, object] = {"size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        if name.endswith(BIG):
            sha256 = hashlib.sha256(data).hexdigest()
            about["lfs"] = {"oid": sha256, "sha256": sha256, "size": len(data), "pointerSize": 130}
        return about


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(is_head=True)

    def do_GET(self) -> None:
        self._answer(is_head=False)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""

    def _answer(self, *, is_head: bool) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.keys.add(self.headers.get("Authorization"))
        api = f"/api/models/{hub.repository}"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{hub.commit}"):
            siblings = [
                {**hub.entry(name), "rfilename": name, "blobId": "0" * 40} for name in hub.files
            ]
            self._json({"id": hub.repository, "sha": hub.commit, "siblings": siblings})
        elif path == f"{api}/tree/{hub.commit}":
            self._json([{**hub.entry(name), "type": "file", "path": name} for name in hub.files])
        elif path.startswith(f"/{hub.repository}/resolve/{hub.commit}/"):
            name = path.rpartition("/")[2]
            if name.endswith(BIG):  # the large ones lie elsewhere
                self._json({}, 302, {"Location": f"http://{self.headers['Host']}/far/{name}"})
            else:
                self._file(name, is_head=is_head)
        elif path.startswith("/far/"):
            self._file(path.rpartition("/")[2], is_head=is_head)
        else:
            self._json({"error": "not found"}, 404, {"X-Error-Code": "RepoNotFound"})

    def _json(self, body: object, status: int = 200, headers: Mapping[str, str] = {}) -> None:  # noqa: B006
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _file(self, name: str, *, is_head: bool) -> None:
        hub = self.hub
        data = hub.lies.get(name, hub.files[name])
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{hashlib.sha1(hub.files[name]).hexdigest()}"')
        self.send_header("X-Repo-Commit", hub.commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if is_head:
            return
        hub.asked.append((name, start))
        if hub.is_down:
            self.close_connection = True
        elif name == "model.bin" and hub.breaks > 0:
            hub.breaks -= 1
            hub.dies_after -= 1
            hub.is_down = hub.dies_after == 0
            self.wfile.write(data[start : start + len(data) // 3])
            self.close_connection = True
        else:
            self.wfile.write(data[start:])
