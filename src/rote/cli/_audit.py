"""``rote audit``."""

from rote.errors import InputError


def audit(data: str) -> None:
    """Train a model on a data set and report what it memorises.

    Args:
        data: The data set.
    """
    raise InputError(f"`rote audit` is not there yet; {data} was left alone.")
