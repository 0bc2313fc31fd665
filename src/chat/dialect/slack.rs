//! What programs post to hooks: plain text, or what they would post to a webhook of Slack
//! (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde_json::Value;

/// What is to be said, before anything is taken out of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Payload {
    pub text: String,
    /// The name that it is to be said under.
    pub username: Option<String>,
}

/// Why nothing can be said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// It is not UTF-8, or not JSON where that is needed.
    Invalid,
    NoText,
}

/// Reads a body. What curl sends by itself is said to be a form, and is text all the same unless it
/// begins as one of Slack's does, or is a JSON object with what Slack's has.
///
/// # Errors
/// Nothing can be said of it.
pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Payload, PayloadError> {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is = |name: &str| media_type.eq_ignore_ascii_case(name);
    if is("application/json") {
        let object = serde_json::from_slice(body).map_err(|_| PayloadError::Invalid)?;
        return of_object(&object);
    }
    let text = str::from_utf8(body).map_err(|_| PayloadError::Invalid)?;
    if !is("application/x-www-form-urlencoded") && !media_type.is_empty() {
        return plain(text);
    }
    if let Some(encoded) = text.strip_prefix("payload=") {
        let encoded = encoded.split('&').next().unwrap_or_default().replace('+', " ");
        let json: Cow<'_, [u8]> = percent_decode(encoded.as_bytes()).into();
        let object = serde_json::from_slice(&json).map_err(|_| PayloadError::Invalid)?;
        return of_object(&object);
    }
    let object = text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok());
    match object.flatten() {
        Some(object) if is_message(&object) => of_object(&object),
        _ => plain(text),
    }
}

/// A line that ends with a line ending is no longer for that.
fn plain(text: &str) -> Result<Payload, PayloadError> {
    match text.trim_end() {
        "" => Err(PayloadError::NoText),
        text => Ok(Payload { text: text.to_owned(), username: None }),
    }
}

fn is_message(object: &Value) -> bool {
    ["text", "attachments", "blocks"].iter().any(|field| object.get(field).is_some())
}

/// Blocks are shown in place of the text, and attachments behind it, as Slack does.
fn of_object(object: &Value) -> Result<Payload, PayloadError> {
    if !object.is_object() {
        return Err(PayloadError::Invalid);
    }
    let mut parts = Vec::new();
    add_blocks(&object["blocks"], &mut parts);
    if parts.is_empty() {
        add(&object["text"], &mut parts);
    }
    for attachment in elements(&object["attachments"]) {
        add_attachment(attachment, &mut parts);
    }
    let username = object["username"].as_str().map(str::to_owned);
    match parts.is_empty() {
        true => Err(PayloadError::NoText),
        false => Ok(Payload { text: parts.join("\n"), username }),
    }
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Adds a text, if it is one with something in it.
fn add(value: &Value, parts: &mut Vec<String>) {
    if let Some(text) = value.as_str().filter(|text| !text.trim().is_empty()) {
        parts.push(readable(text));
    }
}

fn add_attachment(attachment: &Value, parts: &mut Vec<String>) {
    let before = parts.len();
    add(&attachment["pretext"], parts);
    add(&attachment["author_name"], parts);
    match (attachment["title"].as_str(), attachment["title_link"].as_str()) {
        (Some(title), Some(link)) => parts.push(linked(link, &readable(title))),
        _ => add(&attachment["title"], parts),
    }
    add(&attachment["text"], parts);
    for field in elements(&attachment["fields"]) {
        match (field["title"].as_str(), field["value"].as_str()) {
            (Some(title), Some(value)) if !title.is_empty() => {
                parts.push(format!("{}: {}", readable(title), readable(value)));
            }
            _ => add(&field["value"], parts),
        }
    }
    add_blocks(&attachment["blocks"], parts);
    add(&attachment["footer"], parts);
    if parts.len() == before {
        add(&attachment["fallback"], parts);
    }
}

/// A line for each block that has text: its own, that of its fields, or that of its elements.
fn add_blocks(blocks: &Value, parts: &mut Vec<String>) {
    for block in elements(blocks) {
        add_text_object(&block["text"], parts);
        for field in elements(&block["fields"]) {
            add_text_object(field, parts);
        }
        let mut line = String::new();
        for element in elements(&block["elements"]) {
            add_element(element, &mut line);
        }
        if !line.trim().is_empty() {
            parts.push(line.trim_end().to_owned());
        }
    }
}

fn add_text_object(object: &Value, parts: &mut Vec<String>) {
    match object["type"].as_str() {
        Some("mrkdwn") => add(&object["text"], parts),
        _ => {
            let text = object["text"].as_str().filter(|text| !text.trim().is_empty());
            parts.extend(text.map(str::to_owned));
        }
    }
}

/// An element of a context, or of rich text. A button is none of the text.
fn add_element(element: &Value, line: &mut String) {
    let is = |kind: &str| element["type"].as_str() == Some(kind);
    if is("mrkdwn") {
        push_word(line, &readable(element["text"].as_str().unwrap_or_default()));
    } else if is("plain_text") {
        push_word(line, element["text"].as_str().unwrap_or_default());
    } else if is("text") {
        line.push_str(element["text"].as_str().unwrap_or_default());
    } else if is("link") {
        let url = element["url"].as_str().unwrap_or_default();
        line.push_str(&linked(url, element["text"].as_str().unwrap_or(url)));
    } else if is("emoji") {
        line.push_str(&format!(":{}:", element["name"].as_str().unwrap_or_default()));
    } else if is("broadcast") {
        line.push_str(broadcast(element["range"].as_str().unwrap_or_default()));
    } else if element["elements"].is_array() {
        if !line.is_empty() && !line.ends_with('\n') {
            line.push('\n');
        }
        for inner in elements(&element["elements"]) {
            add_element(inner, line);
        }
    }
}

/// The elements of a context stand beside each other.
fn push_word(line: &mut String, word: &str) {
    if !line.is_empty() && !line.ends_with(char::is_whitespace) {
        line.push(' ');
    }
    line.push_str(word);
}

// ---- Slack's own marks ----

/// Text without the escapes of Slack's mrkdwn: `<https://a.b|our page>`, `<!here>`, `&lt;`. Each
/// character is looked at once.
fn readable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        push_unescaped(&rest[..at], &mut shown);
        let inside = &rest[at + 1..];
        // What is meant as it stands is escaped.
        let Some(end) = inside.find(['<', '>']).filter(|&end| inside[end..].starts_with('>'))
        else {
            shown.push('<');
            rest = inside;
            continue;
        };
        let mut mark = String::new();
        push_unescaped(&inside[..end], &mut mark);
        shown.push_str(&mark_as_text(&mark));
        rest = &inside[end + 1..];
    }
    push_unescaped(rest, &mut shown);
    shown
}

fn push_unescaped(text: &str, shown: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&')];
        let found = known.into_iter().find(|(escape, _)| rest.starts_with(escape));
        let (bytes, meant) = found.map_or((1, '&'), |(escape, meant)| (escape.len(), meant));
        shown.push(meant);
        rest = &rest[bytes..];
    }
    shown.push_str(rest);
}

/// What stands between `<` and `>`, and behind its `|` what Slack would show of it.
fn mark_as_text(mark: &str) -> Cow<'_, str> {
    let (target, label) = match mark.split_once('|') {
        Some((target, label)) => (target, Some(label).filter(|label| !label.is_empty())),
        None => (mark, None),
    };
    let (kind, named) = target.split_at(target.chars().next().map_or(0, char::len_utf8));
    match (kind, label) {
        ("!", _) if ["here", "channel", "everyone"].contains(&named) => broadcast(named).into(),
        ("!", Some(label)) => label.into(),
        ("!", None) => Cow::Owned(format!("@{named}")),
        ("@" | "#", Some(label)) => Cow::Owned(format!("{kind}{label}")),
        ("@" | "#", None) => target.into(),
        (_, Some(label)) => linked(target, label).into(),
        (_, None) => target.strip_prefix("mailto:").unwrap_or(target).into(),
    }
}

fn broadcast(range: &str) -> &'static str {
    if range == "here" { "@here" } else { "@all" }
}

/// A link that is called something else than where it leads to.
fn linked(url: &str, label: &str) -> String {
    let url = url.strip_prefix("mailto:").unwrap_or(url);
    match url.contains(label) {
        true => url.to_owned(),
        false => format!("{label} ({url})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
    const JSON: Option<&str> = Some("application/json; charset=utf-8");

    fn text(content_type: Option<&str>, body: &str) -> Result<String, PayloadError> {
        parse(content_type, body.as_bytes()).map(|payload| payload.text)
    }

    fn of(body: &str) -> String {
        text(JSON, body).unwrap_or_else(|error| panic!("{body}: {error:?}"))
    }

    #[test]
    fn plain_text_is_said_as_it_is() {
        for content_type in [None, FORM, Some("text/plain; charset=utf-8"), Some("image/png")] {
            assert_eq!(text(content_type, "deploy done\n"), Ok("deploy done".to_owned()));
            assert_eq!(text(content_type, "a+b=100% &lt;ok>"), Ok("a+b=100% &lt;ok>".to_owned()));
            assert_eq!(text(content_type, " one\ntwo"), Ok(" one\ntwo".to_owned()));
            assert_eq!(text(content_type, " \n"), Err(PayloadError::NoText));
            assert_eq!(text(content_type, "{not json}"), Ok("{not json}".to_owned()));
            assert_eq!(parse(content_type, b"\xff"), Err(PayloadError::Invalid));
        }
        assert_eq!(text(FORM, r#"{"status":"ok"}"#), Ok(r#"{"status":"ok"}"#.to_owned()));
        assert_eq!(text(FORM, r#"{"text":"ok"}"#), Ok("ok".to_owned()));
        let plain = Some("text/plain");
        assert_eq!(text(plain, r#"{"text":"ok"}"#), Ok(r#"{"text":"ok"}"#.to_owned()));
    }

    #[test]
    fn what_slack_takes_is_taken() {
        let payload = parse(JSON, br#"{"text":"it is built","username":"CI server"}"#);
        let username = Some("CI server".to_owned());
        assert_eq!(payload, Ok(Payload { text: "it is built".to_owned(), username }));
        let form = "payload=%7B%22text%22%3A%22a+b%2Bc%22%7D&other=1";
        assert_eq!(text(FORM, form), Ok("a b+c".to_owned()));
        for body in
            ["", "no", "[]", "7", "\"text\"", "null", "{\"text\":\"a\"", "{\"text\":\"\\ud83d\"}"]
        {
            assert_eq!(text(JSON, body), Err(PayloadError::Invalid), "{body}");
        }
        for body in ["{}", r#"{"text":""}"#, r#"{"text":7}"#, r#"{"attachments":{}}"#] {
            assert_eq!(text(JSON, body), Err(PayloadError::NoText), "{body}");
        }
        assert_eq!(text(FORM, "payload=%7B"), Err(PayloadError::Invalid));
        let deep = format!("{{\"text\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(text(JSON, &deep), Err(PayloadError::Invalid));
    }

    #[test]
    fn attachments_and_blocks_are_lines() {
        let attachment = r#"{"text":"Alarm","attachments":[{"pretext":"p","title":"disk",
            "title_link":"https://a.b/1","text":"91 &gt; 90","fallback":"unused",
            "fields":[{"title":"host","value":"db1"},{"value":"x"}]},{"fallback":"f"}]}"#;
        assert_eq!(of(attachment), "Alarm\np\ndisk (https://a.b/1)\n91 > 90\nhost: db1\nx\nf");
        let blocks = r#"{"text":"summary","blocks":[
            {"type":"header","text":{"type":"plain_text","text":"Build <7>"}},{"type":"divider"},
            {"type":"section","text":{"type":"mrkdwn","text":"by <@U1|mia>"},
             "fields":[{"type":"mrkdwn","text":"a"},{"type":"plain_text","text":"b"}]},
            {"type":"context","elements":[{"type":"mrkdwn","text":"one"},{"type":"image"},
             {"type":"plain_text","text":"two"}]},
            {"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"No"}}]},
            {"type":"rich_text","elements":[{"type":"rich_text_section","elements":[
             {"type":"text","text":"see "},{"type":"link","url":"https://a.b"},
             {"type":"emoji","name":"tada"}]}]}]}"#;
        assert_eq!(of(blocks), "Build <7>\nby @mia\na\nb\none two\nsee https://a.b:tada:");
    }

    #[test]
    fn escapes_become_what_they_mean() {
        for (marked, shown) in [
            ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
            ("&amp;lt; &quot; & &", "&lt; &quot; & &"),
            ("<https://a.b/c?d=1&amp;e=2>", "https://a.b/c?d=1&e=2"),
            ("<https://a.b|our page>!", "our page (https://a.b)!"),
            ("<https://a.b|a.b>", "https://a.b"),
            ("<mailto:m@a.b|m@a.b> <mailto:m@a.b>", "m@a.b m@a.b"),
            ("<!here> <!channel> <!everyone|x>", "@here @all @all"),
            ("<!subteam^S1|@ops> <!subteam^S1>", "@ops @subteam^S1"),
            ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
            ("<@U1> <@U1|mia> <#C1|dev>", "@U1 @mia #dev"),
            ("a < b", "a < b"),
            ("<<https://a.b>", "<https://a.b"),
            ("<>", ""),
            ("<é|>", "é"),
            ("<", "<"),
        ] {
            assert_eq!(readable(marked), shown, "{marked}");
        }
    }
}
