"""Models by name: `create("fcn8s", num_classes=12, width=16)`; one file per paper."""

from segkit.encoders.weights import load_exactly
from segkit.models.ann import ANN
from segkit.models.base import Model, available, create, options, register, unwrapped
from segkit.models.bisenet import BiSeNet
from segkit.models.ccnet import CCNet
from segkit.models.danet import DANet
from segkit.models.ddrnet import DDRNet
from segkit.models.decouple import DecoupleSegNet
from segkit.models.deeplab_v1 import DeepLabV1
from segkit.models.deeplab_v2 import DeepLabV2
from segkit.models.deeplab_v3 import DeepLabV3, DeepLabV3Cascade
from segkit.models.deeplab_v3plus import DeepLabV3Plus
from segkit.models.denseaspp import DenseASPP
from segkit.models.dfanet import DFANet
from segkit.models.dilated import ContextModule, Dilated
from segkit.models.duc_hdc import DUCHDC
from segkit.models.encnet import EncNet
from segkit.models.enet import ENet
from segkit.models.esnet import ESNet
from segkit.models.espnet import ESPNet
from segkit.models.espnetv2 import ESPNetv2
from segkit.models.fcn import FCN, convolutionalise, fuse_skip, linear_to_conv
from segkit.models.fcn_resnet import FCNResNet
from segkit.models.gcn import GCN
from segkit.models.hmsa import HMSA
from segkit.models.hrnet import HRNet
from segkit.models.hrnet_ocr import HRNetOCR
from segkit.models.icnet import ICNet
from segkit.models.ocnet import OCNet
from segkit.models.ocrnet import OCRNet
from segkit.models.parsenet import ParseNet
from segkit.models.pointrend import PointRend
from segkit.models.psanet import PSANet
from segkit.models.pspnet import PSPNet
from segkit.models.refinenet import RefineNet
from segkit.models.rtseg import RTSeg
from segkit.models.segnet import SegNet
from segkit.models.sfsegnet import SFSegNet
from segkit.models.sppnet import SPPNet
from segkit.models.torchvision_segmentation import load_torchvision_segmentation, torchvision_options
from segkit.models.unet import UNet
from segkit.models.weights import load, load_torchvision, read_header, save, shipped

__all__ = [
    "ANN", "DUCHDC", "FCN", "GCN", "HMSA", "BiSeNet", "CCNet", "ContextModule", "DANet", "DDRNet", "DFANet",
    "DecoupleSegNet", "DeepLabV1", "DeepLabV2", "DeepLabV3", "DeepLabV3Cascade", "DeepLabV3Plus", "DenseASPP",
    "Dilated", "ENet", "ESNet", "ESPNet", "ESPNetv2", "EncNet", "FCNResNet", "HRNet", "HRNetOCR", "ICNet", "Model",
    "OCNet", "OCRNet", "PSANet", "PSPNet", "ParseNet", "PointRend", "RTSeg", "RefineNet", "SFSegNet", "SPPNet",
    "SegNet", "UNet", "available", "convolutionalise", "create", "fuse_skip", "linear_to_conv", "load", "load_exactly",
    "load_torchvision", "load_torchvision_segmentation", "options", "read_header", "register", "save", "shipped",
    "torchvision_options", "unwrapped",
]  # fmt: skip
