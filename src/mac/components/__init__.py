"""Learnable parts made of networks and losses, loaded when first used: planning needs no torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["behaviour", "part"],
    submod_attrs={
        "behaviour": ["OneStep"],
        "delayed": ["Delayed"],
        "denoise": ["Diffusion"],
        "critics": ["Critic", "Critics"],
        "dynamics": ["Dynamics", "GaussianEnsemble"],
        "expansion": ["ValueExpansion"],
        "field": ["VectorField"],
        "values": ["Values"],
        "imagine": ["predict"],
        "implicit": ["Implicit"],
        "imagined": ["ModelBuffer"],
        "outcome": ["Outcome"],
        "outlook": ["Outlook"],
        "planner": ["Planner"],
        "part": ["Composite", "Draw", "Loss", "flat"],
        "select": ["BestOf", "best_of"],
        "soft": ["SoftActor"],
        "target": ["Tracked"],
    },
)
