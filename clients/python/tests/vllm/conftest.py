from __future__ import annotations

from collections.abc import Iterator

import pytest

from .servers import Servers


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    try:
        yield made
    finally:
        made.close()
