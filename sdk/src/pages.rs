//! Lists that follow `continue` to their end, or to a bound.
//!
//! ```no_run
//! use toolgate_sdk::prelude::*;
//!
//! fn n_pods() -> Result<usize, ToolError> {
//!     let mut pods = pages::pods(pages::query(None, None, None), pages::OBJECTS_MAX);
//!     let mut n = 0;
//!     for pod in pods.by_ref() {
//!         pod?;
//!         n += 1;
//!     }
//!     // `pods.unread()` says whether there are more than the bound.
//!     Ok(n)
//! }
//! ```

use std::collections::VecDeque;

use serde_json::Value;

use crate::kubernetes_metrics::{self, PodUsage};
use crate::kubernetes_read::{self, Deployment, Node, ObjectQuery, Pod};
use crate::object;
use crate::types::{Error, ListQuery};

/// A good bound for one call: every pod of a large cluster, read in eighty pages. A tool that looks
/// at each and keeps few needs no more memory for it than one page.
pub const OBJECTS_MAX: usize = 20_000;
/// Pages may be empty and still continue; this ends a list that never does.
const PAGES_MAX: usize = 100;

/// The part of a list that was not read because of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// How many objects there are at least; the API server does not always say how many more.
    pub at_least: u64,
}

struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
    remaining: Option<u64>,
}

type Read<T> = dyn FnMut(Option<String>) -> Result<Page<T>, Error>;

/// Where in the list the next page is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    First,
    After(String),
    End,
}

/// Objects of a list, page after page. It ends at the bound, at the end, or after an error.
pub struct Pages<T> {
    read: Box<Read<T>>,
    items: VecDeque<T>,
    position: Position,
    remaining: Option<u64>,
    n_objects_left: usize,
    n_pages_left: usize,
    failed: bool,
}

impl<T> Pages<T> {
    fn new(
        objects_max: usize,
        read: impl FnMut(Option<String>) -> Result<Page<T>, Error> + 'static,
    ) -> Self {
        Self {
            read: Box::new(read),
            items: VecDeque::new(),
            position: Position::First,
            remaining: None,
            n_objects_left: objects_max,
            n_pages_left: PAGES_MAX,
            failed: false,
        }
    }

    /// What is left once the iteration ended; none if everything was read.
    #[must_use]
    pub fn unread(&self) -> Option<Unread> {
        let in_hand = self.items.len() as u64;
        let beyond = match &self.position {
            Position::After(_) => self.remaining.unwrap_or(1).max(1),
            Position::First | Position::End => 0,
        };
        let at_least = in_hand.saturating_add(beyond);
        (at_least > 0).then_some(Unread { at_least })
    }

    /// Reads one more page; false where there is none, or none may be read.
    fn turn(&mut self) -> Result<bool, Error> {
        let token = match &self.position {
            Position::End => return Ok(false),
            Position::After(token) => Some(token.clone()),
            Position::First => None,
        };
        if self.n_pages_left == 0 {
            return Ok(false);
        }
        self.n_pages_left -= 1;
        let page = (self.read)(token)?;
        self.items.extend(page.items);
        let next = page.next.filter(|next| !next.is_empty());
        self.position = next.map_or(Position::End, Position::After);
        self.remaining = page.remaining;
        Ok(true)
    }
}

impl<T> Iterator for Pages<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.n_objects_left == 0 {
            return None;
        }
        loop {
            if let Some(item) = self.items.pop_front() {
                self.n_objects_left -= 1;
                return Some(Ok(item));
            }
            match self.turn() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// A query for everything that these three leave in.
#[must_use]
pub fn query(
    cluster: Option<String>,
    namespace: Option<String>,
    label_selector: Option<String>,
) -> ListQuery {
    ListQuery { cluster, namespace, label_selector, limit: None, continue_: None }
}

/// Where a query looks, in words: `the granted namespaces`, or the one that was named.
#[must_use]
pub fn place(namespace: Option<&str>) -> String {
    namespace.map_or_else(|| "the granted namespaces".to_owned(), |name| format!("`{name}`"))
}

/// Pods, at most so many.
#[must_use]
pub fn pods(query: ListQuery, objects_max: usize) -> Pages<Pod> {
    Pages::new(objects_max, move |token| {
        let page = kubernetes_read::list_pods(&at(&query, token))?;
        Ok(Page { items: page.pods, next: page.continue_, remaining: page.remaining })
    })
}

/// Deployments, at most so many.
#[must_use]
pub fn deployments(query: ListQuery, objects_max: usize) -> Pages<Deployment> {
    Pages::new(objects_max, move |token| {
        let page = kubernetes_read::list_deployments(&at(&query, token))?;
        Ok(Page { items: page.deployments, next: page.continue_, remaining: page.remaining })
    })
}

/// Nodes, at most so many. The query's `namespace` must be none.
#[must_use]
pub fn nodes(query: ListQuery, objects_max: usize) -> Pages<Node> {
    Pages::new(objects_max, move |token| {
        let page = kubernetes_read::list_nodes(&at(&query, token))?;
        Ok(Page { items: page.nodes, next: page.continue_, remaining: page.remaining })
    })
}

/// What pods use, at most so many.
#[must_use]
pub fn pod_usage(query: ListQuery, objects_max: usize) -> Pages<PodUsage> {
    Pages::new(objects_max, move |token| {
        let page = kubernetes_metrics::list_pods(&at(&query, token))?;
        Ok(Page { items: page.pods, next: page.continue_, remaining: None })
    })
}

/// Objects of any kind as JSON, at most so many. See [`object::query`].
#[must_use]
pub fn objects(query: ObjectQuery, objects_max: usize) -> Pages<Value> {
    Pages::new(objects_max, move |token| {
        let continue_ = token.or_else(|| query.continue_.clone());
        let page = kubernetes_read::list_objects(&ObjectQuery { continue_, ..query.clone() })?;
        let items = page.objects.iter().map(object::parse).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.continue_, remaining: page.remaining })
    })
}

/// All that the iteration gives, and whether there was more than the bound.
///
/// # Errors
/// The first one.
pub fn all<T>(mut pages: Pages<T>) -> Result<(Vec<T>, bool), Error> {
    let items = pages.by_ref().collect::<Result<_, _>>()?;
    Ok((items, pages.unread().is_some()))
}

fn at(query: &ListQuery, token: Option<String>) -> ListQuery {
    // Without a token of its own this is the first page, wherever the author's query begins.
    let continue_ = token.or_else(|| query.continue_.clone());
    ListQuery { continue_, ..query.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages of three numbers each, up to `total`; the token is the next number.
    fn numbers(total: u64, objects_max: usize, tells_remaining: bool) -> Pages<u64> {
        Pages::new(objects_max, move |token| {
            let first: u64 = token.map_or(0, |token| token.parse().unwrap());
            let end = (first + 3).min(total);
            Ok(Page {
                items: (first..end).collect(),
                next: (end < total).then(|| end.to_string()),
                remaining: tells_remaining.then_some(total - end),
            })
        })
    }

    fn read(mut pages: Pages<u64>) -> (Vec<u64>, Option<u64>) {
        let all = pages.by_ref().map(Result::unwrap).collect();
        (all, pages.unread().map(|unread| unread.at_least))
    }

    #[test]
    fn follows_continue_to_the_end() {
        assert_eq!(read(numbers(8, 100, true)), ((0..8).collect(), None));
        assert_eq!(read(numbers(8, 8, true)), ((0..8).collect(), None));
        assert_eq!(read(numbers(0, 8, true)), (Vec::new(), None));
    }

    #[test]
    fn stops_at_the_bound_and_says_how_many_are_left() {
        assert_eq!(read(numbers(10, 4, true)), ((0..4).collect(), Some(6)));
        assert_eq!(read(numbers(10, 3, true)), ((0..3).collect(), Some(7)));
        // The API server does not count where there is a selector: at least one more page.
        assert_eq!(read(numbers(10, 3, false)), ((0..3).collect(), Some(1)));
    }

    #[test]
    fn ends_a_list_that_never_ends() {
        let mut endless: Pages<u64> = Pages::new(10, |_| {
            Ok(Page { items: Vec::new(), next: Some("again".to_owned()), remaining: None })
        });
        assert!(endless.next().is_none());
        assert_eq!(endless.unread(), Some(Unread { at_least: 1 }));
    }

    #[test]
    fn ends_after_an_error() {
        let mut broken: Pages<u64> =
            Pages::new(10, |_| Err(Error::Unavailable("no answer".to_owned())));
        assert!(matches!(broken.next(), Some(Err(Error::Unavailable(_)))));
        assert!(broken.next().is_none());
    }
}
