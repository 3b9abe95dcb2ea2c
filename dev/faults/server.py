"""The product's server with switches, `python -m dev.faults.server`, with the options of `serve`."""

import sys

from luxewin.server.processes import main

if __name__ == "__main__":
    main(sys.argv[1:], application="dev.faults.asgi:application")
