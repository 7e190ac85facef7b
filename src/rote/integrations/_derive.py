"""Classes of packages that may be absent, taken when they are needed."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from rote.errors import InputError


def derive(hooks: type, name: str, base: str, packages: Sequence[str], *, extra: str) -> type:
    """The class ``name`` made of our ``hooks`` and of the framework's class ``base``.

    Importing a module of this room imports no framework; asking it for its callback does.

    Args:
        hooks: Our methods; they win over those of ``base``.
        name: What the class is called, in the module of ``hooks``.
        base: Name of the framework's class.
        packages: Where it may be found. One that is imported already comes first, then the given order.
        extra: The extra of rote that brings the package.

    Raises:
        InputError: If none of the packages is installed.

    Example:
        >>> class Hooks:
        ...     pass
        >>> derive(Hooks, "Callback", "Thread", ["threading"], extra="none").__mro__[2].__name__
        'Thread'
    """
    tops = [package.partition(".")[0] for package in packages]
    known = [package for package in packages if package in sys.modules]
    installed = [package for package, top in zip(packages, tops, strict=True) if find_spec(top) is not None]
    if not installed:
        raise InputError(
            f"`{hooks.__module__}` needs {' or '.join(tops)}. Got an environment without: "
            f"pip install 'rote[{extra}]'."
        )
    parent = getattr(import_module([*known, *installed][0]), base)
    return type(name, (hooks, parent), {"__module__": hooks.__module__, "__doc__": hooks.__doc__})
