"""The commands over TLS: `surtitle serve` with a certificate, `publish` and `listen` against it."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
import trustme

from ..patience import PATIENCE_S
from .conftest import COMMAND, MakeVoice, StartServer

pytestmark = pytest.mark.slow


def trusting(authority: trustme.CA, path: Path) -> dict[str, str]:
    """An environment in which programs trust this authority only."""
    authority.cert_pem.write_to_path(path)
    return os.environ | {"SSL_CERT_FILE": str(path), "SSL_CERT_DIR": os.devnull}


def wait_for_viewer(url: str, environment: dict[str, str]) -> None:
    context = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        with urlopen(f"{url}/metrics", timeout=PATIENCE_S, context=context) as response:
            if b"surtitle_viewers 1.0" in response.read():
                return
        time.sleep(0.1)
    raise AssertionError("the viewer has not come")


def test_speech_is_published_and_read_over_tls_by_those_who_trust_the_server(
    start_server: StartServer, make_voice: MakeVoice, tmp_path: Path
) -> None:
    authority = trustme.CA()
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    options = ["--tls-cert", str(certificate), "--tls-key", str(key), "--translator", "echo"]
    url = start_server(*options)
    assert url.startswith("https://")
    known = trusting(authority, tmp_path / "authority.pem")
    strange = trusting(trustme.CA(), tmp_path / "stranger.pem")
    listen = [*COMMAND, "listen", url, "--lang", "en"]
    publish = [*COMMAND, "publish", str(make_voice(4)), "--url", url]

    for command in listen, publish:
        refused = subprocess.run(
            command, env=strange, capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert refused.returncode == 1
        assert "cannot be trusted" in refused.stderr and "SSL_CERT_FILE" in refused.stderr
        assert "Traceback" not in refused.stderr and len(refused.stderr.splitlines()) == 1

    with subprocess.Popen(listen, env=known, stdout=subprocess.PIPE, text=True) as listener:
        try:
            wait_for_viewer(url, known)
            published = subprocess.run(
                publish, env=known, capture_output=True, text=True, timeout=PATIENCE_S
            )
            assert published.returncode == 0, published.stderr
            assert listener.stdout is not None
            line = listener.stdout.readline()
            assert "welcome to the old harbo" in line  # also as the British write it
            assert line in published.stdout
        finally:
            listener.terminate()
