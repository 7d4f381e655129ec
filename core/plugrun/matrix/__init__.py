"""The matrix: one command, run once per combination of backends.

Which cells there are is read (``reading``, ``plan``), each gets a configuration and a root of its
own (``workplace``), those that cannot run here are told apart with the reason (``ability``), the
others run at the same time (``running``), and what came of them is shown (``board``) and written
down (``junit``, ``jsonreport``, ``htmlreport``). ``emit`` prints the cells for a CI system instead.
"""
