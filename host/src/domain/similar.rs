//! The word that somebody meant who wrote another.

/// Letters of a word that is compared: the comparison costs their square.
const LETTERS_MAX: usize = 64;

/// The known word that was most likely meant.
pub(crate) fn similar<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = word.chars().count();
    if letters > LETTERS_MAX {
        return None;
    }
    let near = (letters / 3).max(1);
    let far = |other: &'a str| (distance(&word.to_lowercase(), &other.to_lowercase()), other);
    known.into_iter().map(far).filter(|(d, _)| *d <= near).min().map(|(_, other)| other)
}

/// Insertions, deletions and replacements between two short words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.chars().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(x != y);
            left = replaced.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_has_to_be_changed() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
