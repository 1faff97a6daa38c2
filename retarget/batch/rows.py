"""Rows of a manifest as they stand in the file: CSV, JSON Lines or YAML, with their line numbers.

A row is a mapping of column names to text. Names may be written as on the command line (`--crf`, `source-person`) or
as identifiers (`source_person`); an empty cell counts as not given. Files are read row by row, so that their length
costs no memory, and nothing in them can run anything or reach beyond them (no YAML tags, anchors or aliases).
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from retarget.errors import InputError, UsageError
from retarget.photo import PHOTO_EXTENSIONS

__all__ = ["MANIFEST_EXTENSIONS", "Problem", "Row", "matrix_rows", "read_rows"]

MANIFEST_EXTENSIONS: Final = (".csv", ".jsonl", ".ndjson", ".yaml", ".yml")
VIDEO_EXTENSIONS: Final = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".ts", ".mpg", ".mpeg", ".wmv", ".flv")
"""What clips are usually called; used to find them in folders. Reading goes by content, not by name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a manifest.

    Attributes:
        line: where it begins in the file, counted from 1.
        values: text by column, empty ones left out.
    """

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one row.

    Attributes:
        line: where it begins in the file, counted from 1.
        text: what is wrong.
    """

    line: int
    text: str

    def __str__(self) -> str:
        """Return "line N: text"."""
        return f"line {self.line}: {self.text}"


def read_rows(path: Path) -> Iterator[Row | Problem]:
    """Read a manifest row by row.

    Args:
        path: a .csv, .jsonl (.ndjson) or .yaml (.yml) file in UTF-8.

    Yields:
        Rows, and problems in place of rows that can't be read.

    Raises:
        UsageError: of another kind.
        InputError: missing, unreadable, not text.
    """
    readers = {".csv": _csv_rows, ".jsonl": _json_rows, ".ndjson": _json_rows, ".yaml": _yaml_rows, ".yml": _yaml_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path}: not a manifest", hint=f"name it {', '.join(MANIFEST_EXTENSIONS)}")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a regular file", hint="name a manifest file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield from reader(stream)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text", hint="save it as UTF-8") from error


def _column(name: str) -> str:
    return name.strip().lstrip("-").replace("-", "_").lower()


def _csv_rows(stream: TextIO) -> Iterator[Row | Problem]:
    reader = csv.reader(stream, strict=True)
    columns: list[str] | None = None
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(line, f"not CSV ({error})")
            return
        if any(cell.strip() for cell in cells):
            if columns is None:
                columns = [_column(cell) for cell in cells]
                if repeated := sorted({name for name in columns if name and columns.count(name) > 1}):
                    yield Problem(line, f"column {', '.join(repeated)} stands twice in the header")
                    return
            elif len(cells) > len(columns):
                yield Problem(line, f"{len(cells)} cells, but the header names {len(columns)} columns")
            else:
                pairs = zip(columns, cells, strict=False)
                yield Row(line, {name: text for name, cell in pairs if (text := cell.strip())})
        line = reader.line_num + 1


def _json_rows(stream: TextIO) -> Iterator[Row | Problem]:
    for line, text in enumerate(stream, start=1):
        if not text.strip():
            continue
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            yield Problem(line, f"not JSON ({error.msg}, column {error.colno})")
            continue
        except (ValueError, RecursionError) as error:
            yield Problem(line, f"not JSON ({error})")
            continue
        yield _row_of(line, content)


def _row_of(line: int, content: object) -> Row | Problem:
    if not isinstance(content, dict):
        return Problem(line, "not an object of columns")
    values = {}
    for name, value in content.items():
        if isinstance(value, (dict, list)):
            return Problem(line, f"{name}: expected text, a number or true/false")
        if value is not None and (text := _text_of(value)):
            values[_column(name)] = text
    return Row(line, values)


def _text_of(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip()


def _yaml_rows(stream: TextIO) -> Iterator[Row | Problem]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from _rows_of_events(yaml.parse(stream, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        yield Problem(mark.line + 1 if mark else 1, f"not YAML ({error.problem})")
    except yaml.YAMLError as error:
        yield Problem(1, f"not YAML ({error})")


def _rows_of_events(events: Iterator[Any]) -> Iterator[Row | Problem]:
    """Rows of a document that is one list of flat mappings; events are read as they come."""
    import yaml

    depth, line, name = 0, 1, None
    values: dict[str, str] = {}
    for event in events:
        where = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            yield Problem(where, "anchors and aliases are not read")
            return
        if isinstance(event, yaml.CollectionStartEvent):
            wanted = yaml.SequenceStartEvent if depth == 0 else yaml.MappingStartEvent
            if depth > 1 or not isinstance(event, wanted):
                yield Problem(where, "expected a list of jobs, each a flat mapping of columns")
                return
            depth, line, name, values = depth + 1, where, None, {}
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            if depth == 1:
                yield Row(line, values)
        elif isinstance(event, yaml.ScalarEvent):
            if depth != 2:
                yield Problem(where, "expected a mapping of columns")
            elif name is None:
                name = _column(event.value)
            else:
                is_null = event.implicit[0] and event.value in ("", "~", "null")
                if not is_null and event.value.strip():
                    values[name] = event.value.strip()
                name = None


def matrix_rows(sources: Path, drivers: Path) -> Iterator[Row]:
    """Pair every photo of one folder with every clip of another.

    Args:
        sources: folder of photos.
        drivers: folder of clips.

    Yields:
        Rows with source, driver and an output name; ordered by driver, then source, both by name. Lines count pairs.

    Raises:
        InputError: a folder is missing or holds nothing of its kind.
    """
    photos = _files_in(sources, PHOTO_EXTENSIONS, "photos")
    clips = _files_in(drivers, VIDEO_EXTENSIONS, "videos")
    pairs = [(photo, clip) for clip in clips for photo in photos]
    counts = Counter(f"{photo.stem}_{clip.stem}" for photo, clip in pairs)
    for line, (photo, clip) in enumerate(pairs, start=1):
        stem = f"{photo.stem}_{clip.stem}"
        name = stem if counts[stem] == 1 else f"{photo.name}_{clip.name}"
        yield Row(line, {"source": str(photo.absolute()), "driver": str(clip.absolute()), "stem": name})


def _files_in(folder: Path, extensions: tuple[str, ...], kind: str) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", hint=f"name a folder of {kind}")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in extensions and file.is_file())
    if not files:
        raise InputError(f"{folder}: holds no {kind}", hint=f"names end in {', '.join(extensions)}")
    return files
