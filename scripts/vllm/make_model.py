"""Writes a tiny Llama with random weights from a fixed seed, and a tokenizer whose tokens are bytes.

make_model.py DIRECTORY [--layers 4] [--seed 1]"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

Matrix = NDArray[np.float32]

VOCABULARY = 320
BEGIN, END = 256, 257
HIDDEN, HEADS, KV_HEADS, INNER = 256, 4, 2, 512
HEAD = HIDDEN // HEADS
# Sharp attention: the answer depends on the whole prompt.
SHARP = 2.0


def config(layers: int) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
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


def weights(layers: int, seed: int) -> dict[str, Matrix]:
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, gain: float = 1.0) -> Matrix:
        return random.standard_normal((rows, columns), dtype=np.float32) * np.float32(gain / math.sqrt(columns))

    made = {
        "model.embed_tokens.weight": random.standard_normal((VOCABULARY, HIDDEN), dtype=np.float32),
        "model.norm.weight": np.ones(HIDDEN, np.float32),
        "lm_head.weight": matrix(VOCABULARY, HIDDEN, 4.0),
    }
    for number in range(layers):
        layer = {
            "input_layernorm": np.ones(HIDDEN, np.float32),
            "post_attention_layernorm": np.ones(HIDDEN, np.float32),
            "self_attn.q_proj": matrix(HEADS * HEAD, HIDDEN, SHARP),
            "self_attn.k_proj": matrix(KV_HEADS * HEAD, HIDDEN, SHARP),
            "self_attn.v_proj": matrix(KV_HEADS * HEAD, HIDDEN, SHARP),
            "self_attn.o_proj": matrix(HIDDEN, HEADS * HEAD, SHARP),
            "mlp.gate_proj": matrix(INNER, HIDDEN),
            "mlp.up_proj": matrix(INNER, HIDDEN),
            "mlp.down_proj": matrix(HIDDEN, INNER),
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
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    write_json(chosen.folder / "config.json", config(chosen.layers))
    write_json(chosen.folder / "generation_config.json", {"bos_token_id": BEGIN, "eos_token_id": END})
    tensors = weights(chosen.layers, chosen.seed)
    save_file(tensors, str(chosen.folder / "model.safetensors"), metadata={"format": "pt"})
    write_tokenizer(chosen.folder)


if __name__ == "__main__":
    main()
