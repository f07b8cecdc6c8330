//! The messages.

/// Asks for a greeting.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct HelloRequest {
    /// Who is to be greeted.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// A greeting.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct HelloReply {
    /// Its text.
    #[prost(string, tag = "1")]
    pub message: String,
}
