//! Configurations of rustls for the certificates of the tests' nginx.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use servers::Server;

/// Trusts their authority.
pub(crate) fn roots(nginx: &Server) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(nginx.directory.join("ca.pem")).expect("a certificate");
    roots.add(authority).expect("an authority");
    roots
}

/// A client that trusts it.
pub(crate) fn client(nginx: &Server) -> Arc<ClientConfig> {
    Arc::new(ClientConfig::builder().with_root_certificates(roots(nginx)).with_no_client_auth())
}
