"""Storage on the kernel's overlayfs."""
