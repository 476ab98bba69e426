//! Limits for strangers: so many requests from one address. What comes to `/hook` is not counted: vendors come in waves, and
//! a delivery that is not taken is lost.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, web};
use parking_lot::Mutex;

use super::error::ApiError;
use crate::config::Config;

/// More addresses than these are never remembered; the fullest buckets are forgotten first, which forgives and never locks out.
const MOST_ADDRESSES: usize = 100_000;

/// The buckets of all addresses.
#[derive(Debug)]
pub struct Doors {
    requests: Buckets,
    sign_ins: Buckets,
    trust_proxy: bool,
}

impl Doors {
    pub(super) fn new(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            requests: Buckets::new(f64::from(limits.requests_per_second), f64::from(limits.requests_burst)),
            sign_ins: Buckets::new(f64::from(limits.sign_ins_per_minute) / 60.0, f64::from(limits.sign_ins_per_minute)),
            trust_proxy: config.server.trust_proxy,
        }
    }

    /// Takes one attempt to sign in from the caller's address.
    pub(super) fn sign_in(&self, request: &HttpRequest) -> Result<(), ApiError> {
        self.sign_ins.take(self.caller(request), Instant::now()).map_err(ApiError::TooMany)
    }

    /// Takes one page of a portal out of the bucket of the caller's address: a page makes calls to the vendor.
    pub(super) fn page(&self, request: &HttpRequest) -> Result<(), ApiError> {
        self.requests.take(self.caller(request), Instant::now()).map_err(ApiError::TooMany)
    }

    /// The address of whoever asks; a network of IPv6 counts as one.
    pub(super) fn caller(&self, request: &HttpRequest) -> IpAddr {
        let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
        let forwarded = self.trust_proxy.then(|| forwarded_for(request)).flatten();
        match forwarded.unwrap_or(peer).to_canonical() {
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            ip @ IpAddr::V4(_) => ip,
        }
    }
}

/// The last entry is the one that the trusted proxy wrote itself; those before it are the caller's own words.
fn forwarded_for(request: &HttpRequest) -> Option<IpAddr> {
    let last = request.headers().get_all("x-forwarded-for").last()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

/// Lets a request to the API through while its address is within the limit.
pub(super) async fn pass(
    doors: web::Data<Doors>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if request.path().starts_with("/api/") {
        let caller = doors.caller(request.request());
        if let Err(seconds) = doors.requests.take(caller, Instant::now()) {
            let refused = request.error_response(ApiError::TooMany(seconds));
            return Ok(refused.map_into_right_body());
        }
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// A leaky bucket for each address.
#[derive(Debug)]
struct Buckets {
    per_second: f64,
    burst: f64,
    levels: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Buckets {
    fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst, levels: Mutex::default() }
    }

    /// Takes one out; where it is empty the answer is the seconds to wait.
    fn take(&self, address: IpAddr, now: Instant) -> Result<(), u64> {
        let mut levels = self.levels.lock();
        if levels.len() >= MOST_ADDRESSES {
            let full = Duration::from_secs_f64(self.burst / self.per_second);
            levels.retain(|_, (_, at)| now.duration_since(*at) < full);
            if levels.len() >= MOST_ADDRESSES {
                levels.clear();
            }
        }
        let (left, at) = levels.entry(address).or_insert((self.burst, now));
        *left = (*left + now.duration_since(*at).as_secs_f64() * self.per_second).min(self.burst);
        *at = now;
        if *left >= 1.0 {
            *left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - *left) / self.per_second).as_secs() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let (buckets, start) = (Buckets::new(1.0, 3.0), Instant::now());
        let address = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..3 {
            assert_eq!(buckets.take(address, start), Ok(()));
        }
        assert_eq!(buckets.take(address, start), Err(2));
        assert_eq!(buckets.take(IpAddr::from([192, 0, 2, 2]), start), Ok(()), "another address has its own");
        assert_eq!(buckets.take(address, start + Duration::from_secs(1)), Ok(()));
    }
}
