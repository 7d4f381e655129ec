"""For authors of plugins: a project to begin with (``new``), and the contract's verdict on one that
is installed (``check``, ``card``)."""
