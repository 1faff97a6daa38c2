"""Rows of manifests: three formats, one meaning, with line numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from retarget.batch.rows import Problem, Row, matrix_rows, read_rows
from retarget.errors import InputError, UsageError

CSV = '\ufeffsource,Driver,--output,source-person,crf\na.jpg, d.mp4 ,o.mp4,,18\n\n"b,\n1.jpg",d.mp4,,index:1,\n'
JSONL = (
    '{"source": "a.jpg", "driver": "d.mp4", "output": "o.mp4", "crf": 18}\n\n'
    '{"source": "b,\\n1.jpg", "driver": "d.mp4", "output": null, "source-person": "index:1"}\n'
)
YAML = """
- {source: a.jpg, driver: d.mp4, output: o.mp4, crf: 18}
- source: "b,\\n1.jpg"
  driver: d.mp4
  output: ~
  source-person: index:1
"""
WANTED = [
    {"source": "a.jpg", "driver": "d.mp4", "output": "o.mp4", "crf": "18"},
    {"source": "b,\n1.jpg", "driver": "d.mp4", "source_person": "index:1"},
]


def read(tmp_path: Path, name: str, text: str) -> list[Row | Problem]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    return list(read_rows(path))


@pytest.mark.parametrize(
    ("name", "text", "lines"), [("m.csv", CSV, [2, 4]), ("m.jsonl", JSONL, [1, 3]), ("m.yaml", YAML, [2, 3])]
)
def test_the_same_rows_in_every_format(tmp_path: Path, name: str, text: str, lines: list[int]) -> None:
    rows = read(tmp_path, name, text)
    assert [dict(row.values) for row in rows if isinstance(row, Row)] == WANTED
    assert [row.line for row in rows] == lines


@pytest.mark.parametrize(
    ("name", "text", "line", "match"),
    [
        ("m.csv", "source,driver\na,b\na,b,c\n", 3, "3 cells, but the header names 2"),
        ("m.csv", "source,source\na,b\n", 1, "stands twice"),
        ("m.csv", 'source,driver\n"a,b\n', 2, "not CSV"),
        ("m.jsonl", '{"source": "a"}\n{oops}\n', 2, "column 2)"),
        ("m.jsonl", '["a"]\n', 1, "not an object"),
        ("m.jsonl", '{"source": ["a"]}\n', 1, "expected text"),
        ("m.jsonl", "[" * 100_000 + "\n", 1, "not JSON"),
        ("m.yaml", "- source: a\n- [b]\n", 2, "flat mapping"),
        ("m.yaml", "jobs:\n  - source: a\n", 1, "expected a list"),
        ("m.yaml", "- source: {deep: 1}\n", 1, "flat mapping"),
        ("m.yaml", "- &a\n  source: a\n- *a\n", 1, "anchors"),
        ("m.yaml", "- source: 'a\n", 2, "not YAML"),
    ],
)
def test_a_bad_row_is_told_with_its_line(tmp_path: Path, name: str, text: str, line: int, match: str) -> None:
    problems = [row for row in read(tmp_path, name, text) if isinstance(row, Problem)]
    assert problems
    assert problems[0].line == line
    assert match in problems[0].text


def test_yaml_runs_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    rows = read(tmp_path, "m.yaml", f"- source: !!python/object/apply:os.mkdir ['{mark}']\n")
    assert isinstance(rows[0], Problem)
    assert not mark.exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not a manifest.*\.csv"):
        list(read_rows(tmp_path / "m.txt"))
    with pytest.raises(InputError, match="can't be read"):
        list(read_rows(tmp_path / "missing.csv"))
    binary = tmp_path / "m.csv"
    binary.write_bytes(b"\xff\xfe\x00s")
    with pytest.raises(InputError, match="not UTF-8"):
        list(read_rows(binary))
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    with pytest.raises(InputError, match="not a regular file"):
        list(read_rows(folder))


def test_a_matrix_pairs_everything_and_names_apart(tmp_path: Path) -> None:
    photos, clips = tmp_path / "photos", tmp_path / "clips"
    photos.mkdir()
    clips.mkdir()
    for name in ("b.png", "a.jpg", "a.png", "notes.txt"):
        (photos / name).touch()
    for name in ("y.mp4", "x.MOV"):
        (clips / name).touch()
    rows = list(matrix_rows(photos, clips))
    assert [row.values["stem"] for row in rows] == [
        "a.jpg_x.MOV", "a.png_x.MOV", "b_x", "a.jpg_y.mp4", "a.png_y.mp4", "b_y",
    ]  # fmt: skip
    with pytest.raises(InputError, match="holds no videos"):
        list(matrix_rows(photos, photos))
