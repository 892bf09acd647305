//! Opening the host's own folders so that no name and no link leads outside of them.

use std::io;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, OpenOptions};

/// Opens a folder that only its owner may look into, and makes it where it is missing.
///
/// # Errors
/// Where it cannot be made or opened; the text names the path.
pub fn private_dir(path: &Path) -> io::Result<Dir> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    Dir::create_ambient_dir_all(path, ambient_authority()).map_err(named)?;
    let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(named)?;
    make_private(&dir).map_err(named)?;
    Ok(dir)
}

/// Opens a private folder inside of another.
///
/// # Errors
/// Where it cannot be made or opened.
pub fn private_subdir(parent: &Dir, name: &str) -> io::Result<Dir> {
    match parent.create_dir_with(name, &DirBuilder::new()) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let dir = parent.open_dir(name)?;
    make_private(&dir)?;
    Ok(dir)
}

#[cfg(unix)]
fn make_private(dir: &Dir) -> io::Result<()> {
    use cap_std::fs::{Permissions, PermissionsExt as _};
    dir.set_permissions(".", Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn make_private(_dir: &Dir) -> io::Result<()> {
    Ok(())
}

/// Options for a file that only its owner may read.
pub fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}
