"""Frames under the contract: where data comes in, and before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from windlass.errors import ContractViolated
from windlass.product.contract.schema import as_declared, declared_column, schema_of
from windlass.product.contract.violations import Finding, findings_of, missing, validated
from windlass.product.product import Product


def check_frame(product: type[Product] | Product, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` as the contract leaves them (coerced, filled, filtered), NaN turned into null as it comes from JSON.

    Where the lake keeps a type that the contract declares as another one, they come in the declared one.

    The target is checked too when it is there and the contract names it; target, time and key may be missing in the
    contract even if it is strict. Raises one ContractViolated that lists every finding.
    """
    plain = _plain(rows)
    if product.contract is None:
        return plain
    schema, inner = _under_contract(product, plain)
    checked = validated(schema, inner)
    roles = [name for name in rows.columns if name not in inner.columns]
    merged = checked.with_columns(plain.get_column(name) for name in roles) if roles else checked
    order = [name for name in rows.columns if name in merged.columns]
    return merged.select([*order, *(name for name in merged.columns if name not in order)])


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """Rows, parted by whether they can be used."""

    kept: pl.DataFrame
    """Those that satisfy the contract and have a key, as `check_frame` leaves them."""
    broken: pl.Series
    """n truth values: which of the rows are not among them."""
    findings: tuple[Finding, ...]
    """Why not."""


def sift_frame(product: type[Product] | Product, rows: pl.DataFrame) -> Sifted:
    """`rows` without those that break the contract or have no key.

    Raises ContractViolated where the contract is broken by the frame as a whole, such as by a missing column.
    """
    key = product.task.key
    findings = []
    if key is not None and key in rows.columns and rows.get_column(key).has_nulls():
        findings.append(missing(key, rows.get_column(key)))
    try:
        return _without(findings, product, rows)
    except ContractViolated:
        findings += findings_of(*_under_contract(product, _plain(rows)))
        return _without(findings, product, rows)


def _without(findings: list[Finding], product: type[Product] | Product, rows: pl.DataFrame) -> Sifted:
    broken = pl.repeat(value=False, n=rows.height, eager=True)
    for finding in findings:
        broken = broken if finding.mask is None else broken | finding.mask
    return Sifted(kept=check_frame(product, rows.filter(~broken)), broken=broken, findings=tuple(findings))


def _plain(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col(name).fill_nan(None) for name, dtype in rows.schema.items() if dtype.is_float())


def _under_contract(product: type[Product] | Product, rows: pl.DataFrame) -> tuple[Any, pl.DataFrame]:
    """The contract, and the part of `rows` that it is about, in the types that it declares."""
    schema = schema_of(product.contract)
    roles = [name for name in product.task.roles if name in rows.columns and declared_column(schema, name) is None]
    if schema is not None and product.task.target in schema.columns and product.task.target not in rows.columns:
        schema = schema.remove_columns([product.task.target])
    return schema, as_declared(schema, rows.drop(roles))
