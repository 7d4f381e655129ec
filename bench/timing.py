"""Commands executed, and how long each takes, from spawn to reaped."""

import ctypes
import os
import shlex
import subprocess
import tempfile
import threading
import time

from place import DATA

NULL = os.open("/dev/null", os.O_RDWR)
_cpu = 0.0


class Fail(Exception):
    pass


def sync():
    """write back the file system we use only: os.sync() would wait for others' dirty pages, too"""
    fd = os.open(DATA, os.O_RDONLY)
    ctypes.CDLL(None).syncfs(fd)
    os.close(fd)


def sh(argv, env=None, check=True, timeout=600, out=None, cwd=None):
    """untimed: returns stdout text"""
    p = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if out is None else out,
        stderr=subprocess.PIPE,
        env=env,
        timeout=timeout,
        cwd=cwd,
    )
    if check and p.returncode:
        raise failed(argv, p.returncode, p.stderr)
    return (p.stdout or b"").decode(errors="replace")


def failed(argv, code, said):
    text = said.decode(errors="replace").strip()[-400:]
    return Fail(f"rc={code} {shlex.join(map(str, argv))[:160]}: {text}")


def reap(p, timeout=600):
    """block in wait4, and return the exit code

    Never Popen.wait(timeout): it polls with a back-off up to 50 ms and quantises every figure.
    """
    global _cpu
    hit = []
    k = threading.Timer(timeout, lambda: (hit.append(1), p.kill()))
    k.daemon = True
    k.start()
    try:
        _, st, ru = os.wait4(p.pid, 0)
    finally:
        k.cancel()
    _cpu = ru.ru_utime + ru.ru_stime
    p.returncode = os.waitstatus_to_exitcode(st)
    if hit:
        raise Fail(f"timeout {timeout}s: {shlex.join(map(str, p.args))[:160]}")
    return p.returncode


def timed(argv, env=None, check=True, timeout=600, stdout=None, cwd=None):
    """wall seconds of one command; stderr is kept for the error text only"""
    with tempfile.TemporaryFile() as err:
        out = NULL if stdout is None else stdout
        kw = {"stdin": NULL, "stdout": out, "stderr": err, "env": env, "cwd": cwd}
        t = time.perf_counter()
        p = subprocess.Popen(argv, close_fds=False, **kw)
        rc = reap(p, timeout)
        t = time.perf_counter() - t
        if check and rc:
            err.seek(0)
            raise failed(argv, rc, err.read())
    return t


def client_cpu():
    """user+sys seconds of the last timed command and what it reaped; daemons are not included"""
    return _cpu
