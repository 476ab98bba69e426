//! All integration tests are one binary: it links once.

mod bitrix24;
