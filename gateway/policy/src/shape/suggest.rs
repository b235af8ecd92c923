//! "Did you mean …".

/// The known word nearest to a written one, if it is near enough to be a slip.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in a short word, two in one of six letters, three in one of nine.
    let allowed = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(written, word), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, word)| word)
}
