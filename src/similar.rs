//! "Did you mean": the name nearest to a mistyped one.

/// The candidate with the fewest edits, if that is at most a third of the word.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_words(&[word], candidates)
}

/// As [`nearest`], for the words that a text begins with: each candidate is compared with as many
/// words as it has itself.
pub fn nearest_words<'a>(
    words: &[impl AsRef<str>],
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let count = candidate.split(' ').count();
            let said: Vec<&str> = words.iter().take(count).map(AsRef::as_ref).collect();
            let said = said.join(" ");
            let edits = distance(&said, candidate);
            (edits <= (said.chars().count() / 3).max(1)).then_some((edits, candidate))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Edits from one word to the other, where swapping two neighbours is one; case does not count.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(ca != cb)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *ca == b[j - 1] && a[i - 1] == *cb {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_a_stranger_is_not() {
        let names = ["lake", "river", "LIST"];
        assert_eq!(nearest("lakee", names), Some("lake"));
        assert_eq!(nearest("LSIT", names), Some("LIST"));
        assert_eq!(nearest("ocean", names), None);
        assert_eq!(nearest("", names), None);
    }
}
