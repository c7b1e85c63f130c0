"""A JSON array of any text is parted as JSON parts it, in time that grows as the file does."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale_core.drop.readers import json_arrays
from telltale_core.drop.readers.json_arrays import array_elements

TEXTS = st.text('"\\[]{}, ax\u00e9', max_size=8)
VALUES = st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))

HOSTILE = """
import io, resource, sys
from telltale_core.drop.readers.json_arrays import array_elements
from telltale_core.errors import BadInput
resource.setrlimit(resource.RLIMIT_CPU, (8, 8))
text = sys.argv[1].encode()
data = b'[{"a": "' + text * ((16 << 20) // len(text))
try:
    print(sum(map(len, array_elements(io.BytesIO(data), 32 << 20, "d.json"))))
except BadInput as error:
    print(error.code)
"""


@pytest.mark.parametrize("chunk_bytes", [1, 2, 7, 1 << 20])
def test_elements_are_those_of_json_wherever_a_chunk_ends(chunk_bytes, monkeypatch):
    monkeypatch.setattr(json_arrays, "CHUNK_BYTES", chunk_bytes)

    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), min_size=1, max_size=4), st.booleans())
    def whole(elements: list[dict[str, object]], spread: bool) -> None:
        data = json.dumps(elements, indent=1 if spread else None).encode()
        assert list(map(json.loads, array_elements(io.BytesIO(data), 10_000, "d.json"))) == elements

    whole()


@pytest.mark.slow
@pytest.mark.parametrize("text", ['\\"', "\\\\", "x"])
def test_a_text_that_never_ends_is_read_once(text):
    """Trying it anew with every chunk, or giving back letter by letter, takes twice what is allowed here."""
    done = subprocess.run([sys.executable, "-c", HOSTILE, text], capture_output=True, text=True, check=True)
    assert done.stdout == "file_corrupt\n"
