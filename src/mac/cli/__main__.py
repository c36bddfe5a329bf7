"""``python -m mac.cli`` is ``mac``."""

import sys

from mac.cli import main

if __name__ == "__main__":
    sys.exit(main(prog_name="mac"))
