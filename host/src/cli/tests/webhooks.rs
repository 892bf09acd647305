//! The help of `toolgate webhooks`.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_webhooks() {
    check_help(
        &["webhooks"],
        &expect![[r#"
        List the webhooks, or see whether messages arrive there.

        A server sends signed messages to the addresses of `[webhooks.NAME]`: writes that wait for a person,
        what was written, limits, refusals, trouble of the audit log. `test` sends one message to each,
        once, with the same signature; a path is never shown, since it may be a secret.

        Usage: toolgate webhooks [OPTIONS] <COMMAND>

        Commands:
          list  List where messages go, and what each is told of
          test  Send a signed `webhook.test` once, and tell what came of it

        Options:
          -h, --help
                  Print help (see a summary with '-h')

        Examples:
          toolgate webhooks list
          toolgate webhooks test
          toolgate webhooks test chat --json"#]],
    );
    check_help(
        &["webhooks", "test"],
        &expect![[r#"
        Send a signed `webhook.test` once, and tell what came of it

        Usage: toolgate webhooks test [OPTIONS] [NAME]

        Arguments:
          [NAME]
                  The webhook [default: all of them]

        Options:
          -h, --help
                  Print help
    "#]],
    );
}
