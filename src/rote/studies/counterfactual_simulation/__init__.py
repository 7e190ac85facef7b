"""Circuit-Based Intrinsic Methods to Detect Overfitting (Chatterjee & Mishchenko, ICML 2020)."""
