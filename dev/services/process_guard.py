"""The guard, a small process between the supervisor and each process that it starts, so that none outlives it.

Run as a script, on the bare interpreter, by `processes.ManagedProcess`: imports the standard library only, starts in
some 30 ms.

Contract: the supervisor holds one end of a socket pair, the guard the other. The guard writes the child's process id
to it, then waits. When its end reads EOF (the supervisor closed it, or died in any way), when the supervisor is no
longer its parent, or on SIGTERM, the guard sends the stop signal to the child alone (a process such as a task cluster
stops its own workers; signalling the whole group would hang it), and after the grace period SIGKILL to the group.
When the child has ended, the guard kills every process that it left behind, and ends with the child's exit code.
"""

import argparse
import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOOK_SECONDS = 1.0  # how often to check for a changed parent; EOF and signals are seen at once
LINUX = sys.platform == "linux"


def prctl(option: int, value: int) -> None:
    """Call Linux's process control; do nothing elsewhere, where the socket pair alone keeps the promise."""
    if LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--supervisor", type=int, required=True, help="process id of the supervisor")
    parser.add_argument("--control", type=int, required=True, help="our end of the socket pair")
    parser.add_argument("--lock", type=int, required=True, help="the lock of the state folder, held while we live")
    parser.add_argument("--stop-signal", type=int, required=True)
    parser.add_argument("--grace", type=float, required=True, help="seconds between the stop signal and SIGKILL")
    parser.add_argument("--user", type=int, help="user id to drop to")
    parser.add_argument("--group", type=int, help="group id to drop to")
    parser.add_argument("argv", nargs="+")
    return parser.parse_args()


def become(options: argparse.Namespace, guard: int) -> None:
    """Turn the forked child into the program: own process group, dropped user, exec. Never returns."""
    try:
        os.setpgid(0, 0)
        if options.user is not None:
            os.setgroups([])
            os.setgid(options.group)
            os.setuid(options.user)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after setuid, which would clear it
        if os.getppid() != guard:
            os._exit(127)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and ignoring is inherited
        os.execvp(options.argv[0], options.argv)  # noqa: S606 (no shell is the point)
    except OSError as error:
        sys.stderr.write(f"cannot run {options.argv[0]}: {error}\n")
        sys.stderr.flush()
    os._exit(127)


class Guard:
    """One child, from its start to the last of its descendants."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.control = socket.socket(fileno=options.control)
        for descriptor in (options.control, options.lock):
            os.set_inheritable(descriptor, False)
        self.wake, wake_writer = os.pipe()
        for descriptor in (self.wake, wake_writer):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake_writer)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.code: int | None = None
        guard = os.getpid()
        running, starting = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(running)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            become(options, guard)
        # The child's end closes when it runs its program. Only then is it tied to us, and only then do we report it.
        os.close(starting)
        os.read(running, 1)
        os.close(running)

    def hold(self) -> int:
        """Wait until the child or the supervisor ends, and return the child's exit code."""
        with contextlib.suppress(OSError):
            self.control.sendall(b"%d\n" % self.pid)
        while not self.child_ended() and not self.released():
            pass
        if self.code is None:
            self.stop()
        self.sweep()
        return self.code or 0

    def released(self) -> bool:
        """Wait up to a second for an event; return True if the child should be stopped."""
        readable, _, _ = select.select([self.control.fileno(), self.wake], [], [], LOOK_SECONDS)
        if os.getppid() != self.options.supervisor:
            return True
        if self.wake in readable and set(os.read(self.wake, 512)) - {signal.SIGCHLD}:
            return True
        return self.control.fileno() in readable and not self.control.recv(64)

    def child_ended(self) -> bool:
        """Reap ended processes; return True once the child itself has ended."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.pid:
                    self.code = os.waitstatus_to_exitcode(ended[1])
        return self.code is not None

    def stop(self) -> None:
        """Send the stop signal, and SIGKILL after the grace period."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, self.options.stop_signal)
        deadline = time.monotonic() + self.options.grace
        while not self.child_ended() and time.monotonic() < deadline:
            time.sleep(0.01)
        while not self.child_ended():
            self.kill_group()
            time.sleep(0.01)

    def kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def sweep(self) -> None:
        """Kill what the child left behind: its group, and on Linux every orphan (they became our children)."""
        self.kill_group()
        deadline = time.monotonic() + 5
        while LINUX and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                with open(f"/proc/self/task/{os.getpid()}/children") as children:  # noqa: PTH123 (a light start)
                    orphans = [int(pid) for pid in children.read().split()]
                for pid in orphans:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            try:
                if not os.waitpid(-1, os.WNOHANG)[0]:
                    time.sleep(0.01)
            except ChildProcessError:
                return


if __name__ == "__main__":
    exit_code = Guard(arguments()).hold()
    sys.exit(exit_code if exit_code >= 0 else 128 - exit_code)
