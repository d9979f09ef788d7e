"""Give tests of rich text the published schema of Atlassian's documents."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest


@pytest.fixture(scope="session")
def adf_schema(reference_data: Path) -> jsonschema.Draft4Validator:
    """Return a validator of the schema in npm ``@atlaskit/adf-schema``."""
    found = json.loads((reference_data / "adf" / "atlaskit-schema" / "full.json").read_text("utf-8"))
    return jsonschema.Draft4Validator(found)
