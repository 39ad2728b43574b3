"""The thirteen classes of StreetScenes. The first eleven are CamVid's, in CamVid's order."""

from __future__ import annotations

import numpy as np

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "vegetation",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
    "bus",
    "lane mark",
)
(SKY, BUILDING, POLE, ROAD, PAVEMENT, VEGETATION, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST, BUS, LANE_MARK) = range(13)

THINGS = (CAR, PEDESTRIAN, BICYCLIST, BUS)  # countable classes: these have instance ids
STUFF = tuple(k for k in range(len(CLASSES)) if k not in THINGS)

# What each class becomes when the pictures are to be labelled as CamVid labels its own (a bus is a car, paint is road).
TO_CAMVID = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 8, 3)

# Built on the eight colours of Okabe and Ito, with greys and light tints between them: the pairs that meet in a street
# differ in lightness, so they stay apart for colour-blind readers too (measured in the tests).
PALETTE = np.array(
    [
        (166, 214, 245),  # sky: light blue
        (148, 103, 80),  # building: brown
        (0, 0, 0),  # pole: black
        (96, 96, 104),  # road: dark grey
        (204, 196, 204),  # pavement: light grey
        (0, 158, 115),  # vegetation: bluish green
        (240, 228, 66),  # sign: yellow
        (74, 52, 24),  # fence: dark brown
        (0, 90, 190),  # car: blue
        (213, 70, 0),  # pedestrian: vermilion
        (255, 150, 190),  # bicyclist: pink
        (130, 20, 100),  # bus: purple
        (255, 255, 255),  # lane mark: white
    ],
    dtype=np.uint8,
)
