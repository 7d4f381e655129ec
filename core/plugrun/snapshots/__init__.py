"""What storages share: records of snapshots, hostile trees, the verbs over folders of files."""
