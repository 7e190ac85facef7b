"""Datasets whose examples keep their ids, label noise that remembers what it changed, and downloads.

`load` reads digits (bundled with scikit-learn), MNIST, CIFAR-10, a folder or zip of images by class, a CSV or
Parquet table, or what a ``pkg.module:factory`` returns, into two `Dataset`: the training and the test part.
`plant` gives a dataset wrong labels of one of four kinds. Whatever cannot be used is refused with one
sentence, an `rote.errors.InputError`, that names the file and the row.

>>> from rote.data import load, plant
>>> digits = load("digits")
>>> len(digits.train), len(digits.test), digits.train.shape
(1438, 359, (1, 8, 8))
>>> noisy = plant(digits.train, "uniform", 0.2, seed=0)
>>> noisy.noise, int(noisy.corrupt.sum()), bool((noisy.true_y == digits.train.y).all())
('uniform:0.2 seed 0', 277, True)
>>> few = noisy[noisy.corrupt][:3]  # ids go with their examples
>>> bool((few.ids == noisy.ids[noisy.corrupt][:3]).all())
True
"""

from rote.data._dataset import Dataset, Splits
from rote.data._fetch import Progress, fetch
from rote.data._load import load
from rote.data._noise import NOISE_KINDS, NoiseKind, nearness_to_other_class, parse_noise, plant
from rote.data._pla import Pla, pla_dataset, read_pla
from rote.data._pla_rows import Cover, read_cover
from rote.data._places import Source, describe
from rote.data._splits import digest, split

__all__ = [
    "NOISE_KINDS",
    "Cover",
    "Dataset",
    "NoiseKind",
    "Pla",
    "Progress",
    "Source",
    "Splits",
    "describe",
    "digest",
    "fetch",
    "load",
    "nearness_to_other_class",
    "parse_noise",
    "pla_dataset",
    "plant",
    "read_cover",
    "read_pla",
    "split",
]
