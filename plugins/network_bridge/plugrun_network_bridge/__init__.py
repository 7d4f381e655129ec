"""Network: a Linux bridge for each network, and a veth for each container."""
