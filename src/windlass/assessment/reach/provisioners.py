"""What Terraform runs on the machine that applies it: provisioners beside the resources."""

from __future__ import annotations

import posixpath
import re

from windlass.assessment.reach.asked import Asked, Leads
from windlass.assessment.reading.lines import line_at
from windlass.assessment.reading.shell import Command, read_shell

_PROVISIONER = re.compile(
    r'provisioner\s+"local-exec"\s*\{[^}]*?command\s*=\s*(?:<<-?\s*(?P<end>\w+)\n(?P<long>.*?)\n\s*(?P=end)|'
    r'"(?P<short>(?:[^"\\]|\\.)*)")',
    re.DOTALL,
)


def run_provisioners(asked: Asked) -> Leads:
    """`terraform apply`: what the infrastructure runs beside what it makes, such as building an image."""
    if "apply" not in asked.argv:
        return Leads()
    given = next((word.partition("=")[2] for word in asked.argv if word.startswith("-chdir=")), "")
    folder = posixpath.normpath(posixpath.join(asked.folder, given)).strip(".")
    found: list[tuple[str, Command]] = []
    for path in asked.project.named(".tf"):
        if not folder or path.startswith(f"{folder}/"):
            text = asked.project.text(path)
            for each in _PROVISIONER.finditer(text):
                line = line_at(text, each.start("long" if each["long"] else "short"))
                script = each["long"] or (each["short"] or "").replace('\\"', '"')
                found += [(path, command) for command in read_shell(script, line)]
    return Leads(commands=tuple(found))
