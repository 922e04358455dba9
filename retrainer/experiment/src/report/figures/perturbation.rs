//! The perturbation effect of Proposition 3: measured against its closed form.

use super::{
    Figure, FigureInput, FigureKind,
    axes::Scale,
    input::{MethodDetail, groups, series},
    panels::{Grid, Panel, Panels, XLabels},
    svg::Svg,
};
use cache::{ClassCounts, ClassId, Shot};

pub(super) const FIGURE: FigureKind = FigureKind {
    name: "fig3",
    about: "measured ln E[exp(Δ)] of every class against σ²/2, the closed form of Proposition 3; balanced data beside",
    build: perturbation,
};

/// The colour of the classes of a balanced cache.
const BALANCED: usize = 3;

/// A class: σ²/2 of its logits, and ln E[exp(Δ)] as measured.
#[derive(Clone, Copy)]
struct Point {
    class: ClassId,
    count: u64,
    closed: f64,
    measured: f64,
}

fn points(method: &MethodDetail<'_>, class_counts: &ClassCounts) -> Vec<Point> {
    let measured = method.column(|per_class| &per_class.log_perturbation);
    let magnitude = method.column(|per_class| &per_class.logits_magnitude);
    let regularized = method.column(|per_class| &per_class.regularized_std_pos);
    let point = |(class, &count): (ClassId, &u64)| {
        let get = |column: &[Option<f64>]| column.get(class.index()).copied().flatten();
        // σ = R·M
        let std = get(&regularized)? * get(&magnitude)?;
        Some(Point { class, count, closed: std * std / 2.0, measured: get(&measured)? })
    };
    (0..).map(ClassId).zip(class_counts.counts()).filter_map(point).collect()
}

/// `few 0.52 (0.49)`: means over the classes, measured and of the closed form.
fn means(name: &str, points: &[Point]) -> Option<String> {
    let mean = |value: fn(&Point) -> f64| points.iter().map(value).sum::<f64>() / points.len() as f64;
    (!points.is_empty())
        .then(|| format!("{name} {:.2} ({:.2})", mean(|point| point.measured), mean(|point| point.closed)))
}

/// A dot for each class, those of balanced data below.
fn draw(svg: &mut Svg, panel: &Panel, points: &[Point], beside: &[Point]) {
    let shot = |point: &Point| series(Shot::of(point.count));
    let drawn = beside.iter().map(|point| (point, BALANCED, ", balanced data"));
    for (point, series, data) in drawn.chain(points.iter().map(|point| (point, shot(point), ""))) {
        let &Point { class, count, closed, measured } = point;
        let tip = format!(
            "class {class} ({count} training samples{data}): measured {measured:.3}, σ²/2 {closed:.3}"
        );
        svg.circle(&format!("dot s{series}"), panel.at(closed, measured), 2.6, &tip);
    }
}

fn perturbation(input: &FigureInput<'_>) -> Option<Figure> {
    let class_counts = input.class_counts?;
    let balanced = input.balanced.as_deref().and_then(|balanced| Some((balanced, balanced.class_counts?)));
    let panels: Vec<_> = input
        .featured()
        .into_iter()
        .map(|method| {
            let beside = balanced.and_then(|(balanced, class_counts)| {
                let same = |other: &MethodDetail<'_>| other.row.method() == method.row.method();
                Some(points(balanced.methods().iter().find(|other| same(other))?, class_counts))
            });
            (method.row, method.heading(), points(&method, class_counts), beside.unwrap_or_default())
        })
        .filter(|(_, _, points, _)| !points.is_empty())
        .collect();
    if panels.is_empty() {
        return None;
    }
    let compared = balanced.filter(|_| panels.iter().any(|(.., beside)| !beside.is_empty()));
    let grid = Grid { columns: 4, width: 170.0, height: 170.0, x_labels: XLabels::Every };
    let names: Vec<_> = groups().into_iter().chain(compared.map(|_| (BALANCED, "balanced data"))).collect();
    let mut drawing = Panels::new(grid, panels.len(), &names);
    let mut found = Vec::new();
    for (index, (row, heading, points, beside)) in panels.iter().enumerate() {
        let all = || points.iter().chain(beside);
        let values = || all().flat_map(|point| [point.closed, point.measured]).chain([0.0]);
        let scale = Scale::linear(values(), 4);
        let (x, y) = (("closed form σ²/2", scale.clone()), ("measured ln E[exp(Δ)]", scale));
        let panel = drawing.panel(index, heading, x, y);
        let end = values().fold(0.0, f64::max);
        drawing.svg.path("guide", &[panel.at(0.0, 0.0), panel.at(end, end)]);
        draw(&mut drawing.svg, &panel, points, beside);
        let group = |shot: Shot| -> Vec<Point> {
            points.iter().copied().filter(|point| Shot::of(point.count) == shot).collect()
        };
        let groups = Shot::ALL.into_iter().filter_map(|shot| means(shot.name(), &group(shot)));
        let words: Vec<_> = groups.chain(means("balanced", beside)).collect();
        found.push(format!("{}: {}", row.method(), words.join(", ")));
    }
    let title = "Perturbation of the logits: measured against Proposition 3";
    let comparison = match compared {
        Some((balanced, _)) => {
            let state = Some(balanced.state()).filter(|&state| state != input.state());
            let state = state.map(|state| format!(", {state}")).unwrap_or_default();
            format!("Beside them the classes of balanced data, {}{state}", balanced.results.title())
        }
        None => "Head and tail of one imbalanced data set are compared".to_owned(),
    };
    drawing.svg.foot(&input.foot());
    let caption = format!(
        "Each point is a class: ln E[exp(z − E z)] over the logits of its test samples, against σ²/2, which it is for \
         normal logits; on the dashed line both agree. {comparison}: where deviations differ, so does the effect of \
         perturbations. Means over classes, measured (closed form): {}; {}; {}",
        found.join("; "),
        input.state(),
        input.how(panels.iter().map(|&(row, ..)| row))
    );
    Some(drawing.svg.figure(FIGURE.name, title, caption))
}
