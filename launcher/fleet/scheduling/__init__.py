"""Decides which machines to start and to end, from what is seen; pure.

Imports: `launcher.steering`, `planning` (types of a plan), `launcher.costs` and below.

policy: which machines to start and to end; pure.
steered: what steering sees of a fleet, and its verdict as orders; pure.
slots: which slots of a group are free, and which are given up; pure.
fleet_view: what the policy sees.
placement: in which order to try the places of a group; pure.
states: phases of a machine that has not ended, and how heartbeats end.
"""
