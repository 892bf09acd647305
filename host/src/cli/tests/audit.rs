//! The help of `toolgate audit`.

use expect_test::expect;

use super::check_help;

#[test]
fn help_of_audit() {
    check_help(
        &["audit"],
        &expect![[r#"
            Show who called what, and what came of it.

            Each call leaves a trail: received, decided, every capability used and on what, completed. A write
            is on disk before it reaches a cluster. `--json` gives the records as they are in the file, one in a
            line.

            Usage: toolgate audit [OPTIONS]
                   toolgate audit <COMMAND>

            Commands:
              show         Show who called what, and what came of it
              follow       Show records as they are written
              verify       Tell whether the log is what was written
              key          Print the key that checkpoints are signed with, to be kept elsewhere
              fingerprint  Print the fingerprint that a value from standard input has in the log

            Options:
              -f, --follow
                      Go on with records as they are written

                  --call <ID>
                      Only this call, all of its stages

                  --principal <NAME>
                      Only calls by this principal: `alice@os`, or `alice`

                  --tool <TOOL>
                      Only calls of this tool

                  --approval <ID>
                      Only calls with this approval

                  --since <TIME>
                      Only records since then: 15m, 2h, 3d, or 2026-01-31T09:00:00Z

                  --last <N>
                      Only the last N calls

              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate audit --last 20
              toolgate audit --principal alice --since 2h
              toolgate audit --call 01k4y3m8 --json
              toolgate audit follow
              toolgate audit verify"#]],
    );
}
