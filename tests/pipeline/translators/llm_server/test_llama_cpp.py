"""The translator before a real llama.cpp server, in a process of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.translators.llm_server.translator import LlmServerTranslator

from ....patience import PATIENCE_S
from .tiny_gguf import write_tiny_gguf

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None,
    reason="pip install xllamacpp: llama.cpp with its server",
)

SERVE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port = sys.argv[1], 0
params.n_parallel, params.n_ctx, params.cpuparams.n_threads = 2, 8192, 1
server = xllamacpp.Server(params)
print("address", server.listening_address, flush=True)
sys.stdin.read()
"""
REQUEST = TranslationRequest("The harbor opens at six.", "en", "es")
ANSWER = "El puerto abre a las seis."


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write_tiny_gguf(path)
    command = [sys.executable, "-c", SERVE, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = next(line for line in server.stdout if line.startswith("address "))
            yield f"{address.split()[1]}/v1"
        finally:
            server.kill()


def translated(address: str, *requests: TranslationRequest) -> list[str]:
    async def ask() -> list[str]:
        translator = LlmServerTranslator(address, at_once=4)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.gather(*map(translator.translate, requests))
        finally:
            await translator.aclose()

    return asyncio.run(ask())


def test_it_translates_several_at_once(address: str) -> None:
    assert translated(address, *[REQUEST] * 6) == [ANSWER] * 6


@pytest.mark.parametrize("pinned", ["El", "El puerto", "El puerto abre a las"])
def test_it_goes_on_where_a_translation_has_begun(address: str, pinned: str) -> None:
    assert translated(address, replace(REQUEST, pinned=pinned)) == [ANSWER]
    # This model can begin in one way only: so the rest shows that it was not asked to begin.
    assert translated(address, replace(REQUEST, pinned="Y a las")) == ["Y a las seis."]
