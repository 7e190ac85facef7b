"""Which studies there are."""

import sys
from importlib import import_module
from pathlib import Path

from rote.errors import InputError
from rote.studies import (
    bottom_up,
    coherent_gradients,
    counterfactual_simulation,
    deep_linear,
    features_by_depth,
    generalization_mystery,
    increasing_complexity,
    learning_and_memorization,
    linear_mode_connectivity,
    linear_regression,
    m_coherence,
    parities,
    simplicity_bias,
    single_table_pca,
    weak_and_strong,
)
from rote.studies._study import Study

STUDIES: tuple[Study, ...] = (
    bottom_up.STUDY,
    coherent_gradients.STUDY,
    counterfactual_simulation.STUDY,
    deep_linear.STUDY,
    features_by_depth.STUDY,
    generalization_mystery.STUDY,
    increasing_complexity.STUDY,
    learning_and_memorization.STUDY,
    linear_mode_connectivity.STUDY,
    linear_regression.STUDY,
    m_coherence.STUDY,
    parities.STUDY,
    simplicity_bias.STUDY,
    single_table_pca.STUDY,
    weak_and_strong.STUDY,
)


def find_study(name: str) -> Study:
    """The study of that name, or one of the user's own.

    Args:
        name: That of a study, or ``pkg.module:STUDY``.

    Raises:
        InputError: If there is none.

    Example:
        >>> find_study("coherent-gradients").title
        'Coherent gradients'
    """
    for study in STUDIES:
        if study.name == name:
            return study
    module, colon, attribute = name.partition(":")
    if not colon:
        known = ", ".join(study.name for study in STUDIES)
        raise InputError(f"`name` must be one of {known}, or pkg.module:STUDY. Got {name!r}.")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # and it stays there: worker processes import the module again
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:  # importing runs the user's code
        raise InputError(
            f"`name`: cannot import {name} ({type(error).__name__}: {error}); is its folder on PYTHONPATH?"
        ) from error
    if not isinstance(found, Study):
        raise InputError(f"`name`: {name} must be a rote.studies.Study. Got {type(found).__name__}.")
    return found
