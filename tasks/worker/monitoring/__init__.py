"""What a worker says of itself, how long its stages take, and what ends it from outside.

Imports: tasks.engines.base, tasks.models.tokenizing, tasks.protocol, tasks.stores, tasks.clock, errors, printable.

heartbeat: the heartbeat object and the thread that writes it.
machine_stats: memory, CPU, disk and GPU figures for the heartbeat.
stage_timer: seconds by stage, tokens and recent rate.
start_timer: how long each stage of the worker's start took.
watchdog: ends the worker when its engine, or a read of the input, hangs.
signals: SIGTERM, drain and preemption deadlines.
preemption_notice: polls the cloud's metadata service for preemption notices.
"""
