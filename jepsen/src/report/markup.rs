//! The shell of every page: one file, no outside resources, light and dark, any width.

/// Colours and measures of all pages. Plots bring their own, since they are files of their own.
const STYLE: &str = include_str!("page.css");

/// Characters from which on a cell of a table is broken into lines.
const LONG: usize = 32;

/// Text between tags and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Not allowed in a page: shown as a replacement.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// JSON inside a `<script>`: it cannot end the element.
pub(super) fn script_json(value: &serde_json::Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

/// A whole page.
pub(super) struct Page<'a> {
    /// Shown in the tab, as text.
    pub(super) title: &'a str,
    /// Where it belongs: link and text, as the trail above the heading.
    pub(super) trail: &'a [(&'a str, &'a str)],
    /// What is on it, as HTML.
    pub(super) body: &'a str,
    /// Styles of this page alone.
    pub(super) style: &'a str,
    /// Scripts, as HTML.
    pub(super) scripts: &'a str,
}

impl Page<'_> {
    /// The file.
    pub(super) fn html(&self) -> String {
        let links: Vec<String> = self
            .trail
            .iter()
            .map(|(link, text)| format!("<a href=\"{}\">{}</a>", escaped(link), escaped(text)))
            .collect();
        let trail = match links.is_empty() {
            true => String::new(),
            false => format!("<nav aria-label=\"Trail\">{}</nav>\n", links.join(" / ")),
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n\
             <style>\n{STYLE}{style}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">Skip to the content</a>\n{trail}\
             <main id=\"main\">\n<h1>{title}</h1>\n{body}</main>\n{scripts}</body>\n</html>\n",
            title = escaped(self.title),
            style = self.style,
            body = self.body,
            scripts = self.scripts,
        )
    }
}

/// A table that scrolls by itself, so that the page does not. Cells are HTML.
pub(super) fn table(label: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{}\" tabindex=\"0\"><table><thead><tr>",
        escaped(label)
    );
    for cell in head {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escaped(cell)));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            match at {
                0 => out.push_str(&format!("<th scope=\"row\">{cell}</th>")),
                _ if cell.chars().count() > LONG && !cell.contains('<') => {
                    out.push_str(&format!("<td class=\"long\">{cell}</td>"));
                }
                _ => out.push_str(&format!("<td>{cell}</td>")),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// Terms and what they are. Both are HTML.
pub(super) fn facts(rows: &[(&str, String)]) -> String {
    let rows: String =
        rows.iter().map(|(term, says)| format!("<dt>{term}</dt><dd>{says}</dd>\n")).collect();
    format!("<dl class=\"facts\">\n{rows}</dl>\n")
}

/// `1234567` as `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds in the unit that fits.
pub(super) fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 0.9995 => format!("{:.0} µs", ms * 1e3),
        ms if ms < 99.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 99_950.0 => format!("{:.2} s", ms / 1e3),
        ms => format!("{:.0} s", ms / 1e3),
    }
}

/// A figure that may be missing.
pub(super) fn or_dash<T>(figure: Option<T>, show: impl Fn(T) -> String) -> String {
    figure.map_or_else(|| "–".into(), show)
}

/// The start of a commit, as people write it.
pub(super) fn short_commit(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// A file name out of any text.
pub(super) fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c.is_ascii_alphanumeric() {
            true => out.push(c.to_ascii_lowercase()),
            false if !out.ends_with('-') && !out.is_empty() => out.push('-'),
            false => {}
        }
    }
    out.trim_end_matches('-').chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_history_becomes_markup() {
        assert_eq!(
            escaped("<b a=\"1\" b='2'>&\u{1}"),
            "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;\u{fffd}"
        );
        let json = script_json(&serde_json::json!("</script><script>"));
        assert!(!json.contains('<'), "{json}");
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(100), "100");
        let shown: Vec<String> =
            [0.25, 1.0, 12.34, 250.0, 1_234.0, 120_000.0].into_iter().map(duration).collect();
        assert_eq!(shown, ["250 µs", "1.0 ms", "12.3 ms", "250 ms", "1.23 s", "120 s"]);
    }

    #[test]
    fn names_of_files_hold_letters_and_digits() {
        assert_eq!(slug("../Register: key \"k/1\"!"), "register-key-k-1");
    }
}
