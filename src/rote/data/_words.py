"""What errors have to say, fit to stand inside a sentence."""


def reason(error: BaseException, *, most: int = 120) -> str:
    r"""The message of an error on one line, at most ``most`` characters of it; its kind if it says nothing.

    Example:
        >>> reason(ValueError("bad\n  magic")), reason(EOFError())
        ('bad magic', 'EOFError')
    """
    return " ".join(str(error).split())[:most] or type(error).__name__
