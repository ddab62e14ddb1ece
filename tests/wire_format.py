"""Reads the wire format of protocol buffers, knowing no message: for tests.

https://protobuf.dev/programming-guides/encoding: a message is a sequence of fields, and
a field is its number and kind as a varint, and then its value.
"""


def fields_of(data: bytes) -> list[tuple[int, int | bytes]]:
    """The fields of a message: (number, value), bytes for what has a length."""
    fields, place = [], 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        value, place = _varint(data, place)
        if kind == 2:
            assert place + value <= len(data)
            value, place = data[place : place + value], place + value
        else:
            assert kind == 0, f"kind {kind} is not expected in a request"
        fields.append((number, value))
    return fields


def only(data: bytes, number: int) -> int | bytes:
    """The value of the field `number`, of which there is one."""
    (value,) = [value for found, value in fields_of(data) if found == number]
    return value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
