"""Snakemake, asking for the state of its jobs every two seconds: scenarios are short.

It lets ten seconds more pass after each answer without news, up to three minutes; nothing else is
changed.
"""

import asyncio
import signal
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(self: RemoteExecutor) -> None:
    await asyncio.sleep(2)


if __name__ == "__main__":
    RemoteExecutor.sleep = sleep
    # What was started in the background is deaf to Ctrl-C, and so are its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
