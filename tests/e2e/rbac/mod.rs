//! The program under an account of its own, which has exactly the rights that `toolgate rbac`
//! prints: everything that is granted works, everything else the API server refuses, and what the
//! API server has on record of the account is what the audit log has.

mod account;
mod calls;
mod ground;
mod record;
mod table;

use expect_test::expect_file;
use serde_json::Value;
use toolgate_tests::repository;

use ground::{Ground, Reach};

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_works_with_the_printed_rights_and_every_request_is_on_record() {
    let ground = Ground::lay("rbac", Reach::Named).await;
    ground.furnish().await;
    calls::everything(&ground).await;
    record::check(&ground).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_of_namespaces_get_rights_in_the_whole_cluster_that_suffice() {
    let ground = Ground::lay("rbac-wide", Reach::Patterns).await;
    ground.furnish().await;
    calls::everything(&ground).await;
    record::check(&ground).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_not_granted_the_api_server_itself_refuses() {
    let ground = Ground::lay("rbac-table", Reach::Named).await;
    let table = table::check(&ground).await;
    let request = http::Request::get("/version").body(Vec::new()).unwrap();
    let version: Value = ground.one.cluster.client.request(request).await.unwrap();
    let text = |key: &str| version[key].as_str().unwrap().to_owned();
    // Each version of Kubernetes offers something else; one is reviewed.
    if format!("{}.{}", text("major"), text("minor")) == "1.20" {
        expect_file![repository().join("tests/e2e/rbac/table.txt")].assert_eq(&table);
    } else {
        eprintln!("{version}\n{table}");
    }
}
