//! Where people find the page, whatever is in between.

use std::fmt;
use std::str::FromStr;

use super::origin::{Origin, OriginError};

/// `https://chat.example.com/chat/`: an origin, and a path that ends with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: Origin,
    path: BasePath,
}

impl PublicUrl {
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path.as_str())
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(given: &str) -> Result<PublicUrl, PublicUrlError> {
        let given = given.trim();
        let is_web =
            |scheme: &str| matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https");
        let Some((scheme, rest)) = given.split_once("://").filter(|(scheme, _)| is_web(scheme))
        else {
            return Err(PublicUrlError::Scheme);
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Ok(PublicUrl {
            origin: format!("{scheme}://{authority}").parse()?,
            path: if path.is_empty() { BasePath::default() } else { path.parse()? },
        })
    }
}

/// A URL that cannot be the page's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    #[error("give the URL of the page, such as https://chat.example.com/")]
    Scheme,
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(transparent)]
    Path(#[from] BasePathError),
}

/// What stands before every path of ours: `/`, or `/chat/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasePath(String);

/// A path that nothing can be served under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a path begins with / and holds letters, digits and -._~ between slashes, as in /chat/")]
pub struct BasePathError;

impl Default for BasePath {
    fn default() -> BasePath {
        BasePath("/".to_owned())
    }
}

impl FromStr for BasePath {
    type Err = BasePathError;

    fn from_str(given: &str) -> Result<BasePath, BasePathError> {
        let inner = given.trim().strip_prefix('/').ok_or(BasePathError)?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.bytes().all(is_good);
        match inner {
            "" => Ok(BasePath::default()),
            inner if inner.split('/').all(is_name) => Ok(BasePath(format!("/{inner}/"))),
            _ => Err(BasePathError),
        }
    }
}

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside<'p> {
    /// To this path of ours, which begins with `/`.
    Ours(&'p str),
    /// To the base path itself, but for its slash.
    WithoutSlash,
    Elsewhere,
}

impl BasePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn inside<'p>(&self, path: &'p str) -> Inside<'p> {
        let base = &self.0[..self.0.len() - 1];
        match path.strip_prefix(base) {
            Some("") if !base.is_empty() => Inside::WithoutSlash,
            Some(rest) if rest.starts_with('/') || base.is_empty() => Inside::Ours(rest),
            // `OPTIONS *` asks of the server.
            _ if path == "*" => Inside::Ours(path),
            _ => Inside::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_origin_and_a_path() {
        for (given, url, origin) in [
            ("https://chat.example.com", "https://chat.example.com/", "https://chat.example.com"),
            (
                "https://Chat.example.com:443/",
                "https://chat.example.com/",
                "https://chat.example.com",
            ),
            ("http://a:8080/chat", "http://a:8080/chat/", "http://a:8080"),
            (" https://a/b/c/ ", "https://a/b/c/", "https://a"),
        ] {
            let parsed: PublicUrl = given.parse().expect(given);
            assert_eq!(
                (parsed.to_string().as_str(), parsed.origin().to_string().as_str()),
                (url, origin)
            );
        }
        for given in [
            "",
            "chat.example.com",
            "wss://a/",
            "ftp://a",
            "https://",
            "https://a?b",
            "https://a/b?c",
            "https://a/b//c",
            "https://user@a/",
            "https://a/../b",
            "https://a/b c",
            "https://a/%41",
        ] {
            assert!(given.parse::<PublicUrl>().is_err(), "{given:?}");
        }
    }

    #[test]
    fn what_is_inside_a_base_path_is_ours() {
        let base: BasePath = "/chat/".parse().expect("a path");
        assert_eq!("/chat".parse(), Ok(base.clone()));
        for (path, inside) in [
            ("/chat/", Inside::Ours("/")),
            ("/chat/app.js", Inside::Ours("/app.js")),
            ("/chat//", Inside::Ours("//")),
            ("/chat", Inside::WithoutSlash),
            ("/chatter", Inside::Elsewhere),
            ("/", Inside::Elsewhere),
            ("", Inside::Elsewhere),
            ("*", Inside::Ours("*")),
        ] {
            assert_eq!(base.inside(path), inside, "{path:?}");
        }
        for path in ["/", "/chat", "", "*", "//", "authority:80"] {
            assert_eq!(BasePath::default().inside(path), Inside::Ours(path));
        }
        for given in ["", "chat", "/a b/", "/a//b/", "/../", "/a?b"] {
            assert!(given.parse::<BasePath>().is_err(), "{given:?}");
        }
    }
}
