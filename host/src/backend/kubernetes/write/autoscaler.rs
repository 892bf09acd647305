//! Autoscalers that set the number of replicas themselves.

use k8s_openapi::api::autoscaling::v1::HorizontalPodAutoscaler;
use kube::api::ListParams;

use super::super::about::About;
use super::super::ask::Failure;
use super::super::connect::Link;
use super::super::convert::text;
use crate::domain::write::WorkloadRef;

/// Autoscalers of one namespace that a plan looks at.
const AUTOSCALERS_MAX: usize = 500;

/// `autoscaling/v1`, since every version of Kubernetes serves it and no more is asked of it than
/// the bounds.
pub(super) async fn warning(link: &Link, target: &WorkloadRef, replicas: u32) -> Option<String> {
    let about = About::list("horizontalpodautoscaler", Some(target.namespace.as_str()));
    let ours = |autoscaler: &HorizontalPodAutoscaler| {
        let spec = autoscaler.spec.as_ref()?;
        let of = &spec.scale_target_ref;
        let is_ours = of.kind == target.kind.as_str() && of.name == target.name.as_str();
        let name = text::message(autoscaler.metadata.name.as_deref().unwrap_or_default());
        is_ours.then(|| (name, spec.min_replicas.unwrap_or(1), spec.max_replicas))
    };
    match link.all(&about, ListParams::default(), AUTOSCALERS_MAX, ours).await {
        Ok(all) => {
            let (name, min, max) = all.items.into_iter().next()?;
            Some(if replicas == 0 {
                format!("autoscaler `{name}` does nothing while there are 0 replicas")
            } else {
                format!(
                    "autoscaler `{name}` sets the number of replicas itself ({min} to {max}) and \
                     may undo this"
                )
            })
        }
        Err(Failure::Answered(answer)) if answer.code == 404 => None,
        Err(failure) => {
            tracing::debug!(failure = %about.explain(failure), "no autoscalers");
            Some("autoscalers could not be read".to_owned())
        }
    }
}
