//! Interfaces whose doors are being built.

use super::super::bindings::toolgate::plugin::types::Error;
use super::Answer;

pub(super) fn unavailable<T>() -> Answer<T> {
    Ok(Err(Error::Unavailable("this host does not serve it".to_owned())))
}
