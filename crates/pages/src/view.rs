//! What a page shows, whoever fills it in.

use vocab::Timestamp;

use crate::html::Html;

/// A page of one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The title: the clinic's name, or the hub.
    pub title: String,
    /// The state of sync with its mark, such as `✓ Up to date · 3 min ago`.
    pub state: String,
    /// How the state is to be taken.
    pub tone: Tone,
    /// Why something does not go on, in a sentence; or nothing.
    pub trouble: String,
    /// Figures with their names.
    pub figures: Vec<(&'static str, u64)>,
    /// A sentence in which the figures add up.
    pub sum: String,
    /// The tables.
    pub tables: Vec<Table>,
    /// The last line: what this is and what it is not.
    pub footer: String,
}

/// How a state is to be taken; its words and its mark say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Fine,
    /// Something waits and goes on by itself.
    #[default]
    Waits,
    /// A person is needed.
    Needs,
}

/// A table with a caption that also says what an empty one means.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Its heading.
    pub heading: &'static str,
    /// What the rows are.
    pub caption: String,
    /// Column names; one that begins with `#` holds numbers.
    pub columns: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its cells, as text.
    pub cells: Vec<String>,
    /// How it stands out; the cells say the same in words.
    pub mark: Mark,
}

/// How a row stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Not at all.
    #[default]
    None,
    /// Somebody must come.
    Critical,
    /// About the past.
    Past,
}

/// A time as people at this hour read it: the clock today, the day before that. UTC.
#[must_use]
pub fn short_time(at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (at.to_string(), now.to_string());
    let part = |range: std::ops::Range<usize>| at.get(range).unwrap_or_default();
    if at.get(..10) == now.get(..10) {
        part(11..19).to_owned()
    } else {
        format!("{} {}", part(0..10), part(11..16))
    }
}

impl View {
    /// The part of the page that changes.
    #[must_use]
    pub fn fragment(&self) -> String {
        let mut html = Html::default();
        html.raw("<header><h1>").text(&self.title).raw("</h1><p class=\"state ");
        html.raw(match self.tone {
            Tone::Fine => "fine",
            Tone::Waits => "waits",
            Tone::Needs => "needs",
        });
        html.raw("\" role=\"status\">").text(&self.state).raw("</p></header>");
        if !self.trouble.is_empty() {
            html.raw("<p class=\"trouble\">").text(&self.trouble).raw("</p>");
        }
        // What somebody may have to act on comes before what is only counted.
        html.raw("<div class=\"two\">");
        self.tables.iter().for_each(|table| write_table(&mut html, table));
        html.raw("</div><ul class=\"figures\">");
        for (name, number) in &self.figures {
            html.raw("<li><b>").number(*number).raw("</b> ").text(name).raw("</li>");
        }
        html.raw("</ul><p class=\"sum\">").text(&self.sum).raw("</p>");
        html.raw("<footer>").text(&self.footer).raw("</footer>");
        html.finish()
    }

    /// The whole page.
    #[must_use]
    pub fn page(&self) -> String {
        let mut html = Html::default();
        html.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
            .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>")
            .text(&self.title)
            .raw("</title><link rel=\"stylesheet\" href=\"/assets/page.css\">")
            .raw("<script src=\"/assets/live.js\" defer></script>")
            .raw("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript></head><body>")
            .raw("<p id=\"lost\" role=\"alert\" hidden>This page has lost its program: what it ")
            .raw("shows is old.</p><main id=\"live\">");
        let mut page = html.finish();
        page.push_str(&self.fragment());
        page.push_str("</main></body></html>");
        page
    }
}

fn write_table(html: &mut Html, table: &Table) {
    html.raw("<section><h2>").text(table.heading).raw("</h2>");
    if table.rows.is_empty() {
        html.raw("<p class=\"none\">Nothing now. ").text(&table.caption).raw(".</p></section>");
        return;
    }
    html.raw("<div class=\"scroll\" tabindex=\"0\"><table><caption>");
    html.text(&table.caption).raw("</caption><thead><tr>");
    let is_number = |column: &str| column.starts_with('#');
    for column in &table.columns {
        html.raw(if is_number(column) {
            "<th scope=\"col\" class=\"number\">"
        } else {
            "<th scope=\"col\">"
        });
        html.text(column.trim_start_matches('#')).raw("</th>");
    }
    html.raw("</tr></thead><tbody>");
    for row in &table.rows {
        html.raw(match row.mark {
            Mark::None => "<tr>",
            Mark::Critical => "<tr class=\"critical\">",
            Mark::Past => "<tr class=\"past\">",
        });
        for (at, cell) in row.cells.iter().enumerate() {
            let number = table.columns.get(at).is_some_and(|column| is_number(column));
            html.raw(if number { "<td class=\"number\">" } else { "<td>" });
            html.text(cell).raw("</td>");
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div></section>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_as_short_as_it_can_be() {
        let now: Timestamp = "2026-11-24T10:57:38Z".parse().unwrap();
        for (at, shown) in [
            ("2026-11-24T00:00:07.25Z", "00:00:07"),
            ("2026-11-23T23:59:59Z", "2026-11-23 23:59"),
            ("1990-01-01T00:00:00Z", "1990-01-01 00:00"),
        ] {
            assert_eq!(short_time(at.parse().unwrap(), now), shown);
        }
    }

    #[test]
    fn a_page_shows_its_figures_and_rows_as_text() {
        let view = View {
            title: "north <clinic>".to_owned(),
            state: "! 2 items need review".to_owned(),
            tone: Tone::Needs,
            trouble: String::new(),
            figures: vec![("waiting", 3)],
            sum: "5 authored = 2 at the hub + 3 pending".to_owned(),
            tables: vec![Table {
                heading: "Alerts",
                caption: "Most urgent first".to_owned(),
                columns: vec!["Patient", "#Value"],
                rows: vec![Row {
                    cells: vec!["=cmd|' /C calc'!A0".to_owned(), "86 %".to_owned()],
                    mark: Mark::Critical,
                }],
            }],
            footer: "Not a certified device.".to_owned(),
        };
        insta::assert_snapshot!(view.fragment(), @r#"<header><h1>north &lt;clinic&gt;</h1><p class="state needs" role="status">! 2 items need review</p></header><div class="two"><section><h2>Alerts</h2><div class="scroll" tabindex="0"><table><caption>Most urgent first</caption><thead><tr><th scope="col">Patient</th><th scope="col" class="number">Value</th></tr></thead><tbody><tr class="critical"><td>=cmd|&#39; /C calc&#39;!A0</td><td class="number">86 %</td></tr></tbody></table></div></section></div><ul class="figures"><li><b>3</b> waiting</li></ul><p class="sum">5 authored = 2 at the hub + 3 pending</p><footer>Not a certified device.</footer>"#);
        assert!(view.page().starts_with("<!doctype html>") && !view.page().contains("<clinic>"));
    }
}
