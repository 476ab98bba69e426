//! The guard before addresses that people give us: it lets calls out to the public internet and nowhere else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, LOCATION, REFERER};
use url::{Host, Url};

use super::departure;
use super::download::{Deadline, Download};
use super::http::{FORBIDDEN, FetchError, Limits, Reply, build, no_answer, plain, plain_client, read_capped};

/// What the guard lets through beyond the public internet over https.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether addresses without TLS are let through.
    pub plain_http: bool,
    /// Private networks that are let through, over http too: the neighbours of a self-hosted server, and tests.
    pub networks: Vec<IpNet>,
}

/// Why the guard did not bring what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// It is no address that we call: unreadable, another scheme, or with a password inside.
    #[error("the address is not one that may be called: {0}")]
    BadAddress(String),
    /// It leads into a private network.
    #[error("the address leads into a private network")]
    Private,
    /// It leads on and on.
    #[error("the address redirects too often")]
    Redirects,
    /// The call failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// The guard. One per process. Names are judged where they are resolved, and the connection goes to the very addresses
/// that were judged: a name that changes its mind in between gains nothing.
#[derive(Debug, Clone)]
pub struct Guard {
    client: reqwest::Client,
    policy: Arc<Policy>,
    deadline: Duration,
}

const MAX_REDIRECTS: usize = 5;

/// So many bytes are read of the answer to a POST.
const MOST_OF_A_REPLY: u64 = 64 << 10;

impl Guard {
    /// A guard with this policy; `limits` say how long a call may take.
    ///
    /// # Errors
    /// Where the TLS roots of the machine cannot be read.
    pub fn new(policy: Policy, limits: Limits) -> io::Result<Self> {
        let policy = Arc::new(policy);
        let resolver = Arc::new(Judge(Arc::clone(&policy)));
        Ok(Self { client: build(plain_client()?.dns_resolver(resolver))?, policy, deadline: limits.deadline })
    }

    /// Begins to fetch a file of not more than `limit` bytes. Follows redirects, and judges each of them.
    ///
    /// # Errors
    /// [`GuardError`]; the status is for the caller to judge.
    pub async fn fetch(&self, address: &str, limit: u64) -> Result<Download, GuardError> {
        let end = Deadline::after(self.deadline);
        let mut url = self.check(address)?;
        let from = format!("{}/", url.origin().ascii_serialization());
        for _ in 0..=MAX_REDIRECTS {
            // packed bytes would have no length that can be told on
            let request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity").header(ACCEPT, "*/*");
            // front servers of portals give files only to those who come from a page of theirs
            let request = request.header(REFERER, &from);
            let response = tokio::time::timeout_at(end.at, request.send())
                .await
                .map_err(|_| FetchError::Call(no_answer(end.given)))?
                .map_err(refusal)?;
            let Some(next) = redirect_of(&response) else { return Ok(Download::of(response, limit, end)?) };
            let next = url.join(next).map_err(|error| GuardError::BadAddress(error.to_string()))?;
            url = self.check(next.as_str())?;
        }
        Err(GuardError::Redirects)
    }

    /// Posts bytes, as an event to an integrator; the head of the answer must be there within `deadline`. Follows no redirect:
    /// a POST would lose its body. Of the answer's body at most 64 KB are read, and one that is larger or breaks off is empty.
    ///
    /// # Errors
    /// [`GuardError`]; the status is for the caller to judge.
    pub async fn post(
        &self,
        address: &str,
        headers: HeaderMap,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Result<Reply, GuardError> {
        let end = Deadline::after(deadline);
        let url = self.check(address)?;
        if !departure::may_leave() {
            return Err(FetchError::Call(FORBIDDEN.to_owned()).into());
        }
        let response = tokio::time::timeout_at(end.at, self.client.post(url).headers(headers).body(body).send())
            .await
            .map_err(|_| FetchError::Call(no_answer(end.given)))?
            .map_err(refusal)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // it was taken or not by now: a body is read only so that the connection can be used again
        let body = tokio::time::timeout_at(end.at, read_capped(response, MOST_OF_A_REPLY)).await;
        Ok(Reply { status, headers, body: body.ok().and_then(Result::ok).unwrap_or_default() })
    }

    /// Reads an address and refuses those that need no name to be known as forbidden. Good for telling a person at once.
    ///
    /// # Errors
    /// `BadAddress` or `Private`.
    pub fn check(&self, address: &str) -> Result<Url, GuardError> {
        let url = Url::parse(address).map_err(|error| GuardError::BadAddress(error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(GuardError::BadAddress("it has a user name inside".to_owned()));
        }
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(_)) => None,
            None => return Err(GuardError::BadAddress("it has no host".to_owned())),
        };
        if literal.is_some_and(|ip| !self.policy.lets(ip)) {
            return Err(GuardError::Private);
        }
        let neighbour = literal.is_some_and(|ip| self.policy.lists(ip));
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.policy.plain_http || neighbour => Ok(url),
            _ => Err(GuardError::BadAddress("it is not an https address".to_owned())),
        }
    }
}

impl Policy {
    pub(super) fn lists(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.networks.iter().any(|network| network.contains(&ip))
    }

    pub(super) fn lets(&self, ip: IpAddr) -> bool {
        self.lists(ip) || is_public(ip)
    }
}

/// Resolves names and keeps only the addresses that the policy lets through.
struct Judge(Arc<Policy>);

#[derive(Debug, thiserror::Error)]
#[error("the name leads into a private network")]
struct LeadsInside;

impl Resolve for Judge {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found.filter(|address| policy.lets(address.ip())).collect();
            if kept.is_empty() {
                return Err(LeadsInside.into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public internet. The special ranges are those of IANA's registries
/// (iana-ipv4-special-registry, iana-ipv6-special-registry), and the one public address behind which a cloud keeps secrets.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    const fn net(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
    }
    const CLOSED: [Ipv4Net; 16] = [
        net(0, 0, 0, 8),
        net(10, 0, 0, 8),
        net(100, 64, 0, 10),
        net(127, 0, 0, 8),
        net(169, 254, 0, 16),
        net(172, 16, 0, 12),
        net(192, 0, 0, 24),
        net(192, 0, 2, 24),
        net(192, 31, 196, 24),
        net(192, 88, 99, 24),
        net(192, 168, 0, 16),
        net(198, 18, 0, 15),
        net(198, 51, 100, 24),
        net(203, 0, 113, 24),
        net(224, 0, 0, 4),
        net(240, 0, 0, 4),
    ];
    // Azure's wire server answers every machine there with its settings
    const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    ip != AZURE && !CLOSED.iter().any(|network| network.contains(&ip))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    const fn net(a: u16, b: u16, length: u8) -> Ipv6Net {
        Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
    }
    const OPEN: Ipv6Net = net(0x2000, 0, 3);
    // protocol assignments with Teredo inside, documentation, 6to4, documentation again
    const CLOSED: [Ipv6Net; 4] = [net(0x2001, 0, 23), net(0x2001, 0xdb8, 32), net(0x2002, 0, 16), net(0x3fff, 0, 20)];
    OPEN.contains(&ip) && !CLOSED.iter().any(|network| network.contains(&ip))
}

fn redirect_of(response: &reqwest::Response) -> Option<&str> {
    let leads_on = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    leads_on.then(|| response.headers().get(LOCATION)?.to_str().ok()).flatten()
}

fn refusal(error: reqwest::Error) -> GuardError {
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        if inner.is::<LeadsInside>() {
            return GuardError::Private;
        }
        source = inner.source();
    }
    FetchError::Call(plain(error)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    fn guard(policy: Policy) -> Guard {
        Guard::new(policy, Limits::CALL).unwrap()
    }

    fn neighbours() -> Policy {
        Policy { plain_http: true, networks: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()] }
    }

    #[test]
    fn private_addresses_in_every_spelling_are_refused() {
        for host in [
            "127.0.0.1",
            "0",
            "0.0.0.0",
            "2130706433",
            "0x7f.1",
            "017700000001",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[::127.0.0.1]",
        ] {
            assert_eq!(guard(Policy::default()).check(&format!("https://{host}/")), Err(GuardError::Private), "{host}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        for host in ["8.8.8.8", "172.32.0.1", "[2a00:1450:4010::1]", "[::ffff:8.8.8.8]", "example.com"] {
            assert!(guard(Policy::default()).check(&format!("https://{host}/")).is_ok(), "{host}");
        }
    }

    #[test]
    fn only_https_without_a_user_name_is_an_address() {
        for address in
            ["http://example.com/", "ftp://example.com/", "file:///etc/passwd", "https://a:b@example.com/", "x"]
        {
            assert!(matches!(guard(Policy::default()).check(address), Err(GuardError::BadAddress(_))), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused() {
        let answer = guard(Policy::default()).fetch("https://localhost/", 10).await;
        assert_eq!(answer.unwrap_err(), GuardError::Private);
    }

    #[tokio::test]
    async fn a_listed_neighbour_is_reached_and_its_size_is_capped() {
        let server = MockServer::start().await;
        Mock::given(path("/file"))
            .respond_with(ResponseTemplate::new(200).set_body_string("12345"))
            .mount(&server)
            .await;
        let address = format!("{}/file", server.uri());
        let mut parts = guard(neighbours()).fetch(&address, 5).await.unwrap().bytes;
        assert_eq!(&parts.next().await.unwrap().unwrap()[..], b"12345");
        assert!(parts.next().await.is_none());
        assert_eq!(guard(neighbours()).fetch(&address, 4).await.unwrap_err(), FetchError::TooBig(4).into());
        let by_name = address.replace("127.0.0.1", "localhost");
        assert_eq!(guard(neighbours()).fetch(&by_name, 5).await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn a_redirect_into_a_private_network_is_refused() {
        let server = MockServer::start().await;
        for (from, to) in [("/a", "https://10.0.0.1/"), ("/b", "/c"), ("/c", "file:///etc/passwd"), ("/loop", "/loop")]
        {
            let answer = ResponseTemplate::new(302).insert_header("location", to);
            Mock::given(path(from)).respond_with(answer).mount(&server).await;
        }
        let fetch = async |at: &str| guard(neighbours()).fetch(&format!("{}{at}", server.uri()), 10).await.unwrap_err();
        assert_eq!(fetch("/a").await, GuardError::Private);
        assert!(matches!(fetch("/b").await, GuardError::BadAddress(_)));
        assert_eq!(fetch("/loop").await, GuardError::Redirects);
    }

    #[tokio::test]
    async fn a_callback_is_posted_and_its_redirect_is_not_followed() {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(307).insert_header("location", "/other");
        Mock::given(path("/callback")).respond_with(answer).expect(1).mount(&server).await;
        let address = format!("{}/callback", server.uri());
        let (guard, second) = (guard(neighbours()), Duration::from_secs(1));
        let reply = guard.post(&address, HeaderMap::new(), b"{}".to_vec(), second).await.unwrap();
        assert_eq!(reply.status, 307);
    }

    #[tokio::test]
    async fn whoever_took_a_callback_may_say_more_than_we_read() {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 100 << 10]);
        Mock::given(path("/callback")).respond_with(answer).mount(&server).await;
        let (address, second) = (format!("{}/callback", server.uri()), Duration::from_secs(1));
        let reply = guard(neighbours()).post(&address, HeaderMap::new(), b"{}".to_vec(), second).await.unwrap();
        assert_eq!((reply.status, reply.body.len()), (200, 0));
        let away = guard(Policy::default()).post(&address, HeaderMap::new(), Vec::new(), second).await;
        assert_eq!(away.unwrap_err(), GuardError::Private);
    }
}
