"""What `make bench` and its relatives measure; `plan_check` and `interval_coverage` check plans."""
