"""Loads a GGUF file through transformers as a dense float32 model that can be saved again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer


def load_gguf(path: Path) -> tuple[Any, Any]:
    """Model and tokenizer of a GGUF file, every weight dequantised to float32."""
    import torch
    import transformers

    from gnomon.generation.subjects.silence_loading import silence_loading

    options: dict[str, Any] = {"gguf_file": path.name, "dtype": torch.float32}
    if hasattr(transformers, "GgufConfig"):  # newer releases would keep the weights quantised and cannot save them
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    with silence_loading():
        model = AutoModelForCausalLM.from_pretrained(str(path.parent), **options)  # nosec B615: a local file
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)  # nosec B615: a local file
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, tokenizer
