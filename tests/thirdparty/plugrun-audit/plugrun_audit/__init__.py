"""An audit log of what plugrun does, and the site's own files in every container."""
