use expect_test::expect;

use super::check_help;

#[test]
fn help_of_policy() {
    check_help(
        &["policy"],
        &expect![[r#"
        Check, test and explain the rules about who may do what.

        Rules are written in Cedar: who, which verb, which object, and when a person has to say yes. They
        stand below the mode and the grants of `toolgate.toml`, in the file that `policy.file` names;
        without one, the rules that come with Toolgate hold: reads are allowed, writes need approval.
        Nothing runs and no cluster is asked.

        Usage: toolgate policy [OPTIONS] <COMMAND>

        Commands:
          check         Show every problem of the rules with its line, or the rules in short
          test          Compare what the rules decide with what a table of cases expects
          explain       Say why something is allowed or not: mode, grant, rule and line
          show-default  Print the rules that come with Toolgate
          show-schema   Print what rules can speak of

        Options:
          -h, --help
                  Print help (see a summary with '-h')

        Examples:
          toolgate policy show-default > policy.cedar
          toolgate policy check policy.cedar
          toolgate policy test policy-cases.toml
          toolgate policy explain --tool restart_deployment --namespace shop --name checkout
          toolgate policy explain --tool list_pods --principal bob --group dev --namespace bank"#]],
    );
}

#[test]
fn help_of_policy_check() {
    check_help(
        &["policy", "check"],
        &expect![[r#"
        Show every problem of the rules with its line, or the rules in short

        Usage: toolgate policy check [OPTIONS] [FILE]

        Arguments:
          [FILE]
                  The rules [default: `policy.file` of the configuration, else those that come with
                  Toolgate]

        Options:
          -h, --help
                  Print help
    "#]],
    );
}

#[test]
fn help_of_policy_test() {
    check_help(
        &["policy", "test"],
        &expect![[r#"
        Compare what the rules decide with what a table of cases expects

        Usage: toolgate policy test [OPTIONS] <CASES>

        Arguments:
          <CASES>
                  The cases, in TOML

        Options:
              --policy <FILE>
                  The rules [default: `policy.file` of the configuration, else those that come with
                  Toolgate]

          -h, --help
                  Print help
    "#]],
    );
}

#[test]
fn help_of_policy_explain() {
    check_help(
        &["policy", "explain"],
        &expect![[r#"
        Say why something is allowed or not: mode, grant, rule and line

        Usage: toolgate policy explain [OPTIONS] --tool <NAME>

        Options:
              --tool <NAME>
                  The tool, as `toolgate tools` lists it

              --principal <NAME>
                  Who asks: `alice`, or `alice@ISSUER` [default: your login name]

              --group <NAME>
                  A group of theirs; repeat it for more

              --verb <VERB>
                  The verb [default: every one that the tool's capabilities are used with]

              --cluster <NAME>
                  The cluster [default: the default one of the configuration]

              --namespace <NAME>
                  The namespace; without it, what lies in none, or a list of all of them

              --kind <KIND>
                  The kind [default: what each capability is mostly used on]

              --name <NAME>
                  The object; without it, a list

              --at <TIME>
                  When, as `2026-11-21T09:00:00Z` [default: now]

          -h, --help
                  Print help
    "#]],
    );
}
