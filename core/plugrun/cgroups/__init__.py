"""What isolations share: the mounted hierarchies, a group's processes and what they use."""
