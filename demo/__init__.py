"""What `make demo` runs: real text from this machine, embedded here and searched."""
