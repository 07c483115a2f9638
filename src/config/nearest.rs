//! The nearest right name to a wrong one.

/// The candidate that `name` is most likely a misspelling of, if one is near enough to be worth naming. Of equally near ones the first.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = name.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase());
        let longer = wanted.chars().count().max(candidate.chars().count());
        let allowed = if longer <= 3 { 1 } else { (longer / 3).max(2) };
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate.to_owned())
}

/// `a`, `b` or `c`.
pub(super) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|n| format!("`{n}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour_and_a_strange_one_finds_none() {
        let names = ["lateness", "idle_after", "retention"];
        assert_eq!(nearest("latness", names).as_deref(), Some("lateness"));
        assert_eq!(nearest("LATENESS", names).as_deref(), Some("lateness"));
        assert_eq!(nearest("broker", names), None);
        assert_eq!(nearest("5n", ["1m", "5m", "1h"]).as_deref(), Some("5m"));
    }

    #[test]
    fn choices_read_as_a_sentence() {
        assert_eq!(one_of([]), "nothing");
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
