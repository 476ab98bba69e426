//! The server's half of a password check (SRP), as <https://core.telegram.org/api/srp> has it.

use num_bigint::BigUint;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use crate::sandbox::state::random_hex;

/// The prime that Telegram's servers use.
const PRIME: &str = "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f642477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b";

const GENERATOR: u32 = 3;

const ROUNDS: u32 = 100_000;

/// What the server keeps of one check.
#[derive(Debug)]
pub(crate) struct Half {
    salts: (Vec<u8>, Vec<u8>),
    verifier: BigUint,
    secret: BigUint,
}

impl Half {
    /// A check of a password.
    pub(super) fn new(password: &str) -> Self {
        let salt = |length| hex::decode(random_hex(length)).unwrap_or_default();
        let salts = (salt(16), salt(16));
        let x = BigUint::from_bytes_be(&derive(password.as_bytes(), &salts.0, &salts.1));
        let verifier = BigUint::from(GENERATOR).modpow(&x, &prime());
        Self { salts, verifier, secret: BigUint::from_bytes_be(&salt(256)) }
    }

    /// How the password is hashed, as the API tells it.
    pub(super) fn told(&self) -> Value {
        json!({"_": "passwordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow", "salt1": hex::encode(&self.salts.0),
            "salt2": hex::encode(&self.salts.1), "g": GENERATOR, "p": PRIME})
    }

    /// The number that the caller is told.
    pub(super) fn public(&self) -> String {
        let p = prime();
        let g = BigUint::from(GENERATOR);
        let k = BigUint::from_bytes_be(&hash(&[&padded(&p), &padded(&g)]));
        hex::encode(padded(&((k * &self.verifier + g.modpow(&self.secret, &p)) % &p)))
    }

    /// Whether the caller knows the password.
    pub(super) fn proves(&self, a: &str, m1: &str) -> bool {
        let (prime, generator) = (prime(), BigUint::from(GENERATOR));
        let (Ok(a), Ok(b)) = (hex::decode(a), hex::decode(self.public())) else { return false };
        let number = BigUint::from_bytes_be(&a);
        if number.clone() % &prime == BigUint::from(0_u32) {
            return false;
        }
        let a = padded(&number);
        let mixed = BigUint::from_bytes_be(&hash(&[&a, &b]));
        let shared = (number * self.verifier.modpow(&mixed, &prime)).modpow(&self.secret, &prime);
        let (prime, generator) = (hash(&[&padded(&prime)]), hash(&[&padded(&generator)]));
        let mixed: Vec<u8> = prime.iter().zip(generator).map(|(left, right)| left ^ right).collect();
        let (salt1, salt2) = (hash(&[&self.salts.0]), hash(&[&self.salts.1]));
        let proof = hash(&[&mixed, &salt1, &salt2, &a, &b, &hash(&[&padded(&shared)])]);
        hex::encode(proof) == m1
    }
}

fn prime() -> BigUint {
    BigUint::parse_bytes(PRIME.as_bytes(), 16).unwrap_or_default()
}

fn padded(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let mut out = vec![0; 256_usize.saturating_sub(bytes.len())];
    out.extend(bytes);
    out
}

fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

fn derive(password: &[u8], salt1: &[u8], salt2: &[u8]) -> Vec<u8> {
    let first = hash(&[salt2, &hash(&[salt1, password, salt1]), salt2]);
    let stretched = pbkdf2::pbkdf2_hmac_array::<Sha512, 64>(&first, salt1, ROUNDS);
    hash(&[salt2, &stretched, salt2])
}
