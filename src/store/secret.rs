//! Secrets at rest: sealed with a key of the configuration, bound to the place where they are kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretString};

/// A key of the configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key must be written as <number>:<64 hexadecimal digits>, and its number only once")]
pub struct BadKey;

/// The keys that seal secrets. The first one seals, all of them open: so a key is rotated by putting a new one in front,
/// sealing everything again (`switchboard migrate --reseal`) and taking the old one away.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<(u32, XChaCha20Poly1305)>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring of {} keys", self.keys.len())
    }
}

impl Keyring {
    /// Reads the keys as the configuration writes them: `<number>:<64 hexadecimal digits>`, the sealing one first.
    ///
    /// # Errors
    /// Where there is none, or one of them is not of that form.
    pub fn parse(keys: &[SecretString]) -> Result<Self, BadKey> {
        let mut ring: Vec<(u32, XChaCha20Poly1305)> = Vec::new();
        for key in keys {
            let (number, digits) = key.expose_secret().split_once(':').ok_or(BadKey)?;
            let number = number.parse().map_err(|_| BadKey)?;
            let bytes: [u8; 32] = hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(BadKey)?;
            if ring.iter().any(|(taken, _)| *taken == number) {
                return Err(BadKey);
            }
            ring.push((number, XChaCha20Poly1305::new(&Key::from(bytes))));
        }
        if ring.is_empty() { Err(BadKey) } else { Ok(Self { keys: ring }) }
    }

    /// Seals a secret for the place that `place` names; at another place it does not open.
    #[must_use]
    pub fn seal(&self, place: &str, secret: &SecretString) -> String {
        let mut nonce = [0u8; 24];
        // without random bytes nothing may be sealed; the empty text opens nowhere
        let (Some((number, key)), Ok(())) = (self.keys.first(), getrandom::fill(&mut nonce)) else {
            return String::new();
        };
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: place.as_bytes() };
        key.encrypt(&XNonce::from(nonce), payload)
            .map(|sealed| format!("{number}:{}:{}", BASE64.encode(nonce), BASE64.encode(sealed)))
            .unwrap_or_default()
    }

    /// Opens what was sealed for this place; none where the key is unknown or a byte was changed.
    #[must_use]
    pub fn open(&self, place: &str, sealed: &str) -> Option<SecretString> {
        let mut parts = sealed.splitn(3, ':');
        let number: u32 = parts.next()?.parse().ok()?;
        let nonce: [u8; 24] = BASE64.decode(parts.next()?).ok()?.try_into().ok()?;
        let body = BASE64.decode(parts.next()?).ok()?;
        let (_, key) = self.keys.iter().find(|(known, _)| *known == number)?;
        let payload = Payload { msg: &body, aad: place.as_bytes() };
        let plain = key.decrypt(&XNonce::from(nonce), payload).ok()?;
        String::from_utf8(plain).ok().map(SecretString::from)
    }

    /// Whether a sealed text was sealed by another key than the one that seals now.
    #[must_use]
    pub fn is_old(&self, sealed: &str) -> bool {
        let number = sealed.split(':').next().and_then(|number| number.parse::<u32>().ok());
        number != self.keys.first().map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[&str]) -> Keyring {
        Keyring::parse(&keys.iter().map(|key| SecretString::from((*key).to_owned())).collect::<Vec<_>>()).unwrap()
    }

    const ONE: &str = "1:0101010101010101010101010101010101010101010101010101010101010101";
    const TWO: &str = "2:0202020202020202020202020202020202020202020202020202020202020202";

    #[test]
    fn a_secret_opens_only_at_its_place() {
        let ring = ring(&[ONE]);
        let sealed = ring.seal("channels:ch_1", &SecretString::from("token".to_owned()));
        assert_eq!(ring.open("channels:ch_1", &sealed).unwrap().expose_secret(), "token");
        assert!(ring.open("channels:ch_2", &sealed).is_none());
        assert!(!sealed.contains("token"));
    }

    #[test]
    fn a_new_key_in_front_still_opens_what_the_old_one_sealed() {
        let sealed = ring(&[ONE]).seal("x", &SecretString::from("token".to_owned()));
        let both = ring(&[TWO, ONE]);
        assert!(both.is_old(&sealed) && both.open("x", &sealed).is_some());
        assert!(ring(&[TWO]).open("x", &sealed).is_none());
    }

    #[test]
    fn a_changed_byte_does_not_open() {
        let ring = ring(&[ONE]);
        let mut sealed = ring.seal("x", &SecretString::from("token".to_owned()));
        let last = sealed.pop().unwrap();
        sealed.push(if last == 'A' { 'B' } else { 'A' });
        assert!(ring.open("x", &sealed).is_none());
    }

    #[test]
    fn a_key_of_another_form_is_refused() {
        for key in ["", "1:", "x:00", "1:zz", "0101"] {
            assert!(Keyring::parse(&[SecretString::from(key.to_owned())]).is_err(), "{key}");
        }
    }
}
