//! What is wrong with a file is told at its line, all at once.

use expect_test::expect;

use super::check;

#[test]
fn says_where_the_text_is_no_toml() {
    check(
        "plugins_dir = plugins\n\n[mode\nread_only = true\n[mode]\na = 1\na = 2",
        &expect![[r"
        the file has 3 problems

        line 1: not TOML: string values must be quoted, expected literal string
          hint: text stands in quotes, lists in `[ ]`, one `key = value` in a line

        line 3: not TOML: unclosed table, expected `]`
          hint: text stands in quotes, lists in `[ ]`, one `key = value` in a line

        line 7: not TOML: duplicate key
          hint: text stands in quotes, lists in `[ ]`, one `key = value` in a line"]],
    );
}

#[test]
fn reports_every_shape_that_does_not_fit() {
    check(
        r#"
            plugin_dir = "plugins"
            state_dir = 7
            whatever = { a = 1 }

            [mode]
            readonly = true
            dry_run = "no"
            namespaces = "shop"

            [clusters.prod]
            context = "prod"
            defaults = true

            [grants.pods]
            kubernetes-read = [["*"], ["shop"]]
            kubernetes-logs = { namespaces = ["shop", 3], kind = "Pod" }

            [limits]
            deadline_ms = "30s"

            [plugins.pods]
            setting = {}
        "#,
        &expect![[r#"
            the file has 12 problems

            line 2: plugin_dir: there is no such key
              hint: did you mean `plugins_dir`?

            line 3: state_dir: integer `7` where a text is expected
              hint: write it in quotes: `".."`

            line 4: whatever: there is no such key
              hint: the keys here are `plugins_dir`, `state_dir`, `cache_dir`, `serve`, `console`, `mode`, `clusters`, `grants`, `rates`, `limits`, `plugins`, `policy`, `approvals`, `audit`, `redaction`, `webhooks`

            line 7: mode.readonly: there is no such key
              hint: did you mean `read_only`?

            line 8: mode.dry_run: string "no" where true or false is expected
              hint: write `true` or `false`, without quotes

            line 9: mode.namespaces: string "shop" where a list is expected
              hint: write a list: `[".."]`

            line 13: clusters.prod.defaults: there is no such key
              hint: did you mean `default`?

            line 16: grants.pods.kubernetes-read: a list where a table is expected
              hint: write `[header]` and below it `key = value`

            line 17: grants.pods.kubernetes-logs.namespaces[1]: integer `3` where a text is expected
              hint: write it in quotes: `".."`

            line 17: grants.pods.kubernetes-logs.kind: there is no such key
              hint: did you mean `kinds`?

            line 20: limits.deadline_ms: string "30s" where a whole number is expected
              hint: write digits, without quotes and units

            line 23: plugins.pods.setting: there is no such key
              hint: did you mean `settings`?"#]],
    );
}

#[test]
fn reports_every_value_that_means_nothing() {
    check(
        r#"
            plugins_dir = ""

            [serve]
            listen = "0.0.0.0:8080"
            allowed_hosts = ["*"]
            allowed_origins = ["https://console.example/"]

            [mode]
            namespaces = []

            [clusters.prod]
            context = "prod"
            in_cluster = true

            [clusters.Staging]
            latency_ms = 5

            [clusters.a]
            demo = true
            default = true
            latency_ms = 60000
            request_deadline_ms = 5000

            [clusters.b]
            kubeconfig = "config"
            request_deadline_ms = 100
            default = true

            [grants.Pods.kubernetes-read]
            namespaces = ["*"]

            [grants.pods.kubernetes-reads]
            namespaces = ["*"]

            [grants.pods.secrets]

            [grants.pods.log]

            [grants.pods.kubernetes-read]
            clusters = ["prd", "x-*"]
            namespaces = ["shop", "Shop", "a/b", "*-UP"]
            kinds = ["pods", "Pod", "Job"]
            names = []

            [grants.logs.kubernetes-logs]

            [limits]
            deadline_ms = 0
            cpu_ms = -1
            memory_bytes_max = 99_999_999_999

            [plugins.pods.limits]
            queue_max = 0

            [plugins.pods.settings]
            ratio = nan

            [approvals]
            expires_after_s = 5

            [audit]
            arguments = "ful"
            deadline_ms = 0
        "#,
        &expect![[r#"
            the file has 33 problems

            line 2: plugins_dir: `` is no path
              hint: name a file or a folder

            line 5: serve.listen: other machines can reach `0.0.0.0:8080`, and callers would be anonymous
              hint: listen on `127.0.0.1` or `[::1]`, and reach it from elsewhere through `kubectl port-forward`, a tunnel, or a proxy that authenticates

            line 6: serve.allowed_hosts[0]: `*` is no host
              hint: say a host name, with its port where it is not the usual one: `toolgate.example:8443`

            line 7: serve.allowed_origins[0]: `https://console.example/` is no origin
              hint: say scheme, host and port, without a path: `https://console.example`

            line 10: mode.namespaces: an empty list allows nothing
              hint: say `["*"]` for all of them

            line 12: clusters.prod: it says in several ways how the cluster is reached
              hint: leave one of `context`, `in_cluster` and `demo`

            line 16: clusters.Staging: it says nowhere how the cluster is reached
              hint: say `context = ".."` of a kubeconfig, `in_cluster = true`, or `demo = true`

            line 16: clusters.Staging: `Staging` is not a valid cluster name: lower-case letters, digits, `-` and `.`, at most 63
              hint: choose a short name: it is what callers say, and what records show

            line 17: clusters.Staging.latency_ms: only the embedded cluster has it
              hint: remove the line, or say `demo = true`

            line 22: clusters.a.latency_ms: 60000 is out of bounds
              hint: say a number from 0 to 10000, or leave the line out for the default

            line 23: clusters.a.request_deadline_ms: the embedded cluster has none
              hint: remove the line; `latency_ms` makes it slow

            line 26: clusters.b.kubeconfig: it is named without a context
              hint: add `context = ".."`; the file's current context may change at any time

            line 27: clusters.b.request_deadline_ms: 100 is out of bounds
              hint: say a number from 500 to 60000, or leave the line out for the default

            line 28: clusters.b.default: `a` is the default already
              hint: leave one `default = true`

            line 30: grants.Pods: `Pods` is not a valid plugin name: lower-case letters, digits and `-`, at most 63
              hint: say the name of the plugin's folder; `toolgate plugins` lists them

            line 33: grants.pods.kubernetes-reads: there is no such capability
              hint: did you mean `kubernetes-read`?

            line 36: grants.pods.secrets: there is no such capability
              hint: there are `kubernetes-read`, `kubernetes-logs`, `kubernetes-events`, `kubernetes-metrics`, `kubernetes-secret-values`, `access`, `kubernetes-restart`, `kubernetes-scale`, `kubernetes-rollback`, `kubernetes-pause`, `kubernetes-cordon`, `kubernetes-delete-pod`

            line 38: grants.pods.log: `log` needs no grant: every plugin has it
              hint: remove the lines

            line 41: grants.pods.kubernetes-read.clusters[0]: there is no cluster `prd`
              hint: did you mean `prod`?

            line 42: grants.pods.kubernetes-read.namespaces[1]: `Shop` is no pattern for a namespace
              hint: use lower-case letters, digits and `-`, and `*` for any run of them

            line 42: grants.pods.kubernetes-read.namespaces[2]: `a/b` is no pattern for a namespace
              hint: use lower-case letters, digits and `-`, and `*` for any run of them

            line 42: grants.pods.kubernetes-read.namespaces[3]: `*-UP` is no pattern for a namespace
              hint: use lower-case letters, digits and `-`, and `*` for any run of them

            line 43: grants.pods.kubernetes-read.kinds[0]: `pods` is not how the kind is written
              hint: did you mean `Pod`?

            line 44: grants.pods.kubernetes-read.names: an empty list allows nothing
              hint: say `["*"]` for all of them

            line 46: grants.logs.kubernetes-logs.namespaces: it is not said where the plugin may read the logs of pods
              hint: list namespaces, `*` for any letters; `namespaces = ["*"]` means all

            line 49: limits.deadline_ms: 0 would let nothing through
              hint: say a number from 1 to 600000, or leave the line out for the default

            line 50: limits.cpu_ms: -1 is out of bounds
              hint: say a number from 1 to 60000, or leave the line out for the default

            line 51: limits.memory_bytes_max: 99999999999 is out of bounds
              hint: say a number from 1 to 268435456, or leave the line out for the default

            line 54: plugins.pods.limits.queue_max: 0 would let nothing through
              hint: say a number from 1 to 10000, or leave the line out for the default

            line 57: plugins.pods.settings.ratio: `nan` and `inf` cannot be given to a plugin
              hint: say a finite number or a text

            line 60: approvals.expires_after_s: 5 is out of bounds
              hint: say a number from 60 to 86400, or leave the line out for the default

            line 63: audit.arguments: `ful` is no amount of arguments
              hint: did you mean `full`?

            line 64: audit.deadline_ms: 0 would let nothing through
              hint: say a number from 100 to 60000, or leave the line out for the default"#]],
    );
}
