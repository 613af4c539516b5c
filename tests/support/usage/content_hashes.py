"""The hash of an event's properties, worked out from the published definition of xxHash32."""

_MASK = 0xFFFF_FFFF
_P1, _P2, _P3, _P4, _P5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393


def content_hash(properties):
    """Of names and texts in any order."""
    ordered = sorted(dict(properties).items(), key=lambda each: each[0].encode())
    names, texts = ([pair[place].encode() for pair in ordered] for place in (0, 1))
    return xxhash32(b"".join(b"%d:%b" % (len(text), text) for text in names + texts))


def xxhash32(data):
    """With seed 0."""
    first = 0
    if len(data) >= 16:
        lanes = [_P1 + _P2, _P2, 0, -_P1]
        while first + 16 <= len(data):
            for lane in range(4):
                word = int.from_bytes(data[first + 4 * lane : first + 4 * lane + 4], "little")
                lanes[lane] = _rotated(lanes[lane] + word * _P2, 13) * _P1 & _MASK
            first += 16
        hashed = sum(_rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True))
    else:
        hashed = _P5
    hashed += len(data)
    while first + 4 <= len(data):
        hashed = _rotated(hashed + int.from_bytes(data[first : first + 4], "little") * _P3, 17) * _P4
        first += 4
    for byte in data[first:]:
        hashed = _rotated(hashed + byte * _P5, 11) * _P1
    hashed &= _MASK
    hashed = (hashed ^ hashed >> 15) * _P2 & _MASK
    hashed = (hashed ^ hashed >> 13) * _P3 & _MASK
    return hashed ^ hashed >> 16


def _rotated(number, by):
    number &= _MASK
    return (number << by | number >> 32 - by) & _MASK
