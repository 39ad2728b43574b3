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

# Begun with the eight colours of Okabe and Ito, then moved apart by a search that widened the smallest distance between
# any two of them, seen with normal sight and with each of the three kinds of colour blindness (measured in the tests).
PALETTE = np.array(
    [
        (153, 185, 251),  # sky: light blue
        (150, 117, 94),  # building: brown
        (0, 0, 0),  # pole: black
        (99, 86, 90),  # road: dark grey
        (198, 212, 200),  # pavement: pale grey
        (0, 189, 91),  # vegetation: green
        (240, 228, 66),  # sign: yellow
        (68, 31, 9),  # fence: dark brown
        (28, 73, 203),  # car: blue
        (245, 102, 4),  # pedestrian: orange
        (223, 100, 186),  # bicyclist: pink
        (118, 0, 128),  # bus: purple
        (255, 255, 255),  # lane mark: white
    ],
    dtype=np.uint8,
)
