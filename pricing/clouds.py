"""The clouds whose prices are read, by SkyPilot's names. Pure."""

# Those of SkyPilot 0.14.1 that have a catalog of machines with GPUs, and hyperstack, for comparison.
CLOUDS = (
    "aws",
    "gcp",
    "azure",
    "lambda",
    "nebius",
    "runpod",
    "vast",
    "hyperstack",
    "do",
    "oci",
    "ibm",
    "scp",
    "verda",
    "cudo",
    "fluidstack",
    "hyperbolic",
    "mithril",
    "paperspace",
    "primeintellect",
    "seeweb",
    "shadeform",
    "yotta",
)
# Those without a usable price: mithril's is the least bid of an auction; of scp no offer was ever seen.
WITHOUT_PRICE = frozenset({"mithril", "scp"})
