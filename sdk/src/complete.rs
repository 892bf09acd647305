//! Values for arguments that a caller is typing, from the live cluster.

use crate::pages;
use crate::types::Error;
use crate::{kubernetes_read, types::ListQuery};

/// Values in one answer: what the protocol shows.
pub const VALUES_MAX: usize = 100;

/// Objects that are looked through for one completion: a person is typing and waits.
const OBJECTS_MAX: usize = 1_000;

/// What is asked of a completion.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The argument, or the variable.
    pub argument: String,
    /// What is typed of it so far.
    pub value: String,
    /// What is filled in beside it.
    pub given: Vec<(String, String)>,
}

/// A function that completes.
pub type Complete = fn(&Asked) -> Vec<String>;

/// Completes with the function that is known by this name; nothing without one.
#[must_use]
pub fn run(known: &[(&str, Complete)], name: &str, asked: &Asked) -> Vec<String> {
    let found = known.iter().find(|(known, _)| *known == name);
    found.map(|(_, complete)| complete(asked)).unwrap_or_default()
}

impl Asked {
    /// Another argument, where it is filled in.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        let found = self.given.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Those that fit what is typed: first what begins with it, then what contains it, each in the
    /// order of the alphabet and once.
    #[must_use]
    pub fn fitting(&self, values: impl IntoIterator<Item = String>) -> Vec<String> {
        let typed = self.value.trim().to_lowercase();
        let mut fitting: Vec<(bool, String)> = values
            .into_iter()
            .filter(|value| value.to_lowercase().contains(&typed))
            .map(|value| (!value.to_lowercase().starts_with(&typed), value))
            .collect();
        fitting.sort();
        fitting.dedup();
        fitting.truncate(VALUES_MAX);
        fitting.into_iter().map(|(_, value)| value).collect()
    }
}

/// Values for the arguments that plugins usually have: `namespace`, `pod`, `workload` or
/// `deployment`, `kind` and `node`. Other arguments, and a cluster that does not answer, have none.
/// It takes `kubernetes-read` for what it looks up.
#[must_use]
pub fn kubernetes(asked: &Asked) -> Vec<String> {
    found(asked).unwrap_or_default()
}

fn found(asked: &Asked) -> Result<Vec<String>, Error> {
    let cluster = asked.given("cluster");
    let names = match asked.argument.as_str() {
        "namespace" => {
            let found = kubernetes_read::list_namespaces(cluster)?;
            found.into_iter().map(|namespace| namespace.name).collect()
        }
        "pod" => all(pages::pods(query(asked), OBJECTS_MAX), |pod| pod.name),
        "workload" | "deployment" => {
            all(pages::deployments(query(asked), OBJECTS_MAX), |deployment| deployment.name)
        }
        "node" => {
            let query = pages::query(cluster.map(str::to_owned), None, None);
            all(pages::nodes(query, OBJECTS_MAX), |node| node.name)
        }
        "kind" => ["deployment", "statefulset", "daemonset"].map(str::to_owned).to_vec(),
        _ => Vec::new(),
    };
    Ok(asked.fitting(names))
}

fn query(asked: &Asked) -> ListQuery {
    let owned = |name| asked.given(name).map(str::to_owned);
    pages::query(owned("cluster"), owned("namespace"), None)
}

/// The names as far as they can be read: some are better than none.
fn all<T>(items: pages::Pages<T>, name: impl Fn(T) -> String) -> Vec<String> {
    items.map_while(Result::ok).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_fits_and_first_what_begins_alike() {
        let asked = Asked { value: "we".to_owned(), ..Asked::default() };
        let names = ["api", "web", "brew-web", "Web-2", "web"].map(str::to_owned);
        assert_eq!(asked.fitting(names), ["Web-2", "web", "brew-web"]);
        let all = Asked::default().fitting((0..200).map(|n| n.to_string()));
        assert_eq!(all.len(), VALUES_MAX);
    }

    #[test]
    fn knows_what_is_filled_in() {
        let given =
            vec![("namespace".to_owned(), "shop".to_owned()), ("pod".to_owned(), String::new())];
        let asked = Asked { given, ..Asked::default() };
        assert_eq!((asked.given("namespace"), asked.given("pod")), (Some("shop"), None));
    }
}
