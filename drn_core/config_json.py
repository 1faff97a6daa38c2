"""Strict round trip between frozen dataclasses and plain JSON values."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, TypeVar

from drn_core.errors import ConfigError

__all__ = ["from_json", "to_json"]

T = TypeVar("T")


def to_json(config: Any) -> Any:
    """Turn a (nested) dataclass into dicts, lists and scalars.

    Args:
        config: a dataclass instance, or anything a field of one may hold.

    Returns:
        A value `json.dumps` takes.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {field.name: to_json(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, (tuple, list)):
        return [to_json(item) for item in config]
    if isinstance(config, dict):
        return {str(key): to_json(value) for key, value in config.items()}
    return config


def from_json(kind: type[T], value: Any, *, where: str = "config") -> T:
    """Build a dataclass from JSON values; nothing is guessed.

    Args:
        kind: the dataclass.
        value: a dict with the fields; missing ones keep their defaults.
        where: how error messages call this value.

    Returns:
        An instance of `kind`.

    Raises:
        ConfigError: an unknown key, a missing one without default, or a value of another type.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected an object, got {type(value).__name__}")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(fields))}")
    arguments = {name: _decode(hints[name], item, f"{where}.{name}") for name, item in value.items()}
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from None


def _decode(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(typing.get_args(hint), value, where)
    if origin is typing.Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise ConfigError(f"{where}: expected one of {', '.join(map(str, choices))}, got {value!r}")
        return value
    if origin is tuple:
        return _decode_tuple(typing.get_args(hint), value, where)
    if origin is dict:
        _, item_hint = typing.get_args(hint)
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: expected an object, got {type(value).__name__}")
        return {str(key): _decode(item_hint, item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type[Any], hint), value, where=where)
    return _decode_scalar(hint, value, where)


def _decode_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    records = [option for option in options if dataclasses.is_dataclass(option)]
    if len(records) > 1 and isinstance(value, dict):
        by_kind = {option.kind: option for option in records}  # type: ignore[union-attr]
        kind = value.get("kind")
        if kind not in by_kind:
            raise ConfigError(f"{where}.kind: expected one of {', '.join(sorted(by_kind))}, got {kind!r}")
        return _decode(by_kind[kind], value, where)
    remaining = [option for option in options if option is not type(None)]
    return _decode(remaining[0], value, where)


def _decode_tuple(items: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where}: expected a list, got {type(value).__name__}")
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_decode(items[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(items) != len(value):
        raise ConfigError(f"{where}: expected {len(items)} values, got {len(value)}")
    return tuple(_decode(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(items, value, strict=True)))


def _decode_scalar(hint: Any, value: Any, where: str) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is float and is_number:
        return float(value)
    if (hint is int and is_number and isinstance(value, int)) or (hint in (str, bool) and isinstance(value, hint)):
        return value
    raise ConfigError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")
