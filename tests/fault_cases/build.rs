//! Compiles the C functions: one as older compilers do, without probing its stack, and one with the headers' checks.

fn main() {
    println!("cargo::rerun-if-changed=src/frames.c");
    cc::Build::new()
        .file("src/frames.c")
        .opt_level(1)
        .flag_if_supported("-fno-stack-clash-protection")
        .compile("frames");
    println!("cargo::rerun-if-changed=src/fortified.c");
    cc::Build::new().file("src/fortified.c").opt_level(2).define("_FORTIFY_SOURCE", "2").compile("fortified");
}
