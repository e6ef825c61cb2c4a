"""`npm run bench -- --suite vllm`: the same prompts through vLLM with kvferry, with its other connectors, and alone."""
