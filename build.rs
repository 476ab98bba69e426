//! A release binary carries the cabinet of `web/dist`, so it is compiled again when that was built anew. A debug binary reads
//! the folder when it is asked, and needs no Node to be compiled.

use std::path::Path;

fn main() {
    let debug = std::env::var("PROFILE").is_ok_and(|profile| profile == "debug");
    let built = Path::new("web/dist/index.html").exists();
    if !debug && !built {
        println!("cargo::warning=web/dist is not built: this binary has no cabinet (make build has)");
    }
    let watched = match (debug, built) {
        (true, _) => "build.rs",
        (false, true) => "web/dist",
        (false, false) => "web",
    };
    println!("cargo::rerun-if-changed={watched}");
}
