"""A meter's hooks: on the model, off it for a while, or off for good."""

from typing import Protocol

from rote.errors import InputError


class Hooked(Protocol):
    """What can be taken off a model and put back."""

    def attach(self) -> None:
        """Put the hooks on."""
        ...

    def detach(self) -> None:
        """Take them off."""
        ...


class Switch:
    """Whether a meter's hooks are on its model: on, paused, or closed for good.

    Args:
        hooks: The hooks, which are on.

    Example:
        >>> class Hooks:
        ...     def attach(self): print("on")
        ...     def detach(self): print("off")
        >>> switch = Switch(Hooks())
        >>> switch.pause(); switch.resume(); switch.close(); switch.close()
        off
        on
        off
    """

    def __init__(self, hooks: Hooked) -> None:
        self._hooks = hooks
        self._on = True
        self._closed = False

    def pause(self) -> None:
        """Take the hooks off, if they are on."""
        if self._on:
            self._hooks.detach()
        self._on = False

    def resume(self) -> None:
        """Put them back, if they are off.

        Raises:
            InputError: If the meter was closed.
        """
        if self._closed:
            raise InputError(
                "`resume()` needs a meter that is only paused. Got a closed one: watch the model anew."
            )
        if not self._on:
            self._hooks.attach()
        self._on = True

    def close(self) -> None:
        """Take them off for good."""
        self.pause()
        self._closed = True

    def require_on(self) -> None:
        """Refuse to measure without hooks.

        Raises:
            InputError: If they are off.
        """
        if not self._on:
            raise InputError(
                "`update()` needs hooks on the model. Got a meter that was "
                + (
                    "closed: watch the model anew."
                    if self._closed
                    else "paused: call resume() before the forward pass."
                )
            )
