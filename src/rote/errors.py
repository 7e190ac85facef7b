"""The one error that users see."""


class InputError(ValueError):
    """What the user gave cannot be used; the message is one sentence: what is wrong, where, what to do.

    The command line prints the message without a traceback and exits with status 2.

    Example:
        >>> raise InputError("`epochs` must be at least 1. Got 0.")
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `epochs` must be at least 1. Got 0.
    """
