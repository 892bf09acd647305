//! What is offered.

use toolgate_sdk::Guest as _;

use super::*;

/// So that the list of all tools stays small.
const DEFINITIONS_BYTES_MAX: usize = 5 * 950;

#[test]
fn offers_small_definitions() {
    let of = |d: &toolgate_sdk::Definition| {
        d.name.len()
            + d.title.as_ref().map_or(0, String::len)
            + d.description.len()
            + d.input_schema.len()
            + d.output_schema.as_ref().map_or(0, String::len)
    };
    let bytes: usize = Plugin::list().iter().map(of).sum();
    assert!(bytes <= DEFINITIONS_BYTES_MAX, "{bytes}");
}

#[test]
fn offers_these_definitions() {
    expect_test::expect_file!["../definitions.txt"]
        .assert_eq(&toolgate_sdk::tool::print(&Plugin::list()));
}
