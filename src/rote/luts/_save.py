"""A fitted network as one safetensors file: arrays, and JSON beside them; nothing in it is executed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin

from rote.errors import InputError
from rote.luts import _binarise
from rote.luts._estimator import LUTNetworkClassifier
from rote.luts._layer import Layer, Network

_FORMAT = "rote lut network 1"
_BINARISERS = ("Threshold", "Thermometer", "Quantiles", "IntegerBits", "PCABits")
_PCA = ("components_", "mean_", "explained_variance_")


def save(estimator: LUTNetworkClassifier, path: str | Path) -> Path:
    """Write a fitted estimator to a file.

    Args:
        estimator: A fitted one; its binariser, if any, must be one of this room.
        path: Where to.

    Returns:
        The path.

    Raises:
        InputError: If its classes or its binariser cannot be written without code.

    Example:
        >>> import tempfile
        >>> xor = LUTNetworkClassifier(k=2, depth=0).fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     load(save(xor, Path(folder) / "xor.safetensors")).predict([[1, 0], [1, 1]]).tolist()
        [1, 0]
    """
    from safetensors.numpy import save_file

    classes = estimator.classes_
    if classes.dtype.kind not in "biufU" and not all(isinstance(name, str) for name in classes):
        raise InputError(f"`classes_` must be numbers, booleans or text to be saved. Got {classes.dtype}.")
    arrays: dict[str, NDArray[Any]] = {"code": estimator.code_}
    networks = []
    for i, network in enumerate(estimator.networks_):
        arrays[f"{i}.counts"] = network.counts
        for j, layer in enumerate(network.layers):
            arrays[f"{i}.{j}.fanins"], arrays[f"{i}.{j}.tables"] = layer.fanins, layer.tables
        networks.append({"layers": len(network.layers), "coin": network.coin})
    parameters = estimator.get_params(deep=False)
    parameters.pop("binariser")
    text = {
        "format": _FORMAT,
        "parameters": parameters,
        "classes": classes.tolist(),
        "dtype": classes.dtype.str,
        "networks": networks,
        "inputs": estimator.networks_[0].inputs,
        "features": estimator.n_features_in_,
        "binariser": _write_binariser(estimator.binariser_, arrays),
    }
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(whole, str(path), metadata={"rote": json.dumps(text, default=_plain)})
    return Path(path)


def _plain(value: object) -> object:
    """NumPy's numbers, which parameters may be, as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise InputError(f"A parameter cannot be saved: {value!r:.80} is no number, text or boolean.")


def load(path: str | Path) -> LUTNetworkClassifier:
    """Read what `save` wrote. Records of learning are not kept.

    Raises:
        InputError: If the file is absent, damaged, or none of ours.

    Example:
        >>> load("nowhere.safetensors")
        Traceback (most recent call last):
        ...
        rote.errors.InputError: `nowhere.safetensors` is not there: check the path.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise InputError(f"`{path}` is not there: check the path.")
    try:
        with safe_open(str(path), "numpy") as file:
            text = json.loads((file.metadata() or {}).get("rote", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if text.get("format") != _FORMAT:
            raise InputError(f"`{path}` must be a network saved by rote.luts.save, and is none.")
        return _rebuilt(text, arrays)
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"`{path}` is damaged ({type(error).__name__}: {error!s:.120}): save the network again."
        ) from error


def _rebuilt(text: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> LUTNetworkClassifier:
    estimator = LUTNetworkClassifier(**text["parameters"])
    recipe = estimator.recipe()
    networks = []
    for i, kept in enumerate(text["networks"]):
        layers: list[Layer] = []
        for j in range(kept["layers"]):
            layer = Layer(arrays[f"{i}.{j}.fanins"], arrays[f"{i}.{j}.tables"])
            rows = text["inputs"] + (layers[-1].width if layers else 0)
            words = max(1, (1 << layer.fanins.shape[1]) // 64)
            if layer.fanins.dtype != np.int32 or not 0 <= layer.fanins.min() <= layer.fanins.max() < rows:
                raise ValueError(f"layer {j} of network {i} reads rows that are not there")
            if layer.tables.dtype != np.uint64 or layer.tables.shape != (layer.width, words):
                raise ValueError(f"layer {j} of network {i} has tables of another size")
            layers.append(layer)
        counts = arrays[f"{i}.counts"]
        if recipe.output == "table" and counts.shape != (2, 1 << layers[-1].k):
            raise ValueError(f"network {i} has counts of another size")
        networks.append(
            Network(text["inputs"], tuple(layers), recipe.output, counts, bool(kept["coin"]), recipe.boost)
        )
    estimator.networks_, estimator.records_ = tuple(networks), ()
    estimator.classes_ = np.array(text["classes"], np.dtype(text["dtype"]))
    estimator.code_ = arrays["code"]
    questions = estimator.code_.shape[1]
    if estimator.code_.shape[0] != len(estimator.classes_) or len(networks) != questions * estimator.bags:
        raise ValueError("classes, code and networks disagree")
    estimator.n_features_in_ = text["features"]
    estimator.binariser_ = _read_binariser(text["binariser"], arrays, text["features"])
    return estimator


def _write_binariser(
    binariser: TransformerMixin | None, arrays: dict[str, NDArray[Any]]
) -> dict[str, Any] | None:
    if binariser is None:
        return None
    name = type(binariser).__name__
    if name not in _BINARISERS or type(binariser) is not getattr(_binarise, name):
        raise InputError(f"`binariser` must be one of {', '.join(_BINARISERS)} to be saved. Got {name}.")
    parameters = binariser.get_params()
    if "threshold" in parameters:
        parameters["threshold"] = np.asarray(parameters["threshold"]).tolist()
    if hasattr(binariser, "cuts_"):
        arrays["binariser.cuts_"] = binariser.cuts_
    if name == "PCABits":
        arrays.update({f"binariser.{each}": getattr(binariser.pca_, each) for each in _PCA})
    return {"name": name, "parameters": parameters}


def _read_binariser(
    kept: dict[str, Any] | None, arrays: dict[str, NDArray[Any]], features: int
) -> TransformerMixin | None:
    if kept is None:
        return None
    if kept["name"] not in _BINARISERS:
        raise ValueError(f"no binariser {kept['name']!r:.40}")
    binariser = getattr(_binarise, kept["name"])(**kept["parameters"])
    binariser.n_features_in_ = features
    binariser.sources_ = np.arange(features)
    if "binariser.cuts_" in arrays:
        binariser.cuts_ = arrays["binariser.cuts_"]
    if kept["name"] == "PCABits":
        from sklearn.decomposition import PCA

        binariser.pca_ = PCA(binariser.components)
        for each in _PCA:
            setattr(binariser.pca_, each, arrays[f"binariser.{each}"])
        binariser.pca_.n_components_, binariser.pca_.n_features_in_ = binariser.components, features
    return binariser
