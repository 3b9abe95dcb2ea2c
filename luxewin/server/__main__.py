"""`manage.py serve`, or `python -m luxewin.server`: the web server in production, `make run` and tests alike."""

import sys

from luxewin.server.processes import main

if __name__ == "__main__":
    main(sys.argv[1:])
