"""Networks, loaded when first used: planning needs no torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ensemble": ["Ensemble", "Scalars"],
        "gaussian": ["DiagonalGaussian"],
        "mlp": ["MLP", "Scalar"],
    },
)
