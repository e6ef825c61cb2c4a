"""An LMCache server: `python server.py PORT PARAMETERS`, the parameters of kvferry's adapter as JSON."""

from __future__ import annotations

import json
import sys


def main() -> None:
    import torch
    from lmcache.cli.main import main as lmcache

    torch.set_num_threads(1)
    port, parameters = int(sys.argv[1]), json.loads(sys.argv[2])
    adapter = {
        "type": "plugin",
        "module_path": "kvferry.lmcache",
        "class_name": "L2Adapter",
        "adapter_params": parameters,
    }
    options = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--http-port": str(port + 1),
        "--l1-size-gb": "0.5",
        "--eviction-policy": "LRU",
        "--chunk-size": "256",
        "--supported-transfer-mode": "auto",
        "--l2-adapter": json.dumps(adapter),
    }
    sys.argv = ["lmcache", "server", *(word for option in options.items() for word in option)]
    lmcache()


if __name__ == "__main__":
    main()
