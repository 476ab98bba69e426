//! One binary with all integration tests.

#[cfg(test)]
mod messengers;
