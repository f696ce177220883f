//! What can stop a bench.

/// Why a bench has no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("reading or writing")]
    Io(#[from] std::io::Error),
    #[error("the database")]
    Store(#[from] ::store::StoreError),
    #[error("opening a node")]
    Edge(#[from] edge_node::node::StartError),
    #[error("serving a node")]
    EdgeServe(#[from] edge_node::server::ServeError),
    #[error("opening a hub")]
    Hub(#[from] hub::node::StartError),
    #[error("serving a hub")]
    HubServe(#[from] hub::server::ServeError),
    #[error("a command was refused")]
    Refused(#[from] ::host::control::Refusal),
    #[error("an answer was not what it should be: {0}")]
    Unexpected(&'static str),
    #[error("a link")]
    Link(#[from] transport::link::LinkError),
    #[error("dialling")]
    Dial(#[from] transport::dialer::DialError),
    #[error("listening")]
    Listen(#[from] transport::listener::ListenError),
    #[error("a key")]
    Identity(#[from] transport::identity::IdentityError),
    #[error("a write was refused")]
    Write,
}
