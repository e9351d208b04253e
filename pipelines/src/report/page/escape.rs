//! Text from outside, made harmless: in one place for the whole page.

use std::fmt::Write;

/// Text as the content of an element or the value of a quoted attribute.
///
/// Characters that a reader cannot see, or that turn the direction of writing, are written out, such as `\u{202e}`: two
/// names that differ look different. Line breaks and tabs become spaces.
pub(super) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for letter in raw.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            hidden if is_hidden(hidden) => out.extend(hidden.escape_unicode()),
            other => out.push(other),
        }
    }
    out
}

/// Control characters, and those of Unicode's class Cf: marks of direction, joiners, blanks without width.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A path relative to the page as the value of an `href`; none for paths from a root, which would not be found on
/// another computer, or would ask one.
pub(super) fn href(path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() || path.starts_with('/') || drive {
        return None;
    }
    // In front, so that no name is taken for a scheme, a query or a part of this page.
    let mut out = String::from("./");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            other => write!(out, "%{other:02X}").expect("memory takes all that is written"),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_html_become_letters() {
        assert_eq!(
            text("<script>alert(\"1\" & '2')</script>"),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(text("a\u{202e}b\u{0}c\u{200b}\u{85}"), "a\\u{202e}b\\u{0}c\\u{200b}\\u{85}");
        assert_eq!(text("two\nlines\tand more"), "two lines and more");
        assert_eq!(text("Gehirn-Übersicht 脳 ٣"), "Gehirn-Übersicht 脳 ٣");
    }

    #[test]
    fn links_lead_to_files_beside_the_page_only() {
        assert_eq!(href("out/a b.nii.gz").as_deref(), Some("./out/a%20b.nii.gz"));
        assert_eq!(href("javascript:alert(1)").as_deref(), Some("./javascript%3Aalert%281%29"));
        assert_eq!(href("..\\run?x#y\"'<").as_deref(), Some("./../run%3Fx%23y%22%27%3C"));
        for outside in ["", "/etc/passwd", "//host/x", "\\\\host\\x", "C:\\x"] {
            assert_eq!(href(outside), None, "{outside}");
        }
    }
}
