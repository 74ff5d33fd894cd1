//! A browser of the site, and the pages that it gets.

use anyhow::{Context, Result, ensure};
use reqwest::{
    Client, StatusCode,
    header::{COOKIE, LOCATION, SET_COOKIE},
    redirect::Policy,
};

/// A visitor with a session cookie. Clones share the cookie as it is when they are cloned.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) client: Client,
    pub(crate) cookie: Option<String>,
}

impl Browser {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { client: Client::builder().redirect(Policy::none()).no_proxy().build()?, cookie: None })
    }

    /// Gets a page, whatever its status.
    pub(crate) async fn visit(&mut self, url: &str) -> Result<Page> {
        let mut request = self.client.get(url);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let answer = request.send().await.with_context(|| format!("no answer to {url}"))?;
        if let Some(cookie) = answer.headers().get(SET_COOKIE) {
            self.cookie = cookie.to_str()?.split(';').next().map(str::to_owned);
        }
        let location =
            answer.headers().get(LOCATION).map(|location| location.to_str().map(str::to_owned)).transpose()?;
        Ok(Page { status: answer.status(), location, text: answer.text().await? })
    }

    /// Gets a page that must succeed.
    pub(crate) async fn get(&mut self, url: &str) -> Result<Page> {
        let page = self.visit(url).await?;
        ensure!(page.status == StatusCode::OK, "{url} answered {}:\n{}", page.status, page.error());
        Ok(page)
    }

    pub(crate) fn session_id(&self) -> Result<&str> {
        let cookie = self.cookie.as_deref().context("no cookie yet")?;
        Ok(cookie.split_once('=').context("not a cookie")?.1)
    }
}

/// An answer of the site: lines of `name=value`.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn value(&self, name: &str) -> Result<&str> {
        let mut lines = self.text.lines().filter_map(|line| line.split_once('='));
        lines.find_map(|(key, value)| (key == name).then_some(value)).with_context(|| format!("no {name} in {self:?}"))
    }

    pub(crate) fn number(&self, name: &str) -> Result<i64> {
        let value = self.value(name)?;
        value.parse().with_context(|| format!("{name}={value} is not a number"))
    }

    pub(crate) fn is_new(&self) -> Result<bool> {
        Ok(self.value("new")? == "True")
    }

    /// The part of Mono's error page that says what went wrong.
    pub(crate) fn error(&self) -> &str {
        let text = self.text.split("<h2 class=\"exceptionMessage\">").nth(1).unwrap_or(&self.text);
        text.split("</h2>").next().unwrap_or(text)
    }
}
