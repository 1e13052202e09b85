"""``python -m mcserver``."""

import sys

from mcserver.cli import main

if __name__ == "__main__":
    sys.exit(main())
