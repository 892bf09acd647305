//! Whether a connection failed for want of trust: something that waiting does not mend.

use std::error::Error;
use std::io;

use rustls::AlertDescription;

/// Who was not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// We do not accept the server's certificate.
    InServer,
    /// The server does not accept ours.
    InUs,
}

/// What the error's causes say of it.
pub(super) fn trust(error: &(dyn Error + 'static)) -> Option<Trust> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<rustls::Error>() {
            return of_tls(cause);
        }
        // What an I/O error wraps is not among its causes.
        if let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = trust(inner)
        {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

fn of_tls(error: &rustls::Error) -> Option<Trust> {
    if let rustls::Error::InvalidCertificate(_) = error {
        return Some(Trust::InServer);
    }
    let rustls::Error::AlertReceived(alert) = error else { return None };
    let about_us = [
        AlertDescription::BadCertificate,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateUnknown,
        AlertDescription::CertificateRequired,
        AlertDescription::UnknownCA,
        AlertDescription::AccessDenied,
    ];
    about_us.contains(alert).then_some(Trust::InUs)
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn finds_who_was_not_trusted_below_other_errors() {
        let wrap = |error: rustls::Error| {
            let inner = io::Error::new(io::ErrorKind::InvalidData, error);
            io::Error::other(inner)
        };
        for (error, expected) in [
            (rustls::Error::InvalidCertificate(CertificateError::Expired), Some(Trust::InServer)),
            (rustls::Error::AlertReceived(AlertDescription::CertificateExpired), Some(Trust::InUs)),
            (rustls::Error::AlertReceived(AlertDescription::InternalError), None),
            (rustls::Error::DecryptError, None),
        ] {
            assert_eq!(trust(&wrap(error.clone())), expected, "{error}");
        }
        assert_eq!(trust(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }
}
