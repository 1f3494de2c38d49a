"""Kills the process (SIGKILL) at a call of a named function; Python imports this at its start.

It stands on PYTHONPATH of the tests that kill, and reads SIGHTLINE_TEST_KILL: `module:attribute:count`
dies at the count-th call, before the function does anything. The module is patched when the product
imports it, so nothing is imported earlier than it would be.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class KillingFinder(MetaPathFinder):
    """Finds one module, by its name, and has its function replaced as soon as it is loaded."""

    def __init__(self, module: str, attribute: str, count: int) -> None:
        self.module, self.attribute, self.count = module, attribute, count

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module = self._patching(spec.loader)  # type: ignore[method-assign]
        return spec

    def _patching(self, loader: Loader) -> Any:
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            *owners, name = self.attribute.split(".")
            owner: Any = module
            for part in owners:
                owner = getattr(owner, part)
            setattr(owner, name, self._killing(getattr(owner, name)))

        return exec_module

    def _killing(self, function: Any) -> Any:
        calls = 0

        def call(*arguments: Any, **keywords: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == self.count:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **keywords)

        return call


if "SIGHTLINE_TEST_KILL" in os.environ:
    module, attribute, count = os.environ["SIGHTLINE_TEST_KILL"].split(":")
    sys.meta_path.insert(0, KillingFinder(module, attribute, int(count)))
