//! Which classes are taken for which: the whole matrix of few classes, the largest cells of many.

use super::{
    Figure, FigureInput, FigureKind,
    rate_and_decay::color,
    svg::{Anchor, Svg},
};
use crate::{
    metrics::{Confusion, Confusions},
    report::groups::names,
};

pub(super) const FIGURE: FigureKind = FigureKind {
    name: "confusion",
    about: "which classes the leading method takes for which (what older programs recorded does not say: sweep into another folder)",
    build: confusion,
};

/// So many classes have room for a matrix.
const MOST_CLASSES: usize = 20;

/// Cells of more classes, largest first.
const CELLS: usize = 25;

/// Letters of a name that have room.
const LETTERS: usize = 24;

/// Pixels of a name with that many letters, above the first row, and of a row of bars, the longest bar and a cell.
const NAME: f64 = 160.0;
const TOP: f64 = 36.0;
const ROW: f64 = 18.0;
const WIDTH: f64 = 260.0;
const CELL: f64 = 34.0;

fn confusion(input: &FigureInput<'_>) -> Option<Figure> {
    let leading = input.results.leading()?;
    let confusions = input.results.evidence.confusions_of(leading)?;
    let names = names(input.results.summary.as_ref()?);
    let order: Vec<usize> = input.head_to_tail()?.into_iter().map(|(class, _)| class.index()).collect();
    confusions.cells().next()?;
    let (mut svg, what) = if order.len() <= MOST_CLASSES {
        let what = "Rows are the classes of the images, columns what they are taken for, both from most to fewest training \
                    samples; in percent of the images of the class";
        (matrix(&confusions, &order, names), what.to_owned())
    } else {
        let cells = largest(&confusions);
        let all: u64 = confusions.cells().map(|cell| cell.count).sum();
        let shown: u64 = cells.iter().map(|cell| cell.count).sum();
        let what = format!(
            "The {} largest cells off the diagonal, which hold {:.1} % of all wrong images; in percent of the images of the \
             class",
            cells.len(),
            100.0 * shown as f64 / all as f64
        );
        (bars(&confusions, &cells, names), what)
    };
    let method = leading.method();
    svg.text("heading", (8.0, 20.0), Anchor::Start, &format!("{method}: class → taken for"));
    svg.foot(&format!("test images at the state selected by {}", input.results.protocol));
    let caption = format!("{what}; `{method}`, test split, all its seeds; {}", input.how([leading]));
    Some(svg.figure(FIGURE.name, "Which classes are taken for which", caption))
}

/// The share of a class's samples.
fn share(confusions: &Confusions, class: usize, count: u64) -> f64 {
    let samples = confusions.samples().get(class).copied().unwrap_or_default();
    count as f64 / f64::from(samples.max(1))
}

/// The cells with the largest shares of their class, the first of equals in the order of classes.
fn largest(confusions: &Confusions) -> Vec<Confusion> {
    let mut cells: Vec<Confusion> = confusions.cells().collect();
    let share = |cell: &Confusion| share(confusions, cell.class, cell.count);
    cells.sort_by(|a, b| share(b).total_cmp(&share(a)));
    cells.truncate(CELLS);
    cells
}

fn short(names: &[String], class: usize) -> String {
    let name = names.get(class).map_or("", String::as_str);
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}

/// A bar for each cell: the class, the class that it is taken for, and the share.
fn bars(confusions: &Confusions, cells: &[Confusion], names: &[String]) -> Svg {
    let left = 2.0 * NAME + 16.0;
    let mut svg = Svg::new(left + WIDTH + 60.0, TOP + ROW * cells.len() as f64 + 8.0);
    let most = cells.first().map_or(1.0, |cell| share(confusions, cell.class, cell.count));
    for (row, cell) in cells.iter().enumerate() {
        let share = share(confusions, cell.class, cell.count);
        let (middle, width) = (TOP + ROW * (row as f64 + 0.5), WIDTH * share / most);
        let samples = confusions.samples().get(cell.class).copied().unwrap_or_default();
        svg.text("", (NAME, middle + 4.0), Anchor::End, &short(names, cell.class));
        svg.text(
            "muted",
            (NAME + 6.0, middle + 4.0),
            Anchor::Start,
            &format!("→ {}", short(names, cell.predicted)),
        );
        let tip = format!("{} of {samples} images", cell.count);
        svg.rect("bar s0", (left, middle - 6.0), (width, 12.0), None, &tip);
        svg.text(
            "muted",
            (left + width + 5.0, middle + 4.0),
            Anchor::Start,
            &format!("{:.1} %", 100.0 * share),
        );
    }
    svg
}

/// Every cell, the diagonal too.
fn matrix(confusions: &Confusions, order: &[usize], names: &[String]) -> Svg {
    let size = CELL * order.len() as f64;
    let left = NAME + 8.0;
    let mut svg = Svg::new(left + size + 16.0, TOP + size + NAME);
    let mut counts = vec![vec![0_u64; names.len()]; names.len()];
    for cell in confusions.cells() {
        if let Some(count) = counts.get_mut(cell.class).and_then(|row| row.get_mut(cell.predicted)) {
            *count = cell.count;
        }
    }
    for (row, &class) in order.iter().enumerate() {
        let y = TOP + CELL * row as f64;
        svg.text("muted", (left - 6.0, y + CELL / 2.0 + 4.0), Anchor::End, &short(names, class));
        let own = counts.get(class).map(Vec::as_slice).unwrap_or_default();
        let samples = confusions.samples().get(class).copied().unwrap_or_default();
        let right = u64::from(samples).saturating_sub(own.iter().sum());
        for (column, &predicted) in order.iter().enumerate() {
            let count =
                if class == predicted { right } else { own.get(predicted).copied().unwrap_or_default() };
            let share = share(confusions, class, count);
            let x = left + CELL * column as f64;
            let tip =
                format!("{} → {}: {count} of {samples} images", short(names, class), short(names, predicted));
            svg.rect("", (x + 1.0, y + 1.0), (CELL - 2.0, CELL - 2.0), Some(&color(share)), &tip);
            let on = if share < 0.55 { "on-dark" } else { "on-light" };
            svg.text(
                on,
                (x + CELL / 2.0, y + CELL / 2.0 + 4.0),
                Anchor::Middle,
                &format!("{:.0}", 100.0 * share),
            );
        }
    }
    for (column, &class) in order.iter().enumerate() {
        let x = left + CELL * (column as f64 + 0.5) + 4.0;
        svg.upright_text("muted", (x, TOP + size + NAME / 2.0), &short(names, class));
    }
    svg
}
