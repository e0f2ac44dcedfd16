"""Where machines come from: one file each, the same verbs."""
