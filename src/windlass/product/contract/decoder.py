"""Decodes and validates request rows: JSON straight into typed structs, and from there into a frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import polars as pl

from windlass.errors import DataError
from windlass.product.contract.constraints import Rule, compile_rule
from windlass.product.contract.json_schema import row_schema
from windlass.product.contract.leftover import Leftover
from windlass.product.contract.rows import Decoded, InvalidRows, MalformedBody, Problem, reason_of
from windlass.product.contract.schema import declared_column, schema_of
from windlass.product.contract.types import needs_restoring, restore, usual
from windlass.records.bundle import Column

_PATH = re.compile(r" - at `(\$.*)`$", re.DOTALL)
_NANOSECONDS = (datetime(1677, 9, 22, tzinfo=UTC), datetime(2262, 4, 11, tzinfo=UTC))


class RowDecoder:
    """Decodes and validates the rows of one product.

    `columns` say what a row holds; `contract` (a pandera model or schema, or None) adds its bounds and checks. What can
    be expressed in types is compiled once, here; the rest is asked of pandera once for each batch. A check that looks
    at a whole column (a mean, uniqueness) is not asked: whether a row is accepted never depends on its neighbours.
    `most` bounds the rows of one request; more are refused before any of them is looked at closely. With `checks_later`
    pandera is left to `check`, which asks it once about many requests.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        contract: Any | None = None,
        *,
        most: int | None = None,
        checks_later: bool = False,
    ) -> None:
        self.columns = tuple(columns)
        self._most = most
        self._checks_later = checks_later
        self._schema = schema_of(contract)
        self.rules = tuple(compile_rule(column, declared_column(self._schema, column.name)) for column in self.columns)
        self._leftover = None if self._schema is None else Leftover(self._schema, self.rules)
        self._strict = getattr(self._schema, "strict", False) is True
        self.row_type = _row_type(self.rules, strict=self._strict)
        self._usual = {column.name: usual(column) for column in self.columns}
        self._dtypes = list(self._usual.values())
        self._restored = [restore(column) for column in self.columns if needs_restoring(column)]
        self._fields = {column.name: f"f{place}" for place, column in enumerate(self.columns)}
        body = msgspec.defstruct(
            "Body",
            [
                ("rows", Annotated[list[self.row_type], msgspec.Meta(min_length=1)]),  # type: ignore[name-defined]
                ("request_id", Annotated[str, msgspec.Meta(max_length=200)] | None, None),
            ],
        )
        self._body: msgspec.json.Decoder[Any] = msgspec.json.Decoder(body)
        self._rows = msgspec.json.Decoder(list[self.row_type])  # type: ignore[name-defined]
        self._times = [f"f{place}" for place, column in enumerate(self.columns) if column.dtype == "datetime"]
        self._narrow = {f"f{p}" for p, column in enumerate(self.columns) if column.exact.startswith("Datetime[ns")}
        self._defaults = [
            (f"f{place}", rule.default) for place, rule in enumerate(self.rules) if rule.default is not None
        ]

    def decode(self, body: bytes) -> pl.DataFrame:
        """The frame of `{"rows": [{...}, ...]}`; raises what `read` raises."""
        return self.read(body).frame

    def read(self, body: bytes) -> Decoded:
        """The rows of `{"rows": [{...}, ...], "request_id": "..."}`.

        Raises MalformedBody when it is not JSON, and InvalidRows with every problem found when it does not fit.
        """
        try:
            request = self._body.decode(body)
        except msgspec.ValidationError:
            records, request_id = self._envelope(body)
            self.check_count(len(records))
            return self._finish(self._mend(records), request_id)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedBody.json(body, error) from error
        self.check_count(len(request.rows))
        return self._finish(request.rows, request.request_id)

    def from_records(self, records: Sequence[Mapping[str, Any]], *, request_id: str | None = None) -> Decoded:
        """The rows of another protocol, one mapping of field to JSON value each; the same checks."""
        self.check_count(len(records))
        try:
            rows = self._rows.decode(_encode(list(records)))
        except msgspec.ValidationError:
            raw = [{str(name): msgspec.Raw(_encode(value)) for name, value in record.items()} for record in records]
            rows = self._mend(raw)
        return self._finish(rows, request_id)

    def from_columns(self, columns: Mapping[str, Sequence[Any]], *, request_id: str | None = None) -> Decoded:
        """The rows of another protocol that sends whole columns, all of one length; the same checks."""
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise InvalidRows.of([Problem(field="columns", row=None, reason=f"columns differ in length: {told}")])
        self.check_count(max(lengths.values(), default=0))
        records = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return self.from_records(records, request_id=request_id)

    def check_count(self, rows: int) -> None:
        """Raise InvalidRows for more rows than one request may bring; a protocol asks before it unfolds them."""
        if self._most is not None and rows > self._most:
            reason = f"{rows} rows are too many; send at most {self._most} at a time"
            raise InvalidRows.of([Problem(field="rows", row=None, reason=reason)])

    def check(self, requests: Sequence[Decoded]) -> list[InvalidRows | None]:
        """What pandera has against each of the requests; None: nothing. They are asked about together.

        Whether a request is refused does not depend on the others: if something is wrong, each is asked about alone.
        """
        if self._leftover is None or not self._leftover.any or not requests:
            return [None] * len(requests)
        try:
            self._leftover.check(Decoded.together(requests).frame)
        except InvalidRows as error:
            if len(requests) == 1:
                return [error]
            return [found for request in requests for found in self.check([request])]
        return [None] * len(requests)

    @property
    def asks_pandera(self) -> bool:
        """Whether some check is left that only pandera can make."""
        return self._leftover is not None and self._leftover.any

    def reader(self, columns: Sequence[str]) -> Callable[[Any], Any]:
        """What gives the values of these columns of a row, for `Decoded.matrix`."""
        return attrgetter(*(self._fields[name] for name in columns))

    def unnamed(self, width: int) -> tuple[Column, ...]:
        """The columns behind rows of `width` values that name none: all of them, or just those that must come."""
        needed = tuple(column for column in self.columns if column.required)
        return needed if width == len(needed) else self.columns

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of one row."""
        return row_schema(self.rules, strict=self._strict)

    # -- from structs to a frame --------------------------------------------------------------------------------

    def _finish(self, rows: list[Any], request_id: str | None) -> Decoded:
        if not rows:
            raise InvalidRows.of([Problem(field="rows", row=None, reason="there are no rows")])
        self._settle(rows)
        decoded = Decoded(
            rows=tuple(map(_encode, rows)),
            structs=tuple(rows),
            fields=self._fields,
            make_frame=self._frame,
            request_id=request_id,
        )
        if self._leftover is not None and not self._checks_later:
            self._leftover.check(decoded.frame)
        return decoded

    def _frame(self, rows: Sequence[Any]) -> pl.DataFrame:
        values = [msgspec.structs.astuple(row) for row in rows]
        # Told the types beforehand, polars looks at each of them several times, which takes longer than a row; so it is
        # told only where it cannot see them, in a column without any value.
        frame = pl.DataFrame(values, schema=list(self._usual), orient="row", infer_schema_length=None)
        if frame.dtypes != self._dtypes:
            frame = pl.DataFrame(values, schema=self._usual, orient="row")
        return frame.with_columns(self._restored) if self._restored else frame

    def _settle(self, rows: list[Any]) -> None:
        """Bring moments to UTC and fill what the contract has a default for, in place."""
        for name, default in self._defaults:
            for row in rows:
                if getattr(row, name) is None:
                    setattr(row, name, default)
        problems = []
        for name in self._times:
            for place, row in enumerate(rows):
                moment = getattr(row, name)
                if moment is None or moment.tzinfo is UTC:
                    fits = moment is None or name not in self._narrow or _NANOSECONDS[0] <= moment <= _NANOSECONDS[1]
                else:
                    moment = _utc(moment)
                    fits = moment is not None and (
                        name not in self._narrow or _NANOSECONDS[0] <= moment <= _NANOSECONDS[1]
                    )
                    setattr(row, name, moment)
                if not fits:
                    field = self.columns[int(name[1:])].name
                    problems.append(Problem(field=field, row=place, reason="is too far in the past or the future"))
        if problems:
            raise InvalidRows.of(problems)

    # -- the slow path: find every problem, field by field ------------------------------------------------------

    def _envelope(self, body: bytes) -> tuple[list[dict[str, msgspec.Raw]], str | None]:
        try:
            envelope = _ENVELOPE.decode(body)
        except msgspec.ValidationError as error:
            raise InvalidRows.of([_about_envelope(error)]) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedBody.json(body, error) from error
        return envelope.rows, envelope.request_id

    def _mend(self, records: list[dict[str, msgspec.Raw]]) -> list[Any]:
        """Rows that did not decode at once: whole numbers written `1.0` are taken, and truth values where only a number
        is known to be wanted; everything else is a problem."""
        problems: list[Problem] = []
        mended = [self._mend_row(place, record, problems) for place, record in enumerate(records)]
        if problems:
            raise InvalidRows.of(problems)
        return self._rows.decode(b"[" + b",".join(mended) + b"]")

    def _mend_row(self, place: int, record: dict[str, msgspec.Raw], problems: list[Problem]) -> bytes:
        parts = []
        for rule in self.rules:
            raw = record.get(rule.column.name)
            if raw is None:
                if rule.column.required:
                    problems.append(Problem(field=rule.column.name, row=place, reason="is missing"))
                continue
            value, reason = self._field(rule, bytes(raw))
            if reason is not None:
                problems.append(Problem(field=rule.column.name, row=place, reason=reason))
            else:
                parts.append(_encode(rule.column.name) + b":" + _encode(value))
        if self._strict:
            unknown = [name for name in record if name not in self._fields]
            problems += [Problem(field=name, row=place, reason="is not a column of this product") for name in unknown]
        return b"{" + b",".join(parts) + b"}"

    def _field(self, rule: Rule, raw: bytes) -> tuple[Any, str | None]:
        try:
            if rule.column.dtype == "int" and raw.strip() not in (b"null",):
                number = msgspec.json.decode(raw)
                if isinstance(number, float) and number.is_integer():
                    raw = str(int(number)).encode()
            elif rule.takes_truth:
                raw = _TRUTH.get(raw.strip(), raw)
            return msgspec.json.decode(raw, type=rule.nullable_type), None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            return None, _reason(rule, error)


class _Envelope(msgspec.Struct):
    rows: Annotated[list[dict[str, msgspec.Raw]], msgspec.Meta(min_length=1)]
    request_id: Annotated[str, msgspec.Meta(max_length=200)] | None = None


_TRUTH = {b"true": b"1", b"false": b"0"}
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_encode = msgspec.json.Encoder().encode


def _row_type(rules: Sequence[Rule], *, strict: bool) -> Any:
    """A struct with a field for each rule; JSON names can be any text, so Python's are numbered."""
    fields: list[Any] = [
        (f"f{place}", rule.nullable_type) if rule.column.required else (f"f{place}", rule.nullable_type, None)
        for place, rule in enumerate(rules)
    ]
    names = {f"f{place}": rule.column.name for place, rule in enumerate(rules)}
    try:
        return msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=strict, gc=False, kw_only=True)
    except ValueError as error:
        raise DataError(
            f"a column's name cannot be a JSON field here: {error}",
            where="columns",
            remedy="rename the column in `extract`: no quotes, backslashes or control characters",
        ) from error


def _utc(moment: datetime) -> datetime | None:
    """A naive moment is taken as UTC; None when UTC has no such year."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def _about_envelope(error: msgspec.ValidationError) -> Problem:
    message = str(error)
    found = _PATH.search(message)
    path = found[1] if found else "$"
    row = re.match(r"\$\.rows\[(\d+)\]", path)
    field = "body" if path == "$" else path.removeprefix("$.").partition("[")[0]
    reason = _PATH.sub("", message)
    if "of length >= 1" in reason:
        reason = "there are no rows"
    return Problem(field=field, row=int(row[1]) if row else None, reason=reason)


def _reason(rule: Rule, error: Exception) -> str:
    reason = reason_of(error)
    if rule.allowed is not None and reason.startswith("Invalid enum value"):
        shown = ", ".join(map(repr, rule.allowed[:20])) + (", ..." if len(rule.allowed) > 20 else "")
        return f"{reason.replace('Invalid enum value', 'there is no choice')}; choose from {shown}"
    return reason[:300]
