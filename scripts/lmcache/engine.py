"""vLLM with LMCache's connector: `python engine.py MODEL PORT`. Each line of its input has prompts, as lists of tokens.
Each line of its output that begins with `RESULT` has the tokens that follow, and how many of a prompt were cached."""

from __future__ import annotations

import json
import sys


def main() -> None:
    import torch

    torch.set_num_threads(1)
    import vllm.triton_utils.dispatcher
    from vllm import LLM, SamplingParams
    from vllm.config import KVTransferConfig

    # LMCache imports numba before vLLM 0.32 does, which vLLM's replacement of kernels for GPUs does not expect.
    vllm.triton_utils.dispatcher._rebind_kernels = lambda pairs: None
    transfer = KVTransferConfig(
        kv_connector="LMCacheMPConnector",
        kv_connector_module_path="lmcache.integration.vllm.lmcache_mp_connector",
        kv_role="kv_both",
        kv_connector_extra_config={"lmcache.mp.host": "tcp://127.0.0.1", "lmcache.mp.port": int(sys.argv[2])},
    )
    engine = LLM(
        model=sys.argv[1],
        skip_tokenizer_init=True,
        dtype="float32",
        enforce_eager=True,
        max_model_len=2048,
        block_size=32,
        kv_cache_memory_bytes=128 << 20,
        enable_prefix_caching=False,
        max_num_seqs=8,
        seed=0,
        kv_transfer_config=transfer,
    )
    sampling = SamplingParams(temperature=0, max_tokens=16, ignore_eos=True, detokenize=False)
    report("RESULT", {"ready": True})
    for line in sys.stdin:
        outputs = []
        for prompt in json.loads(line):
            outputs += engine.generate([{"prompt_token_ids": prompt}], sampling, use_tqdm=False)
        tokens = [list(one.outputs[0].token_ids) for one in outputs]
        report("RESULT", {"tokens": tokens, "cached": [one.num_cached_tokens or 0 for one in outputs]})


def report(word: str, what: object) -> None:
    print(f"{word} {json.dumps(what)}", flush=True)


if __name__ == "__main__":
    main()
