"""The oracles on the path: tests/oracles/<name>.py as ``oracle_<name>``."""

import importlib.util
import sys
from pathlib import Path

for name in ("gf2", "information", "similarity"):
    if f"oracle_{name}" not in sys.modules:
        path = Path(__file__).parents[1] / "oracles" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"oracle_{name}", path)
        sys.modules[f"oracle_{name}"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[f"oracle_{name}"])
