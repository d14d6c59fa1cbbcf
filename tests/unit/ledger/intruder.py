"""Somebody who may do anything to the tables, knows how Windlass works, and has no private key of the workspace."""

from __future__ import annotations

import json
from typing import Any

from windlass.ledger.chain import from_text, row_hash
from windlass.ledger.checkpoints import content
from windlass.ledger.gaps import Gap, digest
from windlass.ledger.keys import SigningKey
from windlass.records.checkpoint import Checkpoint

from .conftest import Backdoor  # type: ignore[import-not-found]

COLUMNS = "sequence, at, kind, product, subject, run, actor, body, previous, hash"
Row = tuple[Any, ...]


class Intruder:
    """What can be done by SQL."""

    def __init__(self, backdoor: Backdoor) -> None:
        self._backdoor = backdoor
        self.key = SigningKey.generate()

    def events(self, where: str = "1 = 1") -> list[Row]:
        return self._backdoor.rows(f"SELECT {COLUMNS} FROM events WHERE {where} ORDER BY sequence")

    def everything(self, upto: int) -> list[list[Row]]:
        """All that a signature at `upto` covers."""
        gaps = self._backdoor.rows("SELECT * FROM gaps ORDER BY first")
        checkpoints = self._backdoor.rows("SELECT * FROM checkpoints ORDER BY number")
        return [self.events(f"sequence <= {upto}"), gaps, checkpoints]

    def put(self, row: Row) -> None:
        names = COLUMNS.split(", ")
        self._backdoor.run(f"DELETE FROM events WHERE sequence = {row[0]}")
        places = ", ".join(f":{name}" for name in names)
        self._backdoor.run(f"INSERT INTO events ({COLUMNS}) VALUES ({places})", **dict(zip(names, row, strict=True)))

    def change(self, sequence: int, column: str, value: str) -> None:
        self._backdoor.run(f"UPDATE events SET {column} = :value WHERE sequence = {sequence}", value=value)

    def rewrite(self, sequence: int, **fields: str) -> None:
        """Another event in the place of one, and every hash from there on as it would have been, the head's too."""
        (row,) = self.events(f"sequence = {sequence}")
        names = COLUMNS.split(", ")
        changed = {**dict(zip(names, row, strict=True)), **fields}
        self.put(tuple(changed[name] for name in names))
        self.rehash(sequence)

    def rehash(self, sequence: int) -> None:
        """Make the chain hold from `sequence` on."""
        before = self.events(f"sequence < {sequence}")
        previous = before[-1][9] if before else "0" * 64
        expected = before[-1][0] + 1 if before else 1
        for row in self.events(f"sequence >= {sequence}"):
            if row[0] != expected:
                previous = row[8]  # behind a gap nothing is known of what was there
            hashed = row_hash(previous, row[:8])
            self.put((*row[:8], previous, hashed))
            previous, expected = hashed, row[0] + 1
        self.move_head()

    def move_head(self) -> None:
        last = self.events()[-1]
        self._backdoor.run("UPDATE head SET sequence = :sequence, hash = :hash", sequence=last[0], hash=last[9])

    def swap(self, first: int, second: int) -> None:
        """Two events change places, without their numbers."""
        (one,), (other,) = self.events(f"sequence = {first}"), self.events(f"sequence = {second}")
        self.put((first, *other[1:]))
        self.put((second, *one[1:]))

    def drop(self, sequence: int) -> None:
        self._backdoor.run(f"DELETE FROM events WHERE sequence = {sequence}")

    def cut(self, after: int) -> None:
        """The end goes, with its checkpoints, and the head is set right."""
        self._backdoor.run(
            f"DELETE FROM events WHERE sequence > {after}; DELETE FROM checkpoints WHERE sequence > {after}"
        )
        self.move_head()

    def checkpoints(self) -> list[Checkpoint]:
        rows = self._backdoor.rows("SELECT number, sequence, hash, at, key, signature FROM checkpoints ORDER BY number")
        names = ("number", "sequence", "hash", "at", "key", "signature")
        return [Checkpoint(**{**dict(zip(names, row, strict=True)), "at": from_text(row[3])}) for row in rows]

    def remove_checkpoint(self, number: int) -> None:
        self._backdoor.run(f"DELETE FROM checkpoints WHERE number = {number}")

    def change_checkpoint(self, which: int, /, **fields: Any) -> None:
        for column, value in fields.items():
            self._backdoor.run(f"UPDATE checkpoints SET {column} = :value WHERE number = {which}", value=value)

    def sign_again(self) -> None:
        """Every checkpoint over what stands there now, by the intruder's own key."""
        hashes = {row[0]: row[9] for row in self.events()}
        for found in self.checkpoints():
            forged = Checkpoint(
                number=found.number,
                sequence=found.sequence,
                hash=hashes[found.sequence],
                at=found.at,
                key=self.key.id,
                signature="",
            )
            signature = self.key.sign(content(forged))
            self.change_checkpoint(found.number, hash=forged.hash, key=forged.key, signature=signature)

    def replace_key(self) -> None:
        """As if the ledger had been signed by the intruder's key from its beginning."""
        brought_in = [row for row in self.events() if row[2] == "key.rotated"]
        body = json.loads(brought_in[0][7]) | {"key": self.key.id, "public": self.key.public.hex()}
        text = json.dumps(body, separators=(",", ":"))
        self.rewrite(brought_in[0][0], body=text, subject=self.key.id)
        self.sign_again()

    def prune(self, first: int, last: int) -> None:
        """Take signed events out, and tell of it as `ledger.pruned` would, at the end of the ledger."""
        rows = self.events(f"sequence BETWEEN {first} AND {last}")
        gap = Gap(first, last, rows[0][8], rows[-1][9])
        self._backdoor.run(f"DELETE FROM events WHERE sequence BETWEEN {first} AND {last}")
        self._backdoor.run("INSERT INTO gaps VALUES (:first, :last, :previous, :hash)", **gap._asdict())
        told = {
            "kind": "ledger.pruned",
            "before": "2013-03-01T12:00:00Z",
            "removed": len(rows),
            "gaps": 1,
            "digest": digest([gap]),
            "checkpoints_from": 1,
            "checkpoints_before": [],
        }
        self.add("ledger.pruned", json.dumps(told, separators=(",", ":")))

    def add(self, kind: str, body: str, subject: str | None = None) -> None:
        """A forged event at the end."""
        last = self.events()[-1]
        self.put((last[0] + 1, last[1], kind, None, subject, None, "controller", body, "", ""))
        self.rehash(last[0] + 1)
