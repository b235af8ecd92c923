"""What detectors find in a text, as docs/masks.md describes it. Texts are bytes; words are ASCII."""

import re

_URL64 = rb"[A-Za-z0-9_-]{6,}"
_KEY_LINE = rb"[A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"

_PATTERNS = {
    "jwt": rb"\beyJ" + _URL64 + rb"\." + _URL64 + rb"\." + _URL64,
    "pem": rb"(?s:-----BEGIN " + _KEY_LINE + rb"(?:.*?-----END " + _KEY_LINE + rb"|.*))",
    "aws-key": rb"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    "github-token": rb"\b(?:gh[opsur]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    "slack-token": rb"\b(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}",
    "email": rb"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}",
    "iban": rb"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b",
    "card": rb"\b[0-9](?:[ -]?[0-9]){12,18}\b",
}


_NUMBERS = ("iban", "card")


def compiled(word):
    """A detector: the word of one that comes with the language, or `(re)` and an expression."""
    if word.startswith("(re)"):
        return word, re.compile(word[4:].encode())
    return word, re.compile(_PATTERNS[word])


def is_iban(found):
    text = found.replace(b" ", b"").decode()
    if not 15 <= len(text) <= 34:
        return False
    turned = text[4:] + text[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def is_card(found):
    digits = [int(char) for char in found.decode() if char.isdigit()]
    if len(set(digits)) == 1 or not 13 <= len(digits) <= 19:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += digit if place % 2 == 0 else sum(divmod(2 * digit, 10))
    return total % 10 == 0


def spans(detector, text):
    word, pattern = detector
    if word in _NUMBERS:
        yield from _numbers(pattern, {"iban": is_iban, "card": is_card}[word], text)
        return
    for found in pattern.finditer(text):
        if found.end() > found.start():
            yield found.span()


def _numbers(pattern, is_one, text):
    """At each group of what looks like a number, the longest run of whole groups that is one."""
    at = 0
    while found := pattern.search(text, at):
        start, end = found.span()
        gaps = [place for place in range(start, end) if text[place] in b" -"]
        good = [stop for stop in gaps + [end] if is_one(text[start:stop])]
        if good:
            yield start, max(good)
        at = gaps[0] + 1 if gaps else end
