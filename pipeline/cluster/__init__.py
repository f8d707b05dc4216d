"""What a program sees of a cluster of other machines: services that it calls.

`process.py` keeps the connection in a process of its own; who does the work, and how it is reached,
is in `workers/`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import SurtitleError

TRANSLATOR, RECOGNIZER, OTHER_LANGUAGES = "translator", "recognizer", "other-languages"

Tell = Callable[[Any], None]  # hears what a call tells before its answer, in some thread


class ClusterError(SurtitleError):
    """A cluster that is not there, refuses, or lacks what is asked for."""


class ClusterAway(ClusterError):
    """It may come back."""


class WorkersLost(ClusterError):
    """All who were asked died over a call, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as an answer, of one of our classes: not every error can travel."""

    error: type[SurtitleError]
    message: str

    @classmethod
    def of(cls, error: SurtitleError) -> Failure:
        return cls(type(error), str(error))

    def raised(self) -> SurtitleError:
        return self.error(self.message)


class Cluster(Protocol):
    """Calls go to whichever worker is free, and are repeated where one dies over them: a call may
    be worked on twice, and is answered once."""

    @property
    def is_away(self) -> bool: ...

    def submit(
        self, service: str, method: str, *arguments: Any, tell: Tell | None = None
    ) -> Future[Any]:
        """Ask a worker of a service; may be called in any thread, and never blocks.

        The answer is ClusterAway at once where the cluster is away, WorkersLost where nobody has
        answered, and whatever SurtitleError the worker has raised. Cancelling tells the cluster.
        """
        ...

    def wait(self, timeout_s: float) -> bool:
        """Block until the cluster is there; return whether it is."""
        ...
