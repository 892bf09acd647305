//! `kubernetes-secret-values`: who may read a value out of a secret. The one door behind which
//! values are not described but handed over, so it has a grant of its own.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::bindings::toolgate::plugin::kubernetes_secret_values::Host;
use super::super::bindings::toolgate::plugin::types::Error;
use super::super::state::State;
use super::{Answer, Door, Shut, invalid, missing, namespace, object};
use crate::capability::CapabilityError;
use crate::domain::capability::Capability::KubernetesSecretValues;
use crate::domain::kind::{self, AskedKind};
use crate::domain::scope::{SECRET, Target};

/// The largest value that is handed over. Tokens, passwords and keys have a few KiB.
const VALUE_BYTES_MAX: usize = 64 << 10;

impl Host for State {
    async fn read(
        &mut self,
        cluster: Option<String>,
        namespace: String,
        name: String,
        key: String,
    ) -> Answer<Vec<u8>> {
        let asked = Asked { cluster, namespace, name, key };
        self.through(KubernetesSecretValues, |door| read(door, asked)).await
    }
}

struct Asked {
    cluster: Option<String>,
    namespace: String,
    name: String,
    key: String,
}

async fn read(door: Door, asked: Asked) -> Result<Vec<u8>, Shut> {
    let cluster = door.cluster(asked.cluster).await?;
    let (place, name) = (namespace(&asked.namespace)?, object(&asked.name)?);
    let key = key(asked.key)?;
    let target = Target {
        cluster: cluster.clone(),
        namespace: Some(place.clone()),
        kind: SECRET.into(),
        name: Some(name.to_string()),
    };
    door.check("get", &target).await?;
    let Some(secret) = kind::own(SECRET) else { return Err(Shut::Told(missing(&target))) };
    let objects = Arc::clone(&door.scene.ports.objects);
    let work = async move {
        let kind = objects.served(&cluster, &AskedKind::Own(secret, None)).await?;
        let secret = objects.object(&cluster, &kind, Some(&place), &name).await?;
        let value = secret.get("data").and_then(|data| data.get(&key)).and_then(Value::as_str);
        let Some(value) = value else {
            return Err(CapabilityError::InvalidArgument(format!("the secret has no key `{key}`")));
        };
        // Four letters stand for three bytes.
        if value.len() / 4 * 3 > VALUE_BYTES_MAX + 2 {
            return Err(CapabilityError::LimitExceeded(too_large()));
        }
        STANDARD.decode(value).map_err(|error| CapabilityError::Unavailable {
            caller: "the cluster's answer makes no sense; its operator can say more",
            internal: format!("a secret's value is not base64: {error}"),
        })
    };
    let value = door.port(&target, work).await?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(Shut::Told(Error::LimitExceeded(too_large())));
    }
    door.fits(value.len())?;
    Ok(value)
}

fn too_large() -> String {
    format!("the value has more than {VALUE_BYTES_MAX} bytes")
}

/// As Kubernetes has keys of secrets.
fn key(text: String) -> Result<String, Shut> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=253).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text);
    }
    Err(invalid("a secret's key is made of letters, digits, `-`, `_` and `.`".to_owned()))
}
