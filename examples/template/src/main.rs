//! Serves the routes until Ctrl-C or SIGTERM, and lets running requests end.

use std::{
    env::{self, VarError},
    error::Error,
};

use app::web;
use tokio::net::TcpListener;
use tower_fiber::{FiberLayer, axum::serve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = match env::var("ADDRESS") {
        Ok(address) => address,
        Err(VarError::NotPresent) => "127.0.0.1:3000".to_owned(),
        Err(error) => return Err(format!("ADDRESS: {error}").into()),
    };
    let listener = TcpListener::bind(&address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("http://{}/prices/1999/USD", listener.local_addr()?);

    // As many requests as this wait or run at once; others wait for their turn.
    let layer = FiberLayer::builder().name("prices").max_fibers(10_000).build()?;
    let report = serve(listener, web::router(&layer)).layer(&layer).await?;
    println!("{report}");
    Ok(())
}
