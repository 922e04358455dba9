//! Tables for a terminal: fitted to its width, the best value of a column in bold green.

use super::{
    Format, Style,
    error::ReportError,
    table::{Align, Best, Cell, Column, Table},
};
use comfy_table::{
    Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width,
};
use files::text;

pub(super) const FORMAT: Format =
    Format { name: "terminal", extension: "txt", cautions: true, in_folder: false, whole: false, render };

const LINES: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

#[expect(clippy::unnecessary_wraps, reason = "the signature of every format")]
fn render(tables: &[Table], style: Style) -> Result<String, ReportError> {
    Ok(tables.iter().map(|table| fitted(table, style)).collect::<Vec<_>>().join("\n"))
}

/// Characters that hyper-parameters have at least where they are broken over lines.
const NARROWEST: usize = 20;

/// How much of a table is drawn.
#[derive(Clone, Copy)]
enum Detail {
    /// The columns up to a rank.
    Full(u8),
    /// The same, with hyper-parameters over as many lines as they need in so many columns of the terminal.
    Broken(u8, u16),
    /// The indispensable columns, without deviations.
    Brief,
    /// The same, with cells that wrap.
    Wrapped(u16),
}

impl Detail {
    fn rank(self) -> u8 {
        match self {
            Self::Full(rank) | Self::Broken(rank, _) => rank,
            Self::Brief | Self::Wrapped(_) => 0,
        }
    }
}

/// The table with as much detail as fits.
fn fitted(table: &Table, style: Style) -> String {
    let mut ranks: Vec<u8> = table.columns.iter().filter_map(Column::rank).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let best = table.best();
    let width_of = |detail| {
        let text = drawn(table, detail, &best, false);
        text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    };
    let detail = match style.width {
        None => Detail::Full(u8::MAX),
        Some(width) => {
            let details = ranks
                .iter()
                .rev()
                .flat_map(|&rank| [Some(Detail::Full(rank)), broken(table, rank, width, width_of)]);
            let details = details.flatten().chain([Detail::Brief]);
            let mut fitting = details.filter(|&detail| width_of(detail) <= usize::from(width));
            fitting.next().unwrap_or(Detail::Wrapped(width))
        }
    };
    let bold = |text: &str| if style.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() };
    let mut lines = vec![bold(&text::name(&table.title)), drawn(table, detail, &best, style.color)];
    lines.extend(table.notes.iter().map(|note| text::name(note).into_owned()));
    lines.extend(table.cautions.iter().map(|caution| format!("! {}", text::name(caution))));
    lines.extend(hidden(table, detail));
    lines.join("\n") + "\n"
}

/// The place of the hyper-parameters among the columns.
fn params(table: &Table) -> Option<usize> {
    let first = table.rows.first()?;
    first.iter().position(|cell| matches!(cell, Cell::Params { .. }))
}

/// The columns up to the rank of the hyper-parameters, these over several lines, where that is enough.
fn broken(table: &Table, rank: u8, width: u16, width_of: impl Fn(Detail) -> usize) -> Option<Detail> {
    let place =
        params(table).filter(|&place| table.columns.get(place).and_then(Column::rank) == Some(rank))?;
    let column = table.columns.get(place)?;
    let own = table.rows.iter().filter_map(|row| Some(row.get(place)?.text(column).chars().count()));
    let own = own.chain([column.title.chars().count()]).max()?;
    let others = width_of(Detail::Full(rank)).checked_sub(own)?;
    let left = usize::from(width).checked_sub(others).filter(|&left| left >= NARROWEST)?;
    Some(Detail::Broken(rank, u16::try_from(left).ok()?))
}

/// What the detail leaves out.
fn hidden(table: &Table, detail: Detail) -> Option<String> {
    let out = |column: &&Column| column.rank().is_some_and(|rank| rank > detail.rank());
    let mut hidden: Vec<_> = table.columns.iter().filter(out).map(|column| column.title.as_str()).collect();
    if matches!(detail, Detail::Brief | Detail::Wrapped(_)) {
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
    match detail {
        Detail::Full(_) | Detail::Brief => {}
        Detail::Broken(..) => {
            drawing.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::MAX);
        }
        Detail::Wrapped(width) => {
            drawing.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
    }
    drawing.set_header(
        shown.iter().map(|(_, column)| comfy_table::Cell::new(&column.title).add_attribute(Attribute::Bold)),
    );
    for (row, cells) in table.rows.iter().enumerate() {
        drawing.add_row(shown.iter().map(|&(index, column)| {
            let text = cells.get(index).map(|cell| match detail {
                Detail::Full(_) | Detail::Broken(..) => cell.text(column),
                Detail::Brief | Detail::Wrapped(_) => cell.brief(column),
            });
            let cell = comfy_table::Cell::new_owned(text::name(&text.unwrap_or_default()).into_owned());
            let is_best = best.holds(row, index);
            if is_best { cell.add_attribute(Attribute::Bold).fg(Color::Green) } else { cell }
        }));
    }
    let params = params(table);
    for (drawn, (index, column)) in drawing.column_iter_mut().zip(&shown) {
        if let (Detail::Broken(_, width), true) = (detail, params == Some(*index)) {
            // The blank between columns is the column's own.
            drawn.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(width + 1)));
        }
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
    use crate::report::table::{Show, testing};

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

    /// What the numbers mean, seeds, and the gain stay; hyper-parameters take more lines before they go.
    #[test]
    fn hyper_parameters_are_broken_before_seeds_and_gain_go() {
        let mut table = testing::table();
        for (key, show) in [("params", 3), ("n_seeds", 1), ("gain", 2)] {
            let column = table.columns.iter_mut().find(|column| column.key == key).unwrap();
            column.show = Show::Wide(show);
        }
        let long: crate::records::Params = serde_json::from_str(
            r#"{"delta":0.98,"lr":0.0005,"momentum":0.9,"sampler":"class-aware","weight_decay":0.0005}"#,
        )
        .unwrap();
        table.rows[0][1] = Cell::Params { shown: long.clone(), all: long };
        let shown = render(&[table], Style { width: Some(86), color: false }).unwrap();
        insta::assert_snapshot!(shown, @r#"
        caches/demo (c0ffee), select val
        method    hyper-parameters                  seeds           all    magnitude     gain
        ──────────────────────────────────────────────────────────────────────────────────────
        lort      delta=0.98 lr=5e-4                    3  54.00 ± 1.00  1.38 ± 0.18  +5.40 *
                  momentum=0.9
                  sampler=class-aware
                  weight_decay=5e-4
        a|b, "c"  threshold=inf            1 (2 diverged)         50.00       0.0500    -0.10
        ce                                       diverged             -            -        -
        select val: chosen by validation accuracy
        ! 1 of 3 rows has no result
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
        table.rows[0][0] = Cell::Text("lo\u{1b}[8mrt\nce".to_owned());
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
