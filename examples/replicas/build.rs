//! Generates messages, clients and servers from `proto/`. `protox` parses it, so that protoc is not needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    tonic_prost_build::compile_fds(protox::compile(["squares.proto"], ["proto"])?)?;
    Ok(())
}
