"""The plan covers every poem once, in order, in blocks that begin at multiples of the batch size."""

from __future__ import annotations

import pytest

from poet_model.bulk.plan import Plan
from poet_model.bulk.requests import Requests, line_of


@pytest.mark.parametrize("batch_size", [1, 3, 4, 64])
@pytest.mark.parametrize("nums", [[1], [70], [5, 1, 1, 30, 2], [1] * 40, [256, 257]])
def test_every_poem_is_in_one_block(tmp_path, nums, batch_size):
    path = tmp_path / "requests.jsonl"
    path.write_text("".join(line_of({"num": num, "title": f"題{i}"}) for i, num in enumerate(nums)), "utf-8")
    requests = Requests(path)
    plan = Plan(requests, batch_size)
    expected = [(request, i) for request, num in enumerate(nums) for i in range(num)]
    found, first_of = [], dict(zip(range(len(nums)), requests.firsts.tolist(), strict=False))
    for part in range(plan.parts):
        blocks = list(plan.blocks(part))
        assert sum(block.size for block in blocks) == len(plan.poems_of(part)) > 0
        assert blocks[0].first == plan.poems_of(part).start
        for block in blocks:
            inside = block.first - first_of[block.request]
            assert inside // batch_size == (inside + block.size - 1) // batch_size  # crosses no multiple
            assert inside % batch_size == 0 or block is blocks[0]
            found += [(block.request, inside + i) for i in range(block.size)]
            assert requests[block.request] == {"title": f"題{block.request}"}
    assert found == expected
