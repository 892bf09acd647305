//! The scenarios that are part of the program, so that one binary without files can show them.

/// A file of a scenario: its path in the scenario's directory, and its text.
type File = (&'static str, &'static str);

/// The scenario of a cluster that names none.
pub(super) const DEFAULT: &str = "checkout-oom";

macro_rules! files {
    ($scenario:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../scenarios/", $scenario, "/", $path)))),+]
    };
}

static SCENARIOS: &[(&str, &[File])] = &[
    (
        "checkout-oom",
        files![
            "checkout-oom":
            "logs/kube-system/coredns/coredns.log",
            "logs/payments/gateway/gateway.log",
            "logs/payments/gateway/proxy.log",
            "logs/payments/ledger/ledger.log",
            "logs/shop-staging/checkout/checkout.log",
            "logs/shop/cart-db/postgres.log",
            "logs/shop/catalog/catalog.log",
            "logs/shop/checkout-7d9f8b6c54-mk4zq/checkout.previous.log",
            "logs/shop/checkout-7d9f8b6c54-qp7rj/checkout.previous.log",
            "logs/shop/checkout-7d9f8b6c54-x2v8k/checkout.log",
            "logs/shop/checkout-7d9f8b6c54-x2v8k/checkout.previous.log",
            "logs/shop/checkout/checkout.log",
            "logs/shop/frontend/frontend.log",
            "logs/shop/nightly-report-29384775-w8dzx/report.log",
            "logs/shop/search-reindex-h5q9n/reindex.log",
            "objects/cluster.yaml",
            "objects/kube-system.yaml",
            "objects/more-kinds.yaml",
            "objects/payments.yaml",
            "objects/shop-checkout.yaml",
            "objects/shop-events.yaml",
            "objects/shop-others.yaml",
            "objects/shop-staging.yaml",
            "scenario.yaml",
        ],
    ),
    (
        "failure-zoo",
        files![
            "failure-zoo":
            "logs/zoo/api/api.log",
            "logs/zoo/api/api.previous.log",
            "logs/zoo/front/front.log",
            "logs/zoo/search/search.log",
            "logs/zoo/thumbnails/thumbnails.previous.log",
            "objects/around.yaml",
            "objects/cluster.yaml",
            "objects/workloads.yaml",
            "scenario.yaml",
        ],
    ),
];

/// The names of the scenarios.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|(name, _)| *name)
}

/// The files of a scenario.
pub(super) fn files(name: &str) -> Option<Vec<(String, String)>> {
    let (_, files) = SCENARIOS.iter().find(|(known, _)| *known == name)?;
    Some(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
}
