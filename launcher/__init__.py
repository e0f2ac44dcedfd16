"""The laptop's side of embedfleet: decide, then act."""

__version__ = "0.2.0"
