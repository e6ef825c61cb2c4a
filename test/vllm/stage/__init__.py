"""What the proof and the demo run: NATS, agents, and vLLM engines, each a process that ends with the stage."""
