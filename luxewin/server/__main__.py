"""`manage.py serve`, or `python -m luxewin.server`: the web server of production, `make run` and tests."""

import sys

from luxewin.server.processes import main

if __name__ == "__main__":
    main(sys.argv[1:])
