"""What every long-running process of the product needs from the operating system."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process (SIGKILL) as soon as its parent is gone, for any reason.

    Call it first in the child. `parent` is the parent's process id as known before the child was started, e.g.
    `multiprocessing.parent_process().pid`: a parent that died before this call is noticed too, and ends this process at
    once. The tie is to the parent's *thread* that started the child, and children's children do not inherit it. Does
    nothing where there is no such call (off Linux).
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
