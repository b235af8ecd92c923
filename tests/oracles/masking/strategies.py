"""What becomes of a text: digests, digits, tails. AES and FF1 are written out here, because the standard
library has neither."""

import base64
import binascii
import hashlib
import hmac

MARKER = b"countersign-masked:"


def marker(mask):
    return MARKER + mask.encode()


def decode_base64(text):
    """The bytes, or None if the text is not base64 in the one form there is of it."""
    try:
        plain = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return plain if base64.b64encode(plain) == text else None


class Key:
    """An `hmac-key` for one cluster."""

    def __init__(self, name, content, cluster):
        secret = decode_base64(content.strip())
        if secret is None or len(secret) < 32:
            secret = content.removesuffix(b"\n").removesuffix(b"\r")
        self.name = name

        def derive(purpose):
            return hmac.digest(secret, purpose + b"\0" + cluster.encode(), hashlib.sha256)

        self.digest_key = derive(b"countersign mask hash")
        self.cipher = Aes(derive(b"countersign mask fpe"))
        # What was encrypted before: the same values stand in many answers.
        self.encrypted = {}

    def digest(self, value):
        return hmac.digest(self.digest_key, value, hashlib.sha256)[:12].hex().encode()


def hashed(mask, key, value):
    return marker(mask) + b":" + key.name.encode() + b":" + key.digest(value)


def partial(mask, keep, value):
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if len(text) < 2 * keep + 4:
        return None
    return marker(mask) + ":…".encode() + text[len(text) - keep :].encode()


def other_digits(key, value):
    places = [at for at, byte in enumerate(value) if 0x30 <= byte <= 0x39]
    if not 6 <= len(places) <= 72:
        return None
    digits = tuple(value[at] - 0x30 for at in places)
    if digits not in key.encrypted:
        key.encrypted[digits] = ff1(key.cipher, list(digits))
    digits = key.encrypted[digits]
    out = bytearray(value)
    for at, digit in zip(places, digits):
        out[at] = 0x30 + digit
    return bytes(out)


def ff1(cipher, digits, tweak=b""):
    """FF1.Encrypt of NIST SP 800-38G, radix 10; the names are those of the standard."""
    n, t = len(digits), len(tweak)
    u = n // 2
    v = n - u
    a, b = digits[:u], digits[u:]
    width = ((10**v - 1).bit_length() + 7) // 8
    d = 4 * ((width + 3) // 4) + 4
    p = bytes([1, 2, 1, 0, 0, 10, 10, u % 256]) + n.to_bytes(4, "big") + t.to_bytes(4, "big")
    for i in range(10):
        q = tweak + bytes(-(t + width + 1) % 16) + bytes([i]) + _number(b).to_bytes(width, "big")
        r = bytes(16)
        for at in range(0, len(p + q), 16):
            r = cipher.block(_xor(r, (p + q)[at : at + 16]))
        s = r
        for j in range(1, (d + 15) // 16):
            s += cipher.block(_xor(r, j.to_bytes(16, "big")))
        m = u if i % 2 == 0 else v
        c = (_number(a) + int.from_bytes(s[:d], "big")) % 10**m
        a, b = b, [int(digit) for digit in str(c).zfill(m)]
    return a + b


def _number(digits):
    return int("".join(map(str, digits)))


def _xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def _times_two(byte):
    return (byte << 1 ^ 0x1B) & 0xFF if byte & 0x80 else byte << 1


def _substitution():
    box, p, q = [0x63] * 256, 1, 1
    while True:
        p ^= _times_two(p)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        if q & 0x80:
            q ^= 0x09
        spun = [(q << turn | q >> (8 - turn)) & 0xFF for turn in range(5)]
        box[p] = spun[0] ^ spun[1] ^ spun[2] ^ spun[3] ^ spun[4] ^ 0x63
        if p == 1:
            return box


_BOX = _substitution()


class Aes:
    """AES of FIPS 197, encryption of one block."""

    def __init__(self, key):
        count = len(key) // 4
        self.rounds = count + 6
        words = [list(key[at : at + 4]) for at in range(0, len(key), 4)]
        constant = 1
        while len(words) < 4 * (self.rounds + 1):
            word = list(words[-1])
            if len(words) % count == 0:
                word = [_BOX[byte] for byte in word[1:] + word[:1]]
                word[0] ^= constant
                constant = _times_two(constant)
            elif count > 6 and len(words) % count == 4:
                word = [_BOX[byte] for byte in word]
            words.append([a ^ b for a, b in zip(word, words[-count])])
        self.keys = [sum(words[at : at + 4], []) for at in range(0, len(words), 4)]

    def block(self, block):
        state = [a ^ b for a, b in zip(block, self.keys[0])]
        for number in range(1, self.rounds + 1):
            state = [_BOX[state[(at + 4 * (at % 4)) % 16]] for at in range(16)]
            if number < self.rounds:
                mixed = []
                for at in range(0, 16, 4):
                    column = state[at : at + 4]
                    for row in range(4):
                        a, b, c, d = (column[(row + turn) % 4] for turn in range(4))
                        mixed.append(_times_two(a) ^ _times_two(b) ^ b ^ c ^ d)
                state = mixed
            state = [a ^ b for a, b in zip(state, self.keys[number])]
        return bytes(state)
