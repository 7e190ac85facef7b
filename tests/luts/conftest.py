"""The oracle on the path."""

import importlib.util
import sys
from pathlib import Path

if "oracle_luts" not in sys.modules:
    spec = importlib.util.spec_from_file_location(
        "oracle_luts", Path(__file__).parents[1] / "oracles" / "luts.py"
    )
    sys.modules["oracle_luts"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["oracle_luts"])
