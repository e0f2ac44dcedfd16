"""What a steered launch may rent, what is expected of it, and whether its prices still hold.

Imports: `launcher.planning.estimates`, `offers`, `optimizer`, `saved`; `launcher.steering`.

assumptions: what the chance to be late rests on, in words.
envelope: what a steered launch may rent.
envelope_prices: the same of a steered plan, for all that it may rent: what moved is repriced.
place_priors: what earlier runs saw of the places that may be rented.
static_chance: the chance that the planned machines alone are late, were they not steered.
static_fleet: the same of any machines in their own places, and its range over markets, by draws.
steered_costs: the items of a steered run, and what has no price.
steering_forecast: what a steered fleet is expected to cost and to take.
"""
