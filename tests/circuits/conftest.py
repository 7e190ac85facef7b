"""The oracles on the path."""

import importlib.util
import sys
from pathlib import Path

for name in ("circuit_truth", "circuit_perturbed", "circuit_files", "cfs_truth"):
    full = f"oracle_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            full, Path(__file__).parents[1] / "oracles" / f"{name}.py"
        )
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
