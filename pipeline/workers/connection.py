"""How a program of ours reaches a cluster: `connect` is awaited in a process of its own."""

from __future__ import annotations

import asyncio
import logging
import signal
from functools import partial
from importlib import import_module
from typing import Any

from ..cluster import ClusterError, Tell, WorkersLost
from ..cluster.process import ClusterProcess
from ..cluster.process_work import SIGNALS
from .access import AUTO, INSTALL, found_address, probe, set_up_environment
from .deployments import application, deployed, states
from .recordings import Recordings
from .repeating import Repeating

DEPLOYMENTS, RECORDINGS = "deployments", "recordings"  # services beside those that are deployed
NONE_HERE = (
    "no cluster runs on this computer; `surtitle workers` starts one, and "
    "`ray start --address HOST:6379` joins one"
)


def open_cluster(address: str) -> ClusterProcess:
    """Connect to a cluster, "auto" or HOST:PORT. Raises ClusterError."""
    if address == AUTO and found_address(AUTO) is None:
        raise ClusterError(NONE_HERE)
    name = "the cluster" if address == AUTO else f"the cluster at {address}"
    return ClusterProcess(partial(connect, address), name)


async def connect(address: str) -> RayServices:
    """Raises ClusterError."""
    found = found_address(address)
    if found is None:
        raise ClusterError(NONE_HERE)
    set_up_environment(found)
    await asyncio.to_thread(probe, found)
    try:
        ray = import_module("ray")
        import_module("ray.serve")
    except ImportError as error:
        raise ClusterError(INSTALL) from error
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        # In the main thread, as Ray takes the signals there; they are given back.
        ray.init(found, log_to_driver=False, logging_level=logging.CRITICAL, namespace="surtitle")
    except Exception as error:  # of Ray, of many classes
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise ClusterError(
            f"the cluster at {found} cannot be used: {why[0]} This computer must be a part of it "
            f"(`ray start --address {found} --num-cpus 0`), and have its token in ~/.ray/auth_token"
        ) from error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return RayServices(found, ray)


class RayServices:
    """See cluster/process_work.Services."""

    def __init__(self, address: str, ray: Any) -> None:
        self._address, self._ray = address, ray
        self._serve = import_module("ray.serve")
        self._handles: dict[str, Any] = {}
        self._recordings = Recordings(ray)
        self._repeating = Repeating(self._is_lost)

    async def call(self, service: str, method: str, arguments: tuple[Any, ...], tell: Tell) -> Any:
        if service == DEPLOYMENTS:
            return await deployed(method, arguments)
        if service == RECORDINGS:
            return await self._recordings.call(method, arguments, tell)
        ask = partial(self._ask, service, method, arguments)
        return await self._repeating.answer((service, method), ask)

    async def check(self) -> None:
        await asyncio.to_thread(probe, self._address)

    async def aclose(self) -> None:
        await self._recordings.aclose()
        await asyncio.to_thread(self._ray.shutdown)

    async def _ask(self, service: str, method: str, arguments: tuple[Any, ...]) -> Any:
        handle = self._handles.get(service)
        if handle is None:
            handle = self._handles[service] = await asyncio.to_thread(self._handle, service)
        response = getattr(handle, method).remote(*arguments)
        try:
            return await response
        except asyncio.CancelledError:
            await asyncio.to_thread(response.cancel)
            raise

    def _handle(self, service: str) -> Any:
        try:
            return self._serve.get_app_handle(application(service))
        except Exception as error:
            if service in states():
                raise WorkersLost(f"the {service} is not ready yet") from error
            raise ClusterError(
                f"no {service} is deployed in the cluster; `surtitle workers` does that"
            ) from error

    def _is_lost(self, error: BaseException) -> bool:
        """Whether it was not the call's: a replica, its process or its machine has died."""
        exceptions: Any = self._ray.exceptions
        if isinstance(error, exceptions.RayTaskError):
            return False  # raised by our code over there: a fault, which would be one again
        lost = (exceptions.RayError, self._serve.exceptions.DeploymentUnavailableError)
        return isinstance(error, lost)
