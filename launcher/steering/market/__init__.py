"""What places are believed to give: spot machines and their shadow price, and on-demand machines that may be refused.

Imports: `launcher.steering.situation`, `launcher.money`, `format`. Pure.

beliefs: how often a place takes its machines, and how soon it has some again.
priors: what earlier runs saw of a place, as the belief with which a run begins.
supply: what spot places may supply until the deadline, and the shadow price.
refusals: the chance that on demand is refused when it is needed.
"""
