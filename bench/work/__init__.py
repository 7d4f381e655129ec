"""The workloads, in the order in which they are measured."""

from work.images import Archive, Build, Load
from work.inside import Io, Log
from work.lives import Life, Par, Ps
from work.memory import Mem
from work.pulls import Pull
from work.running import Cpu, Run
from work.startup import Cli

WORKLOADS = [
    Cli(),
    Run("none"),
    Run("host"),
    Run("bridge"),
    Cpu(),
    Life(),
    Ps(),
    Par("none"),
    Par("bridge"),
    Mem(),
    Pull(),
    Load(),
    Archive(),
    Build(),
    Io(),
    Log(),
]
