use http::{HeaderMap, HeaderValue, header};

/// Most cookies that are kept.
const MAX_COOKIES: usize = 32;
/// Longest cookie that is kept, name and value, in bytes.
const MAX_COOKIE: usize = 4096;

/// The cookies of one session. Exchange's front end binds a session to a back end with them, so they outlive a
/// connection, but not the session. A session talks to one address only, so domain and path do not matter.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    pairs: Vec<(String, String)>,
}

impl Cookies {
    /// Takes what an answer sets. Cookies over the bounds are dropped: the server sees to a lost binding by itself.
    pub(super) fn take(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(header::SET_COOKIE) {
            let Ok(text) = value.to_str() else { continue };
            let mut parts = text.split(';').map(str::trim);
            let Some((name, content)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let removed = parts.filter_map(|part| part.split_once('=')).any(|(attribute, value)| {
                attribute.eq_ignore_ascii_case("max-age")
                    && value.trim().parse().is_ok_and(|age: i64| age <= 0)
            });
            self.pairs.retain(|(known, _)| known != name);
            let fits = self.pairs.len() < MAX_COOKIES && name.len() + content.len() <= MAX_COOKIE;
            if !removed && !name.is_empty() && fits {
                self.pairs.push((name.to_owned(), content.to_owned()));
            }
        }
    }

    /// The `Cookie` header, if there is any cookie.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        if self.pairs.is_empty() {
            return None;
        }
        let pairs: Vec<String> = self.pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut value = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cookies: &mut Cookies, lines: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::SET_COOKIE, HeaderValue::from_str(line).unwrap());
        }
        cookies.take(&headers);
    }

    fn sent(cookies: &Cookies) -> Option<String> {
        cookies.header().map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn cookies_are_sent_back_replaced_and_removed() {
        let mut cookies = Cookies::default();
        assert_eq!(sent(&cookies), None);
        set(
            &mut cookies,
            &["X-BackEndCookie=a=1; path=/powershell; secure; HttpOnly", "ClientId=7", "no cookie"],
        );
        assert_eq!(sent(&cookies).as_deref(), Some("X-BackEndCookie=a=1; ClientId=7"));
        set(&mut cookies, &["X-BackEndCookie=b; path=/"]);
        assert_eq!(sent(&cookies).as_deref(), Some("ClientId=7; X-BackEndCookie=b"));
        set(&mut cookies, &["ClientId=; Max-Age=0"]);
        assert_eq!(sent(&cookies).as_deref(), Some("X-BackEndCookie=b"));
    }

    #[test]
    fn a_flood_of_cookies_is_bounded() {
        let mut cookies = Cookies::default();
        set(&mut cookies, &[&format!("long={}", "x".repeat(MAX_COOKIE))]);
        assert_eq!(sent(&cookies), None);
        for number in 0..1000 {
            set(&mut cookies, &[&format!("c{number}=x")]);
        }
        assert_eq!(cookies.pairs.len(), MAX_COOKIES);
    }
}
