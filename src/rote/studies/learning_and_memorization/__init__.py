"""Learning and Memorization (Chatterjee 2018, ICML, PMLR 80:755-763)."""

from functools import partial
from itertools import product

from rote.studies._study import Config, Figure, Scale, Study
from rote.studies.learning_and_memorization import _cells, _claims, _panels
from rote.studies.learning_and_memorization._bits import LABELS
from rote.studies.learning_and_memorization._measures import DEPTHS, KS, WIDTHS

_BASE: Config = {
    "data": "mnist",
    "labels": "real",
    "train": None,
    "part": 1.0,
    "learner": "network",
    "k": 8,
    "width": 1024,
    "depth": 5,
}
_PARTS = (0.01, 0.1, 1.0)


def _table_configs(scale: Scale) -> list[Config]:
    """A table and a network on some, more and all examples, with both kinds of labels."""
    both = list(product(LABELS, _PARTS))
    table = {name: _BASE[name] for name in ("data", "train")} | {"learner": "table"}
    return [base | {"labels": labels, "part": part} for base in (table, dict(_BASE)) for labels, part in both]


def _k_configs(scale: Scale) -> list[Config]:
    """Half as wide at quick scale, so that the counts of k = 16 fit into 2 GiB."""
    width = 512 if scale == "quick" else 1024
    return [{**_BASE, "labels": labels, "k": k, "width": width} for labels in LABELS for k in KS]


def _swept(scale: Scale, *, name: str, values: tuple[int, ...]) -> list[Config]:
    return [{**_BASE, name: value} for value in values]


def _both(scale: Scale) -> list[Config]:
    return [{**_BASE, "labels": labels} for labels in LABELS]


def _pair_configs(scale: Scale, *, data: str) -> list[Config]:
    return [{"data": data, "labels": labels, "k": 8, "width": 1024, "depth": 5} for labels in LABELS]


def _standard_configs(scale: Scale) -> list[Config]:
    """Everybody on the same examples: at quick scale on a sixth, drawn by the seed."""
    train = 10_000 if scale == "quick" else None
    parts = ({"train": train, "part": part} for part in (0.1, 0.3, 1.0))
    found: list[Config] = []
    for part in parts:
        found.append({**_BASE, **part})
        found += [{"data": "mnist", "labels": "real", "learner": name, **part} for name in _cells.STANDARD]
    return found


def _cost(config: Config) -> float:
    """Seconds of one core, as measured: counting, and the counts of each entry."""
    m = (config.get("train") or 60_000) * config.get("part", 1.0)
    if config["learner"] == "network":
        luts = config["width"] * max(config["depth"], 0.2)
        return float(luts * (m * 1e-9 + 2 ** config["k"] * 6e-8) + 0.05)
    each = {"table": 4e-5, "forest": 5e-4, "boosting": 1e-3, "perceptron": 1.5e-3}
    return float(m * each.get(config["learner"], 2e-4) + 0.1)


def _pair_cost(config: Config) -> float:
    return 18.0 if config["data"] == "cifar10" else 9.0


_figure = partial(Figure, cell=_cells.cell, data=("mnist",), cost=_cost)
_pairs_figure = partial(Figure, cell=_cells.pairs_cell, panels=_panels.over_pairs, cost=_pair_cost)

STUDY = Study(
    name="learning-and-memorization",
    title="Learning and memorization",
    paper="Chatterjee, Learning and Memorization, ICML 2018, PMLR 80:755-763",
    link="https://proceedings.mlr.press/v80/chatterjee18a.html",
    figures=(
        _figure(
            name="table",
            title="One table, and a network of small ones",
            words="Is a digit one of 5 to 9, or of 0 to 4? A table of all 784 bits remembers every training "
            "example and tosses a coin for every other. A network of tables of eight inputs does nothing but "
            "memorise, too.",
            configs=_table_configs,
            panels=_panels.table_and_network,
            claims=_claims.TABLE,
        ),
        _figure(
            name="k",
            title="From learning to memorising",
            words="k is how many inputs a lut has; five hidden layers. Permuted labels are those of the "
            "training examples in another order; test accuracy is on true labels always.",
            configs=_k_configs,
            panels=_panels.over_k,
            claims=_claims.OVER_K,
        ),
        _figure(
            name="depth",
            title="Depth",
            words="Hidden layers of 1,024 luts of eight inputs, before the last lut, which answers. Without "
            "any, that lut looks at eight pixels.",
            configs=partial(_swept, name="depth", values=DEPTHS),
            panels=_panels.over_depth,
            claims=_claims.OVER_DEPTH,
        ),
        _figure(
            name="layers",
            title="What each layer knows",
            words="The mean accuracy of the luts of each layer, if each were asked alone; layer 6 is the lut "
            "that answers.",
            configs=_both,
            panels=_panels.over_layers,
            claims=_claims.LAYERS,
        ),
        _figure(
            name="width",
            title="Width",
            words="Luts in each of five hidden layers, of eight inputs each.",
            configs=partial(_swept, name="width", values=WIDTHS),
            panels=_panels.over_width,
            claims=_claims.OVER_WIDTH,
        ),
        _pairs_figure(
            name="digit-pairs",
            title="All pairs of digits",
            words="A network for each of the 45 pairs of digits, in the order of its own test accuracy. "
            "After permuted labels that of one pair may be far from 50 %, since images of a class are "
            "answered alike; pairs of unequal classes draw the mean above 50 %, since the larger one is "
            "answered more often.",
            configs=partial(_pair_configs, data="mnist"),
            claims=_claims.DIGIT_PAIRS,
            data=("mnist",),
        ),
        _pairs_figure(
            name="cifar-pairs",
            title="All pairs of CIFAR-10",
            words="The same for the 45 pairs of classes of CIFAR-10. The harder a pair is to tell apart, the "
            "less of its real labels is fitted: in about half of the pairs less than of permuted ones.",
            configs=partial(_pair_configs, data="cifar10"),
            claims=_claims.CIFAR_PAIRS,
            data=("cifar10",),
        ),
        _figure(
            name="standard-learners",
            title="Beside standard learners",
            words="All learn the same bits of the same examples: naive Bayes, logistic regression, the five "
            "nearest neighbours; a forest of 100 trees, gradient boosting, a perceptron with 256 hidden "
            "units. Their options are scikit-learn’s, but for regularisation and early stopping.",
            configs=_standard_configs,
            panels=_panels.beside_standard,
            claims=_claims.STANDARD,
        ),
    ),
    deviations=(
        "No result table of the paper was available to us: its claims are taken from its abstract, and no "
        "number is compared with. How far is far enough was decided before anything was run.",
        "The network is five hidden layers of 1,024 luts of eight inputs drawn without replacement, then one "
        "lut; an entry that is tied or was never seen gets a random bit, once.",
        "A pixel of MNIST is one bit, above 127 or not. Of CIFAR-10 every second row and column is taken, "
        "with two bits for each colour, cut at 85 and 170: 1,536 bits.",
        "At quick scale the sweep of k has 512 luts a layer, so that k = 16 fits into 2 GiB. All "
        "60,000 examples are used except beside standard learners, where a seed draws 10,000.",
        "The seed decides wiring, random bits, permutations, and which examples are drawn where not all are "
        "used; so intervals are over these.",
        "After a look at one seed of everything, 10,000 examples were taken beside standard learners instead "
        "of 15,000, to save time, and pairs got permutations of their own and 1,024 luts a layer instead of "
        "256; no claim was changed.",
    ),
)
