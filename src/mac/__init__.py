"""A reproducible benchmark of scalable offline model-based RL with action chunks (MAC)."""

__version__ = "0.1.0"
