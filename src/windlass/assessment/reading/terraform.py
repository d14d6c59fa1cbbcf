"""What files of Terraform declare."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from windlass.assessment.reading.lines import line_at

_RESOURCE = re.compile(r'^\s*resource\s+"(\w+)"\s+"([\w-]+)"\s*\{', re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One resource."""

    path: str
    kind: str
    """`aws_sagemaker_endpoint`"""
    name: str
    line: int
    body: str
    """All between its braces."""


def read_terraform(path: str, text: str) -> Iterator[Block]:
    """Each resource of a file; a body ends where its braces do."""
    for found in _RESOURCE.finditer(text):
        depth, end = 1, found.end()
        while depth and end < len(text):
            depth += (text[end] == "{") - (text[end] == "}")
            end += 1
        yield Block(path, found[1], found[2], line_at(text, found.start(1)), text[found.end() : end - 1])
