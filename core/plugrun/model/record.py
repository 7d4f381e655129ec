"""Frozen records that cost nothing to define.

``dataclasses`` pulls in ``inspect``, ``re`` and ``ast`` and compiles a class body per record:
13 ms of import and about 0.3 ms a class, which is half of what the start of a container may
take. A record offers the part of a frozen dataclass this project uses, and type checkers see it
as one (PEP 681). See docs/adr/0002-records.md.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")

    @dataclass_transform(frozen_default=True)
    def record(cls: type[T]) -> type[T]:
        """Make a class a frozen record of its annotated fields."""
        return cls

else:

    def record(cls: Any) -> Any:
        """Make a class a frozen record of its annotated fields."""
        inherited = getattr(cls, "__record_fields__", ())
        own = [n for n, a in cls.__dict__.get("__annotations__", {}).items() if "ClassVar" not in a]
        fields = (*inherited, *(n for n in own if n not in inherited))
        cls.__record_fields__ = cls.__match_args__ = fields
        cls.__record_needed__ = tuple([n for n in fields if not hasattr(cls, n)])
        cls.__init__ = _init
        cls.__setattr__ = cls.__delattr__ = _frozen
        for name, method in (("__repr__", _repr), ("__eq__", _eq), ("__hash__", _hash)):
            if name not in cls.__dict__:
                setattr(cls, name, method)
        return cls


def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    cls = type(self)
    fields = cls.__record_fields__
    if len(args) > len(fields):
        raise TypeError(f"{cls.__name__} takes {len(fields)} fields, got {len(args)}")
    values = self.__dict__
    values.update(zip(fields, args, strict=False))
    for name, value in kwargs.items():
        if name not in fields or name in values:
            raise TypeError(f"{cls.__name__}: unknown or repeated field {name!r}")
        values[name] = value
    for name in cls.__record_needed__:
        if name not in values:
            raise TypeError(f"{cls.__name__}: field {name!r} is missing")
    check = getattr(self, "__post_init__", None)
    if check is not None:
        check()


def _frozen(self: Any, name: str, *_: Any) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be changed")


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in type(self).__record_fields__)


def _repr(self: Any) -> str:
    body = ", ".join(f"{n}={getattr(self, n)!r}" for n in type(self).__record_fields__)
    return f"{type(self).__name__}({body})"


def _eq(self: Any, other: object) -> Any:
    if type(self) is not type(other):
        return NotImplemented
    return bool(_values(self) == _values(other))


def _hash(self: Any) -> int:
    return hash((type(self), _values(self)))


def replace(original: T, **changes: Any) -> T:
    """Return a copy of a record with some fields changed."""
    values = {name: getattr(original, name) for name in type(original).__record_fields__}  # type: ignore[attr-defined]
    values.update(changes)
    return type(original)(**values)


def as_json(value: Any) -> Any:
    """Return what a record holds as plain JSON values; tuples become lists."""
    fields = getattr(type(value), "__record_fields__", None)
    if fields is not None:
        return {name: as_json(getattr(value, name)) for name in fields}
    if isinstance(value, (tuple, list)):
        return [as_json(item) for item in value]
    if hasattr(value, "items"):
        return {str(key): as_json(item) for key, item in value.items()}
    return value


def from_json(cls: type[T], data: Mapping[str, Any]) -> T:
    """Return the record that ``as_json`` wrote; keys it does not know are left out.

    Lists become tuples all the way down. A field that holds records, one or many, is named with
    their class in the class's ``NESTED``.
    """
    nested: Mapping[str, Any] = getattr(cls, "NESTED", {})
    fields: tuple[str, ...] = cls.__record_fields__  # type: ignore[attr-defined]
    return cls(**{n: _value(data[n], nested.get(n)) for n in fields if n in data})


def _value(value: Any, cls: type[Any] | None) -> Any:
    if isinstance(value, list):
        return tuple([_value(item, cls) for item in value])
    return value if cls is None or value is None else from_json(cls, value)
