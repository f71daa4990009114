"""Every call that a bake makes to the system about files, counted: die at the n-th, or refuse it."""

import contextlib
import itertools
import os
import signal
import warnings

CALLS = ("open", "write", "fsync", "rename", "unlink", "mkdir", "rmdir", "ftruncate", "pread")


@contextlib.contextmanager
def counted(at):
    """Call `at(n, name)` before the n-th call, from 1, of one of CALLS."""
    real = {name: getattr(os, name) for name in CALLS}
    numbers = itertools.count(1)

    def wrapped(name):
        def inner(*args, **kwargs):
            at(next(numbers), name)
            return real[name](*args, **kwargs)

        return inner

    try:
        for name in CALLS:
            setattr(os, name, wrapped(name))
        yield
    finally:
        for name, call in real.items():
            setattr(os, name, call)


def in_child(work):
    """Fork, do `work()`, end -> the child's pid. It never returns to the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fork with threads: the child begins pools of its own
        child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)


def killed_at(work, n):
    """Run `work` in a child that kills itself before its n-th call -> whether it came so far."""

    def die(number, name):
        if number == n:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying():
        with counted(die):
            work()

    _, status = os.waitpid(in_child(dying), 0)
    return os.WIFSIGNALED(status)


def n_calls(work):
    """How many calls `work` makes, in this process."""
    seen = []
    with counted(lambda n, name: seen.append(n)):
        work()
    return len(seen)
