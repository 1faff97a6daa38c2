"""The drawn figure and its layers, where a test needs no other."""

from __future__ import annotations

import pytest

from drn_core.prior.person import PersonLayers, build_person
from tests.helpers.figure import Figure, figure


@pytest.fixture(scope="module")
def drawn() -> Figure:
    return figure()


@pytest.fixture(scope="module")
def person(drawn: Figure) -> PersonLayers:
    return build_person(drawn.source)
