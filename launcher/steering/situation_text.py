"""A situation as text that a ledger keeps, and back: what a decision was made from, so that it can be made again. Pure.

JSON, packed by zlib and written in base64: a situation has every kind of machine that may be rented.
"""

import base64
import zlib
from dataclasses import dataclass, replace

import msgspec

from launcher.steering.market import beliefs
from launcher.steering.situation import Belief, PlaceKey, Situation

MOST_BYTES = 64 * 2**20  # unpacked; more is damage


class BadSituationError(ValueError):
    """The text is no situation."""


@dataclass(frozen=True, slots=True)
class _Packed:
    """A situation whose beliefs are a list: keys of JSON objects are text alone."""

    situation: Situation
    beliefs: list[tuple[PlaceKey, Belief]]


def situation_text(situation: Situation) -> str:
    """The text of a situation. Answers are folded into beliefs, which gives the same decision."""
    steering = situation.steering
    known = beliefs.learn(steering.beliefs, steering.answers)
    bare = replace(situation, steering=replace(steering, beliefs={}, answers=()))
    body = msgspec.json.encode(_Packed(bare, list(known.items())))
    return base64.b64encode(zlib.compress(body, 9)).decode()


def situation_of_text(text: str) -> Situation:
    """The situation of this text.

    Raises:
        BadSituationError: the text holds no situation.
    """
    try:
        unpacker = zlib.decompressobj()
        body = unpacker.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
        packed = msgspec.json.decode(body, type=_Packed)
    except (ValueError, zlib.error, msgspec.MsgspecError) as error:
        raise BadSituationError(str(error)) from error
    known = {(place, gpu, purchase): belief for (place, gpu, purchase), belief in packed.beliefs}
    return replace(packed.situation, steering=replace(packed.situation.steering, beliefs=known))
