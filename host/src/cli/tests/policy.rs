use expect_test::expect;

use super::check_help;

#[test]
fn help_of_policy() {
    check_help(&["policy"], &expect![[""]]);
}

#[test]
fn help_of_policy_check() {
    check_help(&["policy", "check"], &expect![[""]]);
}

#[test]
fn help_of_policy_test() {
    check_help(&["policy", "test"], &expect![[""]]);
}

#[test]
fn help_of_policy_explain() {
    check_help(&["policy", "explain"], &expect![[""]]);
}
