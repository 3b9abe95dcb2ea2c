#!/usr/bin/env python
"""What operators type. Where a variable of an outside party is unset, its embedded part is used."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "luxewin.settings")

if __name__ == "__main__":
    from luxewin.launch import main

    main(sys.argv)
