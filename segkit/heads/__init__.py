"""Heads: what several papers share to turn an encoder's maps into class scores."""

from segkit.heads.aspp import ASPP, SummedASPP, rates_at
from segkit.heads.attention import ChannelAttention, CrissCross, PositionAttention
from segkit.heads.axial import AxialAttention, ChannelizedAxialAttention
from segkit.heads.cascade import CascadeFusion
from segkit.heads.context_prior import ContextPrior
from segkit.heads.decoder import Decoder
from segkit.heads.enlarge import enlarge, enlarge_from_corners, to_picture, to_size
from segkit.heads.fcn_head import FCNHead
from segkit.heads.feedback import Feedback
from segkit.heads.fpn import FPN, FPNHead
from segkit.heads.fully_connected import FullyConnectedHead
from segkit.heads.global_feature import GlobalFeature
from segkit.heads.height_gates import HeightGates
from segkit.heads.object_context import ObjectContext
from segkit.heads.pyramid import PyramidPooling
from segkit.heads.skips import SummedMaps, SummedScores, upscaling
from segkit.heads.sweeps import BoundarySweeps, ReNet, Sweep

__all__ = [
    "ASPP", "FPN", "AxialAttention", "BoundarySweeps", "CascadeFusion", "ChannelAttention",
    "ChannelizedAxialAttention", "ContextPrior", "CrissCross", "Decoder", "FCNHead", "FPNHead", "Feedback",
    "FullyConnectedHead", "GlobalFeature", "HeightGates", "ObjectContext", "PositionAttention", "PyramidPooling",
    "ReNet", "SummedASPP", "SummedMaps", "SummedScores", "Sweep", "enlarge", "enlarge_from_corners", "rates_at",
    "to_picture", "to_size", "upscaling",
]  # fmt: skip
