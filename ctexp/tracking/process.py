"""Which process owns a run, whether it still lives, and who runs it."""

import getpass
import json
import os
import platform

import psutil


def this_process() -> str:
    """Give host, process number and start time as JSON; the start time tells a reused number from the old process."""
    process = psutil.Process()
    return json.dumps({"host": platform.node(), "pid": os.getpid(), "started": round(process.create_time(), 1)})


def is_elsewhere(owner: str) -> bool:
    """Tell whether the process of `this_process` was another host's, or another container's: it cannot be seen."""
    try:
        return bool(json.loads(owner)["host"] != platform.node())
    except (ValueError, KeyError, TypeError):
        return True


def is_gone(owner: str) -> bool:
    """Tell whether the process of `this_process` ended; another host's cannot be seen from here and counts as alive."""
    try:
        facts = json.loads(owner)
        if facts["host"] != platform.node():
            return False
        process = psutil.Process(int(facts["pid"]))
        reused = abs(process.create_time() - float(facts["started"])) > 2.0
        return bool(reused or process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except (ValueError, KeyError, TypeError, psutil.Error):
        return False


def user_name() -> str:
    """Give the name of whoever runs this process; `unknown` where the system has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user number without a name
        return "unknown"
