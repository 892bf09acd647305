//! Namespaces that are easily taken for one another.

/// Words that tell environments of one thing apart, or versions of it.
const ENVIRONMENTS: &[&str] = &[
    "blue",
    "canary",
    "copy",
    "demo",
    "dev",
    "development",
    "dr",
    "green",
    "int",
    "live",
    "new",
    "nonprod",
    "old",
    "prd",
    "preprod",
    "preview",
    "prod",
    "production",
    "qa",
    "sandbox",
    "stage",
    "staging",
    "stg",
    "tst",
    "test",
    "testing",
    "tmp",
    "uat",
    "v1",
    "v2",
    "v3",
];

/// Whether a person may type one and mean the other: one letter apart (`prod`, `prd`), or the same
/// but for an environment (`shop`, `shop-staging`).
pub fn looks_alike(one: &str, other: &str) -> bool {
    one != other && (is_one_letter_apart(one, other) || is_sibling(one, other))
}

fn is_sibling(one: &str, other: &str) -> bool {
    let stem = |name: &str| {
        let words = name.split('-').filter(|word| !ENVIRONMENTS.contains(word));
        words.collect::<Vec<_>>().join("-")
    };
    // Two names that are nothing but environments, `dev` and `prod`, do not look alike.
    let stem_of_one = stem(one);
    !stem_of_one.is_empty() && stem_of_one == stem(other)
}

/// One letter more, less, other, or two swapped. Of two letters one is half the name: those are
/// told apart.
fn is_one_letter_apart(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    if short.len() < 3 || long.len() - short.len() > 1 {
        return false;
    }
    let same_start = short.bytes().zip(long.bytes()).take_while(|(a, b)| a == b).count();
    let rest = |text: &str, skipped: usize| -> Vec<u8> {
        text.bytes().skip(same_start + skipped).collect()
    };
    if short.len() < long.len() {
        return rest(short, 0) == rest(long, 1);
    }
    let (a, b) = (rest(short, 0), rest(long, 0));
    let is_swapped = a.first() == b.get(1) && a.get(1) == b.first() && a.get(1).is_some();
    rest(short, 1) == rest(long, 1) || (is_swapped && rest(short, 2) == rest(long, 2))
}

#[cfg(test)]
mod tests {
    use super::looks_alike;

    #[test]
    fn finds_what_is_easily_mixed_up() {
        for (one, other) in [
            ("prod", "prd"),
            ("shop", "shops"),
            ("shop", "shpo"),
            ("team-a", "team-b"),
            ("shop", "shop-staging"),
            ("shop-prod", "shop-dev"),
            ("prod-shop", "shop"),
            ("shop-v1", "shop-v2"),
        ] {
            assert!(looks_alike(one, other) && looks_alike(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("shop", "shop"),
            ("shop", "bank"),
            ("dev", "prod"),
            ("a", "b"),
            ("ab", "ac"),
            ("shop", "shop-payments"),
            ("shop", "pohs"),
            ("shop", "shoppers"),
        ] {
            assert!(!looks_alike(one, other) && !looks_alike(other, one), "{one} {other}");
        }
    }
}
