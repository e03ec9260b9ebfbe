"""A fitted estimator as an ONNX graph, for runtimes that know nothing of Fathom."""

from fathom.deployment.onnx.exporting import Exported, encode_rows, export_onnx, require_onnx

__all__ = ["Exported", "encode_rows", "export_onnx", "require_onnx"]
