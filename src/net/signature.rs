//! Proofs that a delivery comes from the vendor, compared in a time that tells nothing about them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

/// HMAC-SHA256 over the raw bytes, as 64 lower-case hexadecimal digits.
#[must_use]
pub fn hmac_sha256_hex(key: &[u8], bytes: &[u8]) -> String {
    // HMAC takes a key of any length, so the other arm is never reached; an empty text equals no signature
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| hex::encode(mac.chain_update(bytes).finalize().into_bytes()))
        .unwrap_or_default()
}

/// Whether two secrets are the same. Two empty ones are not: a secret that was never set proves nothing.
#[must_use]
pub fn same_secret(ours: &str, theirs: &str) -> bool {
    !ours.is_empty() && bool::from(ours.as_bytes().ct_eq(theirs.as_bytes()))
}

/// Whether `signature` is the HMAC-SHA256 of the bytes in lower-case hexadecimal.
#[must_use]
pub fn verify_sha256_hex(key: &[u8], bytes: &[u8], signature: &str) -> bool {
    !key.is_empty() && same_secret(&hmac_sha256_hex(key, bytes), signature)
}

/// HMAC-SHA512 over the raw bytes, as 128 lower-case hexadecimal digits.
#[must_use]
pub fn hmac_sha512_hex(key: &[u8], bytes: &[u8]) -> String {
    // as above: HMAC takes a key of any length
    Hmac::<Sha512>::new_from_slice(key)
        .map(|mac| hex::encode(mac.chain_update(bytes).finalize().into_bytes()))
        .unwrap_or_default()
}

/// Whether `signature` is the HMAC-SHA512 of the bytes in lower-case hexadecimal.
#[must_use]
pub fn verify_sha512_hex(key: &[u8], bytes: &[u8], signature: &str) -> bool {
    !key.is_empty() && same_secret(&hmac_sha512_hex(key, bytes), signature)
}

/// A fresh secret of 64 hexadecimal digits; none where the machine has no randomness to give.
#[must_use]
pub fn fresh_secret() -> Option<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).ok().map(|()| hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_is_met() {
        // RFC 4231, test case 2
        assert_eq!(
            hmac_sha256_hex(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_published_vector_of_the_longer_one_is_met() {
        // RFC 4231, test case 2
        assert_eq!(
            hmac_sha512_hex(b"Jefe", b"what do ya want for nothing?"),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b070a636e070a38bce737"
        );
    }

    #[test]
    fn a_signature_counts_only_whole_and_with_a_key() {
        let good = hmac_sha256_hex(b"key", b"body");
        assert!(verify_sha256_hex(b"key", b"body", &good));
        for bad in [&good[1..], &good.to_uppercase(), "", "sha256="] {
            assert!(!verify_sha256_hex(b"key", b"body", bad), "{bad}");
        }
        assert!(!verify_sha256_hex(b"", b"body", &hmac_sha256_hex(b"", b"body")));
    }

    #[test]
    fn secrets_that_were_never_set_prove_nothing() {
        assert!(same_secret("abc", "abc"));
        assert!(!same_secret("", ""));
        assert!(!same_secret("abc", "abcd"));
        assert_ne!(fresh_secret(), fresh_secret());
    }
}
