"""What the price book offers a job: offers that it may use, as candidates with speeds, limits and prices that still hold.

Imports: `launcher.planning.estimates`, `optimizer`, `saved`; `pricing`.

price_book: which price book a command uses.
usable_offers: which offers a job may use, and at what price.
candidates: offers of the price book as candidates, each with speed, cold start and costs.
quotas: the quotas of a job as limits of its fleet.
unmatched: what a job names that no offer has.
machine_groups: the machines of a fleet in groups, with places and prices; the quota they need.
price_check: whether a plan's prices still hold when it is launched.
"""
