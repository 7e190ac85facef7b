"""Which way each layer is measured, in words."""

from rote.gradients._capture import Capture


def coverage_of(capture: Capture) -> dict[str, str]:
    """By layer, how its norms are taken; final after the first settled batch.

    Args:
        capture: The hooks on the model.

    Returns:
        The ways of the reported layers in the model's order, then ``"frozen"`` for the others.
    """
    counted = (unit for unit in capture.units if unit.counted)
    routes = {name: unit.route for name, unit in zip(capture.layer_names(), counted, strict=True)}
    for name in capture.frozen:
        routes.setdefault(name.rpartition(".")[0] or type(capture.model).__name__, "frozen")
    return routes
