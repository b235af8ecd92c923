//! JSON pointers (RFC 6901), taken apart and put together.

/// The names and indices of a pointer, unescaped; none for the whole document. `None` if the text is
/// no pointer: it does not begin with `/`, or has a `~` that is neither `~0` nor `~1`.
#[must_use]
pub fn pointer_segments(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    pointer
        .strip_prefix('/')?
        .split('/')
        .map(unescape)
        .collect()
}

/// The pointer with these segments.
#[must_use]
pub fn pointer_of(segments: &[String]) -> String {
    let mut pointer = String::new();
    for segment in segments {
        pointer.push('/');
        pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

fn unescape(segment: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = segment.chars();
    while let Some(character) = characters.next() {
        match character {
            '~' => match characters.next() {
                Some('0') => text.push('~'),
                Some('1') => text.push('/'),
                Some(_) | None => return None,
            },
            other => text.push(other),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_samples_of_the_rfc() {
        for (pointer, segments) in [
            ("", Some(&[][..])),
            ("/", Some(&[""])),
            ("/foo/0", Some(&["foo", "0"])),
            ("/a~1b", Some(&["a/b"])),
            ("/m~0n", Some(&["m~n"])),
            ("/~01", Some(&["~1"])),
            ("/a//b/", Some(&["a", "", "b", ""])),
            ("foo", None),
            ("/~", None),
            ("/a~2", None),
        ] {
            let segments =
                segments.map(|segments| segments.iter().map(ToString::to_string).collect());
            assert_eq!(pointer_segments(pointer), segments, "{pointer}");
        }
    }

    proptest! {
        #[test]
        fn what_is_put_together_comes_apart(segments in prop::collection::vec("[a~/01é]{0,4}", 0..4)) {
            prop_assert_eq!(pointer_segments(&pointer_of(&segments)), Some(segments));
        }
    }
}
