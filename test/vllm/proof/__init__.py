"""`npm run test:vllm`: a prompt that is prefilled in one vLLM and decoded in another has the tokens of one vLLM."""
