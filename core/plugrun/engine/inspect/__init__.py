"""What ``inspect`` tells, in the shape of Docker's API."""
