"""Agents: one file each, found by name.

Importing this package or an agent's file never imports torch.
"""
