"""Our classes that saved models consist of, under the names by which their files know them.

A file of a model names the module of each class in it, and is loaded for as long as its version may be asked: so this
module and these names stay, wherever the classes themselves are. Each gives this one as its module.
"""

from windlass.product.model.blend import Blend
from windlass.product.model.encoder import FrameEncoder

__all__ = ["Blend", "FrameEncoder"]
