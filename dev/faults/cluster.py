"""The processes of a worker, by kind."""

import psutil

from dev.demo.shop import wait_until

WORKER, MONITOR, PUSHER, SENTINEL, MAIN = "worker", "monitor", "pusher", "sentinel", "main"
KINDS = (WORKER, MONITOR, PUSHER, SENTINEL, MAIN)
START_SECONDS = 120


def processes_of(main_pid: int, workers: int) -> dict[str, psutil.Process]:
    """Wait until all run, and return one process of each kind, in a worker that has replaced none yet.

    django-q2 starts them in this order. Raises LateError.
    """
    main = psutil.Process(main_pid)

    def all_run() -> bool:
        return bool(main.children()) and len(main.children()[0].children()) == workers + 2

    wait_until("the processes of the worker", all_run, seconds=START_SECONDS)
    sentinel = main.children()[0]
    *of_tasks, monitor, pusher = sorted(sentinel.children(), key=lambda each: each.pid)
    return {WORKER: of_tasks[0], MONITOR: monitor, PUSHER: pusher, SENTINEL: sentinel, MAIN: main}
