"""Every layout by name: what popular repositories look like, and what goes wrong with copies of them."""

from tests.support.model_layouts.adapters import ADAPTERS
from tests.support.model_layouts.decoders import DECODERS
from tests.support.model_layouts.encoders import ENCODERS
from tests.support.model_layouts.layout import Layout
from tests.support.model_layouts.other_kinds import OTHER_KINDS
from tests.support.model_layouts.own_code import OWN_CODE
from tests.support.model_layouts.pooling_layers import POOLING_LAYERS
from tests.support.model_layouts.text_settings import TEXT_SETTINGS
from tests.support.model_layouts.weight_files import WEIGHT_FILES

# In the order of the table in docs/models.md.
LAYOUTS: dict[str, Layout] = {
    **ENCODERS,
    **DECODERS,
    **POOLING_LAYERS,
    **OTHER_KINDS,
    **WEIGHT_FILES,
    **OWN_CODE,
    **ADAPTERS,
    **TEXT_SETTINGS,
}
