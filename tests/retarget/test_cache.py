"""The store: checked, private, shared between processes, bounded, and never a reason to fail."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from retarget.cache import Cache, CacheResult, Payload, default_cache_folder
from retarget.digests import cache_key
from retarget.errors import UsageError

KEY = cache_key("a test")
REPOSITORY = Path(__file__).resolve().parents[2]


def encode(value: dict[str, object]) -> Payload:
    return Payload({"array": np.asarray(value["array"])}, {"text": value["text"]})


def decode(payload: Payload) -> dict[str, object]:
    return {"array": payload.arrays["array"], "text": payload.facts["text"]}


def make_value(seed: int = 0, size: int = 100) -> dict[str, object]:
    return {"array": np.random.default_rng(seed).normal(size=size).astype(np.float32), "text": f"naïve 舞 {seed}"}


def get(cache: Cache, key: str = KEY, seed: int = 0, size: int = 100) -> CacheResult[dict[str, object]]:
    return cache.get_or_compute("test", key, lambda: make_value(seed, size), encode=encode, decode=decode)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("test/??/*"))


def test_the_second_time_is_stored(tmp_path: Path) -> None:
    first, second = get(Cache(tmp_path / "c")), get(Cache(tmp_path / "c"), seed=1)
    assert (first.origin, second.origin) == ("computed", "stored")
    assert np.array_equal(first.value["array"], second.value["array"])  # type: ignore[arg-type]
    assert second.value["text"] == "naïve 舞 0"


def test_everything_is_private(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        get(Cache(tmp_path / "c"))
    finally:
        os.umask(umask)
    for path in [tmp_path / "c", *(tmp_path / "c").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign"])
def test_damaged_entries_are_computed_anew(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    get(Cache(tmp_path))
    (path,) = entries(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes({"flip": bytes(data), "cut": bytes(data[:-9]), "empty": b"", "foreign": b"PK\3\4" * 99}[damage])
    with caplog.at_level(logging.WARNING):
        assert get(Cache(tmp_path), seed=7).origin == "repaired"
    assert "damaged cache entry" in caplog.text
    assert get(Cache(tmp_path)).value["text"] == "naïve 舞 7"


def test_an_entry_that_does_not_decode_is_computed_anew(tmp_path: Path) -> None:
    get(Cache(tmp_path))

    def fails(payload: Payload) -> dict[str, object]:
        return {"missing": payload.arrays["missing"]}

    result = Cache(tmp_path).get_or_compute("test", KEY, make_value, encode=encode, decode=fails)
    assert result.origin == "repaired"


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="arrays of objects"):
        Cache(tmp_path).get_or_compute(
            "test", KEY, object, encode=lambda value: Payload({"x": np.array([value])}), decode=lambda payload: payload
        )
    assert entries(tmp_path) == []


def test_a_failed_computation_stores_nothing(tmp_path: Path) -> None:
    def fails() -> dict[str, object]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cache(tmp_path).get_or_compute("test", KEY, fails, encode=encode, decode=decode)
    assert get(Cache(tmp_path)).origin == "computed"


def test_processes_side_by_side_compute_once(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from retarget.cache import Cache, Payload\n"
        "def compute():\n"
        "    Path(sys.argv[2], f'ran-{time.time_ns()}').touch()\n"
        "    time.sleep(0.5)\n"
        "    return np.arange(5)\n"
        "result = Cache(Path(sys.argv[1])).get_or_compute('test', 'k' * 64, compute,\n"
        "    encode=lambda value: Payload({'x': value}), decode=lambda payload: payload.arrays['x'])\n"
        "print(result.origin, result.value.sum())\n"
    )
    log = tmp_path / "log"
    log.mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path / "c", log], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        )
        for _ in range(4)
    ]
    outputs = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert outputs == ["computed 10", "stored 10", "stored 10", "stored 10"]
    assert len(list(log.iterdir())) == 1


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=20_000)
    keys = [cache_key(index) for index in range(8)]
    for index, key in enumerate(keys[:4]):
        get(cache, key, seed=index, size=1000)
        for path in entries(tmp_path):
            if path.stem == key:
                os.utime(path, (1000 + index, 1000 + index))
    assert get(cache, keys[0]).origin == "stored"  # now the freshest
    get(cache, keys[4], size=1000)
    kept = {path.stem for path in entries(tmp_path)}
    assert keys[0] in kept
    assert keys[4] in kept
    assert keys[1] not in kept
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 20_000


def test_what_is_larger_than_the_store_is_not_stored(tmp_path: Path) -> None:
    assert get(Cache(tmp_path, max_bytes=1000), size=10_000).origin == "uncached"
    assert entries(tmp_path) == []


def test_old_temporaries_are_cleared(tmp_path: Path) -> None:
    get(Cache(tmp_path))
    old, young = (entries(tmp_path)[0].with_name(f"{name}.tmp") for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 1e6, time.time() - 1e6))
    get(Cache(tmp_path), cache_key("another"))
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("folder", ["/proc/retarget-cache", "{tmp}/file/cache"])
def test_a_store_that_cannot_be_written_is_done_without(
    tmp_path: Path, folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = Cache(Path(folder.format(tmp=tmp_path)))
    with caplog.at_level(logging.WARNING):
        assert get(cache).origin == "uncached"
        assert get(cache).origin == "uncached"
    assert caplog.text.count("going on without it") == 1


def test_names_cannot_leave_the_folder(tmp_path: Path) -> None:
    for kind, key in (("../x", KEY), ("test", "../../x"), ("test", "")):
        with pytest.raises(ValueError, match="not usable as names"):
            Cache(tmp_path).get_or_compute(kind, key, make_value, encode=encode, decode=decode)


def test_the_environment_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETARGET_CACHE", str(tmp_path / "named"))
    assert default_cache_folder() == Cache().folder == tmp_path / "named"
    monkeypatch.delenv("RETARGET_CACHE")
    assert default_cache_folder().name == "retarget"
    monkeypatch.setenv("RETARGET_CACHE_GB", "lots")
    with pytest.raises(UsageError, match="RETARGET_CACHE_GB is 'lots'"):
        Cache(tmp_path)
