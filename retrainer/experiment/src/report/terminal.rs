//! Tables for a terminal: fitted to its width, the best value of a column in bold green.

use super::{
    Format, Style,
    error::ReportError,
    table::{Align, Best, Column, Table},
};
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, TableStyle};
use files::text;

pub(super) const FORMAT: Format =
    Format { name: "terminal", extension: "txt", cautions: true, in_folder: false, whole: false, render };

const LINES: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

#[expect(clippy::unnecessary_wraps, reason = "the signature of every format")]
fn render(tables: &[Table], style: Style) -> Result<String, ReportError> {
    Ok(tables.iter().map(|table| fitted(table, style)).collect::<Vec<_>>().join("\n"))
}

/// How much of a table is drawn.
#[derive(Clone, Copy)]
enum Detail {
    /// The columns up to a rank.
    Full(u8),
    /// The indispensable columns, without deviations.
    Brief,
    /// The same, with cells that wrap.
    Wrapped(u16),
}

impl Detail {
    fn rank(self) -> u8 {
        if let Self::Full(rank) = self { rank } else { 0 }
    }
}

/// The table with as much detail as fits.
fn fitted(table: &Table, style: Style) -> String {
    let mut ranks: Vec<u8> = table.columns.iter().filter_map(Column::rank).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let details = ranks.iter().rev().map(|&rank| Detail::Full(rank)).chain([Detail::Brief]);
    let best = table.best();
    let detail = match style.width {
        None => Detail::Full(u8::MAX),
        Some(width) => {
            let fits = |text: &str| text.lines().all(|line| line.chars().count() <= usize::from(width));
            let fitting = |detail: &Detail| fits(&drawn(table, *detail, &best, false));
            details.into_iter().find(fitting).unwrap_or(Detail::Wrapped(width))
        }
    };
    let bold = |text: &str| if style.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() };
    let mut lines = vec![bold(&text::name(&table.title)), drawn(table, detail, &best, style.color)];
    lines.extend(table.notes.iter().map(|note| text::name(note).into_owned()));
    lines.extend(table.cautions.iter().map(|caution| format!("! {}", text::name(caution))));
    lines.extend(hidden(table, detail));
    lines.join("\n") + "\n"
}

/// What the detail leaves out.
fn hidden(table: &Table, detail: Detail) -> Option<String> {
    let out = |column: &&Column| column.rank().is_some_and(|rank| rank > detail.rank());
    let mut hidden: Vec<_> = table.columns.iter().filter(out).map(|column| column.title.as_str()).collect();
    if !matches!(detail, Detail::Full(_)) {
        hidden.insert(0, "standard deviations");
    }
    (!hidden.is_empty())
        .then(|| format!("not shown at this width: {}; `--format markdown` has all", hidden.join(", ")))
}

fn drawn(table: &Table, detail: Detail, best: &Best, color: bool) -> String {
    let shown = |column: &Column| column.rank().is_some_and(|rank| rank <= detail.rank());
    let shown: Vec<_> = table.columns.iter().enumerate().filter(|(_, column)| shown(column)).collect();
    let mut drawing = comfy_table::Table::new();
    drawing.load_style(LINES).force_no_tty();
    if color {
        drawing.enforce_styling();
    }
    if let Detail::Wrapped(width) = detail {
        drawing.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    drawing
        .set_header(shown.iter().map(|(_, column)| Cell::new(&column.title).add_attribute(Attribute::Bold)));
    for (row, cells) in table.rows.iter().enumerate() {
        drawing.add_row(shown.iter().map(|&(index, column)| {
            let text = cells.get(index).map(|cell| match detail {
                Detail::Full(_) => cell.text(column),
                Detail::Brief | Detail::Wrapped(_) => cell.brief(column),
            });
            let cell = Cell::new_owned(text::name(&text.unwrap_or_default()).into_owned());
            let is_best = best.holds(row, index);
            if is_best { cell.add_attribute(Attribute::Bold).fg(Color::Green) } else { cell }
        }));
    }
    for (drawn, (_, column)) in drawing.column_iter_mut().zip(&shown) {
        drawn.set_padding((0, 1));
        if column.align == Align::Right {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
    }
    // Trailing blanks only disturb copies of the text.
    drawing.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::testing;

    fn shown(width: Option<u16>, color: bool) -> String {
        render(&[testing::table()], Style { width, color }).unwrap()
    }

    #[test]
    fn without_a_limit_every_column_is_there() {
        insta::assert_snapshot!(shown(None, false), @r#"
        caches/demo (c0ffee), select val
        method    hyper-parameters             seeds           all    magnitude     gain
        ─────────────────────────────────────────────────────────────────────────────────
        lort      delta=0.98 lr=5e-4               3  54.00 ± 1.00  1.38 ± 0.18  +5.40 *
        a|b, "c"  threshold=inf       1 (2 diverged)         50.00       0.0500    -0.10
        ce                                  diverged             -            -        -
        select val: chosen by validation accuracy
        ! 1 of 3 rows has no result
        "#);
    }

    #[test]
    fn a_narrow_terminal_drops_the_dispensable_columns_and_says_so() {
        insta::assert_snapshot!(shown(Some(40), false), @r#"
        caches/demo (c0ffee), select val
        method             all
        ───────────────────────
        lort      54.00 ± 1.00
        a|b, "c"         50.00
        ce                   -
        select val: chosen by validation accuracy
        ! 1 of 3 rows has no result
        not shown at this width: hyper-parameters, seeds, magnitude, gain; `--format markdown` has all
        "#);
    }

    #[test]
    fn a_narrower_one_drops_deviations_and_the_narrowest_wraps() {
        insta::assert_snapshot!(shown(Some(20), false), @r#"
        caches/demo (c0ffee), select val
        method      all
        ────────────────
        lort      54.00
        a|b, "c"  50.00
        ce            -
        select val: chosen by validation accuracy
        ! 1 of 3 rows has no result
        not shown at this width: standard deviations, hyper-parameters, seeds, magnitude, gain; `--format markdown` has all
        "#);
        let table = shown(Some(12), false);
        let drawn = table.lines().skip(1).take_while(|line| !line.starts_with("select"));
        assert!(drawn.clone().all(|line| line.chars().count() <= 12), "{table}");
        assert!(drawn.count() > 5, "{table}");
    }

    #[test]
    fn names_do_nothing_to_the_terminal() {
        let mut table = testing::table();
        table.rows[0][0] = crate::report::table::Cell::Text("lo\u{1b}[8mrt\nce".to_owned());
        table.title.push_str("\r\u{9b}2J");
        table.cautions.push("see\u{202e}".to_owned());
        let text = render(&[table], Style::default()).unwrap();
        assert!(
            text.contains(r"lo\u{1b}[8mrt\nce")
                && text.contains(r"\r\u{9b}2J")
                && text.contains(r"see\u{202e}"),
            "{text}"
        );
        assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
    }

    #[test]
    fn color_marks_the_best_value_and_changes_nothing_else() {
        let colored = shown(None, true);
        assert!(colored.contains("\u{1b}[1m54.00 ± 1.00"), "{colored:?}");
        let mut plain = String::new();
        let mut parts = colored.split('\u{1b}');
        plain += parts.next().unwrap();
        parts.for_each(|part| plain += part.split_once('m').unwrap().1);
        let trimmed: Vec<_> = plain.lines().map(str::trim_end).collect();
        assert_eq!(trimmed, shown(None, false).lines().collect::<Vec<_>>());
    }
}
