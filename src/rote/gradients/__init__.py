"""Per-example gradient statistics."""

from rote.gradients._meter import Meter, watch
from rote.gradients._probe import coherence
from rote.gradients._record import Coherence, LayerCoherence, Statistics
from rote.gradients._support import Support, support

__all__ = ["Coherence", "LayerCoherence", "Meter", "Statistics", "Support", "coherence", "support", "watch"]
