//! The keys that seal secrets: of the configuration, or of a file beside a SQLite database that is made for newcomers.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::config::Config;
use crate::store::{Keyring, Options};

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Nothing is configured, and no file can be made by itself.
    #[error("no key seals the secrets: put the line that `switchboard keys` prints into `keys` of the settings")]
    None,
    /// What is configured cannot be used.
    #[error("the setting keys cannot be used: {0}")]
    Bad(#[from] crate::store::BadKey),
    /// The file cannot be read or made.
    #[error("the key file {0} cannot be read or made ({1}): mend its rights, or set `keys` in the settings")]
    File(PathBuf, std::io::Error),
}

/// A new key with this number, as the settings write it; none where the machine gives no random bytes.
#[must_use]
pub fn fresh(number: u32) -> Option<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{number}:{}", hex::encode(bytes)))
}

/// The file of the key beside a SQLite database; none for other databases.
#[must_use]
pub fn file(config: &Config) -> Option<PathBuf> {
    let options = Options::new(&config.database.url);
    let path = options.sqlite_path();
    if options.is_postgres() || path.contains(":memory:") {
        return None;
    }
    Some(Path::new(path).parent().unwrap_or(Path::new("")).join("key"))
}

/// The keys of the settings, or of the key file, which is made where it is missing.
///
/// # Errors
/// Where there are none, or they cannot be used.
pub fn keyring(config: &Config) -> Result<Keyring, KeysError> {
    if !config.keys.is_empty() {
        return Ok(Keyring::parse(&config.keys)?);
    }
    let path = file(config).ok_or(KeysError::None)?;
    let text = read_or_make(&path).map_err(|error| KeysError::File(path, error))?;
    let keys: Vec<SecretString> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(SecretString::from).collect();
    Ok(Keyring::parse(&keys)?)
}

fn read_or_make(path: &Path) -> std::io::Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        read => return read,
    }
    if let Some(folder) = path.parent() {
        // what customers wrote lies here too
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let key = fresh(1).ok_or_else(|| std::io::Error::other("no random bytes"))?;
    // of two processes that start at once one makes the file, the other fails here and reads it the next time
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    tracing::warn!(path = %path.display(), "a key that seals secrets was made; keep a copy of it elsewhere");
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::Sources;

    fn config(url: &str) -> Config {
        let environment = vec![("DATABASE_URL".to_owned(), url.to_owned())];
        Config::read(&Sources { file: None, environment }).unwrap()
    }

    #[test]
    fn a_key_file_is_made_once_and_only_its_owner_reads_it() {
        let folder = std::env::temp_dir().join(format!("switchboard_keys_{}", uuid::Uuid::now_v7().simple()));
        let config = config(&format!("sqlite:{}/s.db", folder.display()));
        let sealed = keyring(&config).unwrap().seal("x", &SecretString::from("token".to_owned()));
        assert!(keyring(&config).unwrap().open("x", &sealed).is_some());
        let path = file(&config).unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn without_a_key_postgres_says_what_to_do() {
        let said = keyring(&config("postgres://a@b/c")).unwrap_err().to_string();
        assert!(said.contains("switchboard keys"), "{said}");
    }
}
