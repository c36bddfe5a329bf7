"""From episode rows to scores with intervals; NumPy, pandas and SciPy, never torch."""
