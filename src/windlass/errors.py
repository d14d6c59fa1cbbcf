"""Every error that Windlass raises on purpose.

    WindlassError
    ├── UsageError            a command or a call that cannot be carried out as given
    ├── SettingsError         a setting that is unknown, malformed or contradicts another
    ├── MissingExtra          an optional dependency that is not installed
    ├── ProductError          what the user declared cannot work
    │   └── NotRowLocal       `features` depends on neighbouring rows
    ├── DataError             rows that cannot be used
    │   └── ContractViolated  rows that break the product's contract
    ├── LedgerError
    │   ├── LedgerCorrupt     the hash chain does not hold
    │   └── LeaseLost         somebody else holds the lease now: this process may not act
    ├── SigningError          the ledger cannot be signed: its key is missing or open to others, or its end was cut off
    ├── LakeError
    │   └── PinBroken         a pinned training set no longer reads the same
    ├── RegistryError
    │   ├── BundleCorrupt     a file of a version does not match its digest
    │   └── UntrustedModel    loading would run code that nobody vouched for
    ├── RunFailed             a step of a training run raised
    └── EngineError           the process that runs user code died or could not start

Each message says what is wrong, where it was seen, and what to do about it. Where it shows values of rows, it also has
the same without them, since personal data must not come into the ledger, from which it could never be erased.
"""

from __future__ import annotations


class WindlassError(Exception):
    """Base of the tree; never raised itself.

    `what` names the fault, `where` the place it was seen at (a file, a column, a field), `remedy` what the
    reader can do now. `plain` says the fault without any value of a row; empty: `what` shows none. All survive
    pickling, since errors travel between processes.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "", plain: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy
        self.plain = plain

    @property
    def discreet(self) -> str:
        """What is wrong, as the ledger may keep it."""
        return self.plain or self.what

    @property
    def discreet_fault(self) -> str:
        """As `fault`, as the ledger may keep it."""
        return f"{self.discreet} (at {self.where})" if self.where else self.discreet

    @property
    def fault(self) -> str:
        """What is wrong and where, for a place that shows the remedy apart."""
        return f"{self.what} (at {self.where})" if self.where else self.what

    def __str__(self) -> str:
        return f"{self.fault}\n  remedy: {self.remedy}" if self.remedy else self.fault

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.remedy, self.plain))


def fault_of(error: BaseException) -> str:
    """What is wrong, for a message with a remedy of its own: two remedies for one fault leave the reader to choose."""
    return error.fault if isinstance(error, WindlassError) else str(error)


def discreet_fault_of(error: BaseException) -> str:
    """As `fault_of`, for the ledger: of an error that is not ours nobody knows whether it shows values of rows."""
    if isinstance(error, WindlassError):
        return error.discreet_fault
    if isinstance(error, OSError):
        return str(error)
    return f"{type(error).__name__} was raised; the log has the whole story"


def _rebuild(kind: type[WindlassError], what: str, where: str, remedy: str, plain: str) -> WindlassError:
    return kind(what, where=where, remedy=remedy, plain=plain)


class UsageError(WindlassError):
    """A command or a call that cannot be carried out as given."""


class SettingsError(WindlassError):
    """A setting that is unknown, malformed or contradicts another."""


class MissingExtra(WindlassError):
    """An optional dependency that is not installed; the remedy is the install command."""

    @classmethod
    def named(cls, package: str, extra: str) -> MissingExtra:
        return cls(f"this needs the package {package!r}", remedy=f"pip install 'windlass[{extra}]'")


class ProductError(WindlassError):
    """What the user declared cannot work."""


class NotRowLocal(ProductError):
    """`features` gives a row another value when its neighbours change."""


class DataError(WindlassError):
    """Rows that cannot be used."""


class ContractViolated(DataError):
    """Rows that break the product's contract."""


class LedgerError(WindlassError):
    """The ledger cannot be read or written."""


class LedgerCorrupt(LedgerError):
    """The hash chain does not hold: a row was changed, dropped or reordered."""


class LeaseLost(LedgerError):
    """Somebody else holds the lease now; whatever this process wanted to record did not happen."""


class SigningError(WindlassError):
    """The ledger cannot be signed: the key is missing or open to others, or what was signed is gone. It can be used."""


class LakeError(WindlassError):
    """A table cannot be read or written."""


class PinBroken(LakeError):
    """A pinned training set no longer reads the same."""


class RegistryError(WindlassError):
    """A version cannot be published or found."""


class BundleCorrupt(RegistryError):
    """A file of a version does not match its digest; it must not be loaded."""


class UntrustedModel(RegistryError):
    """Loading the model would run code that nobody vouched for."""


class RunFailed(WindlassError):
    """A step of a training run raised."""


class EngineError(WindlassError):
    """The process that runs user code died or could not start."""
