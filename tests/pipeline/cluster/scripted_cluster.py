"""A cluster that is no cluster: services of the tests, in a process as that of a real one."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surtitle.pipeline.cluster import ClusterError, Tell
from surtitle.pipeline.errors import TranslatorError


@dataclass
class ScriptedServices:
    """`folder` remembers from one process to the next: "refuses" makes it refuse."""

    folder: Path
    cancelled: list[str] = field(default_factory=list)

    async def call(self, service: str, method: str, arguments: tuple[Any, ...], tell: Tell) -> Any:
        match method:
            case "echo":
                return service, *arguments
            case "cancelled":
                return self.cancelled
            case "tell":
                for value in arguments:
                    tell(value)
                return len(arguments)
            case "wait":
                tell("begun")
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.cancelled.append(arguments[0])
                    raise
            case "refuse":
                raise TranslatorError(arguments[0])
            case "break":
                raise KeyError(arguments[0])
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case _:
                raise AssertionError(method)

    async def check(self) -> None:
        if (self.folder / "is away").exists():
            raise ClusterError("nobody answers")

    async def aclose(self) -> None:
        (self.folder / "closed").touch()


async def connect(folder: Path) -> ScriptedServices:
    (folder / f"process-{os.getpid()}").touch()
    if (folder / "is away").exists():
        raise ClusterError("no cluster is there; start one")
    return ScriptedServices(folder)
