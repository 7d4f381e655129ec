"""What a shell offers when Tab is pressed: commands, options, and the names of what is here.

Click's script of each shell sets ``_PLUGRUN_COMPLETE`` and calls ``plugrun``; ``shells`` answers
from click's commands (``tree``), whose values and arguments ``candidates`` knows.
"""
