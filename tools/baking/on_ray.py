"""Ray as who does the work. Optional: the extra `cluster`. Its workers must see the same files."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import UserError, shown
from .workers import StoppedError, Submit


@contextmanager
def ray_workers(address: str, n_jobs: int) -> Iterator[Submit]:
    """Units as Ray tasks: at `address`, or "local" for a cluster of n_jobs workers on this machine."""
    try:
        import ray as found
    except ImportError:
        raise UserError("--ray needs Ray: pip install 'voxtide[cluster]'") from None
    ray: Any = found
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}}
    try:
        if address == "local":
            ray.init(
                num_cpus=n_jobs,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                runtime_env=environment,
            )
        else:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(f"cannot reach Ray at {shown(address)}: {shown(error)}") from None
    try:
        most = 2 * max(1, int(ray.cluster_resources().get("CPU", n_jobs)))
        yield lambda function, arguments: _as_done(ray, function, arguments, most)
    finally:
        ray.shutdown()


def _as_done(
    ray: Any, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], most: int
) -> Iterator[Any]:
    remote = ray.remote(max_retries=2)(function)  # a unit may be done twice: it writes the same bytes
    waiting: list[Any] = []

    def first() -> Any:
        nonlocal waiting
        (done,), waiting = ray.wait(waiting, num_returns=1)
        try:
            return ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None  # ours, as it was raised
        except ray.exceptions.RayError as error:
            raise StoppedError(f"a Ray worker failed: {shown(error)}: repeat the command to go on") from None

    for one in arguments:
        if len(waiting) >= most:
            yield first()
        waiting.append(remote.remote(*one))
    while waiting:
        yield first()
