"""Trials on copies of an optimizer, before a training: does its step do what is expected of it?"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def reason_against(trial: Callable[[], str]) -> str:
    """Return why something cannot be done with an optimizer; empty if it can.

    The trial is made in a thread of its own, which is outside of any `strategy.scope()`: within
    one, a weight cannot be made and stepped by itself.

    The trial steps copies, and returns in words what is wrong with where their weights are.
    """
    try:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(trial).result()
    except (AttributeError, TypeError, ValueError, NotImplementedError) as error:
        return f"trying it failed ({type(error).__name__}: {error})"
