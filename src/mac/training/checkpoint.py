"""Checkpoints: named tensors and metadata in one safetensors file; equal content, equal bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from mac.errors import CheckpointError
from mac.io import atomic_write_bytes
from mac.provenance import check

_META = "mac"  # a single key: safetensors keeps several in no fixed order


def save(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON-compatible metadata atomically."""
    atomic_write_bytes(path, _bytes(tensors, meta))


def _bytes(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bytes:
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(content, {_META: json.dumps(meta, sort_keys=True)})


def load(
    path: Path, device: str | torch.device = "cpu"
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file written by :func:`save`."""
    check(path)
    try:
        with safetensors.safe_open(path, framework="pt", device=str(device)) as archive:
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
            return tensors, json.loads((archive.metadata() or {})[_META])
    except FileNotFoundError:
        raise CheckpointError(
            "no such checkpoint", file=path, remedy="run the stage that writes it first"
        ) from None
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"not a readable checkpoint ({error})",
            file=path,
            remedy="delete it and run its stage again",
        ) from None


def digest(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    """Hexadecimal SHA-256 of the file with this content, which tells a damaged one."""
    return hashlib.sha256(_bytes(tensors, meta)).hexdigest()


def module_tensors(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All parameters and buffers of named modules, as ``module.parameter``."""
    return {
        f"{name}.{key}": value
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def load_modules(
    modules: Mapping[str, nn.Module], tensors: Mapping[str, Tensor], path: Path
) -> None:
    """Copy tensors named as by :func:`module_tensors` into the modules."""
    for name, module in modules.items():
        prefix = f"{name}."
        state = {key[len(prefix) :]: v for key, v in tensors.items() if key.startswith(prefix)}
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise CheckpointError(f"does not fit part {name} ({reason})", file=path) from None
