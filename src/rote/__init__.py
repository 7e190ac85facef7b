"""Is a model learning, or memorising?

``rote.watch(model)`` measures coherence while a model trains; ``rote.audit(model_factory, dataset)`` trains
one and writes the report that the command ``rote audit`` writes; ``rote.LUTNetworkClassifier`` learns by
memorising alone; ``rote.Circuit.read(path)`` reads a circuit; ``rote.draw(found)`` draws what
``rote.dynamics`` found. Everything else is in the rooms; nothing is imported before it is used.

    >>> import rote
    >>> {"audit", "luts", "optim", "watch"} <= set(dir(rote))
    True
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rote._audit import audit
    from rote._draw import draw
    from rote.circuits import Circuit
    from rote.gradients import watch
    from rote.luts import LUTNetworkClassifier

__version__ = "0.1.0"
__all__ = [
    "Circuit",
    "LUTNetworkClassifier",
    "__version__",
    "aggregate",
    "audit",
    "circuits",
    "data",
    "draw",
    "dynamics",
    "gradients",
    "integrations",
    "learners",
    "luts",
    "optim",
    "report",
    "runs",
    "studies",
    "watch",
]

_FUNCTIONS = {
    "Circuit": "rote.circuits",
    "LUTNetworkClassifier": "rote.luts",
    "audit": "rote._audit",
    "draw": "rote._draw",
    "watch": "rote.gradients",
}


def __getattr__(name: str) -> object:
    if name in _FUNCTIONS:
        found: object = getattr(import_module(_FUNCTIONS[name]), name)
    elif name in __all__:
        found = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)


class _Package(ModuleType):
    """This package, in which ``rote.audit`` is the function although a room has that name too.

    Importing the room would bind its name here, over the function; the room's other names come by
    ``from rote.audit import …``, which asks no attribute of this package.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _FUNCTIONS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
