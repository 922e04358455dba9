//! The report as one HTML page: summary, tables, figures; it asks for nothing from outside.
//!
//! ```text
//! Results ─▶ summary ┐
//! TABLES  ─▶ table   ├─▶ page: one file with its style and script, readable without the script too
//! FIGURES ─▶ SVG     ┘
//! ```

mod html_table;
mod summary;

use files::text;

use super::{
    Format, ReportError, Style, TableKind,
    figures::{FIGURES, Figure},
    markup,
    results::Results,
    table::Table,
};

/// The format of single tables; the whole page is [`page`].
pub(super) const FORMAT: Format =
    Format { name: "html", extension: "html", cautions: true, in_folder: false, whole: true, render };

/// File name of the page in a folder.
pub(super) const PAGE: &str = "page.html";

/// Rows of a table that a browser still sorts at once; a page says how many it leaves out.
const MAX_ROWS: usize = 500;

/// Everything on a page.
#[derive(Debug)]
pub struct Page<'a> {
    /// The results that the summary is about.
    pub results: &'a [Results],
    /// Kinds of tables with the tables of each.
    pub tables: Vec<(&'static TableKind, Vec<Table>)>,
    /// The figures, in order.
    pub figures: Vec<Figure>,
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every format")]
fn render(tables: &[Table], _: Style) -> Result<String, ReportError> {
    let tables = tables.iter().enumerate();
    let body: String =
        tables.map(|(place, table)| html_table::section(table, &format!("table-{place}"))).collect();
    Ok(document(&format!("<main id=\"main\">\n<h1>Classifier re-training</h1>\n{body}</main>\n")))
}

/// The page as HTML; the same records give the same bytes.
pub fn page(page: &Page<'_>) -> String {
    let mut links = vec![("summary".to_owned(), "Summary".to_owned())];
    let mut body = String::new();
    for (kind, tables) in &page.tables {
        links.push((kind.name.to_owned(), heading(kind.name)));
        body.extend([format!(
            "<h2 id=\"{}\">{}</h2>\n<p class=\"soft\">{}.</p>\n",
            kind.name,
            heading(kind.name),
            escaped(&sentence(kind.about))
        )]);
        for (place, table) in tables.iter().enumerate() {
            body += &html_table::section(table, &format!("{}-{place}", kind.name));
        }
    }
    if !page.figures.is_empty() {
        links.push(("figures".to_owned(), "Figures".to_owned()));
        body += "<h2 id=\"figures\">Figures</h2>\n<div class=\"grid\">\n";
        body.extend(page.figures.iter().enumerate().map(|(place, drawing)| figure(place, drawing)));
        body += "</div>\n";
    }
    links.push(("reproduce".to_owned(), "Reproduce".to_owned()));
    let links: Vec<String> =
        links.into_iter().map(|(id, name)| format!("<li><a href=\"#{id}\">{name}</a></li>")).collect();
    document(&format!(
        "<header>\n<h1>Classifier re-training on long-tailed data</h1>\n\
         <nav aria-label=\"Contents\"><ul>{}</ul></nav>\n</header>\n<main id=\"main\">\n{}{body}{}</main>\n",
        links.concat(),
        summary::summary(page.results),
        summary::reproduce(),
    ))
}

/// `table1` becomes `Table 1`, `leaderboard` `Leaderboard`.
fn heading(name: &str) -> String {
    name.strip_prefix("table").map_or_else(|| sentence(name), |number| format!("Table {number}"))
}

/// The title of a figure, after its number where it is one of the paper's.
fn figure_heading(figure: &Figure) -> String {
    let number = figure.name.strip_prefix("fig").map(|number| format!("Fig. {number}: "));
    number.unwrap_or_default() + &figure.title
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn figure(place: usize, figure: &Figure) -> String {
    // The document's own header is no HTML.
    let svg = figure.svg.find("<svg").and_then(|start| figure.svg.get(start..)).unwrap_or_default();
    let id = format!("figure-{place}");
    // Names inside a drawing are of the whole page here.
    let svg = svg
        .replace("id=\"", &format!("id=\"{id}-"))
        .replace("url(#", &format!("url(#{id}-"))
        .replace("href=\"#", &format!("href=\"#{id}-"))
        .replace(&format!("\"{0}-title {0}-description\"", figure.name), &format!("\"{id}\""));
    format!(
        "<figure>\n<h3 id=\"{id}\">{}</h3>\n<div class=\"drawing\" role=\"group\" aria-labelledby=\"{id}\" tabindex=\"0\">\n{svg}\n</div>\n<figcaption>{} <br><code>{}</code></figcaption>\n</figure>\n",
        escaped(&figure_heading(figure)),
        escaped(&figure.caption),
        command(figure.name),
    )
}

/// How a figure of the page is made again.
fn command(figure: &str) -> String {
    format!("retrainer report RUNS --figure {figure} --out {figure}.png")
}

/// The figures that a page shows; none where the text is no page of this program.
pub(super) fn figures_in(html: &str) -> Vec<&'static str> {
    let shown = |name: &&str| html.contains(&format!("<code>{}</code></figcaption>", command(name)));
    FIGURES.iter().map(|figure| figure.name).filter(shown).collect()
}

/// A whole document; its policy keeps the browser from asking anybody for anything.
fn document(body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n\
         <title>Classifier re-training: report</title>\n<style>\n{}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">To the results</a>\n{body}<script>\n{}</script>\n</body>\n</html>\n",
        include_str!("style.css"),
        include_str!("script.js"),
    )
}

/// Text as HTML and as the value of an attribute.
fn escaped(text: &str) -> String {
    markup::escaped(&text::lines(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::testing;

    #[test]
    fn a_page_of_a_table_escapes_its_text_marks_the_best_and_refers_to_nothing_outside() {
        let html = render(&[testing::table()], Style::default()).unwrap();
        assert!(html.contains("<th scope=\"row\">a|b, &quot;c&quot;</th>"), "{html}");
        assert!(html.contains("class=\"number best\" data-value=\"0.54\">54.00 ± 1.00</td>"), "{html}");
        assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("src=\""));
    }

    #[test]
    fn many_rows_are_cut_and_the_page_says_so() {
        let mut table = testing::table();
        let row = table.rows[0].clone();
        table.rows.extend(std::iter::repeat_n(row, 2 * MAX_ROWS));
        let html = render(&[table], Style::default()).unwrap();
        assert_eq!(html.matches("<tr>").count(), MAX_ROWS + 1);
        assert!(html.contains("the first 500 of 1003 rows"), "no word of it");
    }
}
