//! Links libzimg.

fn main() {
    // Printed as the build's own error: it names the package to install.
    if let Err(error) = pkg_config::Config::new().atleast_version("3.0").probe("zimg") {
        println!("cargo::error=zimg 3.0 or newer is needed (Debian: libzimg-dev): {error}");
    }
}
