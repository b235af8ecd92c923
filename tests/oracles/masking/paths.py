"""Field paths, as docs/policy.md and docs/masks.md describe them."""

KEY, ANY_KEY, ANY_ELEMENT, ELEMENT, ANY_DEPTH = "key", "*", "[*]", "[k=v]", "**"

_PUNCTUATION = "_-/:"


class BadPath(Exception):
    pass


def parse(text):
    """Steps: tuples whose first member is one of the words above."""
    if text == "$":
        return ()
    steps, at = [], 0
    while at < len(text):
        if text[at] == "[":
            step, at = _bracket(text, at + 1)
        else:
            if steps:
                if text[at] != ".":
                    raise BadPath(text)
                at += 1
            step, at = _name(text, at)
        if step == (ANY_DEPTH,) and steps and steps[-1] == step:
            raise BadPath(text)
        steps.append(step)
    if not steps:
        raise BadPath(text)
    return tuple(steps)


def _name(text, at):
    if text.startswith("**", at):
        return (ANY_DEPTH,), at + 2
    if text.startswith("*", at):
        return (ANY_KEY,), at + 1
    word, at = _bare(text, at)
    return (KEY, word.encode()), at


def _bare(text, at):
    end = at
    while end < len(text) and (text[end].isalnum() or text[end] in _PUNCTUATION):
        end += 1
    if end == at:
        raise BadPath(text)
    return text[at:end], end


def _bracket(text, at):
    if text.startswith("*]", at):
        return (ANY_ELEMENT,), at + 2
    key, at = _word(text, at)
    if text[at] == "=":
        value, at = _word(text, at + 1)
        step = (ELEMENT, key.encode(), value.encode())
    else:
        step = (KEY, key.encode())
    if text[at] != "]":
        raise BadPath(text)
    return step, at + 1


def _word(text, at):
    mark = text[at]
    if mark not in "'\"":
        return _bare(text, at)
    out, at = [], at + 1
    while text[at] != mark:
        if text[at] == "\\":
            at += 1
        out.append(text[at])
        at += 1
    return "".join(out), at + 1


def is_bare(name):
    return bool(name) and all(char.isalnum() or char in _PUNCTUATION for char in name)


def quoted(name):
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def show(steps):
    """The canonical text."""
    if not steps:
        return "$"
    out = []
    for step in steps:
        dot = "." if out else ""
        if step[0] == KEY:
            name = step[1].decode()
            out.append(dot + name if is_bare(name) else f"[{quoted(name)}]")
        elif step[0] in (ANY_KEY, ANY_DEPTH):
            out.append(dot + step[0])
        elif step[0] == ANY_ELEMENT:
            out.append("[*]")
        else:
            words = [word.decode() for word in step[1:]]
            out.append("[%s=%s]" % tuple(word if is_bare(word) else quoted(word) for word in words))
    return "".join(out)


def may_meet(a, b):
    """Whether a value of one path may be one of the other, hold one or stand within one."""
    for one, other in zip(a, b):
        if ANY_DEPTH in (one[0], other[0]):
            return True
        if not _may_be_one(one, other):
            return False
    return True


def _may_be_one(a, b):
    names, elements = (KEY, ANY_KEY), (ANY_ELEMENT, ELEMENT)
    if a[0] == KEY and b[0] == KEY:
        return a == b
    return (a[0] in names and b[0] in names) or (a[0] in elements and b[0] in elements)
