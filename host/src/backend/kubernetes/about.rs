//! What a request was about, so that its failure can be told in the words of whoever asked.

use crate::capability::CapabilityError;

use super::ask::{ErrorAnswer, Failure};
use super::convert::text;
use super::pace::TooFast;

const REFUSED_CREDENTIALS: &str =
    "the cluster does not accept this server's credentials; its operator can say more";

const LOG_IN: &str = "renew the token or the certificate of the context, or log in to the cluster \
                      again: both are read again for the next request";

const WHO_ANSWERS: &str = "look whether the context's `server` is the api server itself, and not \
                           a log-in page or a proxy on the way to it";

/// The object or the list that a request was about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// In the singular and in small letters: `pod`.
    pub(super) kind: &'a str,
    /// `None` for a list.
    pub(super) name: Option<&'a str>,
    /// `None` for an object of the cluster, and for a list over all namespaces.
    pub(super) namespace: Option<&'a str>,
    /// Whether the request changes something: then an answer that is missing means something else.
    pub(super) write: bool,
}

impl<'a> About<'a> {
    pub(super) fn object(kind: &'a str, namespace: Option<&'a str>, name: &'a str) -> Self {
        Self { kind, name: Some(name), namespace, write: false }
    }

    pub(super) fn list(kind: &'a str, namespace: Option<&'a str>) -> Self {
        Self { kind, name: None, namespace, write: false }
    }

    pub(super) fn written(self) -> Self {
        Self { write: true, ..self }
    }

    fn not_found(&self) -> String {
        let Self { kind, name, namespace, .. } = self;
        match (name, namespace) {
            (Some(name), Some(namespace)) => {
                format!("{kind} `{name}` not found in namespace `{namespace}`")
            }
            (Some(name), None) => format!("{kind} `{name}` not found"),
            (None, _) => format!("the cluster does not know the kind `{kind}`"),
        }
    }

    fn changed(&self) -> String {
        let Self { kind, name, .. } = self;
        format!(
            "{kind} `{}` changed while this was under way, so nothing was done; ask again",
            name.unwrap_or_default()
        )
    }

    /// The failure in the port's words. Addresses, accounts and whatever else the server said go
    /// to the log only, save its word on a request that is itself wrong.
    pub(super) fn explain(&self, failure: Failure) -> CapabilityError {
        match failure {
            Failure::Answered(answer) => self.explain_answer(&answer),
            Failure::TooLarge { bytes_max } => CapabilityError::LimitExceeded(format!(
                "the cluster's answer is larger than {} MiB; ask for less at a time",
                bytes_max >> 20
            )),
            Failure::Unsendable(why) => CapabilityError::InvalidArgument(text::one_line(&format!(
                "the request cannot be sent as it is: {why}"
            ))),
            Failure::Connect(error) => CapabilityError::Unavailable {
                caller: "this server cannot connect to the cluster; its operator can say more",
                internal: error.to_string(),
            },
            Failure::NotRecorded(error) => error,
            // Neither was sent, so both hold for a write too.
            Failure::TooFast(TooFast { rate }) => CapabilityError::LimitExceeded(format!(
                "more than {} requests a second are asked of this cluster (`requests_per_s` of the \
                 cluster), and this one was not sent; try again in a few seconds",
                rate.per_s
            )),
            Failure::LeftAlone(wait) => CapabilityError::Unavailable {
                caller: "the cluster failed several times in a row and is left alone for a moment; \
                         try again in a few seconds",
                internal: format!("{self}: not sent; asked again in {} ms", wait.as_millis()),
            },
            Failure::TimedOut(deadline) => self.unavailable(
                "the cluster did not answer in time; try again later",
                &format!(
                    "no answer within {} s; {}",
                    deadline.as_secs_f64(),
                    "look whether the api server is overloaded or something on the way drops \
                     packets; `request_deadline_ms` of the cluster says how long to wait"
                ),
            ),
            Failure::Credentials(internal) => CapabilityError::Unavailable {
                caller: "this server has no valid credentials for the cluster; its operator can \
                         say more",
                internal: format!("{self}: {internal}"),
            },
            // Nothing was sent, so both hold for a write too.
            Failure::Untrusted(internal) => CapabilityError::Unavailable {
                caller: "this server does not trust the cluster's certificate; its operator can \
                         say more",
                internal: format!(
                    "{self}: {internal}; renew the api server's certificate, or give its \
                     authority in the kubeconfig: it is read again for the next request"
                ),
            },
            Failure::Distrusted(internal) => CapabilityError::Unavailable {
                caller: REFUSED_CREDENTIALS,
                internal: format!("{self}: {internal}; {LOG_IN}"),
            },
            Failure::Transport(internal) => self.unavailable(
                "the cluster does not answer; try again later",
                &format!(
                    "{internal}; check that the api server runs and that this machine reaches it"
                ),
            ),
            Failure::Garbage(internal) => self.unavailable(
                "the cluster's answer makes no sense; its operator can say more",
                &format!("{internal}; {WHO_ANSWERS}"),
            ),
        }
    }

    fn explain_answer(&self, answer: &ErrorAnswer) -> CapabilityError {
        let internal = format!("{self}: {answer}");
        match answer.code {
            // A proxy or a wrong path says 404 as well; only a `Status` is about the object.
            404 if answer.is_status => CapabilityError::NotFound(self.not_found()),
            403 => CapabilityError::Forbidden {
                internal: format!("{internal}; `toolgate rbac` prints the rights that it needs"),
            },
            400 | 422 if answer.is_status => {
                CapabilityError::InvalidArgument(text::one_line(&answer.message))
            }
            409 => CapabilityError::Conflict(self.changed()),
            410 if self.name.is_none() => CapabilityError::InvalidArgument(
                "the list changed while it was read and its page token has expired; ask again \
                 from the first page"
                    .to_owned(),
            ),
            401 => CapabilityError::Unavailable {
                caller: REFUSED_CREDENTIALS,
                internal: format!("{internal}; {LOG_IN}"),
            },
            // Refused before it was looked at, so this holds for a write too.
            429 => CapabilityError::Unavailable {
                caller: "the cluster is too busy and did nothing; try again later",
                internal: format!(
                    "{internal}; look at who sends it so many requests, and at its flow schemas"
                ),
            },
            500.. => self.unavailable(
                "the cluster has a fault; try again later",
                &format!(
                    "{answer}; look at the api server's own log, and at `kubectl get --raw \
                     '/readyz?verbose'`"
                ),
            ),
            _ => self.unavailable(
                "the cluster's answer makes no sense; its operator can say more",
                &format!("{answer}; {WHO_ANSWERS}"),
            ),
        }
    }

    fn unavailable(&self, caller: &'static str, internal: &str) -> CapabilityError {
        let caller = if self.write {
            "the cluster did not confirm the change, which may or may not have been made; look at \
             the workload before asking again"
        } else {
            caller
        };
        CapabilityError::Unavailable { caller, internal: format!("{self}: {internal}") }
    }
}

impl std::fmt::Display for About<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, name, namespace, write } = self;
        let doing = match (write, name) {
            (true, _) => "writing",
            (false, Some(_)) => "reading",
            (false, None) => "listing",
        };
        write!(f, "{doing} {kind}")?;
        if let Some(name) = name {
            write!(f, " `{name}`")?;
        }
        if let Some(namespace) = namespace {
            write!(f, " in `{namespace}`")?;
        }
        Ok(())
    }
}
