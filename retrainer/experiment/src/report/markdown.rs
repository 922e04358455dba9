//! Markdown tables, the best value of a column in bold.

use super::{
    Format, Style,
    error::ReportError,
    table::{Align, Table},
};
use files::text;

pub(super) const FORMAT: Format =
    Format { name: "markdown", extension: "md", cautions: true, in_folder: true, whole: false, render };

#[expect(clippy::unnecessary_wraps, reason = "the signature of every format")]
fn render(tables: &[Table], _: Style) -> Result<String, ReportError> {
    Ok(tables.iter().map(markdown).collect::<Vec<_>>().join("\n"))
}

fn markdown(table: &Table) -> String {
    let shown: Vec<_> = table.columns.iter().enumerate().filter(|(_, column)| column.is_printed()).collect();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = format!("### {}\n\n", escaped(&table.title));
    text += &line(shown.iter().map(|(_, column)| escaped(&column.title)).collect());
    let rule = |align| if align == Align::Right { "--:" } else { ":--" }.to_owned();
    text += &line(shown.iter().map(|(_, column)| rule(column.align)).collect());
    let best = table.best();
    for (row, cells) in table.rows.iter().enumerate() {
        let cell = |&(index, column): &(usize, _)| {
            let text = escaped(&cells.get(index).map_or(String::new(), |cell| cell.text(column)));
            if best.holds(row, index) { format!("**{text}**") } else { text }
        };
        text += &line(shown.iter().map(cell).collect());
    }
    text.push('\n');
    let notes = table.notes.iter().map(|note| format!("- {}\n", escaped(note)));
    let cautions = table.cautions.iter().map(|caution| format!("- **caution:** {}\n", escaped(caution)));
    text.extend(notes.chain(cautions));
    text
}

/// Text without a meaning of its own in Markdown: a bar would end the cell, a star start emphasis, a bracket a link or an
/// image that is fetched, and `<` with a name an HTML element. Code between backticks, as sentences have it, stays code.
fn escaped(text: &str) -> String {
    let text = text::name(text);
    let mut escaped = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let opens =
            letter == '<' && letters.peek().is_some_and(|next| next.is_alphabetic() || "/!?".contains(*next));
        if opens || "|*[\\".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::testing;

    #[test]
    fn nothing_in_a_name_becomes_html_a_link_or_a_control_character() {
        assert_eq!(escaped("<script>alert(1)</script>"), r"\<script>alert(1)\</script>");
        assert_eq!(escaped("![x](http://h) <!-- <?php"), r"!\[x](http://h) \<!-- \<?php");
        assert_eq!(escaped(r"a\|b"), r"a\\\|b");
        assert_eq!(escaped("few < 20, p < 0.05"), "few < 20, p < 0.05");
        assert_eq!(escaped("one\ntwo\u{1b}[2J"), r"one\\ntwo\\u{1b}\[2J");
    }

    #[test]
    fn markdown_marks_the_best_and_escapes_bars_and_stars() {
        insta::assert_snapshot!(render(&[testing::table()], Style::default()).unwrap(), @r#"
        ### caches/demo (c0ffee), select val

        | method | hyper-parameters | seeds | all | magnitude | gain |
        | :-- | :-- | --: | --: | --: | --: |
        | lort | delta=0.98 lr=5e-4 | 3 | **54.00 ± 1.00** | 1.38 ± 0.18 | +5.40 \* |
        | a\|b, "c" | threshold=inf | 1 (2 diverged) | 50.00 | 0.0500 | -0.10 |
        | ce |  | diverged | - | - | - |

        - select val: chosen by validation accuracy
        - **caution:** 1 of 3 rows has no result
        "#);
    }
}
