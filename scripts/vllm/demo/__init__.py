"""`npm run demo:vllm`: two servers of vLLM with an agent each, behind vllm-router."""
