"""Writes a tiny Llama with random weights from a fixed seed, and a tokenizer whose tokens are bytes.

make_model.py DIRECTORY [--layers 4] [--width 256] [--seed 1]"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

Matrix = NDArray[np.float32]

VOCABULARY = 320
BEGIN, END = 256, 257
HEAD = 64
# Sharp attention: the answer depends on the whole prompt.
SHARP = 2.0


@dataclass(frozen=True)
class Size:
    layers: int
    width: int

    @property
    def heads(self) -> int:
        return self.width // HEAD

    @property
    def kv_heads(self) -> int:
        return self.heads // 2

    @property
    def inner(self) -> int:
        return self.width * 2


def config(size: Size) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": size.width,
        "intermediate_size": size.inner,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "head_dim": HEAD,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "bos_token_id": BEGIN,
        "eos_token_id": END,
        "torch_dtype": "float32",
    }


def weights(size: Size, seed: int) -> dict[str, Matrix]:
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, gain: float = 1.0) -> Matrix:
        return random.standard_normal((rows, columns), dtype=np.float32) * np.float32(gain / math.sqrt(columns))

    width, inner = size.width, size.inner
    made = {
        "model.embed_tokens.weight": random.standard_normal((VOCABULARY, width), dtype=np.float32),
        "model.norm.weight": np.ones(width, np.float32),
        "lm_head.weight": matrix(VOCABULARY, width, 4.0),
    }
    for number in range(size.layers):
        layer = {
            "input_layernorm": np.ones(width, np.float32),
            "post_attention_layernorm": np.ones(width, np.float32),
            "self_attn.q_proj": matrix(size.heads * HEAD, width, SHARP),
            "self_attn.k_proj": matrix(size.kv_heads * HEAD, width, SHARP),
            "self_attn.v_proj": matrix(size.kv_heads * HEAD, width, SHARP),
            "self_attn.o_proj": matrix(width, size.heads * HEAD, SHARP),
            "mlp.gate_proj": matrix(inner, width),
            "mlp.up_proj": matrix(inner, width),
            "mlp.down_proj": matrix(width, inner),
        }
        made |= {f"model.layers.{number}.{name}.weight": value for name, value in layer.items()}
    return made


def write_tokenizer(folder: Path) -> None:
    vocabulary = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary | {"<s>": BEGIN, "</s>": END}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    write_json(folder / "tokenizer_config.json", settings | {"model_max_length": 8192})


def write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=1))


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--layers", type=int, default=4)
    options.add_argument("--width", type=int, default=256)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    size = Size(chosen.layers, chosen.width)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    write_json(chosen.folder / "config.json", config(size))
    write_json(chosen.folder / "generation_config.json", {"bos_token_id": BEGIN, "eos_token_id": END})
    tensors = weights(size, chosen.seed)
    save_file(tensors, str(chosen.folder / "model.safetensors"), metadata={"format": "pt"})
    write_tokenizer(chosen.folder)


if __name__ == "__main__":
    main()
