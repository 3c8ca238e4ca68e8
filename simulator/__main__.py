"""`python -m simulator`: serve a Messages API on this machine."""

from __future__ import annotations

import sys

from simulator.command import main

if __name__ == "__main__":
    sys.exit(main())
