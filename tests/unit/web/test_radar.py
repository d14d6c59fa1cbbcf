from __future__ import annotations

import re

from windlass.web.radar import radar


def test_there_is_room_for_the_longest_label() -> None:
    names = ["highlights", "technology", "people", "model-creation", "model-release", "application-integration"]
    picture = str(radar(dict.fromkeys(names, 1), lowest=0, highest=4))
    found = re.search(r'viewBox="(-?\d+) \d+ (\d+) \d+"', picture)
    assert found is not None
    left, width = int(found[1]), int(found[2])
    for x, side, name in re.findall(r'<text x="([\d.]+)" y="[\d.]+" class="(\w+)">([\w-]+)<', picture):
        reach = 7.3 * len(name)  # pixels, as a browser draws them
        begin = {"start": 0.0, "middle": reach / 2, "end": reach}[side]
        assert left <= float(x) - begin, name
        assert float(x) - begin + reach <= left + width, name
