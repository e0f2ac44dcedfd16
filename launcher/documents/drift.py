"""What `compare --vectors` finds of the vectors of two runs, as frozen values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftDocument:
    """What became of the vectors from one run to the other. Cosines are None where the dimensions differ."""

    anchors: int  # rows of both runs that were compared
    other_tokens: int | None  # rows of both of which the model read other tokens; None: a run does not say
    dimensions_one: int
    dimensions_other: int
    least_cosine: float | None
    median_cosine: float | None
    below: float | None  # share of the anchors whose cosine is below 0.999
    centroid_shift: float | None  # length of the difference of both mean vectors; 0 to 2
    rank_overlap: float  # of the 10 nearest anchors of each anchor, the share that both runs name
    same_model: bool | None  # by the fingerprints; None: one is not known
    verdict: str  # "same", "rounding", "different", "other texts" or "other dimensions"
