"""What a container may do: the runtime spec and all that goes into it."""
