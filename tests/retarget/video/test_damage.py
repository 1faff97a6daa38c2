"""Files that are damaged, cut, or no videos at all."""

from __future__ import annotations

import os
import struct
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from retarget.errors import DecodeError, InputError
from retarget.video.completeness import is_cut_short
from retarget.video.reader import open_video, probe
from tests.retarget.video.clips import constant_pts, make_clip, number_in

TICK = Fraction(1, 30_000)
FASTSTART = {"movflags": "+faststart"}


def packet_spans(path: Path) -> list[tuple[int, int]]:
    """(offset, size) of every picture packet, in file order."""
    with av.open(str(path)) as source:
        return [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.size and packet.pos is not None]


def overwrite(path: Path, offset: int, length: int, value: int = 0xA5) -> None:
    data = bytearray(path.read_bytes())
    data[offset : offset + length] = bytes([value]) * length
    path.write_bytes(data)


def cut(path: Path, share: float) -> Path:
    """Keep a share of the bytes up to the last picture's end; an index behind it is lost in any case."""
    pictures_end = max(offset + size for offset, size in packet_spans(path))
    target = path.with_name(f"cut_{path.name}")
    target.write_bytes(path.read_bytes()[: int(pictures_end * share)])
    return target


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(
        tmp_path / "clip.mp4", constant_pts(90), TICK, encoder_options={"g": "15", "bf": "2"}, muxer_options=FASTSTART
    )


def test_a_lost_packet_is_replaced_in_time(clip: Path) -> None:
    offset, size = packet_spans(clip)[32]
    overwrite(clip, offset, size)
    with open_video(clip) as reader:
        frames = list(reader)
    assert [frame.pts for frame in frames] == constant_pts(90)
    concealed = [frame.index for frame in frames if frame.is_concealed]
    assert 1 <= len(concealed) <= 15
    assert all(20 <= index <= 50 for index in concealed)
    assert reader.warnings == (("W101", f"{len(concealed)} of 90 frames are damaged and were concealed"),)
    sound = [frame for frame in frames if not frame.is_concealed and not 28 <= frame.index <= 47]
    assert all(number_in(frame.rgb) == frame.index for frame in sound)


def test_many_damaged_bytes_are_survived(clip: Path) -> None:
    rng = np.random.default_rng(0)
    for offset, size in packet_spans(clip)[1:]:
        if size > 60 and rng.random() < 0.3:
            overwrite(clip, offset + int(rng.integers(20, size - 4)), 2)
    with open_video(clip) as reader:
        frames = list(reader)
    assert [frame.pts for frame in frames] == constant_pts(90)
    assert reader.warnings[0][0] == "W101"


def test_a_lost_last_packet_keeps_the_length(clip: Path) -> None:
    offset, size = packet_spans(clip)[-1]
    overwrite(clip, offset, size)
    frames = list(open_video(clip))
    assert len(frames) == 90
    assert frames[-1].pts == 89 * 1001


def test_undecodable_first_frames_are_left_out(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "clip.ts",
        constant_pts(90, 3600),
        Fraction(1, 90_000),
        encoder_options={"g": "30", "keyint_min": "30"},
    )
    first_sound = list(open_video(path))[30]
    spans = packet_spans(path)
    path.write_bytes(path.read_bytes()[: 188 * 3] + path.read_bytes()[spans[4][0] // 188 * 188 :])
    with open_video(path) as reader:
        frames = list(reader)
    assert number_in(frames[0].rgb) == 30
    assert frames[0].pts == first_sound.pts
    assert [number_in(frame.rgb) for frame in frames] == list(range(30, 90))
    assert [code for code, _ in reader.warnings] == ["W102"]


def test_a_clip_without_one_sound_picture_is_still_shown(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", constant_pts(40), TICK, encoder_options={"g": "250", "bf": "0"})
    offset, size = packet_spans(path)[0]
    overwrite(path, offset + size // 2, size // 2)
    with open_video(path) as reader:
        frames = list(reader)
    assert len(frames) >= 39
    assert all(frame.is_concealed for frame in frames)
    assert reader.warnings[0][0] == "W101"


@pytest.mark.parametrize("share", [0.4, 0.8, 0.97, 0.999])
def test_a_cut_file_with_its_index_first(tmp_path: Path, share: float) -> None:
    path = cut(make_clip(tmp_path / "clip.mp4", constant_pts(90), TICK, muxer_options=FASTSTART), share)
    with pytest.raises(DecodeError, match=r"end of the file is missing; it stops after"):
        open_video(path)
    with open_video(path, end_seconds=2.99) as reader, pytest.raises(DecodeError, match=r"end of the file is missing"):
        list(reader)
    with open_video(path, keep_partial=True) as reader:
        frames = list(reader)
    assert 0 < len(frames) < 91
    assert reader.warnings[-1][0] == "W104"
    assert [number_in(frame.rgb) for frame in frames if not frame.is_concealed] == [
        frame.index for frame in frames if not frame.is_concealed
    ]


def test_probing_does_not_ask_for_the_end(tmp_path: Path) -> None:
    path = cut(make_clip(tmp_path / "clip.mp4", constant_pts(90), TICK, muxer_options=FASTSTART), 0.5)
    assert probe(path).num_frames == 90


def test_a_range_before_the_cut_is_read(tmp_path: Path) -> None:
    path = cut(make_clip(tmp_path / "clip.mp4", constant_pts(90), TICK, muxer_options=FASTSTART), 0.7)
    with open_video(path, end_seconds=0.5) as reader:
        assert len(list(reader)) == 15
    assert reader.warnings == ()


def test_a_cut_file_with_its_index_last(tmp_path: Path) -> None:
    path = cut(make_clip(tmp_path / "clip.mp4", constant_pts(90), TICK), 0.8)
    for keep_partial in (False, True):
        with pytest.raises(DecodeError, match="and with it the index"):
            open_video(path, keep_partial=keep_partial)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [("clip.mkv", "libx264", "yuv420p"), ("clip.avi", "mpeg4", "yuv420p"), ("clip.gif", "gif", "rgb8"),
     ("clip.mov", "mjpeg", "yuvj420p"), ("clip.webm", "libvpx-vp9", "yuv420p")],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.5, 0.96])
def test_other_containers_cut(tmp_path: Path, name: str, codec: str, pixel_format: str, share: float) -> None:
    options = FASTSTART if name.endswith(".mov") else {}
    whole = make_clip(
        tmp_path / name,
        list(range(100)),
        Fraction(1, 25),
        codec=codec,
        pixel_format=pixel_format,
        muxer_options=options,
    )
    assert not is_cut_short(whole)
    assert len(list(open_video(whole))) == 100
    path = cut(whole, share)
    assert is_cut_short(path)
    with pytest.raises(DecodeError, match="end of the file is missing"):
        open_video(path)


def test_a_cut_in_the_sound_alone_is_no_loss(tmp_path: Path) -> None:
    """The tail of a file whose pictures are complete: written sound last, then cut into the sound."""
    path = make_clip(
        tmp_path / "clip.mp4", constant_pts(30), TICK, muxer_options=FASTSTART, audio=np.zeros(48_000 * 3, np.float32)
    )
    last_picture_end = max(offset + size for offset, size in packet_spans(path))
    data = path.read_bytes()
    assert last_picture_end < len(data) - 8
    path.write_bytes(data[:-4])
    assert is_cut_short(path)
    assert len(list(open_video(path))) == 30


def test_a_wrong_claim_of_a_whole_file_is_tolerated(tmp_path: Path) -> None:
    """Recorders round the length that they write; up to a second is no evidence."""
    path = make_clip(tmp_path / "clip.mp4", constant_pts(60), TICK)
    data = bytearray(path.read_bytes())
    at = data.find(b"mdhd") + 4 + 16  # version and flags, two times, time scale; then the length
    (length,) = struct.unpack_from(">I", data, at)
    assert length == 60 * 1001
    struct.pack_into(">I", data, at, length + 15_000)
    path.write_bytes(data)
    assert len(list(open_video(path))) == 60


def _playlists(folder: Path) -> dict[str, str]:
    secret = make_clip(folder / "secret.ts", constant_pts(10, 3600), Fraction(1, 90_000))
    return {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret.name}\n#EXT-X-ENDLIST\n",
        "list.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret.as_uri()}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile {secret.name}\n",
        "list.mov": f"ffconcat version 1.0\nfile {secret.name}\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "list.mpd": f'<?xml version="1.0"?><MPD><Period><BaseURL>{secret.name}</BaseURL></Period></MPD>',
    }


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.ffconcat", "list.mov", "list.sdp", "list.mpd"])
def test_lists_of_other_files_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(_playlists(tmp_path)[name])
    access_before = (tmp_path / "secret.ts").stat().st_atime_ns
    with pytest.raises(InputError, match="points to other files"):
        open_video(path)
    assert (tmp_path / "secret.ts").stat().st_atime_ns == access_before


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/clip.mp4", "https://example.org/x.mp4", "rtmp://example.org/x"])
def test_addresses_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="addresses are not opened"):
        open_video(name)


@pytest.mark.parametrize("name", ["concat:{0}|{0}", "file:{0}", "subfile,,start,0,end,9,,:{0}", "async:{0}"])
def test_protocol_names_are_plain_file_names(clip: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"no such file|addresses are not opened"):
        open_video(name.format(clip))


def test_a_file_with_a_protocol_in_its_name_is_read(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip.rename(clip.with_name("concat:a|b %03d #1 – 舞.mp4"))
    monkeypatch.chdir(clip.parent)
    assert probe("concat:a|b %03d #1 – 舞.mp4").num_frames == 90


def test_what_is_no_video_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello " * 200)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    Image.new("RGB", (40, 30)).save(tmp_path / "photo.jpg")
    Image.new("RGB", (40, 30)).save(tmp_path / "photo.mp4", format="PNG")
    os.mkfifo(tmp_path / "pipe.mp4")
    expected = {
        "missing.mp4": "no such file",
        "empty.mp4": "the file is empty",
        "text.mp4": "not a video file",
        "noise.mp4": "not a video file",
        "photo.jpg": "is a still picture",
        "photo.mp4": "is a still picture",
        "pipe.mp4": "is a pipe or device",
        ".": "is a folder",
        "nul\0.mp4": "not a file name",
    }
    begin = time.monotonic()
    for name, told in expected.items():
        with pytest.raises(InputError, match=told):
            open_video(tmp_path / name)
    assert time.monotonic() - begin < 5


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=48_000)
        for index in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, index * 1024
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(InputError, match="holds sound only"):
        open_video(path)


def test_a_video_without_one_frame(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.avi", list(range(5)), Fraction(1, 25), codec="mpeg4")
    for offset, size in packet_spans(path):
        overwrite(path, offset, size + 8, 0xFF)
    with pytest.raises(InputError):
        open_video(path)


def test_cover_art_is_no_picture_stream(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as output:
        sound = output.add_stream("aac", rate=48_000)
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        output.mux(sound.encode(frame))
        output.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        output.mux(cover.encode(None))
        output.mux(sound.encode(None))
    with pytest.raises(InputError, match="holds sound only"):
        open_video(path)


FUZZED = {
    "clip.mp4": ("libx264", "yuv420p", FASTSTART),
    "clip.mkv": ("libx264", "yuv420p", {}),
    "clip.avi": ("mpeg4", "yuv420p", {}),
    "clip.ts": ("libx264", "yuv420p", {}),
    "clip.flv": ("flv", "yuv420p", {}),
    "clip.webm": ("libvpx-vp9", "yuv420p", {}),
    "clip.gif": ("gif", "rgb8", {}),
}


@pytest.mark.parametrize("name", FUZZED)
def test_whatever_the_bytes_there_are_frames_or_one_error(tmp_path: Path, name: str) -> None:
    codec, pixel_format, options = FUZZED[name]
    whole = make_clip(
        tmp_path / name, list(range(30)), Fraction(1, 25), codec=codec, pixel_format=pixel_format, muxer_options=options
    ).read_bytes()
    rng = np.random.default_rng(5)
    for round_number in range(20):
        data = bytearray(whole)
        reach = len(data) if round_number % 2 else min(len(data), 1500)
        for position in rng.integers(0, reach, 1 << (round_number % 7)):
            data[position] = rng.integers(256)
        (tmp_path / name).write_bytes(data)
        times = []
        with suppress(InputError), open_video(tmp_path / name, keep_partial=bool(round_number % 3)) as reader:
            for frame in reader:
                times.append(frame.pts)
        assert times == sorted(set(times))
