"""StreetScenes: made-up streets with exact labels, instances, depth and motion. Start reading at `render.py`."""

from segkit.data.street.classes import CLASSES, PALETTE, STUFF, THINGS, TO_CAMVID
from segkit.data.street.dataset import StreetScenes
from segkit.data.street.domains import DOMAINS
from segkit.data.street.knobs import Knobs

__all__ = ["CLASSES", "DOMAINS", "PALETTE", "STUFF", "THINGS", "TO_CAMVID", "Knobs", "StreetScenes"]
