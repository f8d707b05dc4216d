from __future__ import annotations

from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from ..scripted import Served, read, serve


def test_a_page_of_another_server_may_not_connect(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        for path in "/v1/view", "/v1/publish":
            with pytest.raises(InvalidStatus) as caught:
                await served.connect(path, origin="https://evil.example")
            assert caught.value.response.status_code == 403
        for origin in served.url, "https://stage.example":
            async with served.view(origin=origin) as viewer:
                assert (await read(viewer))["type"] == "snapshot"

    serve(scenario, tmp_path, allowed_origins=("https://stage.example",))


def test_a_name_that_was_rebound_is_refused(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        headers = {"host": f"evil.example:{served.port}"}
        async with served.http() as http:
            for path in "/", "/v1/sessions", "/healthz":
                answer = await http.get(path, headers=headers)
                assert answer.status_code == 421
        with pytest.raises(InvalidStatus) as caught:
            await served.connect("/v1/view", name="evil.example", host="127.0.0.1")
        assert caught.value.response.status_code == 421

    serve(scenario, tmp_path)


def test_every_answer_has_the_headers(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            for path in "/", "/overlay", "/capture", "/overlay/main.js", "/v1/sessions", "/none":
                headers = (await http.get(path)).headers
                policy = headers["content-security-policy"]
                assert "default-src 'none'; script-src 'self'" in policy
                assert "unsafe" not in policy
                ancestors = "*" if path == "/overlay" else "'none'"
                assert policy.endswith(f"frame-ancestors {ancestors}")
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["referrer-policy"] == "no-referrer"
                assert "server" not in headers
                secret = path.startswith("/v1/")
                assert headers["cache-control"] == ("no-store" if secret else "no-cache")

    serve(scenario, tmp_path)


def test_there_is_nothing_elsewhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(served: Served) -> None:
        with pytest.raises(InvalidStatus) as caught:
            await served.connect("/v1/elsewhere")
        assert caught.value.response.status_code == 403
        async with served.http() as http:
            for path in "/none", "/overlay/", "/..%2f..%2fetc%2fpasswd", "//etc/passwd":
                assert (await http.get(path)).status_code == 404
            assert (await http.post("/overlay/main.js")).status_code == 405

    serve(scenario, tmp_path)
    assert "Exception" not in caplog.text


def test_a_page_of_another_server_may_change_nothing(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            for origin, status in (
                ("https://evil.example", 403),
                ("null", 403),
                (served.url, 404),
                ("https://stage.example", 404),
            ):
                for method, path in (("DELETE", "/v1/sessions/x"), ("POST", "/v1/sessions/x")):
                    answer = await http.request(method, path, headers={"origin": origin})
                    found = 404 if answer.status_code == 405 else answer.status_code
                    assert found == status, (origin, method)
            assert (await http.delete("/v1/sessions/x")).status_code == 404  # a program

    serve(scenario, tmp_path, allowed_origins=("https://stage.example",))


def test_answers_are_shared_with_allowed_origins_only(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        ask = {"access-control-request-method": "DELETE"}
        async with served.http() as http:
            for origin, shared in (
                ("https://stage.example", "https://stage.example"),
                ("https://evil.example", None),
            ):
                answer = await http.get("/v1/sessions", headers={"origin": origin})
                assert answer.headers.get("access-control-allow-origin") == shared
                asked = await http.options("/v1/sessions/x", headers=ask | {"origin": origin})
                assert asked.status_code == 204
                assert asked.headers.get("access-control-allow-origin") == shared
            assert "access-control-allow-origin" not in (await http.get("/v1/sessions")).headers

    serve(scenario, tmp_path, allowed_origins=("https://stage.example",))
