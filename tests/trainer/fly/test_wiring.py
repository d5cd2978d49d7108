from __future__ import annotations

import numpy as np
import pytest

from trainer.fly.wiring import column_of, columns


@pytest.mark.parametrize("extent", [1, 2, 5, 8])
def test_an_eye_has_3e_e_plus_1_plus_1_columns_in_ascending_order(extent: int) -> None:
    found = columns(extent)
    assert len(found) == 3 * extent * (extent + 1) + 1
    assert found.tolist() == sorted(found.tolist())
    assert np.abs(found.sum(axis=1)).max() <= extent


def test_column_of_inverts_columns() -> None:
    u, v = columns(3).T
    assert column_of(u, v, 3).tolist() == list(range(37))
