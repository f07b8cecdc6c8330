//! Compiles the C function, as older compilers do: without probing its stack.

fn main() {
    println!("cargo::rerun-if-changed=src/frames.c");
    cc::Build::new()
        .file("src/frames.c")
        .opt_level(1)
        .flag_if_supported("-fno-stack-clash-protection")
        .compile("frames");
}
