"""The journal on disk: sealed, stored, checked, salvaged, pruned."""
