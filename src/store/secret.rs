//! Secrets at rest: sealed with a key of the configuration, bound to the place where they are kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// A key of the configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key must be written as <number>:<64 hexadecimal digits>, and its number only once")]
pub struct BadKey;

/// The keys that seal secrets. The first one seals, all of them open: so a key is rotated by putting a new one in front,
/// sealing everything again (`switchboard migrate --reseal`) and taking the old one away.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<(u32, XChaCha20Poly1305)>,
    /// A key for signing of each of them, in the same order.
    signing: Vec<[u8; 32]>,
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
        let mut signing = Vec::new();
        for key in keys {
            let (number, digits) = key.expose_secret().split_once(':').ok_or(BadKey)?;
            let number = number.parse().map_err(|_| BadKey)?;
            let bytes: [u8; 32] = hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(BadKey)?;
            if ring.iter().any(|(taken, _)| *taken == number) {
                return Err(BadKey);
            }
            // one key for one purpose: what signs cannot open
            signing.push(mac(&bytes, b"switchboard signs"));
            ring.push((number, XChaCha20Poly1305::new(&Key::from(bytes))));
        }
        if ring.is_empty() { Err(BadKey) } else { Ok(Self { keys: ring, signing }) }
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

    /// Signs a text that strangers carry, in hexadecimal. Whoever signs says what for at the beginning of the text.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        self.signing.first().map(|key| hex::encode(mac(key, text.as_bytes()))).unwrap_or_default()
    }

    /// Whether one of the keys signed this text.
    #[must_use]
    pub fn verify(&self, text: &str, signature: &str) -> bool {
        let Ok(given) = hex::decode(signature) else { return false };
        self.signing.iter().any(|key| bool::from(mac(key, text.as_bytes()).ct_eq(&given)))
    }

    /// Whether a sealed text was sealed by another key than the one that seals now.
    #[must_use]
    pub fn is_old(&self, sealed: &str) -> bool {
        let number = sealed.split(':').next().and_then(|number| number.parse::<u32>().ok());
        number != self.keys.first().map(|(number, _)| *number)
    }
}

/// HMAC-SHA256.
fn mac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    // HMAC takes a key of any length, so the other arm is never reached
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(text).finalize().into_bytes().into())
        .unwrap_or_default()
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
    fn what_one_key_signed_holds_until_the_key_is_taken_away() {
        let signature = ring(&[ONE]).sign("file fi_1 5");
        assert!(ring(&[TWO, ONE]).verify("file fi_1 5", &signature));
        assert!(!ring(&[ONE]).verify("file fi_1 6", &signature) && !ring(&[TWO]).verify("file fi_1 5", &signature));
        for bad in ["", &signature[2..], "zz"] {
            assert!(!ring(&[ONE]).verify("file fi_1 5", bad), "{bad}");
        }
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
