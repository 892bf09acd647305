//! The port `Rights`: what the host's own account may do, as the API server sees it.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::Clusters;
use super::about::About;
use super::ask::{Failure, Take};
use crate::capability::CapabilityError;
use crate::capability::access::Rights;
use crate::domain::name::{ClusterName, Namespace};
use crate::domain::rbac::Right;

/// A review is made by creating it; nothing is kept.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

#[derive(Deserialize)]
struct Review {
    status: ReviewStatus,
}

#[derive(Deserialize)]
struct ReviewStatus {
    allowed: bool,
}

#[async_trait]
impl Rights for Clusters {
    async fn has(
        &self,
        cluster: &ClusterName,
        namespace: Option<&Namespace>,
        right: &Right,
        name: Option<&str>,
    ) -> Result<bool, CapabilityError> {
        let (resource, subresource) = match right.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (&*right.resource, None),
        };
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": namespace.map(Namespace::as_str),
                "verb": right.verb,
                "group": right.group,
                "resource": resource,
                "subresource": subresource,
                "name": name,
            } },
        });
        let about = About::list("access review", None);
        let request = http::Request::post(REVIEWS)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(review.to_string().into_bytes())
            .map_err(|error| about.explain(Failure::Unsendable(error.to_string())))?;
        // It changes nothing, so it may be repeated like any read.
        let answer = self.link(cluster)?.read(request, Take::Whole).await;
        let review: Result<Review, Failure> = answer.and_then(|taken| taken.decode());
        review.map(|review| review.status.allowed).map_err(|failure| about.explain(failure))
    }
}
