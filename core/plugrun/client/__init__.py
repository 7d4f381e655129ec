"""plugrun for Python programs: ``from plugrun import Engine``.

A program may have threads, signal handlers and open files that a container's start must not
meet: namespaces and forks are no matter for it. So the work is done by a process of its own
(``hand``), started at the first call, which forks for each command with all it needs loaded; a
start through it is quicker than one from a shell. ``caller`` speaks to it, and ``engine``,
``container`` and ``image`` are what a program sees.
"""
