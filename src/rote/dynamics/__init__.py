"""What a network learns, and when: measures of training that work on your own model and data.

Is a model so far explained by a simpler one (`explained`, `Recorder`)? Which features does it rest on
(`randomised`), given data where some are simpler than others (`lms`, `ms`, `stripes`, `dominoes`)? What can
elimination learn that gradients cannot (`solve_gf2`, `learn_parity`, `gradient_variance`)? How complex is
each layer (`by_depth`, `fourier_mass`)? What does linear algebra foretell (`spectrum`, `complete_matrix`)?
Which layers are settled when (`layer_by_time`, and `linear_cka`, `svcca` below it), and need the settled ones
still be trained (`FreezeTraining`)? Is there a barrier between two networks (`line`, `match_weights`), and
from which step on is there none (`instability`)?

Sources: Nakkiran et al. 2019 (arXiv 1905.11604), Shah et al. 2020 (arXiv 2006.07710), Shalev-Shwartz, Shamir
and Shammah 2017 (arXiv 1703.07950), Arora et al. 2018 and 2019 (arXiv 1802.06509, 1905.13655), Raghu et
al. 2017 (arXiv 1706.05806), Kornblith et al. 2019 (arXiv 1905.00414), Frankle et al. 2020 (arXiv 1912.05671).
"""

from rote.dynamics._by_depth import DepthProfile, by_depth
from rote.dynamics._cca import mean_cca, pwcca, svcca
from rote.dynamics._checkpoints import Checkpoints, checkpoint_steps
from rote.dynamics._cka import hsic1, linear_cka, minibatch_cka, rbf_cka
from rote.dynamics._completion import Completion, complete_matrix, effective_rank
from rote.dynamics._deep_linear import (
    FactorRun,
    descend_factors,
    end_to_end_flow,
    end_to_end_velocity,
    tied_velocity,
)
from rote.dynamics._dimension import Dimension, two_nn
from rote.dynamics._dominoes import dominoes
from rote.dynamics._factors import balanced_factors, factor_gradients, imbalance, product
from rote.dynamics._fourier import FourierMass, fourier_mass, hypercube, walsh_hadamard
from rote.dynamics._freeze import FreezeTraining, Saving
from rote.dynamics._gf2 import Solution, full_rank_probability, solve_gf2
from rote.dynamics._information import Bits, Explained, bits_of_accuracy, explained
from rote.dynamics._instability import Copies, instability, sgd_steps, stable_from
from rote.dynamics._layer_time import layer_by_time, probe_hash
from rote.dynamics._layer_time_record import LayerTime
from rote.dynamics._layers import activations
from rote.dynamics._line import evaluator, interpolated, line
from rote.dynamics._linear import Descent, Spectrum, descend, kaczmarz_bound, minimum_norm, spectrum
from rote.dynamics._linear_sgd import kaczmarz, single_example_sgd
from rote.dynamics._linear_units import LinearUnits, linear_units
from rote.dynamics._marchenko_pastur import Conditioning, MarchenkoPastur, conditioning
from rote.dynamics._matching import Matching, match_weights
from rote.dynamics._maximise import Contours, Maximised, first_layer_filters, maximise, unit_contours
from rote.dynamics._measures import CKA, PWCCA, SVCCA, Measure
from rote.dynamics._modes import mode_curve, mode_time, mode_velocity
from rote.dynamics._normalisation import recompute_statistics
from rote.dynamics._nulls import NullValues, null_values
from rote.dynamics._orientation import Tuning, gabor, orientation_selectivity, orientation_tuning
from rote.dynamics._parities import parity, parity_network, recover_parity
from rote.dynamics._parity_sgd import ParityCurve, learn_parity
from rote.dynamics._parity_signal import GradientVariance, gradient_variance
from rote.dynamics._path import Path
from rote.dynamics._pieces import Pieces, linear_pieces, random_lines
from rote.dynamics._probes import Probes, linear_probes
from rote.dynamics._recorder import Curves, Recorder
from rote.dynamics._reliance import Reliance, randomised
from rote.dynamics._simplicity import PlantedData, lms, lms_hat, ms, stripes
from rote.dynamics._slabs import linear_coordinate, slab_coordinate
from rote.dynamics._symmetry import Axis, Group, permuted, symmetries

__all__ = [
    "CKA",
    "PWCCA",
    "SVCCA",
    "Axis",
    "Bits",
    "Checkpoints",
    "Completion",
    "Conditioning",
    "Contours",
    "Copies",
    "Curves",
    "DepthProfile",
    "Descent",
    "Dimension",
    "Explained",
    "FactorRun",
    "FourierMass",
    "FreezeTraining",
    "GradientVariance",
    "Group",
    "LayerTime",
    "LinearUnits",
    "MarchenkoPastur",
    "Matching",
    "Maximised",
    "Measure",
    "NullValues",
    "ParityCurve",
    "Path",
    "Pieces",
    "PlantedData",
    "Probes",
    "Recorder",
    "Reliance",
    "Saving",
    "Solution",
    "Spectrum",
    "Tuning",
    "activations",
    "balanced_factors",
    "bits_of_accuracy",
    "by_depth",
    "checkpoint_steps",
    "complete_matrix",
    "conditioning",
    "descend",
    "descend_factors",
    "dominoes",
    "effective_rank",
    "end_to_end_flow",
    "end_to_end_velocity",
    "evaluator",
    "explained",
    "factor_gradients",
    "first_layer_filters",
    "fourier_mass",
    "full_rank_probability",
    "gabor",
    "gradient_variance",
    "hsic1",
    "hypercube",
    "imbalance",
    "instability",
    "interpolated",
    "kaczmarz",
    "kaczmarz_bound",
    "layer_by_time",
    "learn_parity",
    "line",
    "linear_cka",
    "linear_coordinate",
    "linear_pieces",
    "linear_probes",
    "linear_units",
    "lms",
    "lms_hat",
    "match_weights",
    "maximise",
    "mean_cca",
    "minibatch_cka",
    "minimum_norm",
    "mode_curve",
    "mode_time",
    "mode_velocity",
    "ms",
    "null_values",
    "orientation_selectivity",
    "orientation_tuning",
    "parity",
    "parity_network",
    "permuted",
    "probe_hash",
    "product",
    "pwcca",
    "random_lines",
    "randomised",
    "rbf_cka",
    "recompute_statistics",
    "recover_parity",
    "sgd_steps",
    "single_example_sgd",
    "slab_coordinate",
    "solve_gf2",
    "spectrum",
    "stable_from",
    "stripes",
    "svcca",
    "symmetries",
    "tied_velocity",
    "two_nn",
    "unit_contours",
    "walsh_hadamard",
]
