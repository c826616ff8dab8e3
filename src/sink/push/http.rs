//! The requests of a push.

use super::{dialer, headers};
use crate::job::output::{Login, Method, PushOutput};
use crate::job::outputs;
use crate::sink::net::http::{Connection, retry_after, without_body};
use crate::sink::net::{Dialer, Place};
use crate::sink::remote::counts::Counts;
use crate::sink::remote::failure::{Failure, Kind};
use crate::sink::remote::growing::{Feed, Growing};
use crate::sink::remote::{Carrier, Upload};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Request, StatusCode};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use url::Url;

/// Redirects that are followed for one request.
const MOST_REDIRECTS: usize = 3;

/// An HTTP origin.
pub struct Http {
    url: Url,
    query: Option<String>,
    method: Method,
    login: Login,
    dialer: Dialer,
    counts: Arc<Counts>,
}

/// The connection of a lane.
#[derive(Default)]
pub struct Line {
    connection: Option<(Connection<Feed>, Place)>,
    /// Where redirects have sent it.
    moved: Option<Url>,
    /// Read when it is needed, and again once it was refused.
    authorization: Option<HeaderValue>,
}

impl Http {
    /// Of an output. Reads its certificates, and the variables in its query.
    pub fn new(output: &PushOutput, counts: Arc<Counts>) -> Result<Http, String> {
        let query = output.query.as_deref().map(expand).transpose()?;
        Ok(Http { url: output.url.clone(), query, method: output.method, login: output.login.clone(), dialer: dialer(output)?, counts })
    }

    /// Its publishing point.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What connects to it.
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// The value of `Authorization`, where there is one.
    pub fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let value = match &self.login {
            Login::Open => return Ok(None),
            Login::Bearer(token) => format!("Bearer {}", token.read()?),
            Login::Basic { user, password } => format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", password.read()?))),
        };
        let mut value = HeaderValue::from_str(&value).map_err(|_| "the token or password has characters that no header can have".to_owned())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The request target of `path`.
    pub fn target(&self, path: &str) -> String {
        target(&self.at(&self.url, path))
    }

    fn at(&self, base: &Url, path: &str) -> Url {
        let mut url = base.clone();
        url.set_path(&format!("{}{path}", base.path()));
        if base.query().is_none() && Place::of(base) == Place::of(&self.url) {
            url.set_query(self.query.as_deref());
        }
        url
    }

    fn base<'a>(&'a self, line: &'a Line) -> &'a Url {
        line.moved.as_ref().unwrap_or(&self.url)
    }

    async fn connect(&self, line: &mut Line, url: &Url) -> Result<bool, Failure> {
        let to = Place::of(url).ok_or_else(|| Failure::new(Kind::Refused, "redirected to what is no HTTP URL"))?;
        if let Some((connection, place)) = &mut line.connection
            && *place == to
            && connection.is_open().await
        {
            return Ok(false);
        }
        line.connection = None;
        line.connection = Some((Connection::open(&self.dialer, &to).await?, to));
        Ok(true)
    }

    fn request(&self, line: &Line, method: hyper::Method, url: &Url, more: &HeaderMap, body: Feed) -> Result<Request<Feed>, Failure> {
        let own = Place::of(&self.url);
        let to = Place::of(url);
        let mut request = Request::builder()
            .method(method)
            .uri(target(url))
            .header(HOST, to.as_ref().map(Place::authority).unwrap_or_default())
            .header(USER_AGENT, concat!("mezzo/", env!("CARGO_PKG_VERSION")))
            .header("dash-if-ingest", "1.2");
        // Nobody else is told who pushes.
        if let Some(login) = line.authorization.as_ref().filter(|_| own == to) {
            request = request.header(AUTHORIZATION, login);
        }
        let mut request = request.body(body).map_err(|e| Failure::new(Kind::Refused, e))?;
        request.headers_mut().extend(more.clone());
        Ok(request)
    }

    /// A request, followed to where it is sent on: status and headers of the answer.
    async fn exchange(&self, line: &mut Line, method: &hyper::Method, path: &str, more: &HeaderMap, body: &Growing) -> Result<(u16, HeaderMap), Failure> {
        if line.authorization.is_none() {
            line.authorization = self.authorization().map_err(|why| Failure::new(Kind::Refused, why))?;
        }
        let mut url = self.at(self.base(line), path);
        for _ in 0..=MOST_REDIRECTS {
            self.connect(line, &url).await?;
            let feed = body.feed();
            let ended = feed.ended();
            let request = self.request(line, method.clone(), &url, more, feed)?;
            let Some((connection, _)) = &mut line.connection else { return Err(Failure::new(Kind::Lost, "not connected")) };
            let (status, headers, goes_on) = without_body(connection.send(request).await?).await;
            let success = (200..300).contains(&status);
            // An early success is one only once all was taken.
            if success && !ended.load(Relaxed) && !(connection.is_open().await && ended.load(Relaxed)) {
                return Err(Failure::new(Kind::Lost, format!("{path}: answered with {status} and closed before it had all")));
            }
            if !goes_on || !ended.load(Relaxed) {
                line.connection = None;
            }
            let Some(next) = redirected(status, &headers, &url)? else { return Ok((status, headers)) };
            self.counts.redirects.fetch_add(1, Relaxed);
            // A node that a balancer has chosen stays chosen, until something fails: then the address of the job is asked again.
            line.moved = next.path().strip_suffix(path).map(|base| {
                let mut moved = next.clone();
                moved.set_path(base);
                moved
            });
            url = next;
        }
        Err(Failure::new(Kind::Refused, format!("{path}: redirected more than {MOST_REDIRECTS} times")))
    }

    /// Failures by their meaning.
    fn judge(&self, line: &mut Line, path: &str, status: u16, headers: &HeaderMap) -> Result<(), Failure> {
        if (200..300).contains(&status) {
            return Ok(());
        }
        line.moved = None;
        if matches!(status, 401 | 403) {
            // It may have been renewed by the next time.
            line.authorization = None;
        }
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
        let mut failure = Failure::status(status, reason, retry_after(headers));
        failure.why = format!("{path}: {}", failure.why);
        Err(failure)
    }
}

impl Carrier for Http {
    type Line = Line;

    fn takes_chunks(&self) -> bool {
        true
    }

    async fn ready(&self, line: &mut Line) -> Result<bool, Failure> {
        let url = self.base(line).clone();
        self.connect(line, &url).await
    }

    async fn put(&self, line: &mut Line, upload: &Upload<'_>) -> Result<(), Failure> {
        let mut more = HeaderMap::new();
        more.insert(CONTENT_TYPE, HeaderValue::from_static(upload.content_type));
        for (name, value) in upload.verdict.iter().flat_map(|verdict| headers::of(verdict)) {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
                more.insert(name, value);
            }
        }
        let method = match self.method {
            Method::Put => hyper::Method::PUT,
            Method::Post => hyper::Method::POST,
        };
        let (status, headers) = self.exchange(line, &method, upload.path, &more, &upload.body).await?;
        self.judge(line, upload.path, status, &headers)
    }

    async fn delete(&self, line: &mut Line, path: &str) -> Result<(), Failure> {
        let (status, headers) = self.exchange(line, &hyper::Method::DELETE, path, &HeaderMap::new(), &Growing::whole(Bytes::new())).await?;
        if matches!(status, 404 | 410) { Ok(()) } else { self.judge(line, path, status, &headers) }
    }

    fn close(&self, line: &mut Line) {
        *line = Line { authorization: line.authorization.take(), ..Line::default() };
    }
}

/// Where an answer sends the request on to; `None` where it does not. Never from TLS to none.
fn redirected(status: u16, headers: &HeaderMap, from: &Url) -> Result<Option<Url>, Failure> {
    if !matches!(status, 301 | 302 | 307 | 308) {
        return Ok(None);
    }
    let wrong = |why: &str| Failure::new(Kind::Refused, format!("{status}: {why}"));
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(|| wrong("a redirect that does not say where to"))?;
    let next = from.join(location).map_err(|_| wrong("a redirect to what is no URL"))?;
    match (Place::of(from), Place::of(&next)) {
        (Some(from), Some(to)) if to.is_secure() || !from.is_secure() => Ok(Some(next)),
        (_, Some(_)) => Err(wrong("a redirect from https to http")),
        (_, None) => Err(wrong("a redirect to what is no HTTP URL")),
    }
}

fn target(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

/// The query with its variables filled in.
fn expand(query: &str) -> Result<String, String> {
    let names = outputs::variables(query).map_err(|name| format!("query: {name} is no variable"))?;
    names.into_iter().try_fold(query.to_owned(), |query, name| {
        let value = std::env::var(name).map_err(|e| format!("environment variable {name}: {e}"))?;
        Ok(query.replace(&format!("${{{name}}}"), &value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_where_it_may() {
        let from = Url::parse("https://a/live/v/1.m4s").expect("a URL");
        let to = |status: u16, location: &'static str| {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(location))]);
            redirected(status, &headers, &from).map(|url| url.map(|url| url.to_string())).map_err(|e| e.why)
        };
        assert_eq!(to(307, "https://b/x/v/1.m4s"), Ok(Some("https://b/x/v/1.m4s".into())));
        assert_eq!(to(301, "/other/v/1.m4s"), Ok(Some("https://a/other/v/1.m4s".into())));
        assert_eq!(to(200, "/other"), Ok(None));
        assert!(to(308, "http://a/live").expect_err("downgrade").contains("https to http"));
        assert!(to(302, "ftp://a/live").expect_err("scheme").contains("no HTTP URL"));
        assert!(redirected(302, &HeaderMap::new(), &from).is_err());
    }
}
