//! What `build.rs` generates from `proto/`: one service gives documents, the other decides who may read them.

pub mod decisions {
    //! The service that decides.

    tonic::include_proto!("decisions");

    pub use self::{
        decisions_client::DecisionsClient,
        decisions_server::{Decisions, DecisionsServer},
    };
}

pub mod documents {
    //! The service that is guarded.

    tonic::include_proto!("documents");

    pub use self::{
        documents_client::DocumentsClient,
        documents_server::{Documents, DocumentsServer},
    };
}
