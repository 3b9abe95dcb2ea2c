"""Faults room: the product's server with switches, `python -m luxewin.faults.server`, with the options of `serve`."""

import sys

from luxewin.server.processes import main

if __name__ == "__main__":
    main(sys.argv[1:], application="luxewin.faults.asgi:application")
