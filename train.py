"""Trains and registers models: `python train.py [USE_CASE...] [--data PATH] [--promote]`.

The same as `ekiben train`.
"""

import sys

from ekiben.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "train")
    main()
