"""The four MediaPipe graphs that are run, as protobuf text: sub-graphs of its pose and holistic solutions.

The solutions' own tracking and smoothing are left out: every picture is read for itself, inside the region it is told.
"""

from __future__ import annotations

from typing import Final

__all__ = ["DETECTOR_GRAPH", "FACE_GRAPH", "HANDS_GRAPH", "LANDMARK_GRAPH"]

DETECTOR_GRAPH: Final = """
input_stream: "image"
output_stream: "detections"
node {
  calculator: "PoseDetectionCpu"
  input_stream: "IMAGE:image"
  output_stream: "DETECTIONS:detections"
}
"""

LANDMARK_GRAPH: Final = """
input_stream: "image"
input_stream: "region"
input_side_packet: "complexity"
input_side_packet: "with_mask"
output_stream: "landmarks"
output_stream: "alignment"
output_stream: "world"
output_stream: "mask"
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:region"
  input_side_packet: "MODEL_COMPLEXITY:complexity"
  input_side_packet: "ENABLE_SEGMENTATION:with_mask"
  output_stream: "LANDMARKS:landmarks"
  output_stream: "AUXILIARY_LANDMARKS:alignment"
  output_stream: "WORLD_LANDMARKS:world"
  output_stream: "SEGMENTATION_MASK:mask"
}
"""

HANDS_GRAPH: Final = """
input_stream: "image"
input_stream: "left_arm"
input_stream: "right_arm"
input_side_packet: "complexity"
output_stream: "left"
output_stream: "right"
node { calculator: "ImagePropertiesCalculator" input_stream: "IMAGE:image" output_stream: "SIZE:size" }
node {
  calculator: "HandLandmarksFromPoseToRecropRoi"
  input_stream: "HAND_LANDMARKS_FROM_POSE:left_arm"
  input_stream: "IMAGE_SIZE:size"
  output_stream: "ROI:left_guess"
}
node {
  calculator: "HandRecropByRoiCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:left_guess"
  output_stream: "HAND_ROI_FROM_RECROP:left_region"
}
node {
  calculator: "HandLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:left_region"
  input_side_packet: "MODEL_COMPLEXITY:complexity"
  output_stream: "LANDMARKS:left"
}
node {
  calculator: "HandLandmarksFromPoseToRecropRoi"
  input_stream: "HAND_LANDMARKS_FROM_POSE:right_arm"
  input_stream: "IMAGE_SIZE:size"
  output_stream: "ROI:right_guess"
}
node {
  calculator: "HandRecropByRoiCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:right_guess"
  output_stream: "HAND_ROI_FROM_RECROP:right_region"
}
node {
  calculator: "HandLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:right_region"
  input_side_packet: "MODEL_COMPLEXITY:complexity"
  output_stream: "LANDMARKS:right"
}
"""

FACE_GRAPH: Final = """
input_stream: "image"
input_stream: "face_joints"
input_side_packet: "with_attention"
output_stream: "mesh"
node { calculator: "ImagePropertiesCalculator" input_stream: "IMAGE:image" output_stream: "SIZE:size" }
node {
  calculator: "FaceLandmarksFromPoseToRecropRoi"
  input_stream: "FACE_LANDMARKS_FROM_POSE:face_joints"
  input_stream: "IMAGE_SIZE:size"
  output_stream: "ROI:guess"
}
node {
  calculator: "FaceDetectionShortRangeByRoiCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:guess"
  output_stream: "DETECTIONS:faces"
}
node {
  calculator: "FaceDetectionFrontDetectionsToRoi"
  input_stream: "DETECTIONS:faces"
  input_stream: "IMAGE_SIZE:size"
  output_stream: "ROI:region"
}
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:region"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:mesh"
}
"""
