"""What plans say in sentences and small tables, for every format.

Imports: launcher.planning, index_sizes, jobs, format, money; pricing.

plan_choice: the few alternatives of a plan that truly differ.
missed_limits: whether a fleet beside the choice misses the deadline or the budget.
cost_items: the items of a plan's dollars, and those that lack a price.
compared: the choice beside other ways to do the work, in sentences.
place_names: the places of machines by the names that people know.
price_notes: what a plan says about its prices: ages, quotes and discounts.
steering_lines: how a plan's fleet is steered, in words.
store_costs: vector stores beside a plan, in sentences.
"""
