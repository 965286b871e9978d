# SPDX-License-Identifier: Apache-2.0
"""TensorBoard event files, without TensorBoard: a folder for each run, a scalar for each series (and site), the config as text.

A file is a sequence of records (TensorFlow, core/lib/io/record_writer.h): length as little-endian uint64, masked CRC-32C of
those 8 bytes, data, masked CRC-32C of the data; mask(c) = rotr(c, 15) + 0xa282ead8 mod 2^32. A record's data is the protobuf
message Event (core/util/event.proto), of which a scalar needs four fields; messages are written here by the encoding's rules
(protobuf.dev/programming-guides/encoding). The tests read the files by TensorBoard's own reader.
"""

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO, Dict, List, Tuple, Union

from precipice.export.sources import Source, by_step, each_run, load, run_names
from precipice.safe_files import Folder

CASTAGNOLI = 0x82F63B78  # reversed polynomial of CRC-32C, RFC 3720 section 12.1
MASK_DELTA = 0xA282EAD8
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
DT_STRING = 7  # core/framework/types.proto
WALL_TIME = 0.0  # of all events: equal runs give equal files
FORBIDDEN = '/\\:*?"<>|'  # in names of folders


def make_table() -> Tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (CASTAGNOLI if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


TABLE = make_table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(crc32c(length))) + data + struct.pack("<I", masked(crc32c(data)))


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers take ten bytes
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def key(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def nested(number: int, message: bytes) -> bytes:
    return key(number, BYTES) + varint(len(message)) + message


def text(number: int, value: str) -> bytes:
    return nested(number, value.encode("utf-8"))


def event(step: int, values: bytes) -> bytes:
    """Event {double wall_time = 1; int64 step = 2; Summary summary = 5}."""
    return key(1, FIXED64) + struct.pack("<d", WALL_TIME) + key(2, VARINT) + varint(step) + nested(5, values)


def scalar(tag: str, value: float) -> bytes:
    """Summary {repeated Value value = 1}, Value {string tag = 1; float simple_value = 2}."""
    return nested(1, text(1, tag) + key(2, FIXED32) + struct.pack("<f", as_float(value)))


def as_float(value: float) -> float:
    """A number beyond float's range is its infinity, which struct would refuse."""
    try:
        struct.pack("<f", value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return value


def words(tag: str, value: str) -> bytes:
    """Value {metadata = 9 {plugin_data = 1 {plugin_name = 1}}; tensor = 8 {dtype = 1; string_val = 8}} of the text plugin."""
    metadata = nested(1, text(1, "text"))
    tensor = key(1, VARINT) + varint(DT_STRING) + nested(2, nested(2, key(1, VARINT) + varint(1))) + text(8, value)
    return nested(1, text(1, tag) + nested(9, metadata) + nested(8, tensor))


def to_tensorboard(source: Source, out: Union[str, "os.PathLike[str]"]) -> List[Path]:
    """Writes an event file for each run of a run or sweep directory, or of what load_run or load_sweep returned:
    out/NAME/events.out.tfevents.precipice. Values are rounded to float32, as TensorBoard keeps scalars. Returns the paths;
    `tensorboard --logdir out` shows them. Runs without values have no file."""
    loaded = load(source)
    names = run_names(loaded)
    written: Dict[str, Path] = {}
    with Folder.make(Path(out)) as whole:
        for run, config, frame in each_run(loaded):
            folder_name = folder_of(names[run])
            if folder_name in written:
                folder_name = folder_of(f"{names[run]}, {run}")
            with whole.folder(folder_name) as folder, folder.create("events.out.tfevents.precipice") as file:
                write_events(file, config, by_step(frame))
            written[folder_name] = Path(out) / folder_name / "events.out.tfevents.precipice"
    return list(written.values())


def folder_of(name: str) -> str:
    return "".join("_" if each in FORBIDDEN else each for each in name)


def write_events(file: BinaryIO, config: Dict[str, Any], steps: Any) -> None:
    """First the version, as every reader expects: Event {wall_time = 1; string file_version = 3}."""
    file.write(record(key(1, FIXED64) + struct.pack("<d", WALL_TIME) + text(3, "brain.Event:2")))
    lines = "\n".join(f"    {name} = {value}" for name, value in config.items())
    file.write(record(event(0, words("config", lines))))
    for step, values in steps:
        file.write(record(event(step, b"".join(scalar(tag, value) for tag, value in values.items()))))
