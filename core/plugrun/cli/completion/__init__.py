"""What a shell offers when Tab is pressed: commands, options, and the names of what is here.

The script of each shell (``scripts``) calls ``plugrun __complete WORD...`` with the words before
the cursor, the last of them half-written, and gets one candidate a line.
"""
