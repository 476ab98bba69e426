//! Which servers are believed: those for which an authority of the machine vouches.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;

/// Read once in a process, and shared by all its clients: a hundred and more certificates take their time and their memory.
static OF_THE_MACHINE: Mutex<Option<Arc<Verifier>>> = Mutex::new(None);

/// Believes what the machine believes, and `more` authorities besides.
///
/// # Errors
/// Where the authorities of the machine, or these, cannot be read.
pub(super) fn config(more: Vec<CertificateDer<'static>>) -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = if more.is_empty() {
        of_the_machine(&provider)?
    } else {
        Arc::new(Verifier::new_with_extra_roots(more, Arc::clone(&provider)).map_err(io::Error::other)?)
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous() // what is dangerous is a verifier of one's own; this is the platform's
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn of_the_machine(provider: &Arc<CryptoProvider>) -> io::Result<Arc<Verifier>> {
    let mut read = OF_THE_MACHINE.lock();
    if let Some(verifier) = &*read {
        return Ok(Arc::clone(verifier));
    }
    let verifier = Verifier::new(Arc::clone(provider)).map_err(io::Error::other)?;
    Ok(Arc::clone(read.insert(Arc::new(verifier))))
}
