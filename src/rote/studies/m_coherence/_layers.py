"""Which layers are the first, the middle and the last."""

from torch import nn

PLACES = ("first", "middle", "last")


def places(model: nn.Module) -> dict[str, str]:
    """Names of the first, the middle and the last layer, of those with weights on the longest way.

    Layers of 1×1 convolutions, which are the shortcuts of a residual network, do not count.

    Example:
        >>> from rote.learners import mlp
        >>> places(mlp((4,), 2, hidden=(3, 3, 3)))
        {'first': '1', 'middle': '5', 'last': '7'}
    """
    names = [name for name, module in model.named_modules() if _counts(module)]
    return dict(zip(PLACES, (names[0], names[len(names) // 2], names[-1]), strict=True))


def _counts(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        return module.kernel_size != (1, 1)
    return isinstance(module, nn.Linear)
